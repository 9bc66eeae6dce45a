/*
 * upstream: one service as one worker sees it, its instances and its queue.
 *
 * Requests go to the ready instance with the fewest in flight; when none can
 * take one but one is bound to be able to in time, they wait, first come first
 * served, and are woken by what happens, not by polling. An upstream outlives
 * its service's removal from the configuration: the name may come back.
 * All calls are for the worker's thread.
 */
#ifndef MSVC_ROUTER_UPSTREAM_H
#define MSVC_ROUTER_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct exchange;
struct instance;
struct note;
struct problem;
struct snapshot_service;
struct upstream;
struct worker;

enum {
	UPSTREAM_WAITING_MAX = 1024,
	UPSTREAM_INSTANCE_MAX = 4096
};

struct upstream {
	struct worker *worker;
	char *name;
	struct instance **instances; /* by index minus one; may be NULL */
	size_t instance_count;
	size_t turn; /* where the search for the least busy one begins */
	TAILQ_HEAD(, exchange) waiting;
	size_t waiting_count;
	bool is_enabled; /* in the picture, and enabled */
};

/* NULL when out of memory. */
struct upstream *upstream_new(struct worker *worker, const char *name);
void upstream_free(struct upstream **upstreamp); /* peers must be gone */

/* A new picture; service is NULL when it is no longer in it. */
void upstream_apply(struct upstream *upstream,
    const struct snapshot_service *service);

/* The supervisor's word on one instance; older generations are ignored. */
void upstream_note(struct upstream *upstream, const struct note *note);

/* The socket of this generation has appeared: dial. */
void upstream_kick(struct upstream *upstream, uint64_t index,
    uint64_t generation);

/* Send, queue, or answer 503. */
void upstream_dispatch(struct upstream *upstream, struct exchange *ex);

/* Take an exchange out of the queue. */
void upstream_forget(struct upstream *upstream, struct exchange *ex);

/* Something may have become possible for those that wait, or hopeless. */
void upstream_wake(struct upstream *upstream);

/* Why an exchange cannot be served now: a 503 with cause and Retry-After. */
void upstream_explain(const struct upstream *upstream,
    const struct exchange *ex, struct problem *problem_r);

#endif
