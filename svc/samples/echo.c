/*
 * echo: answers every request with what it saw, for tests and benchmarks.
 *
 *	echo [--ready-after MS] [--subscribe PREFIX]
 *
 * With --ready-after it says READY=1 so many milliseconds late.
 *
 * /hello          a constant JSON object of 60 bytes
 * /bytes/N        N bytes in one piece; /stream/N in pieces
 * /sleep/MS       an answer after MS milliseconds; others do not wait for it
 * /status/CODE    that status
 * /crash/SIGNAL   kills itself; /exit/CODE exits; /hang blocks for ever
 * /call?op=OP     calls that operation with this request's body, passes the
 *                 answer on
 * /publish?topic=TOPIC   publishes the body; /events lists what was received
 */
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "svc/svc.h"

enum {
	BYTES_MAX = 256 * 1024 * 1024,
	EVENTS_MAX = 1000,
	PIECE = 16 * 1024
};

static struct {
	char *topic;
	char *json; /* its data */
} events[EVENTS_MAX];
static size_t event_count;

/* The {n} of the path, 0 to max; else answers 400 and returns -1. */
static long
number_of(struct svc_request *req, long max)
{
	const char *text = svc_param(req, "n");
	char *end = NULL;
	long number = text != NULL ? strtol(text, &end, 10) : -1;

	if (number < 0 || number > max || *end != '\0') {
		svc_reply_error(req, 400, "not a number from 0 to %ld", max);
		return -1;
	}
	return number;
}

static void
put_body(struct svc_data *data, struct svc_request *req)
{
	size_t len;
	const void *raw = svc_body(req, &len);

	if (svc_is_structured(req))
		svc_put_value(data, "body", svc_payload(req));
	else
		svc_put_text(data, "body", raw, len);
}

static void
echo(struct svc_request *req, void *arg)
{
	struct svc_data *data = svc_map();
	const struct svc_value *meta = svc_meta(req);
	const char *name;

	(void)arg;
	svc_put_str(data, "service", svc_name(svc_of(req)));
	svc_put_int(data, "instance", svc_instance(svc_of(req)));
	svc_put_int(data, "pid", getpid());
	svc_put_str(data, "method", svc_request_method(req));
	svc_put_str(data, "path", svc_request_path(req));
	svc_put_str(data, "query", svc_request_query(req));
	svc_put_map(data, "headers");
	for (size_t i = 0; i < svc_count(meta); i++) {
		name = svc_key_at(meta, i);
		if (name != NULL && *name != ':')
			svc_put_value(data, name, svc_at(meta, i));
	}
	svc_end(data);
	put_body(data, req);
	svc_reply(req, 200, data);
}

static void
hello(struct svc_request *req, void *arg)
{
	(void)arg;
	svc_reply_json(req, 200,
	    "{\"hello\":\"world\",\"from\":\"msvc\",\"service\":\"echo\","
	    "\"length\":60}");
}

static void
bytes(struct svc_request *req, void *arg)
{
	long count = number_of(req, BYTES_MAX);
	char *text;

	(void)arg;
	if (count < 0)
		return;
	text = malloc((size_t)count + 1);
	if (text == NULL) {
		svc_reply_error(req, 500, "out of memory");
		return;
	}
	memset(text, 'x', (size_t)count);
	svc_reply_raw(req, 200, NULL, text, (size_t)count);
	free(text);
}

/* Also called when the client left; then writing fails, and it ends. */
static void
stream_more(struct svc_request *req, void *arg)
{
	static char piece[PIECE];
	long taken = 1, *left = arg;

	memset(piece, 'x', sizeof(piece));
	while (*left > 0 && taken > 0) {
		taken = svc_stream_write(req, piece,
		    *left < PIECE ? (size_t)*left : PIECE);
		if (taken > 0)
			*left -= taken;
	}
	if (taken == 0)
		return; /* called again when there is room */
	svc_on_cancel(req, NULL, NULL);
	svc_stream_on_room(req, NULL, NULL);
	svc_stream_end(req);
	free(left);
}

static void
stream(struct svc_request *req, void *arg)
{
	long count = number_of(req, LONG_MAX), *left;

	(void)arg;
	if (count < 0 || (left = malloc(sizeof(*left))) == NULL)
		return;
	*left = count;
	svc_stream_begin(req, 200, NULL);
	svc_stream_on_room(req, stream_more, left);
	svc_on_cancel(req, stream_more, left);
	stream_more(req, left);
}

static void
wake(void *arg)
{
	svc_reply_json(arg, 200, "{\"slept\":true}");
}

static void
slumber(struct svc_request *req, void *arg)
{
	long delay_ms = number_of(req, INT_MAX);

	(void)arg;
	if (delay_ms < 0)
		return;
	svc_defer(req);
	(void)svc_after(svc_of(req), delay_ms, wake, req);
}

