#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "router/exchange.h"
#include "router/hold.h"
#include "router/worker.h"

enum {
	COUNT = 5
};

static struct worker worker;
static struct exchange requests[COUNT];
static struct hold hold;

static int
setup(void **state)
{
	(void)state;
	worker = (struct worker){ .number = 0 };
	hold_init(&hold);
	for (size_t i = 0; i < COUNT; i++)
		requests[i] = (struct exchange){ .worker = &worker,
			.body_bytes = 100 * (i + 1) };
	return 0;
}

static void
test_the_earliest_deadline_is_first_and_equals_keep_their_order(void **state)
{
	static const struct {
		int64_t deadlines[COUNT];
		size_t order[COUNT];
	} cases[] = {
		{ { 1, 2, 3, 4, 5 }, { 0, 1, 2, 3, 4 } },
		{ { 5, 4, 3, 2, 1 }, { 4, 3, 2, 1, 0 } },
		{ { 7, 7, 7, 7, 7 }, { 0, 1, 2, 3, 4 } },
		{ { 3, 1, 3, 2, 1 }, { 1, 4, 3, 0, 2 } },
		{ { INT64_MAX, 0, INT64_MIN, 0, -1 }, { 2, 4, 1, 3, 0 } },
	};

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		for (size_t i = 0; i < COUNT; i++) {
			requests[i].deadline_us = cases[c].deadlines[i];
			hold_add(&hold, &requests[i]);
		}
		for (size_t i = 0; i < COUNT; i++) {
			struct exchange *first = hold_first(&hold);

			assert_ptr_equal(first, &requests[cases[c].order[i]]);
			hold_drop(&hold, first);
		}
		assert_null(hold_first(&hold));
	}
}

static void
test_count_and_bytes_are_those_of_what_waits(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(requests[i].state, EXCHANGE_IDLE);
		hold_add(&hold, &requests[i]);
		assert_int_equal(requests[i].state, EXCHANGE_WAITING);
	}
	assert_int_equal(hold.count, 5);
	assert_int_equal(hold.bytes, 1500);
	assert_int_equal(worker.counters.held, 5);
	hold_drop(&hold, &requests[2]); /* in the middle */
	assert_int_equal(requests[2].state, EXCHANGE_IDLE);
	hold_drop(&hold, &requests[4]);
	assert_int_equal(hold.count, 3);
	assert_int_equal(hold.bytes, 700);
	assert_int_equal(worker.counters.held, 3);
	hold_add(&hold, &requests[2]);
	for (size_t i = 0; i < 4; i++)
		hold_drop(&hold, &requests[i]);
	assert_int_equal(hold.count, 0);
	assert_int_equal(hold.bytes, 0);
	assert_int_equal(worker.counters.held, 0);
	assert_null(hold_first(&hold));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup(test_##name, setup)
	const struct CMUnitTest tests[] = {
		T(the_earliest_deadline_is_first_and_equals_keep_their_order),
		T(count_and_bytes_are_those_of_what_waits),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
