/* libnng REQ/REP: as many contexts on both sides as are in flight. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/util/platform.h>

#include "ipc.h"

struct context {
	nng_ctx ctx;
	nng_aio *aio;
	bool is_sending;
	unsigned slot;
	struct bench_run *run;
};

static nng_socket sock;
static nng_mtx *lock; /* callbacks run in several threads */
static struct context contexts[BENCH_DEPTH_MAX];

static void
check(int rv, const char *what)
{
	if (rv == 0)
		return;
	fprintf(stderr, "%s: %s\n", what, nng_strerror(rv));
	_exit(1);
}

static void
serve_on_done(void *arg)
{
	struct context *context = arg;

	if (nng_aio_result(context->aio) != 0)
		return;
	context->is_sending = !context->is_sending;
	if (context->is_sending)
		nng_ctx_send(context->ctx, context->aio);
	else
		nng_ctx_recv(context->ctx, context->aio);
}

static void
nng_serve(const char *path)
{
	char url[128];

	snprintf(url, sizeof(url), "ipc://%s", path);
	check(nng_rep0_open(&sock), "open");
	for (size_t i = 0; i < BENCH_DEPTH_MAX; i++) {
		struct context *context = &contexts[i];

		check(nng_ctx_open(&context->ctx, sock), "context");
		check(nng_aio_alloc(&context->aio, serve_on_done, context),
		    "aio");
		nng_ctx_recv(context->ctx, context->aio);
	}
	check(nng_listen(sock, url, NULL, 0), "listen");
	pause();
}

static void
ask_one(struct context *context)
{
	nng_msg *msg;

	check(nng_msg_alloc(&msg, BENCH_BODY_LEN), "message");
	nng_aio_set_msg(context->aio, msg);
	context->is_sending = true;
	bench_sent(context->run, context->slot);
	nng_ctx_send(context->ctx, context->aio);
}

static void
ask_on_done(void *arg)
{
	struct context *context = arg;
	bool is_going;

	check(nng_aio_result(context->aio), "request");
	if (context->is_sending) {
		context->is_sending = false;
		nng_ctx_recv(context->ctx, context->aio);
		return;
	}
	nng_msg_free(nng_aio_get_msg(context->aio));
	nng_mtx_lock(lock);
	is_going = bench_received(context->run, context->slot);
	nng_mtx_unlock(lock);
	if (!is_going)
		_exit(0);
	ask_one(context);
}

static void
nng_ask(const char *path, struct bench_run *run)
{
	char url[128];

	snprintf(url, sizeof(url), "ipc://%s", path);
	check(nng_req0_open(&sock), "open");
	check(nng_mtx_alloc(&lock), "mutex");
	while (nng_dial(sock, url, NULL, 0) != 0)
		usleep(1000);
	for (unsigned i = 0; i < run->depth; i++) {
		contexts[i].slot = i;
		contexts[i].run = run;
		check(nng_ctx_open(&contexts[i].ctx, sock), "context");
		check(nng_aio_alloc(&contexts[i].aio, ask_on_done,
			  &contexts[i]),
		    "aio");
	}
	bench_start(run);
	for (unsigned i = 0; i < run->depth; i++)
		ask_one(&contexts[i]);
	pause();
}

const struct bench_means bench_nng = { "nng", nng_serve, nng_ask };
