/*
 * The life of a request, seen by a caller on the same event loop. The service
 * is its own router too, so that its calls come back to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/frame.h"
#include "ipc/launch.h"
#include "ipc/ledger.h"
#include "ipc/log.h"
#include "ipc/mp.h"
#include "svc/core.h"

struct caller_side {
	struct link *link;
	unsigned status; /* of the last response, 0: none yet */
	char body[1024];
	size_t count; /* of responses */
	uint64_t chunk_bytes;
	bool is_last;
};

static char dir[] = "/tmp/test_svc.XXXXXX", url[80];
static struct svc *svc;
static struct caller_side caller;
static struct svc_request *kept;
static int cancelled, ran, answered;

static void
on_up(void *arg)
{
	(void)arg;
}

static void
on_frame(void *arg, const struct frame *frame, const struct sp_header *header)
{
	struct caller_side *side = arg;
	struct mp_reader reader = { frame->payload,
		frame->payload + frame->payload_len };
	const uint8_t *body = NULL;
	size_t len = 0;

	(void)header;
	if (frame->kind == FRAME_CHUNK) {
		side->chunk_bytes += frame->chunk_len;
		side->is_last = (frame->flags & FRAME_LAST) != 0;
		return;
	}
	side->status = frame->status;
	side->count++;
	(void)mp_get_bin(&reader, &body, &len);
	(void)snprintf(side->body, sizeof(side->body), "%.*s", (int)len,
	    body != NULL ? (const char *)body : "");
}

static void
on_down(void *arg, const struct err *why)
{
	(void)arg;
	fail_msg("the link is down: %s", why->text);
}

static void
turn_until(bool (*is_done)(void))
{
	for (int i = 0; i < 500 && !is_done(); i++)
		assert_int_equal(loop_turn(svc->loop, 2, NULL), 0);
	assert_true(is_done());
}

static bool
has_status(void)
{
	return caller.status != 0;
}

/* Both have read HELLO, and the service has mapped the ledger. */
static bool
is_linked(void)
{
	return link_has_hello(caller.link) && conn_has_router(svc);
}

static bool
is_kept(void)
{
	return kept != NULL;
}

static bool
is_cancelled(void)
{
	return cancelled > 0;
}

static bool
is_answered(void)
{
	return answered != 0;
}

static bool
is_idle(void)
{
	return svc->request_count == 0;
}

static bool
is_last(void)
{
	return caller.is_last;
}

/* Ask with meta {key: value} (key NULL: {}) and a nil payload. */
static void
ask(uint32_t id, const char *op, const char *key, int64_t value)
{
	struct buf *buf = link_begin(caller.link, id, NULL);

	caller.status = 0;
	ledger_offer(link_ledger(caller.link), id);
	frame_put_request(buf, id, op, strlen(op));
	mp_put_map(buf, key != NULL);
	if (key != NULL) {
		mp_put_cstr(buf, key);
		mp_put_int(buf, value);
	}
	mp_put_nil(buf);
	link_end(caller.link);
}

static void
reply_params(struct svc_request *req, void *arg)
{
	const char *id = svc_param(req, "id"), *q = svc_query(req, "q");
	char text[256];

	(void)arg;
	assert_int_equal(req->path_len, strlen(svc_request_path(req)));
	(void)snprintf(text, sizeof(text), "%s|%s|%s|%s",
	    svc_request_method(req), svc_request_path(req),
	    id != NULL ? id : "-", q != NULL ? q : "-");
	svc_reply_raw(req, 200, "text/plain", text, strlen(text));
}

static void
keep(struct svc_request *req, void *arg)
{
	(void)arg;
	svc_defer(req);
	kept = req;
}

static void
count_cancel(struct svc_request *req, void *arg)
{
	(void)arg;
	cancelled++;
	svc_reply(req, 200, NULL);
}

