#include "upstream.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/log.h"

#include "instance.h"
#include "note.h"
#include "outlier.h"
#include "peer.h"
#include "snapshot.h"
#include "watchlist.h"
#include "worker.h"

enum {
	EJECT_MAX_TIMES = 60, /* the longest ejection, in first ones */
	JUDGED_MAX = 64       /* instances compared with each other */
};

static int64_t
now_us(const struct upstream *upstream)
{
	return loop_now_us(upstream->worker->loop);
}

/* Compare the instances that could take requests. */
static void
judge_outliers(struct upstream *upstream)
{
	const struct outlier_rule rule = {
		.eject_us = (int64_t)upstream->rules.eject_ms * 1000,
		.max_us =
		    (int64_t)upstream->rules.eject_ms * 1000 * EJECT_MAX_TIMES,
	};
	struct outlier *set[JUDGED_MAX];
	struct instance *judged[JUDGED_MAX];
	size_t count = 0;

	for (size_t i = 0; i < upstream->instance_count; i++) {
		struct instance *instance = upstream->instances[i];

		if (count == JUDGED_MAX)
			break;
		if (instance == NULL || instance->state != STATE_READY)
			continue;
		judged[count] = instance;
		set[count++] = &instance->outlier;
	}
	if (outlier_judge(set, count, &rule, now_us(upstream)) == 0)
		return;
	for (size_t i = 0; i < count; i++) {
		if (set[i]->is_changed)
			instance_judged(judged[i]);
	}
	upstream_flush(upstream);
}

void
upstream_judge(struct upstream *upstream, bool is_urgent)
{
	if (upstream->rules.eject_ms == 0 || upstream->instance_count < 2)
		return;
	/* Never at once: judging sends requests, and an answer is in hand. */
	if (is_urgent)
		loop_timer_set(upstream->worker->loop, &upstream->judge,
		    now_us(upstream));
	else if (!loop_timer_is_set(&upstream->judge))
		loop_timer_set(upstream->worker->loop, &upstream->judge,
		    now_us(upstream) + UPSTREAM_JUDGE_US);
}

static void
on_judge(struct loop_timer *timer)
{
	judge_outliers(loop_owner(timer, struct upstream, judge));
}

static void
on_stats(struct loop_timer *timer)
{
	struct upstream *upstream = loop_owner(timer, struct upstream, stats);
	struct instance *instance;
	bool is_any = false;

	TAILQ_FOREACH (instance, &upstream->beside, link) {
		if (instance->state != STATE_READY)
			continue;
		is_any = true;
		instance_tell_stats(instance);
		if (instance->index <= upstream->instance_count &&
		    upstream->instances[instance->index - 1] != NULL)
			instance_tell_stats(
			    upstream->instances[instance->index - 1]);
	}
	if (is_any)
		loop_timer_set(upstream->worker->loop, timer,
		    now_us(upstream) + UPSTREAM_STATS_US);
}

static void
on_ramp(struct loop_timer *timer)
{
	struct upstream *upstream = loop_owner(timer, struct upstream, ramp);
	struct instance *instance;

	/* Slow answers must not make a slow start a standstill. */
	for (size_t i = 0; i < upstream->instance_count; i++) {
		if (upstream->instances[i] != NULL)
			instance_widen(upstream->instances[i]);
	}
	TAILQ_FOREACH (instance, &upstream->beside, link) {
		instance_widen(instance);
	}
	upstream_flush(upstream); /* sets the timer again if need be */
}

struct upstream *
upstream_new(struct worker *worker, const char *name)
{
	struct upstream *upstream = calloc(1, sizeof(*upstream));

	if (upstream == NULL)
		return NULL;
	upstream->worker = worker;
	hold_init(&upstream->hold);
	TAILQ_INIT(&upstream->beside);
	upstream->judge.fn = on_judge;
	upstream->stats.fn = on_stats;
	upstream->ramp.fn = on_ramp;
	demand_init(upstream);
	upstream->is_watched = watchlist_has(worker->watchlist, name);
	upstream->name = strdup(name);
	if (upstream->name == NULL)
		upstream_free(&upstream);
	return upstream;
}

