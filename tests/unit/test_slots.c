#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ipc/frame.h"
#include "router/exchange.h"
#include "router/slots.h"

enum {
	USES = FRAME_ID_MAX >> 16
};

static struct exchange some, other;

/* Take this place, whose turn will come. */
static struct slot *
take_at(struct slots *slots, uint32_t at)
{
	struct slot *slot = slots_take(slots, &other);

	while ((slot->id & 0xffff) != at) {
		slots_drop(slots, slot);
		slot = slots_take(slots, &other);
	}
	return slot;
}

static void
test_an_id_is_never_zero_and_not_that_of_the_use_before(void **state)
{
	struct slots slots = { .slots = NULL };
	uint32_t last = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct slot *slot = slots_take(&slots, &some);

		assert_int_not_equal(slot->id, 0);
		assert_int_not_equal(slot->id, last);
		last = slot->id;
		assert_ptr_equal(slots_find(&slots, last), slot);
		slots_drop(&slots, slot);
		/* A late answer to it is nobody's, free or in use again. */
		assert_null(slots_find(&slots, last));
		slot = slots_take(&slots, &other);
		assert_null(slots_find(&slots, last));
		last = slot->id;
		slots_drop(&slots, slot);
	}
	slots_fini(&slots);
}

static void
test_the_use_count_goes_around_past_zero_within_31_bits(void **state)
{
	struct slots slots = { .slots = NULL };
	uint32_t first = 0, id = 0;

	(void)state;
	for (uint32_t use = 1; use <= USES + 1; use++) {
		/* All that are free take their turn. */
		for (uint32_t i = 0; i < 64; i++) {
			struct slot *slot = slots_take(&slots, &some);

			id = slot->id;
			if (use == 1 && i == 63)
				first = id;
			assert_int_equal(id & 0xffff, i);
			assert_int_equal(id >> 16, use <= USES ? use : 1);
			assert_true(id <= FRAME_ID_MAX);
			slots_drop(&slots, slot);
		}
	}
	assert_int_equal(id, first);
	slots_fini(&slots);
}

static void
test_ids_that_were_never_given_find_nothing(void **state)
{
	static const uint32_t ids[] = { 0, 1, 63, 64, 0xffff, 0x10001, 0x20000,
		0x7fffffff, 0xffffffff };
	struct slots slots = { .slots = NULL };

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		assert_null(slots_find(&slots, ids[i]));
	assert_int_equal(slots_take(&slots, &some)->id, 0x10000);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		assert_null(slots_find(&slots, ids[i]));
	slots_fini(&slots);
}

static void
test_as_many_as_fit_16_bits_are_taken_each_under_its_own_id(void **state)
{
	struct slots slots = { .slots = NULL };
	struct slot *slot;

	(void)state;
	for (uint32_t i = 0; i < SLOTS_MAX; i++) {
		slot = slots_take(&slots, &some);
		assert_int_equal(slot->id, 0x10000 + i);
	}
	assert_null(slots_take(&slots, &other));
	assert_int_equal(slots.taken, SLOTS_MAX);
	slot = slots_find(&slots, 0x10000 + 77);
	slots_drop(&slots, slot);
	/* Of 16 bits one number is never in use: it was free for longer. */
	assert_int_equal(slots_take(&slots, &other)->id, 0x10000 + SLOTS_MAX);
	slots_drop(&slots, slots_find(&slots, 0x10000 + 78));
	assert_int_equal(slots_take(&slots, &other)->id, 0x20000 + 77);
	assert_ptr_equal(slots_find(&slots, 0x20000 + 77)->ex, &other);
	slots_fini(&slots);
}

static void
test_one_that_was_just_in_use_is_not_next_however_many_are(void **state)
{
	struct slots slots = { .slots = NULL };

	(void)state;
	for (uint32_t taken = 0; taken < 1000; taken++) {
		struct slot *slot = slots_take(&slots, &some);
		uint32_t at = slot->id & 0xffff;

		slots_drop(&slots, slot);
		for (int i = 0; i < 62; i++) {
			slot = slots_take(&slots, &some);
			assert_int_not_equal(slot->id & 0xffff, at);
			slots_drop(&slots, slot);
		}
		assert_non_null(slots_take(&slots, &other));
	}
	slots_fini(&slots);
}

