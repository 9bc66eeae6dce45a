#include "exchange.h"

#include "peer.h"
#include "problem.h"
#include "upstream.h"
#include "worker.h"

/*
 * A request that never left is the service's absence (503, come back later);
 * one that was sent and not answered is its slowness (504).
 */
static void
on_deadline(struct loop_timer *timer)
{
	struct exchange *ex = loop_owner(timer, struct exchange, timer);
	struct problem problem;

	switch (ex->state) {
	case EXCHANGE_WAITING:
		upstream_explain(ex->upstream, ex, &problem);
		break;
	case EXCHANGE_SENT:
		problem_set(&problem, 504, "deadline",
		    "the service did not answer in time");
		problem.service = ex->upstream->name;
		problem.instance = ex->instance;
		break;
	case EXCHANGE_IDLE:
	case EXCHANGE_STREAM:
		return;
	}
	worker_count(&ex->worker->counters.deadlines);
	exchange_cancel(ex);
	ex->source->problem(ex, &problem);
}

void
exchange_init(struct exchange *ex, struct worker *worker,
    const struct exchange_source *source)
{
	*ex = (struct exchange){ .source = source,
		.worker = worker,
		.timer = { .fn = on_deadline },
		.service_us = -1 };
}

void
exchange_fini(struct exchange *ex)
{
	exchange_cancel(ex);
	loop_timer_drop(ex->worker->loop, &ex->timer);
}

void
exchange_start(struct exchange *ex, struct upstream *upstream,
    int64_t deadline_us)
{
	ex->upstream = upstream;
	ex->deadline_us = deadline_us;
	ex->tries = 0;
	ex->instance = 0;
	ex->service_us = -1;
	loop_timer_set(ex->worker->loop, &ex->timer, deadline_us);
	upstream_dispatch(upstream, ex);
}

void
exchange_cancel(struct exchange *ex)
{
	switch (ex->state) {
	case EXCHANGE_IDLE:
		break;
	case EXCHANGE_WAITING:
		upstream_forget(ex->upstream, ex);
		break;
	case EXCHANGE_SENT:
	case EXCHANGE_STREAM:
		worker_count(&ex->worker->counters.cancels);
		peer_cancel(ex->peer, ex);
		break;
	}
}

void
exchange_credit(struct exchange *ex, uint64_t bytes)
{
	if (ex->state == EXCHANGE_STREAM)
		peer_credit(ex->peer, ex, bytes);
}
