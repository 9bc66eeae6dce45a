/* The delays before restarts and the sliding limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/backoff.h"

static const struct backoff_rule plain = { .delay_ms = 100,
	.delay_max_ms = 1000,
	.settled_ms = 10000 };

static int64_t
next(struct backoff *backoff, const struct backoff_rule *rule, int64_t now_ms,
    int64_t ready_ms, uint32_t random)
{
	int64_t delay_ms = -1;

	if (!backoff_next(backoff, rule, now_ms, ready_ms, random, &delay_ms))
		return -1;
	return delay_ms;
}

static void
test_the_first_restart_is_at_once_and_then_delays_double_to_the_maximum(
    void **state)
{
	static const int64_t delays[] = { 0, 100, 200, 400, 800, 1000, 1000 };
	struct backoff backoff = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++)
		assert_int_equal(next(&backoff, &plain, 0, 0, 0), delays[i]);
	backoff_fini(&backoff);
}

static void
test_a_settled_instance_restarts_at_once_again(void **state)
{
	static const struct {
		int64_t ready_ms, delay_ms;
	} cases[] = {
		{ 10001, 0 },
		{ 10000, 200 }, /* not longer than the bound */
		{ 5, 200 },
		{ 0, 200 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct backoff backoff = { 0 };

		next(&backoff, &plain, 0, 0, 0);
		next(&backoff, &plain, 0, 0, 0);
		assert_int_equal(next(&backoff, &plain, 0, cases[i].ready_ms,
				     0),
		    cases[i].delay_ms);
		backoff_fini(&backoff);
	}
}

static void
test_an_instance_must_stay_longer_than_its_last_delay_to_settle(void **state)
{
	static const struct backoff_rule slow = { .delay_ms = 60000,
		.delay_max_ms = 120000 };
	struct backoff backoff = { 0 };

	(void)state;
	next(&backoff, &slow, 0, 0, 0);
	assert_int_equal(next(&backoff, &slow, 0, 0, 0), 60000);
	assert_int_equal(next(&backoff, &slow, 0, 60000, 0), 120000);
	assert_int_equal(next(&backoff, &slow, 0, 120001, 0), 0);
	backoff_fini(&backoff);
}

