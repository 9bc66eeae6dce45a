#include "outlier.h"

/* What the instances that are in did in this interval. */
struct sums {
	uint64_t requests, failures;
	unsigned failed_last; /* instances whose last answer was a failure */
};

void
outlier_answer(struct outlier *outlier, bool is_failure, int64_t latency_us)
{
	outlier->requests++;
	outlier->latency_sum_us += (uint64_t)latency_us;
	if (is_failure) {
		outlier->failures++;
		outlier->bad_row++;
	} else {
		outlier->bad_row = 0;
	}
}

bool
outlier_should_judge(const struct outlier *outlier)
{
	switch (outlier->state) {
	case OUTLIER_IN:
		/* Once a row: whether it is ejected is up to the others. */
		return outlier->bad_row == OUTLIER_ROW;
	case OUTLIER_TRIAL:
		return outlier->failures > 0 ||
		       outlier->requests >= OUTLIER_ROW;
	case OUTLIER_OUT:
		break;
	}
	return false;
}

bool
outlier_may_take(const struct outlier *outlier, unsigned inflight,
    int64_t now_us)
{
	if (outlier->state == OUTLIER_IN)
		return true;
	if (outlier->state == OUTLIER_OUT && now_us < outlier->until_us)
		return false;
	return inflight == 0;
}

static void
counters_clear(struct outlier *outlier, int64_t now_us)
{
	outlier->requests = 0;
	outlier->failures = 0;
	outlier->bad_row = 0;
	outlier->latency_sum_us = 0;
	outlier->since_us = now_us;
}

/* The mean latency, when least or more requests make one; else 0. */
static int64_t
interval_mean(const struct outlier *outlier, uint32_t least)
{
	if (outlier->requests == 0 || outlier->requests < least)
		return 0;
	return (int64_t)(outlier->latency_sum_us / outlier->requests);
}

/* What is known of how fast it is, of this interval or the one before. */
static int64_t
known_mean(const struct outlier *outlier)
{
	int64_t mean_us = interval_mean(outlier, OUTLIER_SLOW_LEAST);

	return mean_us != 0 ? mean_us : outlier->mean_us;
}

static void
set_state(struct outlier *outlier, enum outlier_state state, int64_t now_us)
{
	outlier->state = state;
	outlier->is_changed = true;
	outlier->in_us = now_us;
	counters_clear(outlier, now_us);
}

static void
eject(struct outlier *outlier, enum outlier_cause cause,
    const struct outlier_rule *rule, int64_t now_us)
{
	int64_t time_us = rule->eject_us;

	for (unsigned i = 0; i < outlier->times && time_us < rule->max_us; i++)
		time_us *= 2;
	outlier->times++;
	outlier->cause = cause;
	outlier->mean_us = 0;
	outlier->until_us =
	    now_us + (time_us < rule->max_us ? time_us : rule->max_us);
	set_state(outlier, OUTLIER_OUT, now_us);
}

static bool
is_failing(const struct outlier *outlier, const struct sums *all)
{
	double rate = outlier->requests == 0
			  ? 0
			  : (double)outlier->failures / outlier->requests;
	uint64_t requests = all->requests - outlier->requests;
	uint64_t failures = all->failures - outlier->failures;

	if (outlier->bad_row < OUTLIER_ROW &&
	    (outlier->requests < OUTLIER_RATE_LEAST ||
		rate * 100 < OUTLIER_RATE_PERCENT))
		return false;
	/* An interval may have just begun: then their last answers tell. */
	if (requests == 0)
		return rate > 0 &&
		       all->failed_last == (outlier->bad_row > 0 ? 1 : 0);
	return (double)failures < rate / 2 * (double)requests;
}

/*
 * Being slower than the median by a margin is being slower by it than more
 * than half of the others: no need to sort them.
 */
static bool
is_slow(const struct outlier *outlier, int64_t mean_us,
    struct outlier *const *set, size_t count)
{
	size_t known = 0, faster = 0;

	for (size_t i = 0; i < count && mean_us > 0; i++) {
		int64_t other_us = known_mean(set[i]);

		if (set[i] == outlier || set[i]->state != OUTLIER_IN ||
		    other_us == 0)
			continue;
		known++;
		if (mean_us / 3 > other_us &&
		    mean_us > other_us + OUTLIER_SLOWER_US)
			faster++;
	}
	return faster * 2 > known;
}

