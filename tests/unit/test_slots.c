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
		struct slot *slot = slots_take(&slots, &some);

		id = slot->id;
		if (use == 1)
			first = id;
		assert_int_equal(id >> 16, use <= USES ? use : 1);
		assert_true(id <= FRAME_ID_MAX);
		slots_drop(&slots, slot);
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
	assert_int_equal(slots_take(&slots, &other)->id, 0x20000 + 77);
	assert_ptr_equal(slots_find(&slots, 0x20000 + 77)->ex, &other);
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
		    test_as_many_as_fit_16_bits_are_taken_each_under_its_own_id),
		cmocka_unit_test(test_credit_of_any_size_never_goes_around),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