void
upstream_free(struct upstream **upstreamp)
{
	struct upstream *upstream = *upstreamp;
	struct instance *instance;

	if (upstream == NULL)
		return;
	*upstreamp = NULL;
	while ((instance = TAILQ_FIRST(&upstream->beside)) != NULL) {
		TAILQ_REMOVE(&upstream->beside, instance, link);
		instance_free(&instance);
	}
	for (size_t i = 0; i < upstream->instance_count; i++)
		instance_free(&upstream->instances[i]);
	loop_timer_drop(upstream->worker->loop, &upstream->judge);
	loop_timer_drop(upstream->worker->loop, &upstream->stats);
	loop_timer_drop(upstream->worker->loop, &upstream->ramp);
	demand_fini(upstream);
	free(upstream->instances);
	free(upstream->name);
	free(upstream);
}

/* The place of the instance with this index; NULL: no memory. */
static struct instance **
instance_place(struct upstream *upstream, unsigned index)
{
	if (index > upstream->instance_count) {
		struct instance **more = realloc(upstream->instances,
		    index * sizeof(struct instance *));

		if (more == NULL)
			return NULL;
		memset(more + upstream->instance_count, 0,
		    (index - upstream->instance_count) *
			sizeof(struct instance *));
		upstream->instances = more;
		upstream->instance_count = index;
	}
	return &upstream->instances[index - 1];
}

static struct instance *
find_beside(const struct upstream *upstream, uint64_t index,
    uint64_t generation)
{
	struct instance *instance;

	TAILQ_FOREACH (instance, &upstream->beside, link) {
		if (instance->index == index &&
		    instance->generation == generation)
			return instance;
	}
	return NULL;
}

/* Has a generation in this state come to its end? */
static bool
is_over(unsigned state)
{
	return state != STATE_STARTING && state != STATE_READY &&
	       state != STATE_DRAINING && state != STATE_STOPPING;
}

/* From now on it and the one that it is to replace are compared. */
static void
compare_from_now(struct upstream *upstream, struct instance *coming)
{
	struct instance *present = coming->index <= upstream->instance_count
				       ? upstream->instances[coming->index - 1]
				       : NULL;

	coming->stats = (struct worker_stats){ 0 };
	if (present != NULL)
		present->stats = (struct worker_stats){ 0 };
}

static void
note_beside(struct upstream *upstream, const struct note *note)
{
	struct instance *instance =
	    find_beside(upstream, note->index, note->generation);
	bool was_ready;

	if (instance == NULL && is_over(note->state))
		return;
	if (instance == NULL) {
		instance = instance_new(upstream, (unsigned)note->index);
		if (instance == NULL) {
			log_errorx("%s: out of memory", upstream->name);
			return;
		}
		TAILQ_INSERT_TAIL(&upstream->beside, instance, link);
	}
	was_ready = instance->state == STATE_READY;
	instance_update(instance, note);
	if (is_over(note->state)) {
		TAILQ_REMOVE(&upstream->beside, instance, link);
		instance_free(&instance);
	} else if (note->state == STATE_READY && !was_ready) {
		compare_from_now(upstream, instance);
		loop_timer_set(upstream->worker->loop, &upstream->stats,
		    now_us(upstream) + UPSTREAM_STATS_US);
	}
}

/* The one beside takes the index over; the other is now beside it. */
static void
promote(struct upstream *upstream, struct instance **place,
    struct instance *coming)
{
	struct instance *leaving = *place;

	TAILQ_REMOVE(&upstream->beside, coming, link);
	*place = coming;
	if (leaving == NULL)
		return;
	/* Of one that has ended there will be no other word. */
	if (is_over(leaving->state))
		instance_free(&leaving);
	else
		TAILQ_INSERT_TAIL(&upstream->beside, leaving, link);
}

