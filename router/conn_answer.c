/* From the outcome of a request to the bytes of its response. */
#include <stdlib.h>
#include <string.h>

#include "ipc/err.h"
#include "ipc/frame.h"

#include "access.h"
#include "conn.h"
#include "fallback.h"
#include "http.h"
#include "media.h"
#include "problem.h"
#include "respond.h"
#include "snapshot.h"
#include "upstream.h"
#include "worker.h"

void
conn_log(struct conn *conn, unsigned status)
{
	struct worker *worker = conn->worker;
	const struct http_request *req = http_parser_request(conn->parser);
	const struct exchange *ex = &conn->ex;
	struct access_line line = { .client = conn->client,
		.status = status,
		.bytes = conn->body_bytes,
		.total_us = loop_now_us(worker->loop) - conn->start_us,
		.service_us = -1,
		.request_id = conn->request_id,
		.request_id_len = conn->request_id_len };

	worker_count(&worker->counters.requests);
	/* Of a refused head perhaps its first line. */
	if (req->path_len != 0) {
		line.method = req->method;
		line.method_len = req->method_len;
		line.path = req->path;
		line.path_len = req->path_len;
		line.query = req->query;
		line.query_len = req->query_len;
		line.protocol = req->minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
	}
	if (conn->route != NULL) {
		line.service = conn->fallback == NULL
				   ? conn->route->service->name
				   : conn->route->fallback_service->name;
		line.instance = ex->instance;
		line.service_us = ex->service_us;
	}
	if (conn->told != NULL) {
		line.cause = conn->told->cause;
		line.detail = conn->told->detail;
	}
	access_log_put(worker->access,
	    (unsigned)worker->view->snapshot->settings.access, &line);
}

/* The response under way is complete in the out buffer. */
static void
finish(struct conn *conn)
{
	if (conn->fallback != NULL && conn->fallback->is_problem)
		conn->told = &conn->fallback->problem;
	conn_log(conn, conn->status);
	conn->told = NULL;
	fallback_free(&conn->fallback);
	conn->route = NULL;
	view_unref(&conn->view);
	conn->ex.instance = 0;
	conn->ex.service_us = -1;
	conn->body_bytes = 0;
	conn->uncredited = 0;
	conn_touch(conn);
	if (!conn->keep_alive) {
		conn->phase = CONN_FLUSH;
		return;
	}
	http_parser_next(conn->parser);
	conn_set_phase(conn, CONN_IDLE);
}

/* Are clients told no more than the cause of a failure? */
static bool
is_brief(const struct worker *worker)
{
	return worker->view->snapshot->settings.detail == DETAIL_BRIEF;
}

static struct respond
begin(struct conn *conn, const struct http_request *req, bool is_open_ended)
{
	struct worker *worker = conn->worker;

	conn->keep_alive = req->keep_alive && !worker->is_stopping &&
			   !is_open_ended &&
			   (!conn->has_ended || buf_count(&conn->in) != 0);
	worker_lend(worker, &conn->out);
	return (struct respond){ .out = &conn->out,
		.minor = req->minor,
		.is_head =
		    req->method_len == 4 && memcmp(req->method, "HEAD", 4) == 0,
		.keep_alive = conn->keep_alive,
		.is_brief = is_brief(worker),
		.fallback = conn->fallback == NULL
				? NULL
				: fallback_name(conn->fallback->failure),
		.date = worker_date(worker),
		.request_id = conn->request_id,
		.request_id_len = conn->request_id_len };
}

void
conn_answer_problem(struct conn *conn, const struct problem *problem)
{
	const struct http_request *req = http_parser_request(conn->parser);
	/* With an unread body in between, the next request cannot be found. */
	struct respond respond = begin(conn, req, conn->phase == CONN_BODY);

	if (problem->status >= 300)
		worker_count(&conn->worker->counters.problems);
	conn->status = problem->status;
	if (problem->status >= 500)
		conn->told = problem;
	conn->body_bytes =
	    respond_problem(&respond, problem, &conn->worker->text);
	finish(conn);
}

void
conn_refuse(struct conn *conn, unsigned status, const char *cause,
    const char *reason)
{
	struct worker *worker = conn->worker;
	struct problem problem;
	struct respond respond = { .out = &conn->out,
		.minor = 1,
		.is_brief = is_brief(worker),
		.date = worker_date(worker) };

	if (conn->phase != CONN_BODY) {
		trace_make_id(&worker->random, conn->made_id);
		conn->request_id = conn->made_id;
		conn->request_id_len = TRACE_ID_LEN;
		conn->start_us = loop_now_us(worker->loop);
	}
	respond.request_id = conn->request_id;
	respond.request_id_len = conn->request_id_len;
	worker_count(&worker->counters.bad_requests);
	worker_lend(worker, &conn->out);
	problem_set(&problem, status, cause, "%s", reason);
	conn->status = status;
	conn->keep_alive = false;
	conn->must_linger = true;
	conn->body_bytes = respond_problem(&respond, &problem, &worker->text);
	finish(conn);
}