static void
keep_and_watch(struct svc_request *req, void *arg)
{
	keep(req, arg);
	svc_on_cancel(req, count_cancel, NULL);
}

static void
forget(struct svc_request *req, void *arg)
{
	(void)req;
	(void)arg;
}

static void
count_run(struct svc_request *req, void *arg)
{
	(void)arg;
	ran++;
	svc_reply(req, 200, NULL);
}

static void
answer_twice(struct svc_request *req, void *arg)
{
	(void)arg;
	svc_reply_json(req, 200, "1");
	svc_reply_json(req, 500, "2");
}

static void
pass_on(const struct svc_answer *answer, void *arg)
{
	svc_reply_answer(arg, answer);
}

static void
relay(struct svc_request *req, void *arg)
{
	svc_call(req, arg, NULL, 0, pass_on, req);
}

static void
forget_answer(const struct svc_answer *answer, void *arg)
{
	(void)answer;
	(void)arg;
}

static void
relay_and_forget(struct svc_request *req, void *arg)
{
	svc_call(req, arg, NULL, 0, forget_answer, NULL);
}

static void
note_answer(const struct svc_answer *answer, void *arg)
{
	(void)arg;
	answered = svc_answer_status(answer);
	svc_reply(svc_answer_request(answer), 200, NULL);
}

static void
note_answered(const struct svc_answer *answer, void *arg)
{
	(void)arg;
	assert_ptr_equal(svc_answer_request(answer), kept);
	/* It did not go to the pool, and is not another request now. */
	assert_string_equal(svc_request_op(kept), "late_call");
	answered = svc_answer_status(answer);
}

/* Its time is over in the middle of a streamed answer. */
static void
note_failure(const struct svc_answer *answer, void *arg)
{
	(void)arg;
	answered = svc_answer_status(answer);
	assert_null(svc_answer_payload(answer));
	assert_string_equal(svc_answer_error(answer), "no answer in time");
	svc_reply_answer(svc_answer_request(answer), answer);
}

static void
call_stall(struct svc_request *req, void *arg)
{
	(void)arg;
	svc_call(req, "stall", NULL, 20, note_failure, NULL);
}

static void
stall(struct svc_request *req, void *arg)
{
	keep(req, arg);
	svc_stream_begin(req, 200, NULL);
	(void)svc_stream_write(req, "x", 1);
}

static void
burn(struct svc_request *req, void *arg)
{
	int64_t start_us = core_now_us();

	while (core_now_us() - start_us < CORE_SLICE_US / 2)
		;
	count_run(req, arg);
}

static void
reply_deadline(struct svc_request *req, void *arg)
{
	char text[32];

	(void)arg;
	(void)snprintf(text, sizeof(text), "%lld",
	    (long long)svc_deadline_ms(req));
	svc_reply_raw(req, 200, "text/plain", text, strlen(text));
}

/* With more time than there is. */
static void
call_deadline(struct svc_request *req, void *arg)
{
	(void)arg;
	svc_call(req, "deadline", NULL, 1000000, pass_on, req);
}

static void
call_too_late(struct svc_request *req, void *arg)
{
	(void)arg;
	while (svc_deadline_ms(req) > 0)
		;
	svc_call(req, "count", NULL, 1000, note_answer, NULL);
}

static void
call_keep(struct svc_request *req, void *arg)
{
	int64_t timeout_ms = 0;

	(void)arg;
	(void)svc_int(svc_get(svc_meta(req), "timeout"), &timeout_ms);
	svc_call(req, "keep", NULL, (int)timeout_ms, note_answer, NULL);
}

static void
stream_more(struct svc_request *req, void *arg)
{
	static const char piece[100000];
	long taken;
	long *left = arg;

	while (*left > 0) {
		taken = svc_stream_write(req, piece,
		    *left < 100000 ? (size_t)*left : sizeof(piece));
		if (taken <= 0)
			return;
		*left -= taken;
	}
	svc_stream_end(req);
}

