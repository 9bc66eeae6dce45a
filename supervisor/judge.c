#include "judge.h"

#include <stdbool.h>

enum {
	FAILURES_MIN = 3,
	SLOWER_MIN_US = 20000
};

static const double rate_margin = 0.05;

static double
mean(uint64_t sum, uint64_t count)
{
	return count == 0 ? 0 : (double)sum / (double)count;
}

static bool
fails_more(const struct judge_stats *old, const struct judge_stats *fresh)
{
	double was = mean(old->failures, old->requests);
	double is = mean(fresh->failures, fresh->requests);
	double margin = 2 * was > rate_margin ? 2 * was : rate_margin;

	return fresh->failures >= FAILURES_MIN && is > was + margin;
}

static bool
is_slower(const struct judge_stats *old, const struct judge_stats *fresh)
{
	double was = mean(old->latency_sum_us, old->requests);
	double is = mean(fresh->latency_sum_us, fresh->requests);

	return is > 2 * was && is > was + SLOWER_MIN_US;
}

enum judge_verdict
judge_upgrade(const struct judge_stats *old, const struct judge_stats *fresh,
    uint64_t min_requests, int64_t ramp_left_us)
{
	if (min_requests == 0)
		min_requests = 1;
	if (fresh->requests >= min_requests) {
		if (fails_more(old, fresh))
			return JUDGE_WORSE_ERRORS;
		if (old->requests >= min_requests && is_slower(old, fresh))
			return JUDGE_WORSE_LATENCY;
	}
	return ramp_left_us <= 0 ? JUDGE_GOOD : JUDGE_WAIT;
}