static void
status(struct svc_request *req, void *arg)
{
	struct svc_data *data;
	long code = number_of(req, 599);

	(void)arg;
	if (code < 0)
		return;
	data = svc_map();
	svc_put_int(data, "status", code);
	svc_reply(req, (int)code, code == 204 || code == 304 ? NULL : data);
	if (code == 204 || code == 304)
		svc_data_free(data);
}

/* A signal's number, or its name with or without SIG. */
static void
crash(struct svc_request *req, void *arg)
{
	const char *text = svc_param(req, "signal");
	long number = text != NULL ? strtol(text, NULL, 10) : 0;

	(void)arg;
	if (text != NULL && strncmp(text, "SIG", 3) == 0)
		text += 3;
	for (int i = 1; i < NSIG && number == 0 && text != NULL; i++)
		if (sigabbrev_np(i) != NULL &&
		    strcmp(sigabbrev_np(i), text) == 0)
			number = i;
	if (number <= 0 || number >= NSIG) {
		svc_reply_error(req, 400, "no such signal");
		return;
	}
	svc_log_warn("kills itself with signal %ld as asked", number);
	(void)signal((int)number, SIG_DFL);
	(void)kill(getpid(), (int)number);
	svc_defer(req); /* for a signal that does not kill */
}

static void
leave(struct svc_request *req, void *arg)
{
	long code = number_of(req, 255);

	(void)arg;
	if (code >= 0)
		_exit((int)code);
}

static void
hang(struct svc_request *req, void *arg)
{
	(void)req;
	(void)arg;
	for (;;)
		(void)pause();
}

static void
on_answer(const struct svc_answer *answer, void *arg)
{
	svc_reply_answer(arg, answer);
}

static void
call(struct svc_request *req, void *arg)
{
	const char *op = svc_query(req, "op");
	const struct svc_value *payload = svc_payload(req);

	(void)arg;
	if (op == NULL)
		svc_reply_error(req, 400, "which ?op=");
	else
		svc_call(req, op, payload != NULL ? svc_copy(payload) : NULL, 0,
		    on_answer, req);
}

static void
publish(struct svc_request *req, void *arg)
{
	const char *topic = svc_query(req, "topic");

	(void)arg;
	if (topic == NULL) {
		svc_reply_error(req, 400, "which ?topic=");
		return;
	}
	svc_publish(svc_of(req), topic, svc_copy(svc_payload(req)));
	svc_reply(req, 202, NULL);
}

static void
on_event(const struct svc_event *event, void *arg)
{
	(void)arg;
	if (event_count == EVENTS_MAX)
		return;
	events[event_count].topic = strdup(svc_event_topic(event));
	events[event_count].json = svc_to_json(svc_event_data(event));
	if (events[event_count].topic != NULL &&
	    events[event_count].json != NULL)
		event_count++;
}

static void
list_events(struct svc_request *req, void *arg)
{
	struct svc_data *data = svc_array();

	(void)arg;
	for (size_t i = 0; i < event_count; i++) {
		svc_put_map(data, NULL);
		svc_put_str(data, "topic", events[i].topic);
		svc_put_json(data, "data", events[i].json);
		svc_end(data);
	}
	svc_reply(req, 200, data);
}

static void
be_ready(void *arg)
{
	svc_ready(arg);
}

static void
configure(struct svc *svc, int argc, char **argv)
{
	const char *late = svc_option(argc, argv, "--ready-after");
	const char *prefix = svc_option(argc, argv, "--subscribe");

	if (late != NULL) {
		svc_ready_later(svc);
		(void)svc_after(svc, strtol(late, NULL, 10), be_ready, svc);
	}
	if (prefix != NULL)
		svc_subscribe(svc, prefix, on_event, NULL);
}

int
main(int argc, char **argv)
{
	struct svc *svc = svc_new();

	if (svc == NULL)
		return 1;
	svc_handle(svc, "/*", echo, NULL);
	svc_handle(svc, "echo", echo, NULL);
	svc_handle(svc, "/hello", hello, NULL);
	svc_handle(svc, "/bytes/{n}", bytes, NULL);
	svc_handle(svc, "/stream/{n}", stream, NULL);
	svc_handle(svc, "/sleep/{n}", slumber, NULL);
	svc_handle(svc, "/status/{n}", status, NULL);
	svc_handle(svc, "/crash/{signal}", crash, NULL);
	svc_handle(svc, "/exit/{n}", leave, NULL);
	svc_handle(svc, "/hang", hang, NULL);
	svc_handle(svc, "/call", call, NULL);
	svc_handle(svc, "/publish", publish, NULL);
	svc_handle(svc, "/events", list_events, NULL);
	configure(svc, argc, argv);
	return svc_run(svc);
}