static bool
wants_msgpack(const struct http_request *req)
{
	for (size_t i = 0; i < req->field_count; i++) {
		const struct http_field *field = &req->fields[i];

		if (field->name_len == 6 &&
		    memcmp(req->head + field->name, "accept", 6) == 0 &&
		    media_wants_msgpack(req->head + field->value,
			field->value_len))
			return true;
	}
	return false;
}

/*
 * What this answer holds cannot be given to a client. Its frame is sound, so
 * the other requests on the service's link go on.
 */
static void
answer_nonsense(struct conn *conn, const char *why)
{
	struct problem problem;

	problem_set(&problem, 502, "bad-response",
	    "the service's answer makes no sense: %s", why);
	problem.service = conn->route->service->name;
	problem.instance = conn->ex.instance;
	conn_on_problem(&conn->ex, &problem);
}

/* Known to make sense: it was understood before it was kept. */
void
conn_answer_frame(struct conn *conn, const struct frame *frame)
{
	const struct http_request *req = http_parser_request(conn->parser);
	struct respond_body body = { 0 };
	struct respond respond = begin(conn, req, false);
	struct err err;

	respond_decode(frame, wants_msgpack(req), &conn->worker->text, &body,
	    &err);
	conn->status = frame->status;
	conn->body_bytes = respond_frame(&respond, frame, &body);
	finish(conn);
}

/* The body that the route has for such a failure. */
void
conn_answer_body(struct conn *conn, unsigned failure,
    const struct problem *problem)
{
	const struct http_request *req = http_parser_request(conn->parser);
	const struct snapshot_route *route = conn->route;
	struct respond_body body = {
		.bytes = (const uint8_t *)route->fallback_text,
		.len = strlen(route->fallback_text),
		.type = route->fallback_type,
		.type_len = strlen(route->fallback_type),
	};
	struct respond respond = begin(conn, req, false);

	respond.fallback = fallback_name(failure);
	conn->status = 200;
	conn->told = problem;
	conn->body_bytes = respond_body(&respond, conn->status, &body);
	finish(conn);
}

static void
start_stream(struct conn *conn, const struct http_request *req,
    const struct frame *frame)
{
	struct respond respond;

	if (frame->status < 200 || frame->status > 599) {
		exchange_cancel(&conn->ex);
		answer_nonsense(conn, "its status is not a final one");
		return;
	}
	if (frame->status >= 500 && conn->fallback != NULL) {
		exchange_cancel(&conn->ex);
		conn_fall_back(conn, FAILURE_5XX, NULL, frame);
		return;
	}
	respond = begin(conn, req, req->minor == 0);
	conn->status = frame->status;
	respond_stream(&respond, frame);
	conn_set_phase(conn, CONN_STREAM);
	conn_touch(conn);
	if (respond.is_head || !respond_has_body(frame->status)) {
		exchange_cancel(&conn->ex);
		finish(conn);
	}
}

int
conn_on_response(struct exchange *ex, const struct frame *frame, bool is_stream)
{
	struct conn *conn = loop_owner(ex, struct conn, ex);
	const struct http_request *req = http_parser_request(conn->parser);
	struct respond_body body;
	struct respond respond;
	struct err err = { "" };

	if (is_stream) {
		start_stream(conn, req, frame);
		return 0;
	}
	if (respond_decode(frame, wants_msgpack(req), &conn->worker->text,
		&body, &err) == -1) {
		answer_nonsense(conn, err.text);
		return 0;
	}
	if (frame->status >= 500 &&
	    conn_fall_back(conn, FAILURE_5XX, NULL, frame))
		return 0;
	respond = begin(conn, req, false);
	conn->status = frame->status;
	conn->body_bytes = respond_frame(&respond, frame, &body);
	finish(conn);
	return 0;
}

void
conn_on_chunk(struct exchange *ex, const struct frame *frame)
{
	struct conn *conn = loop_owner(ex, struct conn, ex);
	unsigned minor = http_parser_request(conn->parser)->minor;

	worker_lend(conn->worker, &conn->out);
	respond_chunk(&conn->out, minor, frame->chunk, frame->chunk_len);
	conn->body_bytes += frame->chunk_len;
	conn->uncredited += frame->chunk_len;
	if ((frame->flags & FRAME_LAST) == 0) {
		conn_touch(conn);
		return;
	}
	respond_last_chunk(&conn->out, minor);
	finish(conn);
}

void
conn_on_problem(struct exchange *ex, const struct problem *problem)
{
	struct conn *conn = loop_owner(ex, struct conn, ex);

	if (!conn_fall_back(conn, fallback_failure(problem), problem, NULL))
		conn_answer_problem(conn, problem);
}

/*
 * The missing last chunk tells the client that the body is not whole; without
 * chunks only a reset does (RFC 9112 section 8).
 */
void
conn_on_abort(struct exchange *ex)
{
	struct conn *conn = loop_owner(ex, struct conn, ex);

	conn->keep_alive = false;
	if (http_parser_request(conn->parser)->minor == 0)
		conn_reset_on_close(conn);
	finish(conn);
}
