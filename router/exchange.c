#include "exchange.h"

#include "ipc/buf.h"

#include "fingerprint.h"
#include "peer.h"
#include "problem.h"
#include "upstream.h"
#include "worker.h"

/*
 * A request that never left is the service's absence (503, come back later);
 * one that was sent and not answered is its slowness (504).
 */
static void
on_deadline(struct exchange *ex)
{
	struct problem problem;

	switch (ex->state) {
	case EXCHANGE_WAITING:
		upstream_explain(ex->upstream, ex, &problem);
		break;
	case EXCHANGE_DELAYED: /* for that long only by the operator's wish */
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
	if (ex->state == EXCHANGE_SENT)
		peer_failed(ex->peer, ex);
	exchange_cancel(ex);
	ex->source->problem(ex, &problem);
}

static void
on_timer(struct loop_timer *timer)
{
	struct exchange *ex = loop_owner(timer, struct exchange, timer);

	if (loop_now_us(ex->worker->loop) >= ex->deadline_us) {
		on_deadline(ex);
		return;
	}
	loop_timer_set(ex->worker->loop, timer, ex->deadline_us);
	if (ex->state == EXCHANGE_WAITING) {
		upstream_overdue(ex->upstream, ex);
	} else if (ex->state == EXCHANGE_DELAYED) {
		ex->state = EXCHANGE_IDLE;
		upstream_dispatch(ex->upstream, ex);
	}
}

void
exchange_init(struct exchange *ex, struct worker *worker,
    const struct exchange_source *source)
{
	*ex = (struct exchange){ .source = source,
		.worker = worker,
		.timer = { .fn = on_timer },
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
	ex->losses = ex->stalls = 0;
	ex->is_counted = ex->is_faulted = false;
	ex->has_print = ex->has_trace = false;
	ex->instance = 0;
	ex->service_us = -1;
	loop_timer_set(ex->worker->loop, &ex->timer, deadline_us);
	upstream_dispatch(upstream, ex);
}

const struct poison_print *
exchange_print(struct exchange *ex)
{
	struct exchange_request request;

	if (!ex->has_print) {
		ex->source->describe(ex, &request);
		fingerprint_make(&request,
		    ex->worker->view->snapshot->settings.poison_key,
		    &ex->print);
		ex->has_print = true;
	}
	return &ex->print;
}

void
exchange_delay(struct exchange *ex, int64_t until_us)
{
	ex->state = EXCHANGE_DELAYED;
	if (until_us < ex->deadline_us)
		loop_timer_set(ex->worker->loop, &ex->timer, until_us);
}

static void
give_up(struct exchange *ex, const struct retry_verdict *verdict,
    unsigned instance, const char *why)
{
	struct problem problem;

	if (verdict->cause[0] == 's')
		problem_set(&problem, 502, verdict->cause,
		    "the service died with this request: %s", why);
	else
		problem_set(&problem, 502, verdict->cause,
		    "the link to the service was closed: %s", why);
	problem.service = ex->upstream->name;
	problem.instance = instance;
	ex->source->problem(ex, &problem);
}

void
exchange_lose(struct exchange *ex, enum retry_loss loss, bool is_taken,
    unsigned instance, const char *why)
{
	int64_t now = loop_now_us(ex->worker->loop);
	struct retry_case lost = { .loss = loss,
		.is_taken = is_taken,
		.is_idempotent = ex->is_idempotent,
		.tries = is_taken ? ++ex->losses : ex->losses + 1,
		.attempts = (unsigned)ex->upstream->rules.attempts,
		.left_us = ex->deadline_us - now };
	struct retry_verdict verdict =
	    retry_decide(&lost, &ex->upstream->budget, now,
		(uint32_t)trace_random_next(&ex->worker->random));

	if (verdict.action == RETRY_GIVE_UP) {
		give_up(ex, &verdict, instance, why);
		return;
	}
	worker_count(is_taken ? &ex->worker->counters.retries
			      : &ex->worker->counters.requeues);
	if (verdict.action == RETRY_LATER)
		exchange_delay(ex, now + verdict.delay_us);
	else
		upstream_dispatch(ex->upstream, ex);
}

void
exchange_cancel(struct exchange *ex)
{
	switch (ex->state) {
	case EXCHANGE_IDLE:
		break;
	case EXCHANGE_DELAYED:
		ex->state = EXCHANGE_IDLE;
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
