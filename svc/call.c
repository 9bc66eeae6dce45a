#include "call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/launch.h"
#include "ipc/log.h"
#include "ipc/mp.h"

static struct call **
slot_of(struct svc *svc, uint32_t id)
{
	return &svc->caller.slots[id & (CORE_CALL_MAX - 1)];
}

void
call_free(struct call *call)
{
	free(call->what);
	buf_fini(&call->meta);
	buf_fini(&call->payload);
	buf_fini(&call->bytes);
	buf_fini(&call->body);
	payload_fini(&call->in_meta);
	payload_fini(&call->in);
	free(call);
}

static void
call_move(struct call *call, enum call_state state)
{
	struct caller *caller = &call->svc->caller;

	TAILQ_REMOVE(&caller->lists[call->state], call, link);
	call->state = state;
	TAILQ_INSERT_TAIL(&caller->lists[state], call, link);
}

/* Take it out of all lists, so that only its callback knows it. */
void
call_detach(struct call *call)
{
	struct svc *svc = call->svc;

	TAILQ_REMOVE(&svc->caller.lists[call->state], call, link);
	loop_timer_drop(svc->loop, &call->timer);
	if (call->has_slot)
		*slot_of(svc, call->id) = NULL;
	svc->caller.count--;
}

/* Tell the answer and forget the call. */
void
call_finish(struct call *call)
{
	struct svc_request *req = call->req;

	call_detach(call);
	call->answer.call = call;
	if (call->fn != NULL)
		call->fn(&call->answer, call->arg);
	call_free(call);
	if (req == NULL)
		return;
	req->calls--;
	dispatch_settle(req);
	request_release(req);
}

/* Fail with a status and text of ours, at the end of the turn. */
void
call_fail(struct call *call, unsigned status, const char *why)
{
	struct svc *svc = call->svc;

	call->status = status;
	/* Of an answer that began as a stream nothing is worth telling. */
	payload_clear(&call->in);
	payload_clear(&call->in_meta);
	call->raw = NULL;
	(void)snprintf(call->error, sizeof(call->error), "%s", why);
	call_move(call, CALL_FAILED);
	/* In the next turn: a callback that calls again must not starve it. */
	if (!loop_timer_is_set(&svc->caller.fail_timer))
		loop_timer_set(svc->loop, &svc->caller.fail_timer,
		    loop_now_us(svc->loop) + 1);
}

void
call_write(struct call *call)
{
	struct svc *svc = call->svc;
	int64_t left_ms = (call->due_us - core_now_us()) / 1000;
	struct buf *buf = link_begin(svc->caller.peer, call->id, NULL);

	frame_put_request(buf, call->id, call->what, strlen(call->what));
	mp_put_map(buf, call->meta_count + 1);
	buf_append(buf, call->meta.data, call->meta.len);
	mp_put_cstr(buf, ":deadline-ms");
	mp_put_int(buf, left_ms > 0 ? left_ms : 0);
	buf_append(buf, call->payload.data, call->payload.len);
	link_end(svc->caller.peer);
	buf_fini(&call->payload);
	call_move(call, CALL_SENT);
}

/* Keep a copy of what came, with the spare bytes that unpacking wants. */
static int
call_keep(struct call *call, const struct frame *frame)
{
	struct mp_reader reader;
	uint8_t *copy;

	copy =
	    buf_reserve(&call->bytes, frame->meta_len + frame->payload_len + 2);
	if (copy == NULL)
		return -1;
	memcpy(copy, frame->meta, frame->meta_len);
	payload_set(&call->in_meta, copy, frame->meta_len);
	copy += frame->meta_len + 1;
	memcpy(copy, frame->payload, frame->payload_len);
	payload_set(&call->in, copy, frame->payload_len);
	reader = (struct mp_reader){ copy, copy + frame->payload_len };
	if (mp_peek(&reader) == MP_BIN)
		(void)mp_get_bin(&reader, &call->raw, &call->raw_len);
	return 0;
}

static void
on_response(struct call *call, const struct frame *frame)
{
	struct mp_reader reader;

	call->status = frame->status;
	if (call_keep(call, frame) != 0) {
		call_fail(call, 500, "out of memory");
		return;
	}
	if (mp_map_find(frame->meta, frame->meta_len, ":stream", &reader))
		call->is_stream = true;
	else
		call_finish(call);
}

/* Give up on a call that the router still works on. */
static void
call_cancel(struct call *call)
{
	struct caller *caller = &call->svc->caller;

	if (call->state != CALL_SENT || caller->peer == NULL ||
	    !link_has_hello(caller->peer))
		return;
	frame_put_cancel(link_begin(caller->peer, call->id, NULL), call->id);
	link_end(caller->peer);
}

