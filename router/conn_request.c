/* From a parsed request to an exchange. */
#include <string.h>

#include "ipc/err.h"
#include "ipc/frame.h"
#include "ipc/json.h"
#include "ipc/mp.h"
#include "ipc/pattern.h"

#include "conn.h"
#include "http.h"
#include "media.h"
#include "meta.h"
#include "peer.h"
#include "problem.h"
#include "redact.h"
#include "retry.h"
#include "routing.h"
#include "snapshot.h"
#include "worker.h"

enum {
	TIMEOUT_MAX_MS = 24 * 3600 * 1000 /* as that of a service */
};

/* A field's value, or NULL; the first one when it is repeated. */
static const char *
find_field(const struct http_request *req, const char *name, size_t *len_r)
{
	size_t name_len = strlen(name);

	for (size_t i = 0; i < req->field_count; i++) {
		const struct http_field *field = &req->fields[i];

		if (field->name_len == name_len &&
		    memcmp(req->head + field->name, name, name_len) == 0) {
			*len_r = field->value_len;
			return req->head + field->value;
		}
	}
	return NULL;
}

/*
 * "250", 1 to TIMEOUT_MAX_MS. Leading zeros are fine; nothing else is, so that
 * two fields, or seconds with a unit, are not taken for something shorter.
 */
static bool
read_timeout(const char *text, size_t len, uint64_t *ms_r)
{
	uint64_t ms = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || ms > TIMEOUT_MAX_MS)
			return false;
		ms = ms * 10 + (uint64_t)(text[i] - '0');
	}
	*ms_r = ms;
	return ms >= 1 && ms <= TIMEOUT_MAX_MS;
}

/* The client's own limit, if it has one; false when that is no time. */
static bool
set_limit(struct conn *conn, const struct http_request *req)
{
	bool is_good = true;

	conn->limit_ms = 0;
	for (size_t i = 0; i < req->field_count; i++) {
		const struct http_field *field = &req->fields[i];

		if (field->name_len != sizeof("x-request-timeout") - 1 ||
		    memcmp(req->head + field->name, "x-request-timeout",
			field->name_len) != 0)
			continue;
		if (conn->limit_ms != 0 ||
		    !read_timeout(req->head + field->value, field->value_len,
			&conn->limit_ms))
			is_good = false;
	}
	return is_good;
}

static void
set_request_id(struct conn *conn, const struct http_request *req)
{
	size_t len = 0;
	const char *given = find_field(req, "x-request-id", &len);

	if (given != NULL && trace_id_is_sane(given, len)) {
		conn->request_id = given;
		conn->request_id_len = len;
		return;
	}
	trace_make_id(&conn->worker->random, conn->made_id);
	conn->request_id = conn->made_id;
	conn->request_id_len = TRACE_ID_LEN;
}

/*
 * The route, or NULL with the answer. It is looked for with the head, so that
 * a body that nobody wants need not be sent, and again for the whole request.
 */
static const struct snapshot_route *
find_route(struct conn *conn, const struct snapshot *snapshot,
    const struct http_request *req, struct problem *problem_r)
{
	struct pattern_match *match = &conn->worker->match;

	/* A request that waits finds its own match again when it is sent. */
	conn->worker->body_owner = NULL;
	if (req->method_len == 7 && memcmp(req->method, "CONNECT", 7) == 0) {
		problem_set(problem_r, 501, "method",
		    "CONNECT: this is no proxy");
		return NULL;
	}
	return routing_find(snapshot, req->method, req->method_len, req->path,
	    req->path_len, match, problem_r);
}

void
conn_on_head(struct conn *conn)
{
	const struct http_request *req = http_parser_request(conn->parser);
	struct problem problem;
	const struct snapshot_route *route =
	    find_route(conn, conn->worker->view->snapshot, req, &problem);

	conn->start_us = loop_now_us(conn->worker->loop);
	set_request_id(conn, req);
	if (route == NULL) {
		/* A small body is read, so that the connection can go on. */
		if (!req->expects_continue && http_parser_max_body(conn->parser,
						  CONN_REFUSED_BODY_MAX) == 0)
			return;
		conn->must_linger = true;
		conn_answer_problem(conn, &problem);
		return;
	}
	if (http_parser_max_body(conn->parser, route->max_body) == -1) {
		conn_refuse(conn, 413, "too-large",
		    "the body is larger than this route accepts");
		return;
	}
	if (req->expects_continue && req->minor != 0) {
		worker_lend(conn->worker, &conn->out);
		buf_append_str(&conn->out, HTTP_CONTINUE);
		conn_touch(conn);
	}
}

