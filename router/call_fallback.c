/* From a failed call to another answer; only routes have fallbacks. */
#include <string.h>

#include "ipc/lifeline.h"
#include "ipc/mp.h"

#include "call.h"
#include "fallback.h"
#include "snapshot.h"
#include "worker.h"

/* The failure that the fallback service could not make good. */
static void
answer_first(struct call *call)
{
	struct fallback *first = call->fallback;

	call->fallback = NULL; /* it names neither the answer nor the log */
	call->ex.instance = first->instance;
	call->ex.service_us = first->service_us;
	call->ex.upstream = call->view->upstreams[call->route->service->index];
	if (first->is_problem)
		call_answer_problem(call, &first->problem);
	else
		call_answer_frame(call, &first->frame);
	fallback_free(&first);
}

/* Returns false when out of memory. */
static bool
answer_body(struct call *call, unsigned failure, const struct problem *problem)
{
	const struct snapshot_route *route = call->route;
	struct buf bytes = { 0 };
	struct frame frame = { .kind = FRAME_RESPONSE, .status = 200 };
	size_t len = strlen(route->fallback_text);
	bool is_answered;

	mp_put_map(&bytes, 2);
	mp_put_cstr(&bytes, "content-type");
	mp_put_cstr(&bytes, route->fallback_type);
	mp_put_cstr(&bytes, FALLBACK_META);
	mp_put_cstr(&bytes, fallback_name(failure));
	frame.meta_len = buf_count(&bytes);
	mp_put_bin(&bytes, route->fallback_text, len);
	frame.meta = buf_front(&bytes);
	frame.payload = frame.meta + frame.meta_len;
	frame.payload_len = buf_count(&bytes) - frame.meta_len;
	is_answered = !bytes.is_failed;
	if (is_answered) {
		call->told = problem;
		call_answer_frame(call, &frame);
	}
	buf_fini(&bytes);
	return is_answered;
}

bool
call_fall_back(struct call *call, unsigned failure,
    const struct problem *problem, const struct frame *frame)
{
	const struct snapshot_route *route = call->route;
	int64_t until_us;

	if (call->fallback != NULL) {
		answer_first(call);
		return true;
	}
	if (route == NULL || (route->fallback_on & failure) == 0)
		return false;
	if (route->fallback == FALLBACK_BODY)
		return answer_body(call, failure, problem);
	until_us = fallback_until(&call->ex, route, call->limit_ms,
	    call->start_us, loop_now_us(call->caller->worker->loop));
	if (until_us == -1)
		return false;
	call->fallback = fallback_new(failure, problem, frame, &call->ex);
	if (call->fallback == NULL)
		return false;
	fallback_ask(&call->ex, route, call->view, until_us);
	return true;
}