/* A streamed answer is put together and told whole. */
static void
on_chunk(struct call *call, const struct frame *frame)
{
	struct caller *caller = &call->svc->caller;
	struct buf whole = { 0 };

	if (!call->is_stream)
		return;
	if (call->body.len + frame->chunk_len > CORE_ANSWER_MAX) {
		call_cancel(call);
		call_fail(call, 502, "the answer is too large");
		return;
	}
	buf_append(&call->body, frame->chunk, frame->chunk_len);
	if ((frame->flags & FRAME_LAST) == 0) {
		frame_put_credit(link_begin(caller->peer, call->id, NULL),
		    call->id, frame->chunk_len);
		link_end(caller->peer);
		return;
	}
	mp_put_bin(&whole, call->body.data, call->body.len);
	buf_append_byte(&whole, 0);
	if (call->body.is_failed)
		whole.is_failed = true; /* a piece is missing */
	buf_fini(&call->body);
	call->body = whole;
	if (whole.is_failed) {
		call_fail(call, 500, "out of memory");
		return;
	}
	payload_set(&call->in, whole.data, whole.len - 1);
	(void)mp_get_bin(&(struct mp_reader){ whole.data,
			     whole.data + whole.len },
	    &call->raw, &call->raw_len);
	call_finish(call);
}

void
call_frame(void *arg, const struct frame *frame, const struct sp_header *header)
{
	struct svc *svc = arg;
	struct call *call = *slot_of(svc, frame->id);

	(void)header;
	/* Answers to calls that timed out come late and are for nobody. */
	if (call == NULL || call->id != frame->id || call->state != CALL_SENT)
		return;
	if (frame->kind == FRAME_RESPONSE && !call->is_stream)
		on_response(call, frame);
	else if (frame->kind == FRAME_CHUNK)
		on_chunk(call, frame);
}

static void
on_timeout(struct loop_timer *timer)
{
	struct call *call = loop_owner(timer, struct call, timer);

	if (call->state == CALL_FAILED)
		return;
	call_cancel(call);
	call_fail(call, 504, "no answer in time");
}

/* Find a free slot; the bits above it change with each use of a slot. */
static bool
call_take_slot(struct call *call)
{
	struct caller *caller = &call->svc->caller;

	for (size_t i = 0; i < CORE_CALL_MAX; i++) {
		call->id = caller->next_id++ & FRAME_ID_MAX;
		if (*slot_of(call->svc, call->id) == NULL) {
			*slot_of(call->svc, call->id) = call;
			call->has_slot = true;
			return true;
		}
	}
	return false;
}

static void
call_pass_on(struct call *call, const char *name)
{
	const char *value = svc_header(call->req, name);

	if (value == NULL)
		return;
	mp_put_cstr(&call->meta, name);
	mp_put_cstr(&call->meta, value);
	call->meta_count++;
}

/* Returns false when data was put together badly or is too large. */
static bool
call_set_payload(struct call *call, struct svc_data *data)
{
	const struct buf *value = data_finish(data);

	if (data == NULL)
		mp_put_nil(&call->payload);
	else if (value != NULL)
		buf_append(&call->payload, buf_front(value), buf_count(value));
	/* A larger one would cost the connection, and all calls on it. */
	return (data == NULL || value != NULL) && !call->payload.is_failed &&
	       call->payload.len <= CORE_CONTENT_MAX;
}

static void
call_start(struct call *call, bool is_good)
{
	struct caller *caller = &call->svc->caller;

	call->state = CALL_WAITING;
	TAILQ_INSERT_TAIL(&caller->lists[CALL_WAITING], call, link);
	caller->count++;
	loop_timer_set(call->svc->loop, &call->timer, call->due_us);
	if (!is_good)
		call_fail(call, 500,
		    "the call was not put together well or is too large");
	else if (call->due_us <= core_now_us())
		call_fail(call, 504, "no time is left");
	else if (!call_take_slot(call))
		call_fail(call, 503, "too many calls are pending");
	else if (!dialer_start(&caller->dialer))
		call_fail(call, 503, "there is no router");
	else if (caller->peer != NULL && link_is_up(caller->peer))
		call_write(call);
}

static void
call_new(struct svc *svc, struct svc_request *req, const char *what,
    struct svc_data *data, int64_t timeout_ms, svc_answer_fn *fn, void *arg)
{
	struct call *call = calloc(1, sizeof(*call));
	bool is_good;

	if (call == NULL || (call->what = strdup(what)) == NULL) {
		log_errorx("out of memory, a call of %s is not made", what);
		free(call);
		svc_data_free(data);
		return;
	}
	call->svc = svc;
	call->req = req;
	call->fn = fn;
	call->arg = arg;
	call->timer.fn = on_timeout;
	call->due_us = core_now_us() + timeout_ms * 1000;
	if (req != NULL) {
		req->calls++;
		call_pass_on(call, ":request-id");
		call_pass_on(call, ":traceparent");
	}
	is_good = call_set_payload(call, data) && !call->meta.is_failed;
	svc_data_free(data);
	call_start(call, is_good);
}

void
svc_call(struct svc_request *req, const char *what, struct svc_data *data,
    int timeout_ms, svc_answer_fn *fn, void *arg)
{
	int64_t left_ms = svc_deadline_ms(req);

	if (timeout_ms <= 0)
		timeout_ms = CORE_CALL_TIMEOUT_MS;
	if (left_ms < 0 || timeout_ms < left_ms)
		left_ms = timeout_ms;
	call_new(req->svc, req, what, data, left_ms, fn, arg);
}

void
svc_call_alone(struct svc *svc, const char *what, struct svc_data *data,
    int timeout_ms, svc_answer_fn *fn, void *arg)
{
	if (timeout_ms <= 0)
		timeout_ms = CORE_CALL_TIMEOUT_MS;
	call_new(svc, NULL, what, data, timeout_ms, fn, arg);
}
