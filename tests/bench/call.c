/*
 * call: what a call from service to service costs, for call.py.
 *
 *	call answer    a service: its operation "answer" returns what it got
 *	call ask       a service: GET /measure/{ms} calls it for so long, one
 *	               call at a time, and answers with what that took
 *	call raw MS    prints what as many bytes cost on a bare unix socket
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <svc/svc.h>

#include "ipc.h"

static struct bench_run *run;
static uint8_t body[BENCH_BODY_LEN];

static void
answer(struct svc_request *req, void *arg)
{
	(void)arg;
	svc_reply(req, 200, svc_copy(svc_payload(req)));
}

static void ask_once(struct svc_request *req);

static void
on_answer(const struct svc_answer *got, void *arg)
{
	struct bench_result result;
	struct svc_data *data;

	if (!svc_answer_is_ok(got)) {
		svc_reply_error(arg, 500, "%s", svc_answer_error(got));
		return;
	}
	if (bench_received(run, 0)) {
		ask_once(arg);
		return;
	}
	result = bench_result_of(run);
	data = svc_map();
	svc_put_double(data, "per_second", result.per_second);
	svc_put_double(data, "p50_us", result.p50_us);
	svc_put_double(data, "p99_us", result.p99_us);
	svc_reply(arg, 200, data);
}

static void
ask_once(struct svc_request *req)
{
	struct svc_data *data = svc_map();

	svc_put_bytes(data, "body", body, sizeof(body));
	bench_sent(run, 0);
	svc_call(req, "answer.answer", data, 0, on_answer, req);
}

static void
measure(struct svc_request *req, void *arg)
{
	(void)arg;
	run->count = 0;
	run->duration_ns = atol(svc_param(req, "ms")) * INT64_C(1000000);
	bench_start(run);
	ask_once(req);
}

static int
print_raw(int duration_ms)
{
	struct bench_result result =
	    bench_measure(&bench_raw, 1, duration_ms, run);

	return printf("{\"per_second\":%.0f,\"p50_us\":%.1f,"
		      "\"p99_us\":%.1f}\n",
		   result.per_second, result.p50_us, result.p99_us) < 0;
}

int
main(int argc, char **argv)
{
	const char *role = argc > 1 ? argv[1] : "";
	struct svc *svc;

	run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run == MAP_FAILED)
		bench_fail("mmap");
	if (strcmp(role, "raw") == 0 && argc == 3)
		return print_raw(atoi(argv[2]));
	svc = svc_new();
	if (strcmp(role, "answer") == 0)
		svc_handle(svc, "answer", answer, NULL);
	else
		svc_handle(svc, "GET /measure/{ms}", measure, NULL);
	return svc_run(svc);
}
