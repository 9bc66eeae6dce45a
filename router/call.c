#include "call.h"

#include <stdio.h>
#include <string.h>

#include "ipc/frame.h"
#include "ipc/mp.h"
#include "ipc/pattern.h"

#include "meta.h"
#include "peer.h"
#include "problem.h"
#include "redact.h"
#include "retry.h"
#include "routing.h"
#include "snapshot.h"
#include "worker.h"

static const char *
call_op(const struct call *call)
{
	return (const char *)buf_front(&call->data);
}

static const uint8_t *
call_meta(const struct call *call)
{
	return buf_front(&call->data) + call->op_len;
}

static const uint8_t *
call_payload(const struct call *call, size_t *len_r)
{
	size_t before = call->op_len + call->meta_len;

	*len_r = buf_count(&call->data) - before;
	return buf_front(&call->data) + before;
}

struct call_parts
call_split(const struct call *call)
{
	const char *op = call_op(call);
	size_t len = call->op_len;
	struct call_parts parts = { .method = "CALL", .method_len = 4 };
	const char *space = memchr(op, ' ', len);
	const char *mark;

	parts.path = op;
	parts.path_len = len;
	if (space == NULL)
		return parts;
	parts.method = op;
	parts.method_len = (size_t)(space - op);
	parts.path = space + 1;
	parts.path_len = len - parts.method_len - 1;
	mark = memchr(parts.path, '?', parts.path_len);
	if (mark != NULL) {
		parts.query = mark + 1;
		parts.query_len =
		    parts.path_len - (size_t)(mark - parts.path) - 1;
		parts.path_len = (size_t)(mark - parts.path);
	}
	return parts;
}

/* A string of the caller's meta map. */
static const char *
find_meta(const struct call *call, const char *key, size_t *len_r)
{
	struct mp_reader value;
	const char *text;

	if (!mp_map_find(call_meta(call), call->meta_len, key, &value) ||
	    mp_get_str(&value, &text, len_r) == -1)
		return NULL;
	return text;
}

static void
set_request_id(struct call *call)
{
	size_t len = 0;
	const char *given = find_meta(call, ":request-id", &len);

	if (given == NULL)
		given = find_meta(call, "x-request-id", &len);
	if (given != NULL && trace_id_is_sane(given, len)) {
		call->request_id = given;
		call->request_id_len = len;
		return;
	}
	trace_make_id(&call->caller->worker->random, call->made_id);
	call->request_id = call->made_id;
	call->request_id_len = TRACE_ID_LEN;
}

/* An integer of the caller's meta map. */
static bool
find_number(const struct call *call, const char *key, int64_t *number_r)
{
	struct mp_reader value;

	return mp_map_find(call_meta(call), call->meta_len, key, &value) &&
	       mp_get_int(&value, number_r) == 0;
}

/* How long the caller waits; false when it does not even now. */
static bool
set_limit(struct call *call, struct problem *problem_r)
{
	int64_t given;

	call->limit_ms = 0;
	if (!find_number(call, ":deadline-ms", &given))
		return true;
	if (given > 0) {
		call->limit_ms = (uint64_t)given;
		return true;
	}
	problem_set(problem_r, 504, "deadline",
	    "the caller's deadline has passed");
	return false;
}

/*
 * "METHOD /path" goes by the route table, "service.operation" straight to
 * that service. Returns the service, or NULL with the answer.
 */
static const struct snapshot_service *
find_service(struct call *call, struct problem *problem_r)
{
	const char *op = call_op(call);
	struct call_parts parts = call_split(call);
	const struct snapshot *snapshot = call->view->snapshot;
	const char *dot = memchr(op, '.', call->op_len);
	const struct snapshot_service *service = NULL;

	call->route = NULL;
	if (parts.path != op) {
		call->route = routing_find(snapshot, parts.method,
		    parts.method_len, parts.path, parts.path_len,
		    &call->caller->worker->match, problem_r);
		return call->route == NULL ? NULL : call->route->service;
	}
	if (dot != NULL)
		service = snapshot_find(snapshot, op, (size_t)(dot - op));
	if (service == NULL)
		problem_set(problem_r, 404, "no-service",
		    "no service for the operation \"%.*s\"",
		    (int)(call->op_len < 128 ? call->op_len : 128), op);
	return service;
}

static bool
is_sendable(const struct call *call, struct problem *problem_r)
{
	if (buf_count(&call->data) <= PEER_REQUEST_MAX)
		return true;
	problem_set(problem_r, 413, "too-large",
	    "the request is larger than a message to a service can be");
	return false;
}

/* Only the route, the method or the caller can tell that it may run twice. */
static bool
is_idempotent(const struct call *call)
{
	struct call_parts parts = call_split(call);
	int64_t said = 0;

	if (call->route != NULL && call->route->is_idempotent)
		return true;
	if (parts.path != call_op(call) &&
	    retry_method_is_idempotent(parts.method, parts.method_len))
		return true;
	return find_number(call, ":idempotent", &said) && said == 1;
}

/* The call is sound: to its service. */
static void
start(struct call *call, const struct snapshot_service *service)
{
	uint64_t timeout_ms =
	    call->route == NULL ? service->timeout_ms : call->route->timeout_ms;
	size_t payload_len;

	if (call->limit_ms != 0 && call->limit_ms < timeout_ms)
		timeout_ms = call->limit_ms;
	call_payload(call, &payload_len);
	call->ex.is_idempotent = is_idempotent(call);
	call->ex.body_bytes = payload_len;
	exchange_start(&call->ex, call->view->upstreams[service->index],
	    call->start_us + (int64_t)timeout_ms * 1000);
}

