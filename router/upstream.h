/*
 * upstream: one service as one worker sees it, its instances and its queue.
 *
 * Requests go to the instance that has the fewest in flight among those that
 * are ready and open to more (choice.c); when none is but one is bound to be
 * in time, they wait (hold.h) and are woken by what happens, not by polling.
 * An upstream outlives its service's removal from the configuration: the name
 * may come back. All calls are for the worker's thread.
 *
 * upstream.c owns instances and rules; dispatch.c decides on requests;
 * choice.c picks an instance; explain.c says why there is none.
 */
#ifndef MSVC_ROUTER_UPSTREAM_H
#define MSVC_ROUTER_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ipc/lifeline.h"
#include "ipc/loop.h"

#include "budget.h"
#include "demand.h"
#include "hold.h"

struct exchange;
struct instance;
struct note;
struct problem;
struct snapshot_service;
struct upstream;
struct worker;

enum {
	UPSTREAM_INSTANCE_MAX = 4096,
	UPSTREAM_JUDGE_US = 1000 * 1000,
	UPSTREAM_STATS_US = 100 * 1000,
	UPSTREAM_RAMP_US = 50 * 1000 /* after which a slow start doubles */
};

/* What an operator wants to go wrong; kind FAULT_NONE: nothing. */
struct upstream_fault {
	unsigned kind; /* enum lifeline_fault_kind */
	unsigned value, percent;
	int64_t until_us; /* loop time; 0: for ever */
};

struct upstream {
	struct worker *worker;
	char *name;
	struct instance **instances; /* by index minus one; may be NULL */
	size_t instance_count;
	/* Second generations of their indexes: coming, or on their way out. */
	TAILQ_HEAD(, instance) beside;
	size_t turn; /* where the search for the least busy one begins */
	struct hold hold;
	struct lifeline_rules rules;
	unsigned inflight_max;     /* of an instance, for this worker; 0: any */
	unsigned inflight_all_max; /* of all instances; 0: any */
	unsigned inflight;         /* in all instances */
	struct budget budget;
	struct demand demand;
	struct upstream_fault fault;
	struct loop_timer judge;   /* of outliers, while there are answers */
	struct loop_timer stats;   /* while there is a coming generation */
	struct loop_timer ramp;    /* while requests wait for ready instances */
	unsigned unjudged;         /* crashes that may add to the watch list */
	int64_t unjudged_until_us; /* waited for no longer */
	bool is_watched;           /* the worker's watch list has it */
	bool is_enabled;           /* in the picture, and enabled */
};

/* NULL when out of memory. */
struct upstream *upstream_new(struct worker *worker, const char *name);
void upstream_free(struct upstream **upstreamp); /* peers must be gone */

/* A new picture; service is NULL when it is no longer in it. */
void upstream_apply(struct upstream *upstream,
    const struct snapshot_service *service);

/* The supervisor's word on one instance; older generations are ignored. */
void upstream_note(struct upstream *upstream, const struct note *note);

/* That generation, whether it stands for its index or is beside it; or NULL. */
struct instance *upstream_find(const struct upstream *upstream, uint64_t index,
    uint64_t generation);

/* The socket of this generation has appeared: dial. */
void upstream_kick(struct upstream *upstream, uint64_t index,
    uint64_t generation);

void upstream_set_fault(struct upstream *upstream,
    const struct lifeline_fault *fault);

/* Send, queue, or answer 503. */
void upstream_dispatch(struct upstream *upstream, struct exchange *ex);

/* Take an exchange out of the queue. */
void upstream_forget(struct upstream *upstream, struct exchange *ex);

/* It waited as long as requests may wait for a place. */
void upstream_overdue(struct upstream *upstream, struct exchange *ex);

/* An instance has room again: send those who wait. */
void upstream_flush(struct upstream *upstream);

/* An instance is ready or linked: as below; who is left waits for a place. */
void upstream_came(struct upstream *upstream);

/* Something may have become possible for those that wait, or hopeless. */
void upstream_wake(struct upstream *upstream);

/* An instance has answered: compare it with the others, soon or this turn. */
void upstream_judge(struct upstream *upstream, bool is_urgent);

/*
 * The instance to send the next request to, other than except (may be NULL);
 * NULL: none can take one now. choice.c
 */
struct instance *upstream_choose(struct upstream *upstream,
    const struct instance *except);

/* Is one ready and linked, though perhaps not open to more? choice.c */
bool upstream_is_served(const struct upstream *upstream);

/*
 * Why an exchange cannot be served now: a 503 with cause and Retry-After.
 * explain.c
 */
void upstream_explain(const struct upstream *upstream,
    const struct exchange *ex, struct problem *problem_r);
void upstream_explain_full(const struct upstream *upstream,
    struct problem *problem_r);

#endif
