#include "slots.h"

#include <stdlib.h>

#include "ipc/frame.h"

enum {
	SLOTS_FIRST = 64,
	USE_MAX = FRAME_ID_MAX >> 16
};

void
slots_fini(struct slots *slots)
{
	free(slots->slots);
	*slots = (struct slots){ .slots = NULL };
}

static void
put_free(struct slots *slots, struct slot *slot)
{
	uint32_t at = (uint32_t)(slot - slots->slots) + 1;

	slot->next_free = 0;
	if (slots->first_free == 0)
		slots->first_free = at;
	else
		slots->slots[slots->last_free - 1].next_free = at;
	slots->last_free = at;
}

/* Twice the slots, all new ones free. Returns -1 when out of memory. */
static int
slots_grow(struct slots *slots)
{
	uint32_t count = slots->count == 0 ? SLOTS_FIRST : slots->count * 2;
	struct slot *more = realloc(slots->slots, count * sizeof(*more));

	if (more == NULL)
		return -1;
	slots->slots = more;
	for (uint32_t i = slots->count; i < count; i++) {
		more[i] = (struct slot){ .id = i };
		put_free(slots, &more[i]);
	}
	slots->count = count;
	return 0;
}

struct slot *
slots_take(struct slots *slots, struct exchange *ex)
{
	struct slot *slot;
	uint32_t use;

	if (slots->taken + slots->parked >= SLOTS_MAX)
		return NULL;
	if (slots->count - slots->taken - slots->parked < SLOTS_FIRST &&
	    slots->count <= SLOTS_MAX && slots_grow(slots) == -1 &&
	    slots->first_free == 0)
		return NULL;
	slot = &slots->slots[slots->first_free - 1];
	use = slot->id >> 16;
	slot->id = (slot->id & 0xffff) | (use == USE_MAX ? 1 : use + 1) << 16;
	slot->ex = ex;
	slot->budget = 0;
	slot->is_taken = false;
	slots->first_free = slot->next_free;
	slots->taken++;
	return slot;
}

struct slot *
slots_find(struct slots *slots, uint32_t id)
{
	uint32_t at = id & 0xffff;

	if (at >= slots->count || slots->slots[at].ex == NULL ||
	    slots->slots[at].id != id)
		return NULL;
	return &slots->slots[at];
}

void
slots_drop(struct slots *slots, struct slot *slot)
{
	slot->ex = NULL;
	put_free(slots, slot);
	slots->taken--;
}

void
slots_park(struct slots *slots, struct slot *slot)
{
	slot->ex = NULL;
	slots->taken--;
	slots->parked++;
}

void
slots_unpark(struct slots *slots, uint32_t id)
{
	struct slot *slot = &slots->slots[id & 0xffff];

	put_free(slots, slot);
	slots->parked--;
}

uint64_t
slot_credit(struct slot *slot, uint64_t bytes)
{
	if (bytes > SLOT_BUDGET_MAX - slot->budget)
		bytes = SLOT_BUDGET_MAX - slot->budget;
	slot->budget += bytes;
	return bytes;
}
