/* So many lines in so long pass; the others are counted and told of later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/logger/lograte.h"

enum {
	PERIOD_US = 1000 * 1000
};

/* So many lines at once; returns how many pass, adds to *first. */
static unsigned
say(struct lograte *rate, unsigned count, int64_t now_us, unsigned *first)
{
	unsigned passed = 0;
	bool is_first;

	for (unsigned i = 0; i < count; i++) {
		passed += lograte_pass(rate, now_us, &is_first);
		*first += is_first;
	}
	return passed;
}

static void
test_without_a_limit_all_pass(void **state)
{
	struct lograte rate = { 0 };
	unsigned first = 0;

	(void)state;
	assert_int_equal(say(&rate, 10000, 5, &first), 10000);
	assert_int_equal(first, 0);
	assert_int_equal(lograte_due_us(&rate), INT64_MAX);
	assert_int_equal(lograte_take(&rate, INT64_MAX), 0);
}

static void
test_each_period_has_its_own_lines(void **state)
{
	static const struct {
		int64_t now_us;
		unsigned lines, passed, first;
	} steps[] = {
		{ 0, 3, 3, 0 }, { 10, 5, 0, 1 }, { PERIOD_US - 1, 1, 0, 0 },
		{ PERIOD_US, 4, 3, 0 },         /* the row goes on */
		{ 2 * PERIOD_US, 2, 2, 0 },     /* here it ends */
		{ 3 * PERIOD_US + 1, 4, 3, 1 }, /* and another one begins */
		{ 9 * PERIOD_US, 4, 3, 1 },     /* after a long silence, too */
	};
	struct lograte rate = { 0 };

	(void)state;
	lograte_set(&rate, 3, PERIOD_US / 1000);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		unsigned first = 0;

		assert_int_equal(say(&rate, steps[i].lines, steps[i].now_us,
				     &first),
		    steps[i].passed);
		assert_int_equal(first, steps[i].first);
	}
}

static void
test_the_loss_is_told_once_when_the_period_is_over(void **state)
{
	struct lograte rate = { 0 };
	unsigned first = 0;

	(void)state;
	lograte_set(&rate, 1, PERIOD_US / 1000);
	say(&rate, 5, 100, &first);
	assert_int_equal(lograte_due_us(&rate), 100 + PERIOD_US);
	assert_int_equal(lograte_take(&rate, 99 + PERIOD_US), 0);
	assert_int_equal(lograte_take(&rate, 100 + PERIOD_US), 4);
	assert_int_equal(lograte_take(&rate, 100 + PERIOD_US), 0);
	assert_int_equal(lograte_due_us(&rate), INT64_MAX);
}

static void
test_the_same_limits_again_change_nothing_others_tell_at_once(void **state)
{
	struct lograte rate = { 0 };
	unsigned first = 0;

	(void)state;
	lograte_set(&rate, 2, PERIOD_US / 1000);
	say(&rate, 3, 100, &first);
	lograte_set(&rate, 2, PERIOD_US / 1000);
	assert_int_equal(say(&rate, 1, 101, &first), 0);
	lograte_set(&rate, 0, 0);
	assert_int_equal(say(&rate, 9, 102, &first), 9);
	assert_true(lograte_due_us(&rate) <= 102);
	assert_int_equal(lograte_take(&rate, 102), 2);
	/* No overflow, whatever the configuration says. */
	lograte_set(&rate, 1, UINT64_MAX);
	assert_int_equal(say(&rate, 2, 103, &first), 1);
	assert_int_equal(lograte_take(&rate, 104), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_limit_all_pass),
		cmocka_unit_test(test_each_period_has_its_own_lines),
		cmocka_unit_test(
		    test_the_loss_is_told_once_when_the_period_is_over),
		cmocka_unit_test(
		    test_the_same_limits_again_change_nothing_others_tell_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
