/*
 * slots: the requests in flight on one link, found by their ids.
 *
 * The id of a request is its slot in the low 16 bits and the slot's use count
 * above, so that a late answer to a cancelled request never meets the next
 * one. The count starts at 1: id 0 is HELLO's. Pure.
 */
#ifndef MSVC_ROUTER_SLOTS_H
#define MSVC_ROUTER_SLOTS_H

#include <stddef.h>
#include <stdint.h>

struct exchange;

enum {
	SLOTS_MAX = 65535
};

/* Stream bytes that may be under way at most, whatever credit is given. */
#define SLOT_BUDGET_MAX (UINT64_C(1) << 40)

struct slot {
	struct exchange *ex; /* NULL: free */
	uint32_t id;
	uint32_t next_free; /* slot + 1; 0: none */
	uint64_t budget;    /* stream bytes the service may still send */
};

/* A zeroed struct is valid and empty. */
struct slots {
	struct slot *slots;
	uint32_t count, first_free; /* first_free: slot + 1 */
	uint32_t taken;
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
 * Add to the budget. Returns what was added: less than bytes when that would
 * be more than SLOT_BUDGET_MAX, for peers may give any number as credit.
 */
uint64_t slot_credit(struct slot *slot, uint64_t bytes);

#endif
