/*
 * hold: the requests that wait for an instance, earliest deadline first.
 *
 * Bounded by the owner in count and bytes. All calls are for the worker's
 * thread.
 */
#ifndef MSVC_ROUTER_HOLD_H
#define MSVC_ROUTER_HOLD_H

#include <stddef.h>
#include <sys/queue.h>

struct exchange;

struct hold {
	TAILQ_HEAD(hold_queue, exchange) queue;
	size_t count;
	size_t bytes; /* of their bodies */
};

void hold_init(struct hold *hold);

/*
 * Put an idle exchange in its place: behind those whose deadline is not later.
 * Requests of one route come in that order, so the place is mostly the last.
 */
void hold_add(struct hold *hold, struct exchange *ex);

/* Take it out; it is idle again. */
void hold_drop(struct hold *hold, struct exchange *ex);

/* The one with the earliest deadline, or NULL. */
struct exchange *hold_first(const struct hold *hold);

#endif
