/*
 * sdk_probe: a service for test_sdk.py, which compiles it against libmsvc.a.
 *
 * /users/{id}           what it saw of the request
 * /later/{ms}           an answer after so long, unless it is cancelled
 * /counts               how many of them were begun and cancelled
 * /relay?op=OP&ms=MS    calls OP with a timeout, answers with what came
 * /forget  /twice  /huge   what a handler should not do
 * /leave                stops the service from inside its handler
 * /publish/{n}          publishes probe.n = {"n": n}; /events lists those seen
 * probe.sum             an operation: {"a": 1, "b": 2} -> {"sum": 3}
 *
 * An event's first callback subscribes to "probe." once more, from inside, and
 * a cancelled request calls another service and answers nobody.
 */
#include <stdlib.h>
#include <string.h>

#include <svc/svc.h>

enum {
	EVENT_MAX = 1000,
	HUGE_LEN = 64 * 1024 * 1024
};

static int64_t begun, cancelled, called_back, echoes;
static int64_t events[EVENT_MAX];
static size_t event_count;

static void
user(struct svc_request *req, void *arg)
{
	struct svc_data *data = svc_map();

	(void)arg;
	svc_put_str(data, "id", svc_param(req, "id"));
	svc_put_str(data, "none", svc_param(req, "none"));
	svc_put_str(data, "q", svc_query(req, "q"));
	svc_put_str(data, "agent", svc_header(req, "user-agent"));
	svc_put_bool(data, "has_deadline", svc_deadline_ms(req) > 0);
	svc_put_value(data, "body", svc_payload(req));
	svc_reply_header(req, "x-probe", "yes");
	svc_reply(req, 201, data);
}

static void
me(struct svc_request *req, void *arg)
{
	svc_reply_json(req, 200, arg);
}

static void
sum(struct svc_request *req, void *arg)
{
	const struct svc_value *in = svc_payload(req);
	struct svc_data *data;
	int64_t a, b;

	(void)arg;
	if (!svc_int(svc_get(in, "a"), &a) || !svc_int(svc_get(in, "b"), &b)) {
		svc_reply_error(req, 422, "a and b");
		return;
	}
	data = svc_map();
	svc_put_int(data, "sum", a + b);
	svc_reply(req, 200, data);
}

static void
on_farewell(const struct svc_answer *answer, void *arg)
{
	(void)arg;
	if (svc_is_cancelled(svc_answer_request(answer)) &&
	    svc_answer_status(answer) == 200)
		called_back++;
}

static void
on_cancel(struct svc_request *req, void *arg)
{
	struct svc_data *data = svc_map();

	svc_timer_drop(arg);
	cancelled++;
	svc_put_int(data, "a", 1);
	svc_put_int(data, "b", 1);
	svc_call(req, "probe.sum", data, 2000, on_farewell, NULL);
	svc_reply(req, 200, NULL);
}

static void
wake(void *arg)
{
	svc_reply_json(arg, 200, "{\"woke\":true}");
}

static void
later(struct svc_request *req, void *arg)
{
	const char *text = svc_param(req, "ms");

	(void)arg;
	begun++;
	svc_defer(req);
	svc_on_cancel(req, on_cancel,
	    svc_after(svc_of(req), atol(text), wake, req));
}

static void
counts(struct svc_request *req, void *arg)
{
	struct svc_data *data = svc_map();

	(void)arg;
	svc_put_int(data, "begun", begun);
	svc_put_int(data, "cancelled", cancelled);
	svc_put_int(data, "called_back", called_back);
	svc_reply(req, 200, data);
}

static void
on_relayed(const struct svc_answer *answer, void *arg)
{
	struct svc_data *data = svc_map();

	svc_put_int(data, "status", svc_answer_status(answer));
	svc_put_str(data, "error", svc_answer_error(answer));
	svc_put_value(data, "data", svc_answer_payload(answer));
	svc_reply(arg, 200, data);
}

static void
relay(struct svc_request *req, void *arg)
{
	const char *op = svc_query(req, "op"), *ms = svc_query(req, "ms");

	(void)arg;
	svc_call(req, op != NULL ? op : "", svc_copy(svc_payload(req)),
	    ms != NULL ? atoi(ms) : 0, on_relayed, req);
}

static void
forget(struct svc_request *req, void *arg)
{
	(void)req;
	(void)arg;
}

static void
twice(struct svc_request *req, void *arg)
{
	(void)arg;
	svc_reply_json(req, 200, "\"first\"");
	svc_reply_json(req, 500, "\"second\"");
}

static void
huge(struct svc_request *req, void *arg)
{
	char *bytes = calloc(1, HUGE_LEN);

	(void)arg;
	if (bytes != NULL)
		svc_reply_raw(req, 200, NULL, bytes, HUGE_LEN);
	free(bytes);
}

static void
leave(struct svc_request *req, void *arg)
{
	(void)arg;
	svc_reply_json(req, 200, "\"bye\"");
	svc_stop(svc_of(req), 0);
}

static void
publish(struct svc_request *req, void *arg)
{
	struct svc_data *data = svc_map();

	(void)arg;
	svc_put_int(data, "n", atol(svc_param(req, "n")));
	svc_publish(svc_of(req), "probe.n", data);
	svc_reply(req, 202, NULL);
}

static void
on_echo(const struct svc_event *event, void *arg)
{
	(void)event;
	(void)arg;
	echoes++;
}

static void
on_event(const struct svc_event *event, void *arg)
{
	if (event_count == 0)
		svc_subscribe(arg, "probe.", on_echo, NULL);
	if (event_count < EVENT_MAX &&
	    svc_int(svc_get(svc_event_data(event), "n"), &events[event_count]))
		event_count++;
}

static void
list_events(struct svc_request *req, void *arg)
{
	struct svc_data *data = svc_map();

	(void)arg;
	svc_put_int(data, "echoes", echoes);
	svc_put_array(data, "seen");
	for (size_t i = 0; i < event_count; i++)
		svc_put_int(data, NULL, events[i]);
	svc_end(data);
	svc_reply(req, 200, data);
}

int
main(void)
{
	struct svc *svc = svc_new();

	svc_handle(svc, "/users/{id}", user, NULL);
	svc_handle(svc, "GET /users/me", me, "\"me\"");
	svc_handle(svc, "sum", sum, NULL);
	svc_handle(svc, "GET /later/{ms}", later, NULL);
	svc_handle(svc, "GET /counts", counts, NULL);
	svc_handle(svc, "/relay", relay, NULL);
	svc_handle(svc, "GET /forget", forget, NULL);
	svc_handle(svc, "GET /twice", twice, NULL);
	svc_handle(svc, "GET /huge", huge, NULL);
	svc_handle(svc, "GET /leave", leave, NULL);
	svc_handle(svc, "POST /publish/{n}", publish, NULL);
	svc_handle(svc, "GET /events", list_events, NULL);
	svc_subscribe(svc, "probe.", on_event, svc);
	return svc_run(svc);
}
