/*
 * rolling: the steps of replacing one instance by a new generation of it that
 * runs beside the old one until it has proven itself. Pure.
 *
 * What has happened is read off the two generations by rolling_look(), after
 * any change of theirs; rolling_step() says what to do about it.
 */
#ifndef MSVC_SUPERVISOR_ROLLING_H
#define MSVC_SUPERVISOR_ROLLING_H

#include <stdbool.h>

#include "judge.h"

enum rolling_state {
	ROLLING_NONE,    /* one generation only */
	ROLLING_COMING,  /* the new one starts beside the old one */
	ROLLING_RAMP,    /* both are ready, requests move to the new one */
	ROLLING_LEAVING, /* the new one has the place, the old one drains */
	ROLLING_BACK,    /* the new one failed and is on its way out */
	ROLLING_CANCELED /* nobody wants the new one: on its way out too */
};

enum rolling_event {
	ROLLING_EV_NONE,
	ROLLING_EV_DUE,      /* an instance is to be replaced */
	ROLLING_EV_READY,    /* the new one is */
	ROLLING_EV_GOOD,     /* ... and does well */
	ROLLING_EV_WORSE,    /* it answers worse than the old one */
	ROLLING_EV_FAILED,   /* it died, hangs, stops or was never ready */
	ROLLING_EV_OLD_GONE, /* the old one serves no more: no time to lose */
	ROLLING_EV_GONE,     /* what stood beside has ended */
	ROLLING_EV_CANCEL    /* the service is stopped, the place goes away */
};

enum rolling_action {
	ROLLING_DO_NOTHING,
	ROLLING_DO_START,   /* a new generation beside the old one */
	ROLLING_DO_RAMP,    /* begin to compare */
	ROLLING_DO_PROMOTE, /* the new one takes the place, the old one drains
			     */
	ROLLING_DO_BACK,    /* stop the new one, keep the old one */
	ROLLING_DO_DROP,    /* stop what stands beside */
	ROLLING_DO_NEXT,    /* done with this place */
	ROLLING_DO_RETURN,  /* as it was: what was replaced already too */
	ROLLING_DO_END      /* forget what is left to replace */
};

/* What the two generations look like; the old one has the place or had it. */
struct rolling_facts {
	unsigned old_state, new_state; /* STATE_ of ipc/lifeline.h */
	bool is_due;                   /* the next one is to be replaced */
	bool is_wanted;                /* its service and its place are */
	bool has_beside;               /* a process stands beside the place */
	enum judge_verdict verdict;    /* while both are ready */
};

struct rolling_step {
	enum rolling_action action;
	enum rolling_state next; /* as before with ROLLING_DO_NOTHING */
};

enum rolling_event rolling_look(enum rolling_state state,
    const struct rolling_facts *facts);
struct rolling_step rolling_step(enum rolling_state state,
    enum rolling_event event);

#endif
