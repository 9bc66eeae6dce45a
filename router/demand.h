/*
 * demand: how much is asked of a service, as one worker sees it.
 *
 * For services whose rules say load_ms, the control thread is told so often
 * of the requests that came and of how long they wait: in the hold list, or
 * in an instance that has not begun them (its ledger tells). Nothing is told
 * while nothing changes; when the requests stop, the last word says none. And
 * of a service that sleeps, that there is a request for it. All calls are for
 * the worker's thread.
 */
#ifndef MSVC_ROUTER_DEMAND_H
#define MSVC_ROUTER_DEMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/loop.h"

struct exchange;
struct peer;
struct upstream;

struct demand {
	struct loop_timer timer; /* while there is something to tell */
	uint64_t requests;       /* since the last word */
	int64_t wait_us;         /* the longest of those sent since then */
	bool is_woken;           /* it sleeps, and was told to wake up */
	bool is_told; /* the last word was that some are in flight or wait */
};

void demand_init(struct upstream *upstream);
void demand_fini(struct upstream *upstream);

/* A request has come; it is to wait; it is sent after it has waited. */
void demand_asked(struct upstream *upstream);
void demand_held(struct upstream *upstream, struct exchange *ex);
void demand_sent(struct upstream *upstream, const struct exchange *ex);

/* Another number is in flight. */
void demand_changed(struct upstream *upstream);

/*
 * Its rules are new; load_ms is that of those before. Whoever asks just now
 * knows nothing of what is in flight, or what was said last of it long ago.
 */
void demand_ruled(struct upstream *upstream, uint64_t load_ms);

/* What is said of its instances has changed: does it sleep, and is wanted? */
void demand_look(struct upstream *upstream);

/*
 * How long the request that was sent first, of those that no handler has
 * begun, has waited in the instance; 0: none does, or it has no ledger.
 * peer_wait.c
 */
int64_t peer_wait_us(const struct peer *peer);

#endif
