#include "limit.h"

void
limit_init(struct limit *limit, unsigned initial, unsigned min, unsigned max)
{
	if (min == 0)
		min = 1;
	if (max < min)
		max = min;
	if (initial < min)
		initial = min;
	*limit = (struct limit){ .value = initial < max ? initial : max,
		.min = min,
		.max = max };
}

static void
window_clear(struct limit *limit, int64_t now_us)
{
	limit->since_us = now_us;
	limit->latency_sum_us = 0;
	limit->answers = 0;
	limit->drops = 0;
	limit->inflight_max = 0;
}

static int64_t
window_mean(const struct limit *limit)
{
	return limit->answers == 0 ? 0 : limit->latency_sum_us / limit->answers;
}

static bool
window_is_full(const struct limit *limit, int64_t now_us)
{
	unsigned count = limit->answers + limit->drops;

	return count >= LIMIT_WINDOW ||
	       (count >= LIMIT_WINDOW_LEAST &&
		   now_us - limit->since_us >= LIMIT_PATIENCE_US);
}

static bool
is_used(const struct limit *limit)
{
	return limit->inflight_max >= limit->value - limit->value / 4;
}

/* The ratio by which the window's latency and drops change the value. */
static double
gradient(const struct limit *limit)
{
	double allowed = 2 * (double)limit->lowest_us + LIMIT_SLACK_US;
	double mean = (double)window_mean(limit);
	double count = (double)limit->answers + (double)limit->drops;
	double ratio = mean > allowed ? allowed / mean : 1;

	if (ratio < 0.5)
		ratio = 0.5;
	return ratio * (1 - (double)limit->drops / count / 2);
}

static void
limit_move(struct limit *limit)
{
	double value = (double)limit->value * gradient(limit);

	/* Of a limit that is not used, latency says nothing. */
	if (!is_used(limit) && limit->drops == 0)
		return;
	/* Without room to queue a little it could never learn of more. */
	if (limit->drops == 0)
		value += 2 + value / 16;
	if (value > limit->max)
		value = limit->max;
	limit->value = value < limit->min ? limit->min : (unsigned)value;
}

/* Keep the lowest latency; false when it is too old to go by. */
static bool
limit_learn(struct limit *limit, int64_t now_us)
{
	int64_t mean_us = window_mean(limit);

	if (limit->lowest_us == 0) {
		limit->lowest_us = mean_us;
		limit->stale_us = now_us + LIMIT_FRESH_FIRST_US;
	} else if (mean_us <= limit->lowest_us + limit->lowest_us / 8) {
		if (mean_us < limit->lowest_us)
			limit->lowest_us = mean_us;
		limit->stale_us = now_us + LIMIT_FRESH_US;
	}
	return now_us < limit->stale_us;
}

/*
 * Measure the lowest latency anew. An instance that is not used to its limit
 * has no queue now; for others a window under a low limit comes first.
 */
static void
limit_probe(struct limit *limit, int64_t now_us)
{
	int64_t was_us = limit->lowest_us;

	if (limit->probe == 0 && is_used(limit) && limit->value > limit->min) {
		limit->probe = limit->value / 4;
		if (limit->probe < limit->min)
			limit->probe = limit->min;
		return;
	}
	limit->probe = 0;
	limit->lowest_us = window_mean(limit);
	/* Much lower than thought: the probe may have had a queue as well. */
	limit->stale_us = now_us + (limit->lowest_us < was_us - was_us / 4
					   ? LIMIT_FRESH_FIRST_US
					   : LIMIT_FRESH_US);
}

void
limit_sample(struct limit *limit, int64_t latency_us, unsigned inflight,
    bool is_dropped, int64_t now_us)
{
	if (is_dropped) {
		limit->drops++;
	} else if (now_us - latency_us >= limit->since_us) {
		limit->answers++;
		limit->latency_sum_us += latency_us;
	} else {
		return; /* sent under another limit, of which it tells */
	}
	if (inflight > limit->inflight_max)
		limit->inflight_max = inflight;
	if (!window_is_full(limit, now_us))
		return;
	if (limit->answers > 0 &&
	    (limit->probe != 0 || !limit_learn(limit, now_us)))
		limit_probe(limit, now_us);
	else
		limit_move(limit);
	window_clear(limit, now_us);
}

unsigned
limit_value(const struct limit *limit)
{
	return limit->probe != 0 ? limit->probe : limit->value;
}
