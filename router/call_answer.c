/* From the outcome of a call to its response. */
#include "ipc/frame.h"
#include "ipc/lifeline.h"
#include "ipc/link.h"
#include "ipc/mp.h"

#include "access.h"
#include "call.h"
#include "fallback.h"
#include "problem.h"
#include "upstream.h"
#include "worker.h"

void
call_log(struct call *call, unsigned status)
{
	struct worker *worker = call->caller->worker;
	struct call_parts parts = call_split(call);
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
	if (call->told != NULL) {
		line.cause = call->told->cause;
		line.detail = call->told->detail;
	}
	access_log_put(worker->access,
	    (unsigned)worker->view->snapshot->settings.access, &line);
}

void
call_finish(struct call *call, unsigned status)
{
	if (call->fallback != NULL && call->fallback->is_problem)
		call->told = &call->fallback->problem;
	call_log(call, status);
	call->told = NULL;
	caller_give_back(call);
}

void
call_answer_problem(struct call *call, const struct problem *problem)
{
	struct worker *worker = call->caller->worker;
	struct link *link = call->caller->link;
	struct buf *buf = link_begin(link, call->id, &call->header);
	bool is_brief = !call->caller->is_local &&
			worker->view->snapshot->settings.detail == DETAIL_BRIEF;

	worker_count(&worker->counters.problems);
	frame_put_response(buf, call->id, problem->status);
	mp_put_map(buf, 1);
	mp_put_cstr(buf, "content-type");
	mp_put_cstr(buf, PROBLEM_TYPE);
	problem_put_mp(problem, is_brief, buf);
	link_end(link);
	if (problem->status >= 500)
		call->told = problem;
	call_finish(call, problem->status);
}

/* The meta map, with the failure's name when it is in place of one. */
static void
put_meta(const struct call *call, const struct frame *frame, struct buf *buf)
{
	struct mp_reader reader = { frame->meta,
		frame->meta + frame->meta_len };
	uint32_t count = 0;

	if (call->fallback == NULL || mp_get_map(&reader, &count) == -1) {
		buf_append(buf, frame->meta, frame->meta_len);
		return;
	}
	mp_put_map(buf, count + 1);
	buf_append(buf, reader.pos, (size_t)(reader.end - reader.pos));
	mp_put_cstr(buf, FALLBACK_META);
	mp_put_cstr(buf, fallback_name(call->fallback->failure));
}

/* The head, and without a stream all, of a response. */
static void
put_response(struct call *call, const struct frame *frame)
{
	struct link *link = call->caller->link;
	struct buf *buf = link_begin(link, call->id, &call->header);

	frame_put_response(buf, call->id, frame->status);
	put_meta(call, frame, buf);
	buf_append(buf, frame->payload, frame->payload_len);
	link_end(link);
	call->status = frame->status;
}

void
call_answer_frame(struct call *call, const struct frame *frame)
{
	put_response(call, frame);
	call->bytes = frame->payload_len;
	call_finish(call, frame->status);
}

static void
on_stream(struct call *call, const struct frame *frame)
{
	bool is_carried = link_has_hello(call->caller->link);
	struct problem problem;

	if (call->fallback != NULL && (frame->status >= 500 || !is_carried)) {
		exchange_cancel(&call->ex);
		call_fall_back(call, FAILURE_5XX, NULL, frame);
		return;
	}
	if (is_carried) {
		put_response(call, frame);
		return;
	}
	exchange_cancel(&call->ex);
	problem_set(&problem, 502, "stream",
	    "the answer is streamed, which plain SP cannot carry");
	problem.service = call->ex.upstream->name;
	call_answer_problem(call, &problem);
}

int
call_on_response(struct exchange *ex, const struct frame *frame, bool is_stream)
{
	struct call *call = loop_owner(ex, struct call, ex);
	bool is_failure = frame->status >= 500;

	if (frame->status < 200 || frame->status > 599)
		return -1;
	if (is_stream) {
		on_stream(call, frame);
		return 0;
	}
	if (!is_failure || !call_fall_back(call, FAILURE_5XX, NULL, frame))
		call_answer_frame(call, frame);
	return 0;
}

void
call_on_chunk(struct exchange *ex, const struct frame *frame)
{
	struct call *call = loop_owner(ex, struct call, ex);
	struct link *link = call->caller->link;

	frame_put_chunk(link_begin(link, call->id, &call->header), call->id,
	    frame->seq, frame->flags, frame->chunk, frame->chunk_len);
	link_end(link);
	call->bytes += frame->chunk_len;
	if ((frame->flags & FRAME_LAST) != 0)
		call_finish(call, call->status);
}

void
call_on_problem(struct exchange *ex, const struct problem *problem)
{
	struct call *call = loop_owner(ex, struct call, ex);

	if (!call_fall_back(call, fallback_failure(problem), problem, NULL))
		call_answer_problem(call, problem);
}

/* No frame says "broken off", so the link to the caller has to. */
void
call_on_abort(struct exchange *ex)
{
	struct call *call = loop_owner(ex, struct call, ex);
	struct caller *caller = call->caller;

	call_finish(call, 502);
	loop_task_add(caller->worker->loop, &caller->task);
}
