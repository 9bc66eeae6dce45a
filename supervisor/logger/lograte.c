#include "lograte.h"

void
lograte_set(struct lograte *rate, uint64_t max, uint64_t period_ms)
{
	/* A year is as good as for ever, and keeps the sums in range. */
	const uint64_t most_ms = UINT64_C(366) * 24 * 3600 * 1000;
	uint64_t period_us = (period_ms < most_ms ? period_ms : most_ms) * 1000;

	if (rate->max == max && rate->period_us == period_us)
		return;
	rate->max = max;
	rate->period_us = period_us;
	rate->count = 0;
	/* What was dropped under the old limits is told at once. */
	rate->end_us = 0;
}

bool
lograte_pass(struct lograte *rate, int64_t now_us, bool *is_first_r)
{
	*is_first_r = false;
	if (rate->max == 0)
		return true;
	if (now_us >= rate->end_us) {
		/* A whole period without a line ends a row of them, too. */
		if (rate->count <= rate->max ||
		    now_us - rate->end_us >= (int64_t)rate->period_us)
			rate->is_dropping = false;
		rate->end_us = now_us + (int64_t)rate->period_us;
		rate->count = 0;
	}
	if (++rate->count <= rate->max)
		return true;
	rate->dropped++;
	*is_first_r = !rate->is_dropping;
	rate->is_dropping = true;
	return false;
}

int64_t
lograte_due_us(const struct lograte *rate)
{
	return rate->dropped > 0 ? rate->end_us : INT64_MAX;
}

uint64_t
lograte_take(struct lograte *rate, int64_t now_us)
{
	uint64_t dropped = rate->dropped;

	if (now_us < rate->end_us)
		return 0;
	rate->dropped = 0;
	return dropped;
}