static void
stream(struct svc_request *req, void *arg)
{
	static long left;

	(void)arg;
	left = 400000;
	svc_stream_begin(req, 200, NULL);
	svc_stream_on_room(req, stream_more, &left);
	stream_more(req, &left);
}

static void
reply_huge(struct svc_request *req, void *arg)
{
	size_t len = CORE_CONTENT_MAX + (size_t)1;
	char *bytes = calloc(1, len);

	(void)arg;
	assert_non_null(bytes);
	svc_reply_header(req, "x-a", "b");
	svc_reply_raw(req, 200, "text/plain", bytes, len);
	free(bytes);
}

static void
answer_kept(void *arg)
{
	(void)arg;
	svc_reply(kept, 200, NULL);
	svc_call(kept, "count", NULL, 0, note_answered, NULL);
}

/* Answered from a timer, and only then it calls on the request's behalf. */
static void
answer_then_call(struct svc_request *req, void *arg)
{
	keep(req, arg);
	assert_non_null(svc_after(svc_of(req), 0, answer_kept, NULL));
}

/* Use all there is to use in a request, so that the next one may find it. */
static void
leave_traces(struct svc_request *req, void *arg)
{
	assert_string_equal(svc_param(req, "id"), "traces");
	assert_string_equal(svc_query(req, "q"), "1");
	assert_true(svc_deadline_ms(req) > 0);
	assert_non_null(svc_payload(req));
	svc_on_cancel(req, count_cancel, NULL);
	svc_stream_on_room(req, keep, NULL);
	svc_reply_header(req, "x-trace", "1");
	svc_reply_header(req, "x-none", svc_header(req, "none"));
	assert_int_equal(req->header_count, 1);
	kept = req;
	svc_stream_begin(req, 200, "text/plain");
	assert_int_equal(svc_stream_write(req, "x", 1), 1);
	svc_stream_end(req);
	(void)arg;
}

static void
find_no_traces(struct svc_request *req, void *arg)
{
	size_t len = 1;

	(void)arg;
	assert_ptr_equal(req, kept); /* it is the pooled one */
	assert_string_equal(svc_request_method(req), "");
	assert_string_equal(svc_request_path(req), "");
	assert_string_equal(svc_request_query(req), "");
	assert_null(svc_param(req, "id"));
	assert_null(svc_query(req, "q"));
	assert_null(svc_header(req, ":deadline-ms"));
	assert_int_equal(svc_deadline_ms(req), -1);
	assert_int_equal(svc_type(svc_payload(req)), SVC_NIL);
	assert_null(svc_body(req, &len));
	assert_int_equal(len, 0);
	assert_false(svc_is_cancelled(req));
	assert_int_equal(req->path_len, 0);
	assert_int_equal(req->header_count, 0);
	assert_int_equal(buf_count(&req->headers), 0);
	assert_null(req->cancel_fn);
	assert_null(req->room_fn);
	assert_false(req->is_stream || req->is_deferred || req->is_answered);
	assert_false(req->is_stuck || req->match.is_path_known);
	assert_int_equal(svc_stream_write(req, "x", 1), -1);
	ran++;
	svc_reply(req, 200, NULL);
}

static void
connect_caller(void)
{
	static const struct link_handler handler = { .up = on_up,
		.frame = on_frame,
		.down = on_down };
	static const struct wire_limits limits = { 1 << 20, 1 << 20 };
	enum sp_transport transport;
	struct wire *wire;
	int fd = wire_dial(url, &transport, NULL);

	assert_true(fd >= 0);
	caller.link = link_new(LINK_CALLER, &handler, &caller);
	wire = wire_new(svc->loop, fd, transport, SP_REQ, &limits,
	    &link_wire_handler, caller.link, NULL, 0, NULL);
	assert_non_null(wire);
	link_attach(caller.link, wire);
	turn_until(is_linked);
}

