/*
 * fault: a service that misbehaves as asked, for tests of failures.
 *
 * The last segment of the path says what to do, under any prefix:
 *
 * /block?ms=N     sleeps in the handler: nothing else of this process runs
 * /defer?ms=N     answers N ms later; others do not wait for it
 * /status?code=N  answers with that status
 * /crash  /segv   aborts; dies of SIGSEGV
 * /exit?code=N    exits at once, without an answer
 * /count          POST: the handler appends "BODY PID\n" to the file FAULT_FILE
 *                 (the request's id for BODY when there is none), then 201
 * /eat            POST: aborts when the body is the bytes "poison"
 *
 * and anything else is 200. Answers are {"pid", "generation", "version"}, the
 * last from the environment. Of that, these change what all requests get:
 *
 * FAULT_START_MS  ready only so long after the start
 * FAULT_CRASH     every request aborts it
 * FAULT_SLOW_MS   every answer comes so much later
 * FAULT_CODE      every answer has this status
 * FAULT_ONLY      the last two are for the instance of this number alone
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "svc/svc.h"

/* An answer that waits for its time. */
struct later {
	LIST_ENTRY(later) link;
	struct svc_request *req;
	int status;
};

static LIST_HEAD(, later) laters = LIST_HEAD_INITIALIZER(laters);

static const char *
env_text(const char *name)
{
	const char *text = getenv(name);

	return text != NULL ? text : "";
}

static long
env_number(const char *name)
{
	return strtol(env_text(name), NULL, 10);
}

/* The number in the query, or fallback. */
static long
number_of(struct svc_request *req, const char *name, long fallback)
{
	const char *text = svc_query(req, name);

	return text != NULL ? strtol(text, NULL, 10) : fallback;
}

static void
answer_now(struct svc_request *req, int status)
{
	struct svc_data *data;

	if (status == 204 || status == 304) {
		svc_reply(req, status, NULL);
		return;
	}
	data = svc_map();
	svc_put_int(data, "pid", getpid());
	svc_put_int(data, "generation", env_number("MSVC_GENERATION"));
	svc_put_str(data, "version", env_text("VERSION"));
	svc_reply(req, status, data);
}

static void
on_later(void *arg)
{
	struct later *later = arg;

	LIST_REMOVE(later, link);
	answer_now(later->req, later->status);
	free(later);
}

static void
answer_after(struct svc_request *req, int status, long delay_ms)
{
	long code = env_number("FAULT_CODE"), only = env_number("FAULT_ONLY");
	struct later *later;

	if (only == 0 || only == env_number("MSVC_INSTANCE")) {
		delay_ms += env_number("FAULT_SLOW_MS");
		if (code != 0)
			status = (int)code;
	}
	if (delay_ms <= 0) {
		answer_now(req, status);
		return;
	}
	later = malloc(sizeof(*later));
	if (later == NULL) {
		svc_reply_error(req, 500, "out of memory");
		return;
	}
	later->req = req;
	later->status = status;
	LIST_INSERT_HEAD(&laters, later, link);
	svc_defer(req);
	if (svc_after(svc_of(req), delay_ms, on_later, later) == NULL)
		on_later(later);
}

static void
block(struct svc_request *req)
{
	long left_ms = number_of(req, "ms", 0);
	struct timespec left = { left_ms / 1000, left_ms % 1000 * 1000000 };

	svc_log_info("blocks for %ld ms as asked", left_ms);
	/* A signal to stop, say, does not wake it up. */
	while (nanosleep(&left, &left) != 0)
		;
	answer_after(req, 200, 0);
}

static void
defer(struct svc_request *req)
{
	answer_after(req, 200, number_of(req, "ms", 0));
}

static void
reply_status(struct svc_request *req)
{
	answer_after(req, (int)number_of(req, "code", 200), 0);
}

static void
crash(struct svc_request *req)
{
	(void)req;
	abort();
}

static void
segv(struct svc_request *req)
{
	(void)signal(SIGSEGV, SIG_DFL);
	(void)raise(SIGSEGV);
	answer_after(req, 500, 0);
}

static void
leave(struct svc_request *req)
{
	_exit((int)number_of(req, "code", 0));
}

/* One write() with O_APPEND: lines of several processes never mix. */
static int
append_line(struct svc_request *req)
{
	char line[512];
	size_t len;
	const char *body = svc_body(req, &len);
	int fd, count, rc;

	if (body == NULL || len == 0) {
		body = svc_request_id(req);
		len = strlen(body);
	}
	count = snprintf(line, sizeof(line), "%.*s %d\n",
	    len < 256 ? (int)len : 256, body, (int)getpid());
	fd = open(env_text("FAULT_FILE"),
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	rc = write(fd, line, (size_t)count) == count ? 0 : -1;
	(void)close(fd);
	return rc;
}

static void
count(struct svc_request *req)
{
	if (strcmp(svc_request_method(req), "POST") != 0)
		answer_after(req, 200, 0);
	else if (append_line(req) == 0)
		answer_after(req, 201, 0);
	else
		svc_reply_error(req, 500, "cannot write FAULT_FILE");
}

static void
eat(struct svc_request *req)
{
	size_t len;
	const char *body = svc_body(req, &len);

	if (len == 6 && memcmp(body, "poison", 6) == 0)
		abort();
	answer_after(req, 200, 0);
}

static void
misbehave(struct svc_request *req, void *arg)
{
	static const struct {
		const char *name;
		void (*fn)(struct svc_request *req);
	} faults[] = {
		{ "/block", block },
		{ "/defer", defer },
		{ "/status", reply_status },
		{ "/crash", crash },
		{ "/segv", segv },
		{ "/exit", leave },
		{ "/count", count },
		{ "/eat", eat },
	};
	const char *name = strrchr(svc_request_path(req), '/');

	(void)arg;
	if (env_text("FAULT_CRASH")[0] != '\0')
		abort();
	for (size_t i = 0;
	     i < sizeof(faults) / sizeof(faults[0]) && name != NULL; i++)
		if (strcmp(name, faults[i].name) == 0) {
			faults[i].fn(req);
			return;
		}
	answer_after(req, 200, 0);
}

static void
be_ready(void *arg)
{
	svc_ready(arg);
}

int
main(void)
{
	struct svc *svc = svc_new();
	long start_ms = env_number("FAULT_START_MS");
	struct later *later;
	int code;

	if (svc == NULL)
		return 1;
	svc_handle(svc, "/*", misbehave, NULL);
	if (start_ms > 0) {
		svc_ready_later(svc);
		(void)svc_after(svc, start_ms, be_ready, svc);
	}
	code = svc_run(svc);
	while ((later = LIST_FIRST(&laters)) != NULL) {
		LIST_REMOVE(later, link);
		free(later);
	}
	return code;
}
