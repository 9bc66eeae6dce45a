/*
 * instance: one process of a service, over all its generations.
 *
 * What happens when is decided by instance_fsm; here it is carried out. An
 * instance has one timer, whose meaning its state tells, and one for its
 * watchdog. When its main process ends, what is left of its process group is
 * killed at once: a helper that outlives its service would hold its sockets
 * and files.
 *
 * During a rolling restart a second one of the same index stands beside the
 * one in the place (service_roll.c). It is never restarted.
 */
#ifndef MSVC_SUPERVISOR_INSTANCE_H
#define MSVC_SUPERVISOR_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "backoff.h"
#include "instance_fsm.h"
#include "ipc/loop.h"
#include "stream.h"

struct conf_service;
struct notify_msg;
struct prober;
struct rusage;
struct service;

/* Why an instance drains. */
enum instance_drain {
	DRAIN_NOT,
	DRAIN_SELF,      /* STOPPING=1: it ends by itself */
	DRAIN_OPERATOR,  /* msvc drain: it stays */
	DRAIN_UNHEALTHY, /* until its probe is well again: it stays */
	DRAIN_LEAVING,   /* another generation has its place */
	DRAIN_HUNG       /* what else it handles may finish, then it goes */
};

/* Is it to be replaced by a rolling restart, or when it has left, and why? */
enum instance_stale {
	STALE_NOT,
	STALE_CONF, /* it runs on an earlier configuration */
	STALE_ORDER /* an operator wants it, whatever the configuration */
};

struct instance {
	struct service *service;         /* borrowed */
	const struct conf_service *conf; /* borrowed: that of its process */
	LIST_ENTRY(instance) by_pid;     /* while pid is not 0 */
	unsigned index;                  /* from 1 */
	unsigned state;                  /* INSTANCE_WAITING or STATE_ */
	enum instance_goal goal;
	enum instance_drain drain; /* while draining */
	enum instance_stale stale;
	pid_t pid;                    /* 0: no process */
	uint64_t generation;          /* one more with each start */
	uint64_t last_generation;     /* of this index, also of one beside it */
	uint64_t first_generation;    /* the one before its first start */
	uint64_t stream;              /* where its process writes */
	uint64_t oom_count;           /* crash_oom_count() at its start */
	int64_t since;                /* of this state, Unix seconds */
	int64_t started_us, ready_us; /* of this generation; ready 0: not */
	int64_t retry_us;             /* in backoff: when it ends */
	int64_t watchdog_us;          /* it must speak so often; 0: need not */
	struct loop_timer timer, watchdog;
	struct loop_io report; /* fd -1: nothing to come; instance_report.c */
	struct backoff backoff;
	struct stream_list streams;
	struct prober *prober; /* owned; NULL: not probed */
	char *reason;          /* owned, or NULL: why it is so */
	char *status;          /* owned, or NULL: its own STATUS= */
	char *error;           /* owned, or NULL: its own ERRNO= or BUSERROR= */
	unsigned death;        /* enum lifeline_death of the last process */
	int exit_status;       /* of the last end, with has_exited */
	unsigned cgroup_controllers; /* of its control group */
	bool has_cgroup;             /* see instance_limits.h */
	bool has_exited;
	bool is_success;   /* was the last end one */
	bool is_overdue;   /* missed ready_timeout just now */
	bool is_unborn;    /* this generation never became its program */
	bool is_beside;    /* not the one in the place */
	bool is_linked;    /* the router reached this generation */
	bool is_idle;      /* draining, and nothing is in flight */
	bool is_late;      /* drain_timeout has passed without that */
	bool is_hung;      /* by the router or its watchdog */
	bool is_unhealthy; /* stopped for it */
	bool is_reloading; /* it said RELOADING=1, not yet READY=1 */
	bool is_refused;   /* told that a notification of it is refused */
};

struct instance *instance_new(struct service *service, unsigned index);
void instance_free(struct instance **instp);

/* The state as others see it: waiting is starting. */
unsigned instance_state(const struct instance *inst);

/* Wanted (again): start it unless it runs; resets a failed one. */
void instance_up(struct instance *inst);
/* As instance_up(), but start only when the services before it are there. */
void instance_wait(struct instance *inst);
void instance_down(struct instance *inst);
/* Stop it and start a new generation. */
void instance_again(struct instance *inst);
/* Do not let it clean up any longer. */
void instance_kill(struct instance *inst);

/* Its configuration changes under it, in what needs no new process. */
void instance_set_conf(struct instance *inst, const struct conf_service *conf);

/* The router has reached it. */
void instance_linked(struct instance *inst);
/* A new process has said nothing yet; what this one says, in text, or NULL. */
void instance_unsay(struct instance *inst);
const char *instance_said(const struct instance *inst, char *text, size_t size);
/* The line that it is to be ready by has come. */
void instance_matched(struct instance *inst);
void instance_notified(struct instance *inst, const struct notify_msg *msg);

/* Send it nothing new, and again; only one that is ready or drains so. */
void instance_drain(struct instance *inst);
void instance_undrain(struct instance *inst);
/* Its probe: drain it for that, and no longer. */
void instance_drain_unhealthy(struct instance *inst);
void instance_well(struct instance *inst);
/* Does it drain, but is to stay? */
bool instance_drains_for_now(const struct instance *inst);
/* Wanted no longer: as instance_leave(), but it has its place. */
void instance_retire(struct instance *inst);
/* Another has its place: let it finish and end, within drain_timeout. */
void instance_leave(struct instance *inst);
/* The router: nothing is in flight in it; a request is long overdue in it. */
void instance_idle(struct instance *inst);
void instance_hung(struct instance *inst, const char *what, uint64_t age_ms);

/* Its main process was reaped. */
void instance_exited(struct instance *inst, int status,
    const struct rusage *rusage);

/* Tell the router about its state. */
void instance_tell(const struct instance *inst);

/*
 * Between the files of instance.
 *
 * instance_spawn()        in state starting: make the process, or go on as if
 *                         it had ended. instance_start.c
 * instance_dir()          its working directory, cut at size
 * instance_unborn()       no process could be made: what is why.
 *                         instance_end.c
 * instance_await_report()  what the child says between fork and exec, and what
 *                         it said; the pipe is its own. instance_report.c
 * instance_watch()        begin, or begin again, to wait for WATCHDOG=1
 * instance_on_overdue()   its timer has fired while it drains
 * instance_stay()         if it was to go, and has its place: it is not
 */
void instance_handle(struct instance *inst, enum instance_event event);
void instance_spawn(struct instance *inst);
void instance_dir(const struct instance *inst, char *dir, size_t size);
void instance_unborn(struct instance *inst, const char *what, bool is_counted);
void instance_ready(struct instance *inst);
void instance_await_report(struct instance *inst, int report_fd);
void instance_read_report(struct instance *inst);
void instance_close_report(struct instance *inst);
void instance_watch(struct instance *inst);
void instance_on_watchdog(struct loop_timer *timer);
void instance_on_overdue(struct instance *inst);
void instance_stay(struct instance *inst);
int64_t instance_now_us(const struct instance *inst);
int64_t instance_ready_ms(const struct instance *inst);
uint32_t instance_random(void);
struct backoff_rule instance_backoff_rule(const struct instance *inst);
void instance_set_timer(struct instance *inst, int64_t delay_ms);
void instance_set_state(struct instance *inst, unsigned state);
void instance_set_reason(struct instance *inst, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void instance_clear_reason(struct instance *inst);

#endif
