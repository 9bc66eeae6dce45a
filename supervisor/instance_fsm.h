/*
 * instance_fsm: the life of one instance as a table, without a system call.
 *
 * An event in a state gives an action to carry out and the next state. What
 * the end of a process means is judged first, by instance_fsm_judge(), and
 * then is an event like the others. Pure.
 */
#ifndef MSVC_SUPERVISOR_INSTANCE_FSM_H
#define MSVC_SUPERVISOR_INSTANCE_FSM_H

#include <stdbool.h>

#include "conf/conf.h"
#include "ipc/lifeline.h"

/* enum lifeline_state, and one that is reported as starting. */
enum {
	INSTANCE_WAITING = 0, /* for its turn, in the order of services */
};

enum instance_event {
	INSTANCE_EV_UP,       /* an operator, the start or a reload wants it */
	INSTANCE_EV_DOWN,     /* wanted no longer */
	INSTANCE_EV_READY,    /* as the service's "ready" defines it */
	INSTANCE_EV_STOPPING, /* it says so itself: sd_notify STOPPING=1 */
	INSTANCE_EV_TIMER,    /* ready_timeout, the backoff or stop_timeout */
	INSTANCE_EV_DRAIN,    /* it is to get no new requests */
	INSTANCE_EV_UNDRAIN,  /* it may have them again */
	INSTANCE_EV_HUNG,     /* a request is long overdue: others may finish */
	INSTANCE_EV_STUCK,    /* it hangs for good, or its watchdog says so */
	INSTANCE_EV_UNHEALTHY, /* its probe has failed too often */
	/* Its process is gone, or could not be made; as judged: */
	INSTANCE_EV_ENDED, /* to stay so */
	INSTANCE_EV_AGAIN, /* an operator wants a new one */
	INSTANCE_EV_RETRY, /* a new one after a delay */
	INSTANCE_EV_LIMIT, /* too often */
	INSTANCE_EV_YIELD, /* in its turn: another generation is about to take
			      its place, or its group restarts */
	INSTANCE_EV_COUNT
};

enum instance_action {
	INSTANCE_DO_NOTHING, /* the event has no meaning in this state */
	INSTANCE_DO_SPAWN,
	INSTANCE_DO_TELL,   /* only the state changes */
	INSTANCE_DO_LINGER, /* it ends by itself, within stop_timeout */
	INSTANCE_DO_TERM,   /* send stop_signal, arm stop_timeout */
	INSTANCE_DO_DRAIN,  /* arm drain_timeout */
	INSTANCE_DO_DOUBT,  /* arm hang_grace */
	INSTANCE_DO_ABORT,  /* SIGABRT: a core tells why; arm stop_timeout */
	INSTANCE_DO_KILL,   /* SIGKILL to the process group */
	INSTANCE_DO_WAIT,   /* arm the backoff timer */
	INSTANCE_DO_GIVE_UP,
};

struct instance_step {
	enum instance_action action;
	unsigned next; /* state; as before with INSTANCE_DO_NOTHING */
};

struct instance_step instance_fsm_step(unsigned state,
    enum instance_event event);

/* What is wanted of an instance. */
enum instance_goal {
	INSTANCE_GOAL_DOWN,
	INSTANCE_GOAL_UP,
	INSTANCE_GOAL_AGAIN, /* stop, then up: restart by an operator */
};

/*
 * The end of a process whose exit was a success or not, as one of ENDED,
 * AGAIN and RETRY. The caller turns RETRY into LIMIT when the backoff says so.
 * A oneshot has done its work when it ends with success, and has failed for
 * good (LIMIT) when it does not and is not to be started again.
 * A process that was killed since it did not become ready (state stopping,
 * goal up) has failed, however it ended.
 */
enum instance_event instance_fsm_judge(unsigned state, enum instance_goal goal,
    enum conf_restart policy, enum conf_kind kind, bool is_success);

#endif