void
call_start(struct call *call, const struct frame *frame,
    const struct sp_header *header)
{
	struct worker *worker = call->caller->worker;
	const struct snapshot_service *service;
	struct problem problem;

	call->id = frame->id;
	call->header = *header;
	call->op_len = frame->op_len;
	call->meta_len = frame->meta_len;
	buf_append(&call->data, frame->op, frame->op_len);
	buf_append(&call->data, frame->meta, frame->meta_len);
	buf_append(&call->data, frame->payload, frame->payload_len);
	call->start_us = loop_now_us(worker->loop);
	call->bytes = 0;
	call->ex.upstream = NULL;
	call->ex.instance = 0;
	call->ex.service_us = -1;
	call->view = view_ref(worker->view);
	if (call->data.is_failed) {
		call->op_len = call->meta_len = 0;
		call->request_id_len = 0;
		call->route = NULL;
		problem_set(&problem, 503, "no-memory", "out of memory");
		call_answer_problem(call, &problem);
		return;
	}
	set_request_id(call);
	worker->body_owner = &call->ex;
	service = find_service(call, &problem);
	if (service == NULL || !is_sendable(call, &problem) ||
	    !set_limit(call, &problem)) {
		call_answer_problem(call, &problem);
		return;
	}
	start(call, service);
}

void
call_cancel(struct call *call)
{
	exchange_cancel(&call->ex);
	call_finish(call, CONN_STATUS_LEFT);
}

/* The traceparent that was sent last, else that the caller sent, or NULL. */
static const char *
find_trace(const struct call *call, size_t *len_r)
{
	const char *given;

	*len_r = sizeof(call->ex.trace);
	if (call->ex.has_trace)
		return call->ex.trace;
	given = find_meta(call, "traceparent", len_r);
	return given != NULL ? given : find_meta(call, ":traceparent", len_r);
}

static void
encode(struct exchange *ex, struct buf *buf, uint32_t id)
{
	struct call *call = loop_owner(ex, struct call, ex);
	struct worker *worker = call->caller->worker;
	char parent[TRACE_PARENT_LEN];
	size_t given_len = 0, payload_len;
	const uint8_t *payload = call_payload(call, &payload_len);
	const char *given = find_trace(call, &given_len);
	struct problem unused;
	struct meta meta = {
		.deadline_ms =
		    (ex->deadline_us - loop_now_us(worker->loop)) / 1000,
		.request_id = call->request_id,
		.request_id_len = call->request_id_len,
		.traceparent = parent,
		.client = call->caller->client,
	};

	if (worker->body_owner != ex) {
		worker->body_owner = ex;
		find_service(call, &unused);
	}
	if (call->route != NULL) {
		meta.route = call->route->name;
		meta.match = &worker->match;
	}
	trace_make_parent(&worker->random, given, given_len, parent);
	memcpy(ex->trace, parent, sizeof(parent));
	ex->has_trace = true;
	if (call->route != NULL && call->route->op_len != 0)
		frame_put_request(buf, id, call->route->op,
		    call->route->op_len);
	else
		frame_put_request(buf, id, call_op(call), call->op_len);
	meta_put_sp(buf, &meta, call_meta(call), call->meta_len, &worker->text);
	buf_append(buf, payload, payload_len);
}

static void
describe(const struct exchange *ex, struct exchange_request *request_r)
{
	const struct call *call = loop_owner(ex, const struct call, ex);
	struct call_parts parts = call_split(call);
	size_t body_len = 0;
	const uint8_t *body = call_payload(call, &body_len);
	bool has_method = parts.path != call_op(call);

	*request_r = (struct exchange_request){
		.method = has_method ? parts.method : "",
		.method_len = has_method ? parts.method_len : 0,
		.path = parts.path,
		.path_len = parts.path_len,
		.query = parts.query,
		.query_len = parts.query_len,
		.body = body,
		.body_len = body_len,
		.route = call->route == NULL ? "" : call->route->name,
		.request_id = call->request_id,
		.request_id_len = call->request_id_len,
		.client = call->caller->client,
	};
	request_r->trace = find_trace(call, &request_r->trace_len);
}

static void
put_fields(const struct exchange *ex, struct buf *buf)
{
	const struct call *call = loop_owner(ex, const struct call, ex);
	const uint8_t *meta = call_meta(call);
	struct mp_reader reader = { meta, meta + call->meta_len };
	const char *name, *value;
	size_t name_len, value_len;
	uint32_t count = 0;

	if (mp_get_map(&reader, &count) == -1)
		return;
	for (uint32_t i = 0; i < count; i++) {
		char digits[24];
		int64_t number;

		if (mp_get_str(&reader, &name, &name_len) == -1)
			return;
		if (mp_get_int(&reader, &number) == 0) {
			value_len = (size_t)snprintf(digits, sizeof(digits),
			    "%lld", (long long)number);
			value = digits;
		} else if (mp_get_str(&reader, &value, &value_len) == -1) {
			/* An integer over INT64_MAX. */
			if (mp_skip(&reader) == -1)
				return;
			continue;
		}
		redact_put_field(buf, name, name_len, value, value_len);
	}
}

const struct exchange_source call_source = {
	.describe = describe,
	.fields = put_fields,
	.encode = encode,
	.response = call_on_response,
	.chunk = call_on_chunk,
	.problem = call_on_problem,
	.abort = call_on_abort,
};