static int
set_up(void **state)
{
	(void)state;
	memset(&caller, 0, sizeof(caller));
	kept = NULL;
	cancelled = ran = answered = 0;
	svc = svc_new();
	assert_non_null(svc);
	svc_handle(svc, "GET /users/{id}", reply_params, NULL);
	svc_handle(svc, "/files/*", reply_params, NULL);
	svc_handle(svc, "keep", keep, NULL);
	svc_handle(svc, "watch", keep_and_watch, NULL);
	svc_handle(svc, "forget", forget, NULL);
	svc_handle(svc, "count", count_run, NULL);
	svc_handle(svc, "twice", answer_twice, NULL);
	svc_handle(svc, "relay", relay, "GET /users/7");
	svc_handle(svc, "relay_forget", relay_and_forget, "GET /users/7");
	svc_handle(svc, "relay_nowhere", relay, "nowhere");
	svc_handle(svc, "relay_stream", relay, "stream");
	svc_handle(svc, "stream", stream, NULL);
	svc_handle(svc, "call_keep", call_keep, NULL);
	svc_handle(svc, "stall", stall, NULL);
	svc_handle(svc, "call_stall", call_stall, NULL);
	svc_handle(svc, "burn", burn, NULL);
	svc_handle(svc, "params", reply_params, NULL);
	svc_handle(svc, "huge", reply_huge, NULL);
	svc_handle(svc, "late_call", answer_then_call, NULL);
	svc_handle(svc, "deadline", reply_deadline, NULL);
	svc_handle(svc, "call_deadline", call_deadline, NULL);
	svc_handle(svc, "call_too_late", call_too_late, NULL);
	svc_handle(svc, "POST /traces/{id}", leave_traces, NULL);
	svc_handle(svc, "no_traces", find_no_traces, NULL);
	assert_string_equal(svc->mistake.text, "");
	assert_int_equal(conn_listen(svc, url, NULL), 0);
	connect_caller();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	link_free(&caller.link);
	svc_free(svc);
	return 0;
}

static void
requests_find_their_handler_and_parameters(void **state)
{
	static const struct {
		const char *op;
		unsigned status;
		const char *body; /* NULL: not looked at */
	} cases[] = {
		{ "GET /users/7", 200, "GET|/users/7|7|-" },
		{ "GET /users/a%20b%2fc?q=1%2B1+x&q=2", 200,
		    "GET|/users/a%20b%2fc|a b/c|1+1 x" },
		{ "GET /users/%00", 200, "GET|/users/%00|-|-" },
		{ "GET /users/%zz%4?q", 200, "GET|/users/%zz%4|%zz%4|" },
		{ "PUT /files/a/b", 200, "PUT|/files/a/b|-|-" },
		/* A request before it in the pool had a long path. */
		{ "params", 200, "||-|-" },
		{ "POST /users/7", 405, NULL },
		{ "GET /nothing", 404, NULL },
		{ "", 404, NULL },
		{ " ", 404, NULL },
		{ "GET ", 404, NULL },
		{ "nothing", 404, NULL },
		{ "service.nothing", 404, NULL },
		{ "service.count", 200, "" },
		{ "count", 200, "" },
		{ "forget", 500, NULL },
		{ "twice", 200, "1" },
		{ "relay", 200, "GET|/users/7|7|-" },
		{ "relay_forget", 500, NULL },
		{ "relay_nowhere", 404, NULL },
		{ "relay_stream", 200, NULL },
	};

	(void)state;
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ask(i + 1, cases[i].op, NULL, 0);
		turn_until(has_status);
		if (caller.status != cases[i].status)
			fail_msg("%s: %u", cases[i].op, caller.status);
		if (cases[i].body != NULL)
			assert_string_equal(caller.body, cases[i].body);
	}
	assert_int_equal(svc->request_count, 0);
	assert_int_equal(svc->request_bytes, 0);
}

