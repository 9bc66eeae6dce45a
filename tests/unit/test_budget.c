/* Retries as a share of the requests of the last ten seconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/budget.h"

enum {
	SECOND = 1000000
};

/* Take until the first refusal; returns how many were given, of 1000. */
static int
take_all(struct budget *budget, int64_t now_us)
{
	int taken = 0;

	while (taken < 1000 && budget_take(budget, now_us))
		taken++;
	return taken;
}

static void
test_retries_are_a_share_of_the_requests_or_three_a_second(void **state)
{
	static const struct {
		unsigned percent, requests;
		int taken;
	} cases[] = {
		{ 20, 0, 3 },      /* the floor */
		{ 20, 15, 3 },     /* just as much */
		{ 20, 16, 4 },     /* less than 20 % of 16 is 3.2 */
		{ 20, 100, 20 },   /* the share */
		{ 20, 1000, 200 }, /* and more of it */
		{ 100, 50, 50 },
		{ 1, 100, 3 },
		{ 0, 0, 0 }, /* not even the floor */
		{ 0, 1000, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct budget budget;

		budget_init(&budget, cases[i].percent);
		for (unsigned n = 0; n < cases[i].requests; n++)
			budget_count(&budget, 5 * SECOND);
		assert_int_equal(take_all(&budget, 5 * SECOND), cases[i].taken);
	}
}

static void
test_requests_and_retries_leave_the_window_after_ten_seconds(void **state)
{
	static const struct {
		int64_t after_us;
		int taken; /* of 20 % of 100 requests */
	} cases[] = {
		{ 0, 20 },
		{ 8 * SECOND, 20 },
		{ 9 * SECOND, 20 },
		{ 10 * SECOND, 3 },
		{ 11 * SECOND, 3 },
		{ INT64_C(100000) * SECOND, 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct budget budget;

		budget_init(&budget, 20);
		for (int n = 0; n < 100; n++)
			budget_count(&budget, SECOND);
		assert_int_equal(take_all(&budget, SECOND + cases[i].after_us),
		    cases[i].taken);
	}
}

static void
test_a_spent_budget_comes_back_with_the_window(void **state)
{
	struct budget budget;

	(void)state;
	budget_init(&budget, 20);
	for (int second = 0; second < 10; second++) {
		for (int n = 0; n < 100; n++)
			budget_count(&budget, second * SECOND);
	}
	assert_int_equal(take_all(&budget, 9 * SECOND), 200);
	/* Less than a second later nothing, then the floor each second. */
	assert_int_equal(take_all(&budget, 10 * SECOND - 1), 0);
	for (int second = 10; second < 18; second++) {
		budget_count(&budget, second * SECOND);
		assert_int_equal(take_all(&budget, second * SECOND), 3);
	}
	for (int n = 0; n < 1000; n++)
		budget_count(&budget, 19 * SECOND);
	assert_in_range(take_all(&budget, 19 * SECOND), 170, 200);
}

static void
test_the_floor_is_of_any_second_and_not_of_the_clock_s(void **state)
{
	struct budget budget;

	(void)state;
	budget_init(&budget, 20);
	assert_true(budget_take(&budget, 900000));
	assert_true(budget_take(&budget, 950000));
	assert_true(budget_take(&budget, 999999));
	assert_false(budget_take(&budget, 1000001));
	assert_false(budget_take(&budget, 1899999));
	assert_true(budget_take(&budget, 1900000));
	assert_false(budget_take(&budget, 1900000));
	assert_true(budget_take(&budget, 1950000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_retries_are_a_share_of_the_requests_or_three_a_second),
		cmocka_unit_test(
		    test_requests_and_retries_leave_the_window_after_ten_seconds),
		cmocka_unit_test(
		    test_a_spent_budget_comes_back_with_the_window),
		cmocka_unit_test(
		    test_the_floor_is_of_any_second_and_not_of_the_clock_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
