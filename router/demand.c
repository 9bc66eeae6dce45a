#include "demand.h"

#include "exchange.h"
#include "instance.h"
#include "upstream.h"
#include "worker.h"

static int64_t
now_us(const struct upstream *upstream)
{
	return loop_now_us(upstream->worker->loop);
}

static void
raise_to(int64_t *most, int64_t value)
{
	if (*most < value)
		*most = value;
}

/* Also of those that still wait. */
static int64_t
longest_wait(const struct upstream *upstream)
{
	int64_t now = now_us(upstream), wait_us = upstream->demand.wait_us;
	const struct instance *instance;
	const struct exchange *ex;

	TAILQ_FOREACH (ex, &upstream->hold.queue, waiting) {
		raise_to(&wait_us, now - ex->held_us);
	}
	for (size_t i = 0; i < upstream->instance_count; i++) {
		instance = upstream->instances[i];
		if (instance != NULL && instance->peer != NULL)
			raise_to(&wait_us, peer_wait_us(instance->peer));
	}
	TAILQ_FOREACH (instance, &upstream->beside, link) {
		if (instance->peer != NULL)
			raise_to(&wait_us, peer_wait_us(instance->peer));
	}
	return wait_us;
}

static void
arm(struct upstream *upstream)
{
	loop_timer_set(upstream->worker->loop, &upstream->demand.timer,
	    now_us(upstream) + (int64_t)upstream->rules.load_ms * 1000);
}

static void
on_timer(struct loop_timer *timer)
{
	struct upstream *upstream =
	    loop_owner(timer, struct upstream, demand.timer);
	const struct worker *worker = upstream->worker;
	struct demand *demand = &upstream->demand;
	struct worker_load load = { .requests = demand->requests,
		.inflight = upstream->inflight,
		.held = upstream->hold.count,
		.wait_us = longest_wait(upstream) };

	if (upstream->rules.load_ms == 0)
		return;
	demand->requests = 0;
	demand->wait_us = 0;
	demand->is_told = load.inflight != 0 || load.held != 0;
	worker->host->load(worker->host->arg, worker->number, upstream->name,
	    upstream->rules.load_ms, &load);
	/* Waits grow without any event; and the last word is that none is. */
	if (load.requests != 0 || load.held != 0 || load.wait_us != 0)
		arm(upstream);
}

void
demand_init(struct upstream *upstream)
{
	upstream->demand = (struct demand){ .timer = { .fn = on_timer } };
}

void
demand_fini(struct upstream *upstream)
{
	loop_timer_drop(upstream->worker->loop, &upstream->demand.timer);
}

void
demand_changed(struct upstream *upstream)
{
	if (upstream->rules.load_ms != 0 &&
	    !loop_timer_is_set(&upstream->demand.timer))
		arm(upstream);
}

void
demand_ruled(struct upstream *upstream, uint64_t load_ms)
{
	if (load_ms == 0 &&
	    (upstream->inflight != 0 || upstream->hold.count != 0 ||
		upstream->demand.is_told))
		demand_changed(upstream);
}

void
demand_asked(struct upstream *upstream)
{
	upstream->demand.requests++;
	demand_changed(upstream);
}

void
demand_held(struct upstream *upstream, struct exchange *ex)
{
	ex->held_us = now_us(upstream);
	demand_changed(upstream);
	demand_look(upstream);
}

void
demand_sent(struct upstream *upstream, const struct exchange *ex)
{
	raise_to(&upstream->demand.wait_us, now_us(upstream) - ex->held_us);
}

static bool
is_asleep(const struct upstream *upstream)
{
	const struct instance *instance;

	for (size_t i = 0; i < upstream->instance_count; i++) {
		instance = upstream->instances[i];
		if (instance != NULL && instance->is_asleep)
			return true;
	}
	return false;
}

void
demand_look(struct upstream *upstream)
{
	const struct worker_host *host = upstream->worker->host;

	if (upstream->hold.count == 0 && !upstream->demand.is_woken)
		return;
	if (!is_asleep(upstream)) {
		upstream->demand.is_woken = false;
	} else if (!upstream->demand.is_woken && upstream->hold.count != 0) {
		upstream->demand.is_woken = true;
		host->wanted(host->arg, upstream->name);
	}
}