static void
an_answer_too_large_for_a_message_becomes_a_500(void **state)
{
	(void)state;
	ask(1, "huge", NULL, 0);
	turn_until(has_status);
	assert_int_equal(caller.status, 500);
	assert_string_equal(caller.body, "the answer is too large\n");
}

static void
a_deferred_request_does_not_hold_up_others(void **state)
{
	(void)state;
	ask(1, "keep", NULL, 0);
	turn_until(is_kept);
	ask(2, "count", NULL, 0);
	turn_until(has_status);
	assert_int_equal(caller.count, 1);
	caller.status = 0;
	svc_reply_json(kept, 201, "1");
	turn_until(has_status);
	assert_int_equal(caller.status, 201);
	assert_int_equal(svc->request_count, 0);
}

static void
a_cancel_reaches_the_handler_once(void **state)
{
	(void)state;
	ask(1, "watch", NULL, 0);
	turn_until(is_kept);
	for (int i = 0; i < 2; i++) {
		frame_put_cancel(link_begin(caller.link, 1, NULL), 1);
		link_end(caller.link);
	}
	turn_until(is_cancelled);
	ask(2, "count", NULL, 0);
	turn_until(has_status);
	assert_int_equal(cancelled, 1);
	assert_int_equal(caller.count, 1); /* none for the cancelled one */
	assert_int_equal(svc->request_count, 0);
}

static void
a_request_cancelled_in_the_queue_does_not_run(void **state)
{
	(void)state;
	ask(1, "count", NULL, 0);
	frame_put_cancel(link_begin(caller.link, 1, NULL), 1);
	link_end(caller.link);
	ask(2, "GET /users/7", NULL, 0);
	turn_until(has_status);
	assert_int_equal(ran, 0);
}

static void
a_request_past_its_deadline_does_not_run(void **state)
{
	(void)state;
	ask(1, "count", ":deadline-ms", 0);
	ask(2, "count", ":deadline-ms", -5);
	ask(3, "count", ":deadline-ms", INT64_MAX);
	turn_until(has_status);
	assert_int_equal(ran, 1);
	assert_int_equal(svc->request_count, 0);
}

static void
a_lost_caller_cancels_what_it_asked(void **state)
{
	(void)state;
	ask(1, "watch", NULL, 0);
	turn_until(is_kept);
	link_free(&caller.link);
	turn_until(is_cancelled);
	assert_int_equal(svc->conn_count, 0);
	connect_caller();
}

static void
a_stream_stops_at_its_window_and_goes_on_with_credit(void **state)
{
	(void)state;
	ask(1, "stream", NULL, 0);
	turn_until(has_status);
	for (int i = 0; i < 20; i++)
		(void)loop_turn(svc->loop, 0, NULL);
	assert_int_equal(caller.chunk_bytes, LINK_WINDOW);
	assert_false(caller.is_last);
	frame_put_credit(link_begin(caller.link, 1, NULL), 1, 1000000);
	link_end(caller.link);
	turn_until(is_last);
	assert_int_equal(caller.chunk_bytes, 400000);
}

static void
a_request_over_the_bound_is_refused(void **state)
{
	(void)state;
	svc->request_count += CORE_REQUEST_MAX;
	ask(1, "count", NULL, 0);
	turn_until(has_status);
	assert_int_equal(caller.status, 503);
	assert_int_equal(ran, 0);
	svc->request_count -= CORE_REQUEST_MAX;
	assert_int_equal(svc->request_count, 0);
}

static void
a_call_without_an_answer_in_time_gets_504_and_is_cancelled(void **state)
{
	(void)state;
	ask(1, "call_keep", "timeout", 5);
	turn_until(has_status);
	assert_int_equal(answered, 504);
	assert_non_null(kept);
	assert_true(svc_is_cancelled(kept));
	svc_reply(kept, 200, NULL);
}