static void
test_a_crash_loop_is_never_a_busy_loop(void **state)
{
	static const int64_t list[] = { 0, 1 };
	static const struct backoff_rule rules[] = {
		{ .settled_ms = 10000 },
		{ .delay_ms = 1, .delay_max_ms = 2, .settled_ms = 10000 },
		{ .list_ms = list, .list_count = 2, .settled_ms = 10000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct backoff backoff = { 0 };

		for (unsigned k = 0; k < BACKOFF_LONG_ROW; k++)
			assert_in_range(next(&backoff, &rules[i], k, 0, 0), 0,
			    2);
		assert_int_equal(next(&backoff, &rules[i], 10, 0, 0),
		    BACKOFF_LEAST_MS);
		/* Settled, it is back where it began. */
		assert_int_equal(next(&backoff, &rules[i], 20, 10001, 0), 0);
		backoff_fini(&backoff);
	}
}

static void
test_jitter_adds_at_most_a_tenth(void **state)
{
	static const uint32_t randoms[] = { 0, 1, 50, 100, 101, 150, 200,
		4294967295U };

	(void)state;
	for (size_t i = 0; i < sizeof(randoms) / sizeof(randoms[0]); i++) {
		struct backoff backoff = { 0 };

		assert_int_equal(next(&backoff, &plain, 0, 0, randoms[i]), 0);
		assert_in_range(next(&backoff, &plain, 0, 0, randoms[i]), 100,
		    110);
		backoff_fini(&backoff);
	}
}

static void
test_one_restart_more_than_the_limit_gives_up(void **state)
{
	static const struct backoff_rule rule = { .delay_ms = 1,
		.delay_max_ms = 1,
		.limit = 3,
		.period_ms = 1000,
		.settled_ms = 10000 };
	struct backoff backoff = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(next(&backoff, &rule, i, 0, 0) >= 0);
	assert_int_equal(next(&backoff, &rule, 3, 0, 0), -1);
	backoff_reset(&backoff);
	assert_int_equal(next(&backoff, &rule, 4, 0, 0), 0);
	backoff_fini(&backoff);
}

static void
test_the_window_slides(void **state)
{
	static const struct backoff_rule rule = { .delay_ms = 1,
		.delay_max_ms = 1,
		.limit = 3,
		.period_ms = 1000,
		.settled_ms = 10000 };
	struct backoff backoff = { 0 };

	(void)state;
	for (int i = 0; i < 50; i++)
		assert_true(next(&backoff, &rule, i * 500, 0, 0) >= 0);
	assert_int_equal(next(&backoff, &rule, 49 * 500 + 1, 0, 0), -1);
	backoff_fini(&backoff);
}

static void
test_no_limit_never_gives_up(void **state)
{
	struct backoff backoff = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_true(next(&backoff, &plain, 0, 0, 0) >= 0);
	assert_null(backoff.restarts);
	backoff_fini(&backoff);
}

static void
test_a_reload_may_change_the_limit(void **state)
{
	static const struct backoff_rule two = { .delay_ms = 1,
		.delay_max_ms = 1,
		.limit = 2,
		.period_ms = 1000,
		.settled_ms = 10000 };
	static const struct backoff_rule four = { .delay_ms = 1,
		.delay_max_ms = 1,
		.limit = 4,
		.period_ms = 1000,
		.settled_ms = 10000 };
	struct backoff backoff = { 0 };

	(void)state;
	next(&backoff, &two, 0, 0, 0);
	next(&backoff, &two, 0, 0, 0);
	for (int i = 0; i < 4; i++)
		assert_true(next(&backoff, &four, 0, 0, 0) >= 0);
	assert_int_equal(next(&backoff, &four, 0, 0, 0), -1);
	backoff_fini(&backoff);
}

static void
test_delays_near_the_largest_number_do_not_overflow(void **state)
{
	static const struct backoff_rule huge = { .delay_ms = INT64_MAX / 2000,
		.delay_max_ms = INT64_MAX / 1000 };
	struct backoff backoff = { 0 };

	(void)state;
	for (int i = 0; i < 70; i++)
		assert_true(next(&backoff, &huge, 0, 0, 100) >= 0);
	backoff_fini(&backoff);
}

static void
test_a_list_tells_each_wait(void **state)
{
	static const int64_t list[] = { 20, 0, 70 };
	static const struct backoff_rule rule = { .list_ms = list,
		.list_count = 3,
		.settled_ms = 100 };
	static const struct {
		int64_t ready_ms, delay_ms;
	} steps[] = { { 0, 20 }, { 0, 0 }, { 0, 70 }, { 0, 70 }, { 99, 70 },
		{ 101, 20 }, { 0, 0 } };
	struct backoff backoff = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		assert_int_equal(next(&backoff, &rule, 0, steps[i].ready_ms, 0),
		    steps[i].delay_ms);
	backoff_fini(&backoff);
}

/* With each wait as long as the period, no window of plain time would fill. */
static void
test_waits_do_not_count_towards_the_period(void **state)
{
	static const struct backoff_rule rule = { .delay_ms = 1000,
		.delay_max_ms = 1000,
		.limit = 3,
		.period_ms = 1000,
		.settled_ms = 10000 };
	struct backoff backoff = { 0 };
	int64_t now_ms = 5, delay_ms = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		delay_ms = next(&backoff, &rule, now_ms, 0, 0);
		assert_true(delay_ms >= 0);
		now_ms += delay_ms + 10; /* it runs for 10 ms */
	}
	assert_int_equal(next(&backoff, &rule, now_ms, 0, 0), -1);
	/* Time in which it runs does. */
	assert_true(next(&backoff, &rule, now_ms + 1000, 0, 0) >= 0);
	backoff_fini(&backoff);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_the_first_restart_is_at_once_and_then_delays_double_to_the_maximum),
		cmocka_unit_test(
		    test_a_settled_instance_restarts_at_once_again),
		cmocka_unit_test(
		    test_an_instance_must_stay_longer_than_its_last_delay_to_settle),
		cmocka_unit_test(test_a_crash_loop_is_never_a_busy_loop),
		cmocka_unit_test(test_jitter_adds_at_most_a_tenth),
		cmocka_unit_test(test_one_restart_more_than_the_limit_gives_up),
		cmocka_unit_test(test_the_window_slides),
		cmocka_unit_test(test_a_list_tells_each_wait),
		cmocka_unit_test(test_waits_do_not_count_towards_the_period),
		cmocka_unit_test(test_no_limit_never_gives_up),
		cmocka_unit_test(test_a_reload_may_change_the_limit),
		cmocka_unit_test(
		    test_delays_near_the_largest_number_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
