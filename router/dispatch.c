/* What becomes of a request: sent, held, or answered 503. */
#include <stdlib.h>

#include "exchange.h"
#include "instance.h"
#include "peer.h"
#include "problem.h"
#include "upstream.h"
#include "watchlist.h"
#include "worker.h"

enum {
	SUSPECT_PAUSE_US = 10 * 1000
};

static int64_t
now_us(const struct upstream *upstream)
{
	return loop_now_us(upstream->worker->loop);
}

static bool
is_hopeful(const struct upstream *upstream, int64_t deadline_us)
{
	const struct instance *instance;
	bool is_known = false;

	for (size_t i = 0; i < upstream->instance_count; i++) {
		instance = upstream->instances[i];
		if (instance == NULL)
			continue;
		is_known = true;
		if (instance_is_hopeful(instance, deadline_us))
			return true;
	}
	TAILQ_FOREACH (instance, &upstream->beside, link) {
		if (instance->state == STATE_STARTING ||
		    instance->state == STATE_READY)
			return true;
	}
	/* Nothing was said yet of an enabled service: its notes will come. */
	return !is_known && upstream->is_enabled;
}

void
upstream_forget(struct upstream *upstream, struct exchange *ex)
{
	hold_drop(&upstream->hold, ex);
}

static void
refuse(struct upstream *upstream, struct exchange *ex)
{
	struct problem problem;

	upstream_explain(upstream, ex, &problem);
	ex->source->problem(ex, &problem);
}

static void
refuse_full(struct upstream *upstream, struct exchange *ex)
{
	struct problem problem;

	worker_count(&upstream->worker->counters.shed);
	upstream_explain_full(upstream, &problem);
	ex->source->problem(ex, &problem);
}

void
upstream_overdue(struct upstream *upstream, struct exchange *ex)
{
	/* Nobody there to be busy: the deadline is what bounds the wait. */
	if (!upstream_is_served(upstream) ||
	    (upstream->inflight_max == 0 && upstream->inflight_all_max == 0))
		return;
	hold_drop(&upstream->hold, ex);
	refuse_full(upstream, ex);
}

static bool
is_room(const struct upstream *upstream, size_t count, size_t bytes)
{
	return count < upstream->rules.hold_max &&
	       bytes <= upstream->rules.hold_max_bytes;
}

/*
 * How many with an earlier deadline must leave, so that this one can wait; -1:
 * even all of them are not enough, and nobody shall leave in vain.
 */
static long
count_leaving(const struct upstream *upstream, const struct exchange *ex)
{
	size_t count = upstream->hold.count;
	size_t bytes = upstream->hold.bytes + ex->body_bytes;
	const struct exchange *other = hold_first(&upstream->hold);
	long leaving = 0;

	while (!is_room(upstream, count, bytes)) {
		if (other == NULL || other->deadline_us >= ex->deadline_us)
			return -1;
		count--;
		bytes -= other->body_bytes;
		leaving++;
		other = TAILQ_NEXT(other, waiting);
	}
	return leaving;
}

/* While requests wait, see now and then whether an instance has room. */
static void
arm_ramp(struct upstream *upstream)
{
	if (!loop_timer_is_set(&upstream->ramp))
		loop_timer_set(upstream->worker->loop, &upstream->ramp,
		    now_us(upstream) + UPSTREAM_RAMP_US);
}

/* From now on it waits for a place, and no longer for an instance. */
static void
arm_overdue(struct upstream *upstream, struct exchange *ex)
{
	int64_t overdue_us =
	    now_us(upstream) + (int64_t)upstream->rules.queue_ms * 1000;

	if (overdue_us < ex->deadline_us)
		loop_timer_set(upstream->worker->loop, &ex->timer, overdue_us);
}

/* Among too many, those with the earliest deadline have the least chance. */
static void
queue(struct upstream *upstream, struct exchange *ex)
{
	struct hold *hold = &upstream->hold;
	long leaving = count_leaving(upstream, ex);
	struct exchange *first;

	if (leaving < 0) {
		refuse_full(upstream, ex);
		return;
	}
	for (; leaving > 0 && (first = hold_first(hold)) != NULL; leaving--) {
		hold_drop(hold, first);
		refuse_full(upstream, first);
	}
	hold_add(hold, ex);
	demand_held(upstream, ex);
	if (!upstream_is_served(upstream))
		return;
	arm_overdue(upstream, ex);
	arm_ramp(upstream);
}