static void
a_call_on_a_lost_connection_gets_502(void **state)
{
	(void)state;
	ask(1, "call_keep", NULL, 0);
	turn_until(is_kept);
	link_free(&caller.link);
	conn_close_all(svc);
	turn_until(is_answered);
	assert_int_equal(answered, 502);
	connect_caller();
}

static void
events_wait_for_the_router_and_the_oldest_make_room(void **state)
{
	(void)state;
	for (int i = 0; i < CORE_EVENT_MAX + 6; i++)
		svc_publish(svc, "a.b", svc_json("1"));
	assert_int_equal(svc->bus.out_count, CORE_EVENT_MAX);
	assert_int_equal(svc->bus.dropped, 6);
	svc_publish(svc, "", NULL);
	assert_int_equal(svc->bus.dropped, 6); /* it was never an event */
}

static bool
has_run(void)
{
	return ran > 0;
}

static void
a_stream_that_fails_halfway_is_told_as_a_failure(void **state)
{
	(void)state;
	ask(1, "relay", NULL, 0); /* before HELLO there are no streams */
	turn_until(has_status);
	ask(2, "call_stall", NULL, 0);
	turn_until(has_status);
	assert_int_equal(answered, 504);
	assert_int_equal(caller.status, 504);
	assert_non_null(strstr(caller.body, "no answer in time"));
	svc_stream_end(kept);
}

static void
a_cancel_overtakes_a_long_queue(void **state)
{
	(void)state;
	for (uint32_t id = 1; id <= 100; id++)
		ask(id, "burn", NULL, 0);
	turn_until(has_run);
	for (uint32_t id = 50; id <= 100; id++) {
		frame_put_cancel(link_begin(caller.link, id, NULL), id);
		link_end(caller.link);
	}
	turn_until(is_idle);
	assert_true(ran < 50);
}

static void
a_request_that_calls_after_its_answer_stays_until_the_call_is_over(void **state)
{
	(void)state;
	ask(1, "late_call", NULL, 0);
	turn_until(is_answered);
	assert_int_equal(answered, 200);
	assert_int_equal(ran, 1);
	turn_until(is_idle);
	assert_int_equal(caller.status, 200);
}

static void
a_reused_request_has_no_traces_of_the_one_before(void **state)
{
	(void)state;
	ask(1, "POST /traces/traces?q=1", ":deadline-ms", 10000);
	turn_until(is_last);
	turn_until(is_idle);
	ask(2, "no_traces", NULL, 0);
	turn_until(has_status);
	assert_int_equal(caller.status, 200);
	assert_int_equal(ran, 1);
	assert_int_equal(cancelled, 0);
}

static void
only_requests_that_are_waited_for_hold_up_a_stop(void **state)
{
	int64_t now_us = core_now_us();

	(void)state;
	ask(1, "keep", ":deadline-ms", 10000);
	turn_until(is_kept);
	assert_int_equal(request_owed(svc, now_us), 1);
	assert_int_equal(request_owed(svc, now_us + 11 * 1000000), 0);
	svc_reply(kept, 200, NULL);
	kept = NULL;
	ask(2, "keep", NULL, 0);
	turn_until(is_kept);
	assert_int_equal(request_owed(svc, now_us + 3600 * INT64_C(1000000)),
	    1);
	frame_put_cancel(link_begin(caller.link, 2, NULL), 2);
	link_end(caller.link);
	ask(3, "count", NULL, 0);
	turn_until(has_status);
	assert_true(svc_is_cancelled(kept));
	assert_int_equal(request_owed(svc, now_us), 0);
	svc_reply(kept, 200, NULL);
}

static void
a_timer_for_never_does_not_fire(void **state)
{
	struct svc_timer *timer = svc_after(svc, INT64_MAX, answer_kept, NULL);

	(void)state;
	assert_non_null(timer);
	ask(1, "count", NULL, 0);
	turn_until(has_status);
	svc_timer_drop(timer);
}

