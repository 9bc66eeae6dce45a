#include "fallback.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/lifeline.h"

#include "exchange.h"
#include "snapshot.h"
#include "worker.h"

const char *
fallback_name(unsigned failure)
{
	switch (failure) {
	case FAILURE_TIMEOUT:
		return "timeout";
	case FAILURE_5XX:
		return "5xx";
	default:
		return "down";
	}
}

unsigned
fallback_failure(const struct problem *problem)
{
	/* That request is kept from every service on purpose. */
	if (problem->status < 500 || strcmp(problem->cause, "quarantined") == 0)
		return 0;
	switch (problem->status) {
	case 502:
	case 503:
		return FAILURE_DOWN;
	case 504:
		return FAILURE_TIMEOUT;
	default:
		/* It stands in for a service's own: a fault set on purpose. */
		return FAILURE_5XX;
	}
}

/* Copy what the frame borrows from its message. */
static int
keep_frame(struct fallback *fallback, const struct frame *frame)
{
	struct buf *bytes = &fallback->bytes;

	buf_append(bytes, frame->meta, frame->meta_len);
	buf_append(bytes, frame->payload, frame->payload_len);
	if (bytes->is_failed)
		return -1;
	fallback->frame = (struct frame){ .kind = frame->kind,
		.status = frame->status,
		.meta = buf_front(bytes),
		.meta_len = frame->meta_len,
		.payload = buf_front(bytes) + frame->meta_len,
		.payload_len = frame->payload_len };
	return 0;
}

struct fallback *
fallback_new(unsigned failure, const struct problem *problem,
    const struct frame *frame, const struct exchange *ex)
{
	struct fallback *fallback = calloc(1, sizeof(*fallback));

	if (fallback == NULL)
		return NULL;
	fallback->failure = failure;
	fallback->instance = ex->instance;
	fallback->service_us = ex->service_us;
	if (problem != NULL) {
		fallback->is_problem = true;
		fallback->problem = *problem;
	} else if (keep_frame(fallback, frame) == -1) {
		fallback_free(&fallback);
	}
	return fallback;
}

void
fallback_free(struct fallback **fallbackp)
{
	struct fallback *fallback = *fallbackp;

	if (fallback == NULL)
		return;
	*fallbackp = NULL;
	buf_fini(&fallback->bytes);
	free(fallback);
}

int64_t
fallback_until(const struct exchange *ex, const struct snapshot_route *route,
    uint64_t limit_ms, int64_t start_us, int64_t now_us)
{
	uint64_t fresh_ms = route->fallback_service->timeout_ms;
	uint64_t spent_ms = (uint64_t)(now_us - start_us) / 1000;

	if (ex->deadline_us > now_us)
		return ex->deadline_us;
	if (limit_ms != 0 && limit_ms <= spent_ms)
		return -1;
	if (limit_ms != 0 && limit_ms - spent_ms < fresh_ms)
		fresh_ms = limit_ms - spent_ms;
	return now_us + (int64_t)fresh_ms * 1000;
}

void
fallback_ask(struct exchange *ex, const struct snapshot_route *route,
    const struct view *view, int64_t until_us)
{
	exchange_start(ex, view->upstreams[route->fallback_service->index],
	    until_us);
}
