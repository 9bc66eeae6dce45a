#include "call.h"

#include <string.h>

#include "ipc/frame.h"
#include "ipc/link.h"
#include "ipc/mp.h"
#include "ipc/pattern.h"

#include "access.h"
#include "http.h"
#include "meta.h"
#include "peer.h"
#include "problem.h"
#include "routing.h"
#include "snapshot.h"
#include "upstream.h"
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

/* "GET /users?x" in its parts; without a space all of it is the path. */
struct op_parts {
	const char *method, *path, *query;
	size_t method_len, path_len, query_len;
};

static struct op_parts
split_op(const char *op, size_t len)
{
	struct op_parts parts = { .method = "CALL", .method_len = 4 };
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

void
call_log(struct call *call, unsigned status)
{
	struct worker *worker = call->caller->worker;
	struct op_parts parts = split_op(call_op(call), call->op_len);
	const struct upstream *upstream = call->ex.upstream;
	struct access_line line = { .client = call->caller->client,
		.method = parts.method,
		.method_len = parts.method_len,
		.path = parts.path,
		.path_len = parts.path_len,
		.query = parts.query,
		.query_len = parts.query_len,
		.protocol = "SP",
		.status = status,
		.bytes = call->bytes,
		.total_us = loop_now_us(worker->loop) - call->start_us,
		.service_us = call->ex.service_us,
		.service = upstream == NULL ? NULL : upstream->name,
		.instance = call->ex.instance,
		.request_id = call->request_id,
		.request_id_len = call->request_id_len };

	worker_count(&worker->counters.requests);
	access_log_put(worker->access,
	    (unsigned)worker->view->snapshot->settings.access, &line);
}

static void
finish(struct call *call, unsigned status)
{
	call_log(call, status);
	caller_give_back(call);
}

static void
answer_problem(struct call *call, const struct problem *problem)
{
	struct link *link = call->caller->link;
	struct buf *buf = link_begin(link, call->id, &call->header);

	worker_count(&call->caller->worker->counters.problems);
	frame_put_response(buf, call->id, problem->status);
	mp_put_map(buf, 1);
	mp_put_cstr(buf, "content-type");
	mp_put_cstr(buf, PROBLEM_TYPE);
	problem_put_mp(problem, buf);
	link_end(link);
	finish(call, problem->status);
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

/* Milliseconds that this call may take: ours, or less if the caller says. */
static int64_t
allowed_ms(const struct call *call, uint64_t timeout_ms)
{
	struct mp_reader value;
	int64_t given;

	if (mp_map_find(call_meta(call), call->meta_len, ":deadline-ms",
		&value) &&
	    mp_get_int(&value, &given) == 0 && given >= 0 &&
	    given < (int64_t)timeout_ms)
		return given;
	return (int64_t)timeout_ms;
}

/*
 * "METHOD /path" goes by the route table, "service.operation" straight to
 * that service. Returns the service, or NULL with the answer.
 */
static const struct snapshot_service *
find_service(struct call *call, struct problem *problem_r)
{
	const char *op = call_op(call);
	struct op_parts parts = split_op(op, call->op_len);
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

void
call_start(struct call *call, const struct frame *frame,
    const struct sp_header *header)
{
	struct worker *worker = call->caller->worker;
	const struct snapshot_service *service;
	uint64_t timeout_ms;
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
		problem_set(&problem, 503, "no-memory", "out of memory");
		answer_problem(call, &problem);
		return;
	}
	set_request_id(call);
	worker->body_owner = &call->ex;
	service = find_service(call, &problem);
	if (service == NULL || !is_sendable(call, &problem)) {
		answer_problem(call, &problem);
		return;
	}
	timeout_ms =
	    call->route == NULL ? service->timeout_ms : call->route->timeout_ms;
	exchange_start(&call->ex, call->view->upstreams[service->index],
	    call->start_us + allowed_ms(call, timeout_ms) * 1000);
}

void
call_cancel(struct call *call)
{
	exchange_cancel(&call->ex);
	finish(call, CONN_STATUS_LEFT);
}

static void
encode(struct exchange *ex, struct buf *buf, uint32_t id)
{
	struct call *call = loop_owner(ex, struct call, ex);
	struct worker *worker = call->caller->worker;
	char parent[TRACE_PARENT_LEN];
	size_t given_len = 0, payload_len;
	const uint8_t *payload = call_payload(call, &payload_len);
	const char *given = find_meta(call, "traceparent", &given_len);
	struct problem unused;
	struct meta meta = {
		.deadline_ms =
		    (ex->deadline_us - loop_now_us(worker->loop)) / 1000,
		.request_id = call->request_id,
		.request_id_len = call->request_id_len,
		.traceparent = parent,
		.client = call->caller->client,
	};

	if (given == NULL)
		given = find_meta(call, ":traceparent", &given_len);
	if (worker->body_owner != ex) {
		worker->body_owner = ex;
		find_service(call, &unused);
	}
	if (call->route != NULL) {
		meta.route = call->route->name;
		meta.match = &worker->match;
	}
	trace_make_parent(&worker->random, given, given_len, parent);
	if (call->route != NULL && call->route->op_len != 0)
		frame_put_request(buf, id, call->route->op,
		    call->route->op_len);
	else
		frame_put_request(buf, id, call_op(call), call->op_len);
	meta_put_sp(buf, &meta, call_meta(call), call->meta_len, &worker->text);
	buf_append(buf, payload, payload_len);
}

static int
on_response(struct exchange *ex, const struct frame *frame, bool is_stream)
{
	struct call *call = loop_owner(ex, struct call, ex);
	struct link *link = call->caller->link;
	struct problem problem;
	struct buf *buf;

	if (frame->status < 200 || frame->status > 599)
		return -1;
	if (is_stream && !link_has_hello(link)) {
		exchange_cancel(ex);
		problem_set(&problem, 502, "stream",
		    "the answer is streamed, which plain SP cannot carry");
		problem.service = ex->upstream->name;
		answer_problem(call, &problem);
		return 0;
	}
	buf = link_begin(link, call->id, &call->header);
	frame_put_response(buf, call->id, frame->status);
	buf_append(buf, frame->meta, frame->meta_len);
	buf_append(buf, frame->payload, frame->payload_len);
	link_end(link);
	call->status = frame->status;
	if (!is_stream) {
		call->bytes = frame->payload_len;
		finish(call, frame->status);
	}
	return 0;
}

static void
on_chunk(struct exchange *ex, const struct frame *frame)
{
	struct call *call = loop_owner(ex, struct call, ex);
	struct link *link = call->caller->link;

	frame_put_chunk(link_begin(link, call->id, &call->header), call->id,
	    frame->seq, frame->flags, frame->chunk, frame->chunk_len);
	link_end(link);
	call->bytes += frame->chunk_len;
	if ((frame->flags & FRAME_LAST) != 0)
		finish(call, call->status);
}

static void
on_problem(struct exchange *ex, const struct problem *problem)
{
	answer_problem(loop_owner(ex, struct call, ex), problem);
}

/* No frame says "broken off", so the link to the caller has to. */
static void
on_abort(struct exchange *ex)
{
	struct call *call = loop_owner(ex, struct call, ex);
	struct caller *caller = call->caller;

	finish(call, 502);
	loop_task_add(caller->worker->loop, &caller->task);
}

const struct exchange_source call_source = {
	.encode = encode,
	.response = on_response,
	.chunk = on_chunk,
	.problem = on_problem,
	.abort = on_abort,
};