static bool
is_one_value(const uint8_t *bytes, size_t len)
{
	struct mp_reader reader = { bytes, bytes + len };

	return mp_skip(&reader) == 0 && reader.pos == reader.end;
}

/*
 * Append the payload: nil without a body, the value of a JSON or MessagePack
 * body, else the bytes. Returns -1 with the answer when the body is not what
 * its content-type says.
 */
static int
put_payload(struct buf *buf, const struct http_request *req,
    struct problem *problem_r)
{
	size_t type_len = 0, offset = 0;
	const char *type;
	enum media media;
	struct err err;

	if (req->body_len == 0) {
		mp_put_nil(buf);
		return 0;
	}
	type = find_field(req, "content-type", &type_len);
	media = type == NULL ? MEDIA_OTHER : media_kind(type, type_len);
	if (media == MEDIA_OTHER) {
		mp_put_bin(buf, req->body, req->body_len);
		return 0;
	}
	if (media == MEDIA_MSGPACK) {
		if (is_one_value(req->body, req->body_len)) {
			buf_append(buf, req->body, req->body_len);
			return 0;
		}
		problem_set(problem_r, 400, "bad-body",
		    "the body is not exactly one MessagePack value");
		return -1;
	}
	if (json_to_mp((const char *)req->body, req->body_len, buf, &offset,
		&err) == 0)
		return 0;
	problem_set(problem_r, 400, "bad-body", "the body is not JSON: %s",
	    err.text);
	problem_r->offset = (int64_t)offset;
	return -1;
}

/* The scratch of the worker holds what the next encode needs, until others
 * use it; this makes it ours again. */
static void
own_scratch(struct conn *conn, const struct http_request *req)
{
	struct worker *worker = conn->worker;
	struct problem unused;

	if (worker->body_owner == &conn->ex)
		return;
	find_route(conn, conn->view->snapshot, req, &unused);
	buf_clear(&worker->body);
	put_payload(&worker->body, req, &unused);
	worker->body_owner = &conn->ex;
}

static void
encode_op(struct conn *conn, const struct http_request *req, struct buf *buf,
    uint32_t id)
{
	struct buf *op = &conn->worker->op;

	if (conn->route->op_len != 0) {
		frame_put_request(buf, id, conn->route->op,
		    conn->route->op_len);
		return;
	}
	buf_clear(op);
	buf_append(op, req->method, req->method_len);
	buf_append_byte(op, ' ');
	buf_append(op, req->path, req->path_len);
	if (req->query_len != 0) {
		buf_append_byte(op, '?');
		buf_append(op, req->query, req->query_len);
	}
	frame_put_request(buf, id, (const char *)buf_front(op), buf_count(op));
}

/* Sent again, a request stays in its trace, if we made it as well. */
static const char *
find_trace(const struct exchange *ex, const struct http_request *req,
    size_t *len_r)
{
	*len_r = sizeof(ex->trace);
	return ex->has_trace ? ex->trace
			     : find_field(req, "traceparent", len_r);
}

static void
encode(struct exchange *ex, struct buf *buf, uint32_t id)
{
	struct conn *conn = loop_owner(ex, struct conn, ex);
	struct worker *worker = conn->worker;
	const struct http_request *req = http_parser_request(conn->parser);
	char parent[TRACE_PARENT_LEN];
	size_t given_len = 0;
	const char *given = find_trace(ex, req, &given_len);
	struct meta meta = {
		.deadline_ms =
		    (ex->deadline_us - loop_now_us(worker->loop)) / 1000,
		.request_id = conn->request_id,
		.request_id_len = conn->request_id_len,
		.traceparent = parent,
		.client = conn->client,
		.route = conn->route->name,
		.match = &worker->match,
	};

	own_scratch(conn, req);
	trace_make_parent(&worker->random, given, given_len, parent);
	memcpy(ex->trace, parent, sizeof(parent));
	ex->has_trace = true;
	encode_op(conn, req, buf, id);
	meta_put_http(buf, &meta, req, &worker->text);
	buf_append(buf, buf_front(&worker->body), buf_count(&worker->body));
}