static void
an_event_too_large_is_dropped_alone(void **state)
{
	struct svc_data *data = svc_map();
	char *bytes = calloc(1, CORE_EVENT_BYTES_MAX);

	(void)state;
	assert_non_null(bytes);
	svc_publish(svc, "a.b", svc_json("1"));
	svc_put_bytes(data, "x", bytes, CORE_EVENT_BYTES_MAX);
	svc_publish(svc, "a.b", data);
	free(bytes);
	assert_int_equal(svc->bus.out_count, 1);
	assert_int_equal(svc->bus.dropped, 0);
}

static enum ledger_state
state_of(uint32_t id)
{
	return ledger_state(link_ledger(caller.link), id);
}

static void
cancel(uint32_t id)
{
	frame_put_cancel(link_begin(caller.link, id, NULL), id);
	link_end(caller.link);
}

static void
a_request_that_was_taken_back_does_not_run(void **state)
{
	(void)state;
	ask(1, "count", NULL, 0);
	assert_true(ledger_revoke(link_ledger(caller.link), 1));
	ask(2, "count", NULL, 0);
	ledger_clear(link_ledger(caller.link), 2);
	ask(3, "GET /users/7", NULL, 0);
	turn_until(has_status);
	assert_int_equal(ran, 0);
	assert_int_equal(caller.count, 1); /* nothing was sent for the two */
	assert_int_equal(svc->request_count, 0);
	assert_int_equal(state_of(1), LEDGER_REVOKED);
	assert_int_equal(state_of(2), LEDGER_FREE);
	/* Nor is one refused aloud that was taken back. */
	svc->request_count += CORE_REQUEST_MAX;
	ask(4, "count", NULL, 0);
	assert_true(ledger_revoke(link_ledger(caller.link), 4));
	ask(5, "count", NULL, 0);
	turn_until(has_status);
	svc->request_count -= CORE_REQUEST_MAX;
	assert_int_equal(caller.status, 503);
	assert_int_equal(caller.count, 2);
	assert_int_equal(state_of(5), LEDGER_DONE);
}

static void
a_request_beyond_the_ledger_runs(void **state)
{
	(void)state;
	ask(LEDGER_SLOTS + 5, "count", NULL, 0);
	turn_until(has_status);
	assert_int_equal(ran, 1);
	assert_int_equal(state_of(LEDGER_SLOTS + 5), LEDGER_TAKEN);
}

static void
the_ledger_tells_what_became_of_a_request(void **state)
{
	(void)state;
	ask(1, "keep", NULL, 0);
	assert_int_equal(state_of(1), LEDGER_OFFERED);
	turn_until(is_kept);
	assert_int_equal(state_of(1), LEDGER_TAKEN);
	svc_reply(kept, 200, NULL);
	assert_int_equal(state_of(1), LEDGER_DONE);

	ask(2, "watch", NULL, 0);
	ask(3, "count", ":deadline-ms", 0);
	ask(4, "nothing", NULL, 0);
	turn_until(has_status);
	assert_int_equal(state_of(2), LEDGER_TAKEN);
	assert_int_equal(state_of(3), LEDGER_OFFERED); /* unseen */
	assert_int_equal(state_of(4), LEDGER_DONE);
	cancel(2);
	turn_until(is_cancelled);
	assert_int_equal(state_of(2), LEDGER_DONE);
}

static void
a_streamed_answer_is_done_with_its_last_piece(void **state)
{
	(void)state;
	ask(1, "stream", NULL, 0);
	turn_until(has_status);
	assert_int_equal(state_of(1), LEDGER_TAKEN);
	frame_put_credit(link_begin(caller.link, 1, NULL), 1, 1000000);
	link_end(caller.link);
	turn_until(is_last);
	assert_int_equal(state_of(1), LEDGER_DONE);
}

