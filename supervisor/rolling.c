#include "rolling.h"

#include <stddef.h>

#include "ipc/lifeline.h"

static const struct {
	enum rolling_state state;
	enum rolling_event event;
	struct rolling_step step;
} rows[] = {
	{ ROLLING_NONE, ROLLING_EV_DUE, { ROLLING_DO_START, ROLLING_COMING } },

	{ ROLLING_COMING, ROLLING_EV_READY, { ROLLING_DO_RAMP, ROLLING_RAMP } },
	{ ROLLING_COMING, ROLLING_EV_FAILED,
	    { ROLLING_DO_BACK, ROLLING_BACK } },
	{ ROLLING_COMING, ROLLING_EV_CANCEL,
	    { ROLLING_DO_DROP, ROLLING_CANCELED } },

	{ ROLLING_RAMP, ROLLING_EV_GOOD,
	    { ROLLING_DO_PROMOTE, ROLLING_LEAVING } },
	{ ROLLING_RAMP, ROLLING_EV_OLD_GONE,
	    { ROLLING_DO_PROMOTE, ROLLING_LEAVING } },
	{ ROLLING_RAMP, ROLLING_EV_WORSE, { ROLLING_DO_BACK, ROLLING_BACK } },
	{ ROLLING_RAMP, ROLLING_EV_FAILED, { ROLLING_DO_BACK, ROLLING_BACK } },
	{ ROLLING_RAMP, ROLLING_EV_CANCEL,
	    { ROLLING_DO_DROP, ROLLING_CANCELED } },

	{ ROLLING_LEAVING, ROLLING_EV_GONE, { ROLLING_DO_NEXT, ROLLING_NONE } },
	{ ROLLING_LEAVING, ROLLING_EV_CANCEL,
	    { ROLLING_DO_DROP, ROLLING_CANCELED } },

	{ ROLLING_BACK, ROLLING_EV_GONE, { ROLLING_DO_RETURN, ROLLING_NONE } },
	{ ROLLING_BACK, ROLLING_EV_CANCEL,
	    { ROLLING_DO_DROP, ROLLING_CANCELED } },

	{ ROLLING_CANCELED, ROLLING_EV_GONE, { ROLLING_DO_END, ROLLING_NONE } },
};

struct rolling_step
rolling_step(enum rolling_state state, enum rolling_event event)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].state == state && rows[i].event == event)
			return rows[i].step;
	}
	return (struct rolling_step){ ROLLING_DO_NOTHING, state };
}

static enum rolling_event
rolling_look_at_coming(const struct rolling_facts *facts)
{
	if (facts->new_state == STATE_READY)
		return ROLLING_EV_READY;
	return facts->new_state == STATE_STARTING ? ROLLING_EV_NONE
						  : ROLLING_EV_FAILED;
}

static enum rolling_event
rolling_look_at_ramp(const struct rolling_facts *facts)
{
	if (facts->new_state != STATE_READY)
		return ROLLING_EV_FAILED;
	if (facts->old_state != STATE_READY)
		return ROLLING_EV_OLD_GONE;
	if (facts->verdict == JUDGE_WAIT)
		return ROLLING_EV_NONE;
	return facts->verdict == JUDGE_GOOD ? ROLLING_EV_GOOD
					    : ROLLING_EV_WORSE;
}

enum rolling_event
rolling_look(enum rolling_state state, const struct rolling_facts *facts)
{
	if (state == ROLLING_NONE)
		return facts->is_wanted && facts->is_due ? ROLLING_EV_DUE
							 : ROLLING_EV_NONE;
	/* First: what has ended need not be told to. */
	if (!facts->has_beside && state >= ROLLING_LEAVING)
		return ROLLING_EV_GONE;
	if (!facts->is_wanted)
		return ROLLING_EV_CANCEL;
	if (state == ROLLING_COMING)
		return rolling_look_at_coming(facts);
	if (state == ROLLING_RAMP)
		return rolling_look_at_ramp(facts);
	return ROLLING_EV_NONE;
}
