#include "autoscale.h"

enum {
	SAMPLES_LATE = 2, /* in a row, before one is added */
	FAR_LATE = 4,     /* waits of so many times the bound: twice as many */
	PATIENCE_MAX = 32,
	PARTS = 8 /* of scale_down_after */
};

static unsigned
clamp(const struct autoscale_rule *rule, unsigned scale)
{
	if (scale < rule->min)
		return rule->min;
	return scale > rule->max ? rule->max : scale;
}

static int64_t
down_after_ms(const struct autoscale *state, const struct autoscale_rule *rule)
{
	return rule->down_after_ms *
	       (state->patience > 1 ? (int64_t)state->patience : 1);
}

/* Begin anew to look for how long all is calm. */
static void
watch_calm(struct autoscale *state, int64_t now_ms)
{
	state->calm_ms = state->part_ms = now_ms;
	state->area = 0;
}

/* Could so many have carried that area, with a quarter to spare? */
static bool
could_carry(const struct autoscale_rule *rule, unsigned scale, uint64_t area,
    int64_t span_ms)
{
	return rule->places == 0 ||
	       area * 4 <= (uint64_t)span_ms * scale * rule->places * 3;
}

/* Add what was in flight up to now; judge the part whose end has come. */
static void
pass_time(struct autoscale *state, const struct autoscale_rule *rule,
    unsigned scale, int64_t now_ms)
{
	int64_t span_ms = now_ms - state->part_ms;
	uint64_t area;

	if (state->calm_ms != 0 && now_ms > state->seen_ms)
		state->area +=
		    state->inflight * (uint64_t)(now_ms - state->seen_ms);
	state->seen_ms = now_ms;
	if (state->calm_ms == 0 || span_ms * PARTS < rule->down_after_ms)
		return;
	area = state->area;
	state->area = 0;
	state->part_ms = now_ms;
	if (!could_carry(rule, scale - 1, area, span_ms))
		watch_calm(state, now_ms);
}

/* The last one taken away is missed: be slower to take one the next time. */
static void
regret(struct autoscale *state, const struct autoscale_rule *rule,
    int64_t now_ms)
{
	if (state->lowered_ms == 0)
		return;
	if (now_ms - state->lowered_ms > down_after_ms(state, rule)) {
		state->patience = 0;
		return;
	}
	state->patience = state->patience > 1 ? state->patience * 2 : 2;
	if (state->patience > PATIENCE_MAX)
		state->patience = PATIENCE_MAX;
}

static unsigned
raise_scale(struct autoscale *state, const struct autoscale_rule *rule,
    unsigned scale, int64_t wait_us, int64_t now_ms)
{
	unsigned more = clamp(rule,
	    wait_us >= rule->up_wait_ms * 1000 * FAR_LATE ? scale * 2
							  : scale + 1);

	state->late = 0;
	if (more == scale)
		return scale;
	regret(state, rule, now_ms);
	state->lowered_ms = 0;
	state->is_settling = true;
	return more;
}

static unsigned
lower_scale(struct autoscale *state, const struct autoscale_rule *rule,
    unsigned scale, int64_t now_ms)
{
	int64_t span_ms = down_after_ms(state, rule);

	if (scale <= rule->min || state->calm_ms == 0 ||
	    now_ms - state->calm_ms < span_ms)
		return scale;
	/* The one before was not missed. */
	if (state->lowered_ms != 0)
		state->patience = 0;
	state->lowered_ms = now_ms;
	watch_calm(state, now_ms);
	return scale - 1;
}

unsigned
autoscale_sample(struct autoscale *state, const struct autoscale_rule *rule,
    unsigned scale, const struct autoscale_sample *sample, int64_t now_ms)
{
	int64_t bound_us = rule->up_wait_ms * 1000;
	bool is_calm = sample->wait_us * 2 < bound_us;

	scale = clamp(rule, scale);
	pass_time(state, rule, scale, now_ms);
	state->inflight = sample->inflight + sample->held;
	if (!is_calm)
		state->calm_ms = 0;
	else if (state->calm_ms == 0)
		watch_calm(state, now_ms);
	/* With none that serves, another one would not serve either. */
	if (sample->ready == 0 || sample->pending != 0 ||
	    sample->wait_us < bound_us) {
		state->late = 0;
		state->is_settling = state->is_settling && sample->pending != 0;
	} else if (state->is_settling) {
		state->is_settling = false;
	} else if (++state->late >= SAMPLES_LATE) {
		return raise_scale(state, rule, scale, sample->wait_us, now_ms);
	}
	return lower_scale(state, rule, scale, now_ms);
}

unsigned
autoscale_tick(struct autoscale *state, const struct autoscale_rule *rule,
    unsigned scale, int64_t now_ms)
{
	scale = clamp(rule, scale);
	pass_time(state, rule, scale, now_ms);
	/* The last word was that nothing waits, or more would have come. */
	return lower_scale(state, rule, scale, now_ms);
}

int64_t
autoscale_due(const struct autoscale *state, const struct autoscale_rule *rule,
    unsigned scale)
{
	if (scale <= rule->min || state->calm_ms == 0)
		return 0;
	return state->calm_ms + down_after_ms(state, rule);
}