/* The caller says nothing, as a plain one or a router that hangs. */
static void
a_passed_deadline_reaches_the_handler(void **state)
{
	(void)state;
	ask(1, "watch", ":deadline-ms", 10);
	turn_until(is_cancelled);
	turn_until(is_idle);
	assert_int_equal(cancelled, 1);
	assert_int_equal(caller.count, 0);
	assert_int_equal(state_of(1), LEDGER_DONE);
}

static void
a_stream_may_outlast_its_deadline(void **state)
{
	(void)state;
	ask(1, "stall", ":deadline-ms", 10);
	turn_until(has_status);
	svc_on_cancel(kept, count_cancel, NULL);
	while (svc_deadline_ms(kept) > 0)
		assert_int_equal(loop_turn(svc->loop, 1, NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(loop_turn(svc->loop, 2, NULL), 0);
	assert_int_equal(cancelled, 0);
	svc_stream_end(kept);
	turn_until(is_last);
}

static void
a_call_has_no_more_time_than_its_request(void **state)
{
	long left_ms;

	(void)state;
	ask(1, "call_deadline", ":deadline-ms", 50000);
	turn_until(has_status);
	left_ms = strtol(caller.body, NULL, 10);
	assert_in_range(left_ms, 40000, 50000);
}

static void
a_call_without_time_left_fails_at_once_and_is_not_made(void **state)
{
	(void)state;
	ask(1, "call_too_late", ":deadline-ms", 3);
	turn_until(is_answered);
	turn_until(is_idle);
	assert_int_equal(answered, 504);
	assert_int_equal(ran, 0);
	assert_false(svc->caller.dialer.is_started);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(requests_find_their_handler_and_parameters),
		TEST(an_answer_too_large_for_a_message_becomes_a_500),
		TEST(a_deferred_request_does_not_hold_up_others),
		TEST(a_cancel_reaches_the_handler_once),
		TEST(a_request_cancelled_in_the_queue_does_not_run),
		TEST(a_request_past_its_deadline_does_not_run),
		TEST(a_lost_caller_cancels_what_it_asked),
		TEST(a_stream_stops_at_its_window_and_goes_on_with_credit),
		TEST(a_request_over_the_bound_is_refused),
		TEST(
		    a_call_without_an_answer_in_time_gets_504_and_is_cancelled),
		TEST(a_call_on_a_lost_connection_gets_502),
		TEST(events_wait_for_the_router_and_the_oldest_make_room),
		TEST(
		    a_request_that_calls_after_its_answer_stays_until_the_call_is_over),
		TEST(a_stream_that_fails_halfway_is_told_as_a_failure),
		TEST(a_cancel_overtakes_a_long_queue),
		TEST(a_reused_request_has_no_traces_of_the_one_before),
		TEST(only_requests_that_are_waited_for_hold_up_a_stop),
		TEST(a_timer_for_never_does_not_fire),
		TEST(an_event_too_large_is_dropped_alone),
		TEST(a_request_that_was_taken_back_does_not_run),
		TEST(a_request_beyond_the_ledger_runs),
		TEST(the_ledger_tells_what_became_of_a_request),
		TEST(a_streamed_answer_is_done_with_its_last_piece),
		TEST(a_passed_deadline_reaches_the_handler),
		TEST(a_stream_may_outlast_its_deadline),
		TEST(a_call_has_no_more_time_than_its_request),
		TEST(a_call_without_time_left_fails_at_once_and_is_not_made),
	};
	char path[64];
	int failed;

	log_init(2, LOG_LEVEL_ERROR);
	if (mkdtemp(dir) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/sock", dir);
	(void)snprintf(url, sizeof(url), "ipc://%s", path);
	(void)setenv(LAUNCH_ENV_ROUTER, url, 1);
	(void)setenv(LAUNCH_ENV_PUB, "ipc:///dev/null/none", 1);
	(void)unsetenv(LAUNCH_ENV_SERVICE);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	(void)rmdir(dir);
	return failed;
}