static void
describe(const struct exchange *ex, struct exchange_request *request_r)
{
	const struct conn *conn = loop_owner(ex, const struct conn, ex);
	const struct http_request *req = http_parser_request(conn->parser);

	*request_r = (struct exchange_request){ .method = req->method,
		.method_len = req->method_len,
		.path = req->path,
		.path_len = req->path_len,
		.query = req->query,
		.query_len = req->query_len,
		.body = req->body,
		.body_len = req->body_len,
		.route = conn->route->name,
		.request_id = conn->request_id,
		.request_id_len = conn->request_id_len,
		.client = conn->client };
	request_r->trace = find_trace(ex, req, &request_r->trace_len);
}

static void
put_fields(const struct exchange *ex, struct buf *buf)
{
	const struct conn *conn = loop_owner(ex, const struct conn, ex);
	const struct http_request *req = http_parser_request(conn->parser);

	for (size_t i = 0; i < req->field_count; i++) {
		const struct http_field *field = &req->fields[i];

		redact_put_field(buf, req->head + field->name, field->name_len,
		    req->head + field->value, field->value_len);
	}
}

const struct exchange_source conn_source = {
	.describe = describe,
	.fields = put_fields,
	.encode = encode,
	.response = conn_on_response,
	.chunk = conn_on_chunk,
	.problem = conn_on_problem,
	.abort = conn_on_abort,
};

/* Its form for the service, into the scratch; -1 with the answer. */
static int
take_body(struct conn *conn, const struct http_request *req,
    struct problem *problem_r)
{
	struct buf *body = &conn->worker->body;

	if (req->body_len > conn->route->max_body) {
		problem_set(problem_r, 413, "too-large",
		    "the body is larger than this route accepts");
		return -1;
	}
	buf_clear(body);
	if (put_payload(body, req, problem_r) == -1)
		return -1;
	if (buf_count(body) <= PEER_REQUEST_MAX)
		return 0;
	problem_set(problem_r, 413, "too-large",
	    "the body is larger than a message to a service can be");
	return -1;
}

/* The request is sound: to its service. */
static void
start(struct conn *conn, const struct http_request *req)
{
	const struct snapshot_route *route = conn->route;
	struct exchange *ex = &conn->ex;
	uint64_t timeout_ms = route->timeout_ms;

	if (conn->limit_ms != 0 && conn->limit_ms < timeout_ms)
		timeout_ms = conn->limit_ms;
	conn->worker->body_owner = ex;
	ex->is_idempotent =
	    route->is_idempotent ||
	    retry_method_is_idempotent(req->method, req->method_len);
	ex->body_bytes = req->body_len;
	exchange_start(ex, conn->view->upstreams[route->service->index],
	    conn->start_us + (int64_t)timeout_ms * 1000);
}

void
conn_on_request(struct conn *conn)
{
	struct worker *worker = conn->worker;
	const struct http_request *req = http_parser_request(conn->parser);
	struct problem problem;

	conn->phase = CONN_BUSY;
	conn->start_us = loop_now_us(worker->loop);
	conn->view = view_ref(worker->view);
	set_request_id(conn, req);
	conn->route = find_route(conn, conn->view->snapshot, req, &problem);
	if (conn->route == NULL) {
		conn_answer_problem(conn, &problem);
		return;
	}
	if (!set_limit(conn, req)) {
		problem_set(&problem, 400, "bad-timeout",
		    "X-Request-Timeout is not a number of milliseconds");
		conn_answer_problem(conn, &problem);
		return;
	}
	if (take_body(conn, req, &problem) == -1) {
		conn_answer_problem(conn, &problem);
		return;
	}
	start(conn, req);
}
