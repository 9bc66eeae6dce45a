#include "backoff.h"

#include <stddef.h>
#include <stdlib.h>

void
backoff_fini(struct backoff *backoff)
{
	free(backoff->restarts);
	*backoff = (struct backoff){ 0 };
}

void
backoff_reset(struct backoff *backoff)
{
	backoff_fini(backoff);
}

/* Make the ring hold limit items; a changed limit starts a new window. */
static bool
backoff_resize(struct backoff *backoff, unsigned limit)
{
	int64_t *ring;

	if (backoff->ring_size == limit)
		return true;
	ring = calloc(limit, sizeof(*ring));
	if (ring == NULL)
		return false;
	free(backoff->restarts);
	backoff->restarts = ring;
	backoff->ring_size = limit;
	backoff->ring_head = 0;
	backoff->ring_count = 0;
	return true;
}

/* Count a restart at now_ms; false when the window holds limit already. */
static bool
backoff_count(struct backoff *backoff, const struct backoff_rule *rule,
    int64_t now_ms)
{
	unsigned tail;

	if (rule->limit == 0 || !backoff_resize(backoff, rule->limit))
		return true;
	while (
	    backoff->ring_count > 0 &&
	    now_ms - backoff->restarts[backoff->ring_head] >= rule->period_ms) {
		backoff->ring_head =
		    (backoff->ring_head + 1) % backoff->ring_size;
		backoff->ring_count--;
	}
	if (backoff->ring_count == backoff->ring_size)
		return false;
	tail = (backoff->ring_head + backoff->ring_count) % backoff->ring_size;
	backoff->restarts[tail] = now_ms;
	backoff->ring_count++;
	return true;
}

/* The wait after one more failure; those before are counted already. */
static int64_t
backoff_delay(const struct backoff *backoff, const struct backoff_rule *rule)
{
	int64_t delay_ms = backoff->last_delay_ms;
	unsigned failures = backoff->failures;

	if (rule->list_count > 0)
		return rule->list_ms[failures < rule->list_count
					 ? failures
					 : rule->list_count - 1];
	if (failures == 0)
		return 0;
	if (delay_ms == 0)
		delay_ms = rule->delay_ms;
	else if (delay_ms <= rule->delay_max_ms / 2)
		delay_ms *= 2;
	else
		delay_ms = rule->delay_max_ms;
	return delay_ms < rule->delay_max_ms ? delay_ms : rule->delay_max_ms;
}

bool
backoff_next(struct backoff *backoff, const struct backoff_rule *rule,
    int64_t now_ms, int64_t ready_ms, uint32_t random, int64_t *delay_r)
{
	int64_t delay_ms;

	if (!backoff_count(backoff, rule, now_ms - backoff->waited_ms))
		return false;
	if (ready_ms > rule->settled_ms && ready_ms > backoff->last_delay_ms)
		backoff->failures = 0;
	delay_ms = backoff_delay(backoff, rule);
	if (backoff->failures >= BACKOFF_LONG_ROW &&
	    delay_ms < BACKOFF_LEAST_MS)
		delay_ms = BACKOFF_LEAST_MS;
	backoff->last_delay_ms = delay_ms;
	if (backoff->failures < UINT32_MAX)
		backoff->failures++;
	*delay_r = delay_ms + (int64_t)(random % 101) * delay_ms / 1000;
	backoff->waited_ms += *delay_r;
	return true;
}