static bool
is_worse(const struct outlier *a, const struct outlier *b)
{
	uint64_t a_rate = (uint64_t)a->failures * b->requests;
	uint64_t b_rate = (uint64_t)b->failures * a->requests;

	if (a_rate != b_rate)
		return a_rate > b_rate;
	return interval_mean(a, 1) > interval_mean(b, 1);
}

/* The worst of those that should be out, and why; or NULL. */
static struct outlier *
find_worst(struct outlier *const *set, size_t count, enum outlier_cause *cause)
{
	struct sums all = { 0, 0, 0 };
	struct outlier *worst = NULL;

	for (size_t i = 0; i < count; i++) {
		if (set[i]->state != OUTLIER_IN)
			continue;
		all.requests += set[i]->requests;
		all.failures += set[i]->failures;
		all.failed_last += set[i]->bad_row > 0 ? 1 : 0;
	}
	for (size_t i = 0; i < count; i++) {
		struct outlier *o = set[i];
		bool fails = o->state == OUTLIER_IN && is_failing(o, &all);

		if (o->state != OUTLIER_IN ||
		    (worst != NULL && !is_worse(o, worst)))
			continue;
		if (fails || is_slow(o, interval_mean(o, OUTLIER_SLOW_LEAST),
				 set, count)) {
			worst = o;
			*cause = fails ? OUTLIER_FAILS : OUTLIER_SLOW;
		}
	}
	return worst;
}

static void
judge_trial(struct outlier *o, struct outlier *const *set, size_t count,
    const struct outlier_rule *rule, int64_t now_us)
{
	if (o->failures > 0)
		eject(o, OUTLIER_FAILS, rule, now_us);
	else if (o->requests < OUTLIER_ROW)
		return;
	else if (is_slow(o, interval_mean(o, OUTLIER_ROW), set, count))
		eject(o, OUTLIER_SLOW, rule, now_us);
	else
		set_state(o, OUTLIER_IN, now_us);
}

/* What time alone changes. */
static void
judge_time(struct outlier *o, int64_t now_us)
{
	if (o->state == OUTLIER_OUT && now_us >= o->until_us)
		set_state(o, OUTLIER_TRIAL, now_us);
	if (o->state == OUTLIER_IN && o->times > 0 &&
	    now_us - o->in_us >= OUTLIER_DECAY_US) {
		o->times--;
		o->in_us += OUTLIER_DECAY_US;
	}
}

/* End the interval of an instance that is in, once it says enough. */
static void
judge_interval(struct outlier *o, int64_t now_us)
{
	uint32_t bad_row = o->bad_row;

	if (o->since_us == 0)
		o->since_us = now_us;
	if (o->state != OUTLIER_IN ||
	    (o->requests < OUTLIER_SLOW_LEAST &&
		now_us - o->since_us < OUTLIER_INTERVAL_US))
		return;
	o->mean_us = known_mean(o);
	counters_clear(o, now_us);
	o->bad_row = bad_row; /* a row goes on across intervals */
}

/* Bring back who is nearest to the end of its time. */
static void
readmit(struct outlier *const *set, size_t count, int64_t now_us)
{
	struct outlier *first = NULL;

	for (size_t i = 0; i < count; i++) {
		if (set[i]->state != OUTLIER_IN &&
		    (first == NULL || set[i]->until_us < first->until_us))
			first = set[i];
	}
	if (first != NULL)
		set_state(first, OUTLIER_IN, now_us);
}

size_t
outlier_judge(struct outlier **set, size_t count,
    const struct outlier_rule *rule, int64_t now_us)
{
	enum outlier_cause cause = OUTLIER_NONE;
	struct outlier *worst;
	size_t out = 0, changes = 0;

	for (size_t i = 0; i < count; i++)
		set[i]->is_changed = false;
	for (size_t i = 0; i < count; i++) {
		judge_time(set[i], now_us);
		if (set[i]->state == OUTLIER_TRIAL)
			judge_trial(set[i], set, count, rule, now_us);
		out += set[i]->state != OUTLIER_IN ? 1 : 0;
	}
	for (; out > count / 2; out--)
		readmit(set, count, now_us);
	for (; out < count / 2; out++) {
		worst = find_worst(set, count, &cause);
		if (worst == NULL)
			break;
		eject(worst, cause, rule, now_us);
	}
	for (size_t i = 0; i < count; i++) {
		judge_interval(set[i], now_us);
		changes += set[i]->is_changed ? 1 : 0;
	}
	return changes;
}