/* The operator's wish that this request fails or waits; true: it does. */
static bool
is_faulted(struct upstream *upstream, struct exchange *ex)
{
	struct upstream_fault *fault = &upstream->fault;
	int64_t now = now_us(upstream);
	struct problem problem;

	ex->is_faulted = true;
	if (fault->until_us != 0 && now >= fault->until_us) {
		fault->kind = FAULT_NONE;
		return false;
	}
	if (trace_random_next(&upstream->worker->random) % 100 >=
	    fault->percent)
		return false;
	if (fault->kind == FAULT_DELAY) {
		exchange_delay(ex, now + (int64_t)fault->value * 1000);
		return true;
	}
	problem_set(&problem, fault->value, "fault",
	    "an operator wants service %s to fail", upstream->name);
	problem.service = upstream->name;
	ex->source->problem(ex, &problem);
	return true;
}

static void
refuse_quarantined(struct upstream *upstream, struct exchange *ex,
    int64_t left_us)
{
	struct problem problem;

	worker_count(&upstream->worker->counters.quarantined);
	problem_set(&problem, 503, "quarantined",
	    "this very request has crashed service %s", upstream->name);
	problem.service = upstream->name;
	problem.retry_after = (uint64_t)((left_us + 999999) / 1000000);
	ex->source->problem(ex, &problem);
}

static bool
is_unjudged(const struct upstream *upstream, int64_t now)
{
	return upstream->unjudged != 0 && now < upstream->unjudged_until_us;
}

/*
 * Has it crashed the service before? After two crashes it is answered here;
 * after one, only one at a time is sent, and none before the last crash is
 * judged, lest a crowd of them do in all instances before it is known.
 */
static bool
is_withheld(struct upstream *upstream, struct exchange *ex)
{
	int64_t until_us, now = now_us(upstream);

	switch (watchlist_find(upstream->worker->watchlist, upstream->name,
	    exchange_print(ex), now, &until_us)) {
	case WATCHLIST_QUARANTINED:
		refuse_quarantined(upstream, ex, until_us - now);
		return true;
	case WATCHLIST_SUSPECT:
		if (!is_unjudged(upstream, now) &&
		    !peers_have_equal(upstream, ex))
			return false;
		exchange_delay(ex, now + SUSPECT_PAUSE_US);
		return true;
	case WATCHLIST_NONE:
		break;
	}
	return false;
}

void
upstream_flush(struct upstream *upstream)
{
	struct instance *instance;
	struct exchange *ex;

	while ((ex = hold_first(&upstream->hold)) != NULL &&
	       upstream->is_enabled &&
	       (instance = upstream_choose(upstream, NULL)) != NULL) {
		hold_drop(&upstream->hold, ex);
		demand_sent(upstream, ex);
		loop_timer_set(upstream->worker->loop, &ex->timer,
		    ex->deadline_us);
		if (!upstream->is_watched || !is_withheld(upstream, ex))
			peer_send(instance->peer, ex);
	}
	/* Those that came while nobody was ready wait for more room, too. */
	if (ex != NULL && !loop_timer_is_set(&upstream->ramp) &&
	    upstream_is_served(upstream))
		arm_ramp(upstream);
}

void
upstream_dispatch(struct upstream *upstream, struct exchange *ex)
{
	struct instance *instance = NULL;

	if (!ex->is_counted) {
		ex->is_counted = true;
		budget_count(&upstream->budget, now_us(upstream));
		demand_asked(upstream);
	}
	if (upstream->fault.kind != FAULT_NONE && !ex->is_faulted &&
	    is_faulted(upstream, ex))
		return;
	if (upstream->is_watched && is_withheld(upstream, ex))
		return;
	/* A link may have got room since: those who wait were here first. */
	if (upstream->hold.count != 0)
		upstream_flush(upstream);
	if (upstream->hold.count == 0 && upstream->is_enabled)
		instance = upstream_choose(upstream, NULL);
	if (instance != NULL)
		peer_send(instance->peer, ex);
	else if (upstream->is_enabled && is_hopeful(upstream, ex->deadline_us))
		queue(upstream, ex);
	else
		refuse(upstream, ex);
}

/* The first in the queue whose wait has become pointless. */
static struct exchange *
find_hopeless(struct upstream *upstream)
{
	struct exchange *ex;

	TAILQ_FOREACH (ex, &upstream->hold.queue, waiting) {
		if (!upstream->is_enabled ||
		    !is_hopeful(upstream, ex->deadline_us))
			return ex;
	}
	return NULL;
}

void
upstream_wake(struct upstream *upstream)
{
	struct exchange *ex;

	upstream_flush(upstream);
	while ((ex = find_hopeless(upstream)) != NULL) {
		hold_drop(&upstream->hold, ex);
		refuse(upstream, ex);
	}
}

void
upstream_came(struct upstream *upstream)
{
	struct exchange *ex;

	upstream_wake(upstream);
	if ((upstream->inflight_max == 0 && upstream->inflight_all_max == 0) ||
	    !upstream_is_served(upstream))
		return;
	/* Those that waited for a place before have their time already. */
	TAILQ_FOREACH (ex, &upstream->hold.queue, waiting) {
		if (ex->timer.due_us == ex->deadline_us)
			arm_overdue(upstream, ex);
	}
}
