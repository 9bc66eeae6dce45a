/*
 * service: the services of the configuration as they run.
 *
 * The set starts services in the order of "after": one is started when all
 * that it comes after have settled (all instances ready, or not to be had),
 * and stops them in reverse. All of it happens in services_step(), which is to
 * be called after any change of a state.
 */
#ifndef MSVC_SUPERVISOR_SERVICE_H
#define MSVC_SUPERVISOR_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "conf/conf.h"
#include "generation.h"
#include "group.h"
#include "instance.h"
#include "ipc/loop.h"
#include "rolling.h"
#include "schedule_run.h"
#include "service_scale.h"
#include "spawn.h"

struct buf;
struct err;
struct lifeline_hung;
struct lifeline_linked;
struct lifeline_stats;
struct supervise;

/* The rolling restart of one service: index by index. service_roll.c */
struct service_roll {
	enum rolling_state state;
	unsigned index;          /* of the two generations, unless NONE */
	int64_t since_us;        /* both are ready */
	bool is_back;            /* on the way back to the old configuration */
	bool is_failed;          /* was rolled back */
	struct loop_timer timer; /* the end of the ramp */
	struct judge_stats old, fresh;
};

/* Why a service is to be stopped after those that come after it. */
enum service_leave {
	LEAVE_NOT,
	LEAVE_WAIT, /* and starts again in its turn */
	LEAVE_DOWN
};

struct service {
	TAILQ_ENTRY(service) link;
	LIST_ENTRY(service) by_name;
	struct supervise *sup;           /* borrowed */
	const struct conf_service *conf; /* borrowed from sup's conf */
	/* While rolling: what to go back to, borrowed; NULL: the same. */
	const struct conf_service *old_conf;
	struct spawn_user user, old_user; /* of conf, of old_conf */
	struct spawn_user other_user;     /* service_user() of neither */
	char *name;                       /* owned */
	char
	    *rolled_back; /* owned, or NULL: "users/1: rolled back: exited 3" */
	int64_t rolled_back_us;
	struct group *group;           /* borrowed, or NULL */
	const struct service *blocker; /* last told; only to be compared */
	enum service_leave leave;
	struct instance *beside; /* owned, or NULL: see roll */
	struct service_roll roll;
	struct service_load load;
	struct instance **instances; /* owned, indexes 1 to count in order */
	unsigned count;
	unsigned scale;           /* instances that there are to be */
	uint64_t last_generation; /* of instances that it no longer has */
	bool is_limit_told;       /* that control groups are missing */
	bool is_removed; /* no longer configured: forgotten once down */
	bool is_wanted;  /* by configuration and operator */
	bool is_needed;  /* by one that comes after it: cannot stop yet */
	bool is_new;     /* its instances wait for others */
	bool is_linked;  /* url services: the router reaches it */
	bool is_rolling; /* counted in rolling_count */
	bool is_held;    /* after a roll back: on earlier configurations */
	bool is_leave_begun;
	bool is_marked;  /* of use within one function only */
	bool is_vain;    /* requires one that does not come by itself */
	bool has_failed; /* just now: see on_failed */
	bool is_asleep;  /* wanted, but stopped until something wakes it */
	char *sleep_why; /* owned, or NULL: shown as the reason */
	struct schedule_run schedule; /* of one that runs by a schedule */
};

enum {
	SERVICE_BUCKETS = 1024
};

struct services {
	TAILQ_HEAD(service_queue, service) all;
	LIST_HEAD(service_bucket, service) by_name[SERVICE_BUCKETS];
	LIST_HEAD(instance_bucket, instance) by_pid[SERVICE_BUCKETS];
	struct supervise *sup;
	struct loop_timer more; /* go on: not all in one turn */
	struct generations gone;
	struct group_list groups;
	size_t new_count, rolling_count, leaving_count;
	size_t coming_count; /* processes on their way to their program */
	bool is_failing;     /* one has_failed */
	bool is_purging;     /* something is to be forgotten once it is down */
	bool is_stopping;
};

void services_init(struct services *services, struct supervise *sup);
void services_fini(struct services *services);

/* Add a service in state waiting. Returns 0 or -1. */
int services_add(struct services *services, const struct conf_service *conf,
    struct err *err_r);

/*
 * Add one that a supervisor before us had, with so many instances, of which
 * nothing is known yet; see keep.h. NULL: out of memory.
 */
struct service *services_restore(struct services *services, const char *name,
    const struct conf_service *conf, unsigned count);

/*
 * Give a service its new configuration and make its instances fit it. change
 * is from its present one. service_apply.c
 */
int service_apply(struct service *svc, const struct conf_service *conf,
    enum conf_change change, struct err *err_r);

/* What of it changes with that configuration, also of what runs on another. */
enum conf_change service_compare(const struct service *svc,
    const struct conf_service *conf);

/*
 * The user as whom a process of that configuration runs; name NULL: ours. It
 * is looked up again unless it is known already; NULL when there is no such
 * user. Borrowed until the next call.
 */
const struct spawn_user *service_user(struct service *svc,
    const struct conf_service *conf, struct err *err_r);

/* Does anything that runs still refer to that configuration? */
bool services_hold(const struct services *services, const struct conf *conf);

/* Stop a service and forget it when it is down. */
void service_remove(struct service *svc);

/* Borrowed, or NULL. */
struct service *services_find(const struct services *services, const char *name,
    size_t len);