static void
test_credit_of_any_size_never_goes_around(void **state)
{
	static const struct {
		uint64_t budget, bytes, added;
	} cases[] = {
		{ 0, 0, 0 },
		{ 100, 28, 28 },
		{ SLOT_BUDGET_MAX - 10, 10, 10 },
		{ SLOT_BUDGET_MAX - 10, 11, 10 },
		{ SLOT_BUDGET_MAX, 1, 0 },
		{ 262144, UINT64_MAX, SLOT_BUDGET_MAX - 262144 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slot slot = { .budget = cases[i].budget };

		assert_int_equal(slot_credit(&slot, cases[i].bytes),
		    cases[i].added);
		assert_int_equal(slot.budget, cases[i].budget + cases[i].added);
	}
}

static void
test_a_parked_id_finds_nothing_and_is_not_used_again(void **state)
{
	struct slots slots = { .slots = NULL };
	struct slot *slot = slots_take(&slots, &some);
	uint32_t parked = slot->id, id;

	(void)state;
	slots_park(&slots, slot);
	assert_int_equal(slots.taken, 0);
	assert_int_equal(slots.parked, 1);
	assert_null(slots_find(&slots, parked));
	/* More than there was memory for: its place moves, its id does not. */
	for (uint32_t i = 0; i < 200; i++) {
		id = slots_take(&slots, &other)->id;
		assert_int_not_equal(id & 0xffff, parked & 0xffff);
		assert_ptr_equal(slots_find(&slots, id)->ex, &other);
	}
	assert_null(slots_find(&slots, parked));
	slots_unpark(&slots, parked);
	assert_int_equal(slots.taken, 200);
	assert_int_equal(slots.parked, 0);
	assert_null(slots_find(&slots, parked));
	/* The next use of its slot is another id. */
	id = take_at(&slots, parked & 0xffff)->id;
	assert_int_not_equal(id, parked);
	assert_null(slots_find(&slots, parked));
	slots_fini(&slots);
}

static void
test_parked_ones_take_the_place_of_others(void **state)
{
	struct slots slots = { .slots = NULL };

	(void)state;
	for (uint32_t i = 0; i < SLOTS_MAX; i++) {
		struct slot *slot = slots_take(&slots, &some);

		if (i % 2 == 0)
			slots_park(&slots, slot);
	}
	assert_int_equal(slots.taken + slots.parked, SLOTS_MAX);
	assert_int_equal(slots.parked, SLOTS_MAX / 2 + 1);
	assert_null(slots_take(&slots, &other));
	slots_unpark(&slots, 0x10000 + 64);
	assert_int_equal(slots_take(&slots, &other)->id, 0x10000 + SLOTS_MAX);
	assert_null(slots_take(&slots, &other));
	for (uint32_t i = 0; i < SLOTS_MAX; i += 2) {
		if (i != 64)
			slots_unpark(&slots, 0x10000 + i);
	}
	assert_int_equal(slots.parked, 0);
	assert_int_equal(slots.taken, SLOTS_MAX / 2 + 1);
	slots_fini(&slots);
}

static void
test_a_slot_taken_again_knows_nothing_of_the_use_before(void **state)
{
	struct slots slots = { .slots = NULL };
	struct slot *slot = slots_take(&slots, &some);

	(void)state;
	slot->is_taken = true;
	slot->budget = 5;
	slots_drop(&slots, slot);
	slot = take_at(&slots, 0);
	assert_int_equal(slot->id, 0x20000);
	assert_false(slot->is_taken);
	assert_int_equal(slot->budget, 0);
	slots_fini(&slots);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_an_id_is_never_zero_and_not_that_of_the_use_before),
		cmocka_unit_test(
		    test_the_use_count_goes_around_past_zero_within_31_bits),
		cmocka_unit_test(test_ids_that_were_never_given_find_nothing),
		cmocka_unit_test(
		    test_one_that_was_just_in_use_is_not_next_however_many_are),
		cmocka_unit_test(
		    test_as_many_as_fit_16_bits_are_taken_each_under_its_own_id),
		cmocka_unit_test(test_credit_of_any_size_never_goes_around),
		cmocka_unit_test(
		    test_a_parked_id_finds_nothing_and_is_not_used_again),
		cmocka_unit_test(test_parked_ones_take_the_place_of_others),
		cmocka_unit_test(
		    test_a_slot_taken_again_knows_nothing_of_the_use_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
