/*
 * slots: the requests in flight on one link, found by their ids.
 *
 * The id of a request is its slot in the low 16 bits and the slot's use count
 * above, so that a late answer to a cancelled request never meets the next
 * one. The count starts at 1: id 0 is HELLO's. Whoever was free the longest is
 * next, and some always are, so that an id comes again only after millions of
 * others: a service that stands still must not find a request it was once sent
 * offered again in the ledger, under the id of another. Pure.
 */
#ifndef MSVC_ROUTER_SLOTS_H
#define MSVC_ROUTER_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exchange;

enum {
	SLOTS_MAX = 65535
};

/* Stream bytes that may be under way at most, whatever credit is given. */
#define SLOT_BUDGET_MAX (UINT64_C(1) << 40)

struct slot {
	struct exchange *ex; /* NULL: free or parked */
	uint32_t id;
	uint32_t next_free; /* slot + 1; 0: none */
	bool is_taken;      /* its link is gone, and a handler had begun it */
	uint64_t budget;    /* stream bytes the service may still send */
};

/* A zeroed struct is valid and empty. */
struct slots {
	struct slot *slots;
	uint32_t count, first_free, last_free; /* free: slot + 1; 0: none */
	uint32_t taken, parked;
};

void slots_fini(struct slots *slots);

/*
 * Take a slot under a new id; NULL when out of memory, or SLOTS_MAX are taken.
 * It is valid until the next call of this.
 */
struct slot *slots_take(struct slots *slots, struct exchange *ex);

/* The slot in use under this id, or NULL. */
struct slot *slots_find(struct slots *slots, uint32_t id);

void slots_drop(struct slots *slots, struct slot *slot);

/*
 * Nobody waits for this request, but the service is still at it: keep its id
 * from being used again, until slots_unpark(). A parked one is not found, and
 * does not count as taken.
 */
void slots_park(struct slots *slots, struct slot *slot);
void slots_unpark(struct slots *slots, uint32_t id);

/*
 * Add to the budget. Returns what was added: less than bytes when that would
 * be more than SLOT_BUDGET_MAX, for peers may give any number as credit.
 */
uint64_t slot_credit(struct slot *slot, uint64_t bytes);

#endif
