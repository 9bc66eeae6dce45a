/* Which instance gets the next request. */
#include "instance.h"
#include "peer.h"
#include "share.h"
#include "upstream.h"
#include "worker.h"

enum {
	/* What stands still is the last choice, however little it has. */
	STUCK_WEIGHT = 1000 * 1000
};

/* The best so far, and the best of those to use only for want of others. */
struct choice {
	const struct instance *except;
	struct instance *best, *spare;
	size_t best_count, spare_count; /* what they have in flight */
	int64_t now_us;
};

static void
consider(struct choice *choice, struct instance *instance)
{
	size_t count;

	if (instance == choice->except || !instance_has_room(instance))
		return;
	count = peer_outstanding(instance->peer);
	if (instance_is_good(instance, choice->now_us)) {
		if (choice->best == NULL || count < choice->best_count) {
			choice->best = instance;
			choice->best_count = count;
		}
		return;
	}
	if (peer_is_stuck(instance->peer))
		count += STUCK_WEIGHT;
	if (choice->spare == NULL || count < choice->spare_count) {
		choice->spare = instance;
		choice->spare_count = count;
	}
}

/* The generation that is to take this index over, if it is ready. */
static struct instance *
find_coming(const struct upstream *upstream, size_t index)
{
	struct instance *instance;

	TAILQ_FOREACH (instance, &upstream->beside, link) {
		if (instance->index == index && instance_has_room(instance))
			return instance;
	}
	return NULL;
}

/* One index of which two generations may be ready. */
static void
consider_both(struct upstream *upstream, struct choice *choice, size_t i)
{
	struct instance *instance = upstream->instances[i];
	struct instance *coming = find_coming(upstream, i + 1);
	uint64_t random;

	if (coming != NULL && instance != NULL && instance_has_room(instance)) {
		random = trace_random_next(&upstream->worker->random);
		if (share_is_new((int64_t)upstream->rules.ramp_ms * 1000,
			coming->ready_us, choice->now_us, (uint32_t)random))
			instance = coming;
	} else if (coming != NULL) {
		instance = coming;
	}
	if (instance != NULL)
		consider(choice, instance);
}

struct instance *
upstream_choose(struct upstream *upstream, const struct instance *except)
{
	struct choice choice = { .except = except,
		.now_us = loop_now_us(upstream->worker->loop) };
	size_t count = upstream->instance_count, i = upstream->turn;

	if (upstream->inflight_all_max != 0 &&
	    upstream->inflight >= upstream->inflight_all_max)
		return NULL;
	for (size_t n = 0; n < count; n++) {
		if (i >= count)
			i = 0;
		if (!TAILQ_EMPTY(&upstream->beside))
			consider_both(upstream, &choice, i);
		else if (upstream->instances[i] != NULL)
			consider(&choice, upstream->instances[i]);
		i++;
	}
	if (choice.best == NULL)
		choice.best = choice.spare;
	if (choice.best != NULL)
		upstream->turn = choice.best->index;
	return choice.best;
}

static bool
is_linked(const struct instance *instance)
{
	return instance != NULL && instance->state == STATE_READY &&
	       instance->peer != NULL && peer_is_up(instance->peer);
}

bool
upstream_is_served(const struct upstream *upstream)
{
	const struct instance *instance;

	for (size_t i = 0; i < upstream->instance_count; i++) {
		if (is_linked(upstream->instances[i]))
			return true;
	}
	TAILQ_FOREACH (instance, &upstream->beside, link) {
		if (is_linked(instance))
			return true;
	}
	return false;
}