struct instance *services_find_pid(const struct services *services, pid_t pid);
struct instance *service_instance(const struct service *svc, uint64_t index);
/* In its place or beside it. */
struct instance *service_generation(const struct service *svc, uint64_t index,
    uint64_t generation);

/* Do not wait any longer for what children say on their way to their program,
 * but for some milliseconds. instance_report.c */
void services_settle_reports(struct services *services);

void services_set_pid(struct services *services, struct instance *inst,
    pid_t pid);

/* What the router says of a generation; others than ours are ignored. */
void services_linked(struct services *services,
    const struct lifeline_linked *linked, bool is_linked);
void services_hung(struct services *services, const struct lifeline_hung *hung);
void services_idle(struct services *services,
    const struct lifeline_linked *idle);
void services_stats(struct services *services,
    const struct lifeline_stats *stats);

/* The logger: that stream has had the line that makes its writer ready. */
void services_matched(struct services *services, uint64_t stream);

/* The first service that svc has to wait for before it starts, or NULL. */
const struct service *service_blocker(const struct service *svc);

/*
 * For what its waiting instances wait: "waits for users", or "requires users,
 * which is failed". NULL when for nothing; else text, of size bytes.
 */
const char *service_wait_text(const struct service *svc, char *text,
    size_t size);

/*
 * Start it, and those that it requires or wants with it, in their order; what
 * has failed is tried again.
 */
void service_start_all(struct service *svc);

/*
 * Stopping some services in the reverse of their order. service_leave.c
 *
 * service_set_leave()       it is to leave, as soon as those after it have;
 *                           who is to stay down stays so
 * service_leave_with()      all that run and require svc are to
 * service_put_dependents()  append their names; false: there are none
 * service_failed()          carry out on_failed
 * services_leave_some()     a part of services_step()
 */
void service_set_leave(struct service *svc, enum service_leave leave);
void service_leave_with(struct service *svc, enum service_leave leave);
bool service_put_dependents(struct service *svc, struct buf *text);
void service_failed(struct service *svc);
void services_leave_some(struct services *services);

/* An operator's wish. */
void service_up(struct service *svc);
void service_down(struct service *svc);

/*
 * Stop its processes, or do not start them, until service_wake(), an operator
 * or a reload that enables it; it stays wanted. why is copied and shown.
 */
void service_sleep(struct service *svc, const char *why);
/* Start it in its turn, if it is asleep. */
void service_wake(struct service *svc);

/* Restart one instance, or all (0): beside the old ones where that can be. */
void service_restart(struct service *svc, unsigned index);

/*
 * Replace an instance, if it is ready and the service's configuration lets two
 * generations run at once, by a rolling restart. Returns false if it cannot.
 * service_roll.c
 */
bool service_roll_due(struct instance *inst, enum instance_stale why);
/* The one that is to come is not wanted any longer. */
void service_roll_cancel(struct service *svc);
/* Go on wherever two generations run; a part of services_step(). */
void services_roll(struct services *services);
/* Its fields were set by keep_load_services(), is_rolling among them. */
void service_roll_resume(struct service *svc);
/* There are no two generations any more, nor is one to be replaced. */
void service_roll_end(struct service *svc);
/* Is a new generation about to take its place? */
bool service_has_successor(const struct instance *inst);
/* Is it that new generation? */
bool service_is_on_trial(const struct instance *inst);

/* From now on stop everything, those first that others came after. */
void services_stop(struct services *services);
void services_kill(struct services *services);

/*
 * Is nothing of one that svc requires there? Then svc, which did run, waits
 * with its next start: it would only fail again. service_order.c
 */
bool service_lacks_required(const struct service *svc);

/* Set is_needed of all that one comes after for which needs() is true. */
void services_find_needed(struct services *services,
    bool (*needs)(const struct service *svc));

/* The two directions of services_step(). service_order.c */
void services_start_some(struct services *services);
void services_stop_some(struct services *services);
void services_on_more(struct loop_timer *timer);

/* Its instances that wait are to be started in its turn. */
void service_mark_new(struct service *svc);

/* It does not wait for others any longer. */
void service_dequeue(struct service *svc);

/* Start and stop what can be; free what is gone. */
void services_step(struct services *services);

/* No process is left. */
bool services_are_down(const struct services *services);
bool service_is_down(const struct service *svc);

/* Take over a configuration and the user that it names. */
int service_set_conf(struct service *svc, const struct conf_service *conf,
    struct err *err_r);

/* Add the instances that are missing, stop those that are too many. */
int service_resize(struct service *svc, struct err *err_r);

/* Its instances are to come up as soon as those before it are there. */
void service_enqueue(struct service *svc);

/* One word for all its instances. */
unsigned service_state(const struct service *svc);

/*
 * Have all services come up, or turned out not to? bad (may be NULL) gets a
 * line for each instance that is not ready although it should be, with why.
 * Returns 1 when all are ready, 0 while that may still come, -1 when not.
 */
int services_settled(const struct services *services, struct buf *bad);

/* Is that one ready, on the way (0), or will it not be (-1)? */
int instance_settled(const struct instance *inst);

/* A line for one that is not as it should be: its state and why. */
void instance_put_bad(struct buf *bad, const struct instance *inst);

/* Is that for which it waits not about to come? */
bool service_waits_in_vain(const struct service *svc);

#endif