static void
note_index(struct upstream *upstream, const struct note *note)
{
	struct instance **place =
	    instance_place(upstream, (unsigned)note->index);
	struct instance *coming =
	    find_beside(upstream, note->index, note->generation);

	if (place != NULL && coming != NULL)
		promote(upstream, place, coming);
	if (place != NULL && *place == NULL)
		*place = instance_new(upstream, (unsigned)note->index);
	if (place == NULL || *place == NULL) {
		log_errorx("%s: out of memory", upstream->name);
		return;
	}
	if (note->generation >= (*place)->generation)
		instance_update(*place, note);
}

void
upstream_note(struct upstream *upstream, const struct note *note)
{
	if (note->index == 0 || note->index > UPSTREAM_INSTANCE_MAX)
		return;
	if (note->is_beside)
		note_beside(upstream, note);
	else
		note_index(upstream, note);
	peers_note(upstream, note);
	demand_look(upstream);
	upstream_came(upstream);
}

struct instance *
upstream_find(const struct upstream *upstream, uint64_t index,
    uint64_t generation)
{
	struct instance *instance = find_beside(upstream, index, generation);

	if (instance == NULL && index != 0 && index <= upstream->instance_count)
		instance = upstream->instances[index - 1];
	return instance != NULL && instance->generation == generation ? instance
								      : NULL;
}

void
upstream_kick(struct upstream *upstream, uint64_t index, uint64_t generation)
{
	struct instance *instance = upstream_find(upstream, index, generation);

	if (instance != NULL)
		instance_kick(instance);
}

/* A bound on all workers, as this one's part of it; 0: none. */
static unsigned
part_of(const struct upstream *upstream, uint64_t bound)
{
	size_t workers = upstream->worker->host->worker_count;

	if (bound == 0 || bound == LIFELINE_AUTO || workers < 2)
		return (unsigned)bound;
	return (unsigned)((bound + workers - 1) / workers);
}

static void
apply_rules(struct upstream *upstream, const struct lifeline_rules *rules)
{
	uint64_t load_ms = upstream->rules.load_ms;

	if (upstream->budget.percent != rules->retry_budget ||
	    upstream->rules.attempts == 0)
		budget_init(&upstream->budget, (unsigned)rules->retry_budget);
	upstream->rules = *rules;
	upstream->inflight_max = part_of(upstream, rules->max_inflight);
	upstream->inflight_all_max = part_of(upstream, rules->max_inflight_all);
	demand_ruled(upstream, load_ms);
}

void
upstream_apply(struct upstream *upstream,
    const struct snapshot_service *service)
{
	bool is_remote = service != NULL && service->url[0] != '\0';
	uint64_t keep = service == NULL ? 0
			: is_remote     ? 1
					: service->instances;

	upstream->is_enabled = service != NULL && service->is_enabled;
	if (service != NULL)
		apply_rules(upstream, &service->rules);
	if (is_remote && upstream->instance_count != 0 &&
	    upstream->instances[0] != NULL &&
	    !upstream->instances[0]->is_remote)
		keep = 0;
	for (size_t i = (size_t)keep; i < upstream->instance_count; i++) {
		if (upstream->instances[i] != NULL)
			instance_remove(upstream->instances[i]);
	}
	if (is_remote) {
		struct note note = { .service = service->name,
			.listen = service->url,
			.reason = (char[]){ "" },
			.index = 1,
			.state =
			    service->is_enabled ? STATE_READY : STATE_DISABLED,
			.is_remote = true };

		upstream_note(upstream, &note);
	}
	upstream_wake(upstream);
}

void
upstream_set_fault(struct upstream *upstream,
    const struct lifeline_fault *fault)
{
	upstream->fault =
	    (struct upstream_fault){ .kind = (unsigned)fault->kind,
		    .value = (unsigned)fault->value,
		    .percent = (unsigned)fault->percent };
	if (fault->for_ms != 0)
		upstream->fault.until_us =
		    now_us(upstream) + (int64_t)fault->for_ms * 1000;
}
