/* How the share of a new generation grows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/share.h"

enum {
	STEPS = 1000
};

/* The new one's requests of STEPS, over evenly spread random numbers. */
static int
share(int64_t ramp_us, int64_t since_us, int64_t now_us)
{
	int count = 0;

	for (uint32_t i = 0; i < STEPS; i++) {
		uint32_t random = UINT32_MAX / (STEPS - 1) * i;

		count += share_is_new(ramp_us, since_us, now_us, random);
	}
	return count;
}

static void
test_the_share_grows_linearly_from_nothing_to_everything(void **state)
{
	static const struct {
		int64_t ramp_us, since_us, now_us;
		int least, most;
	} cases[] = {
		{ 10000000, 500, 500, 0, 0 },
		{ 10000000, 500, 499, 0, 0 }, /* a clock read earlier */
		{ 10000000, 500, 100500, 9, 11 },
		{ 10000000, 500, 2500500, 249, 251 },
		{ 10000000, 500, 5000500, 499, 501 },
		{ 10000000, 500, 9900500, 989, 991 },
		{ 10000000, 500, 10000500, STEPS, STEPS },
		{ 10000000, 500, INT64_MAX, STEPS, STEPS },
		{ 0, 500, 500, STEPS, STEPS },
		{ 0, 500, 0, STEPS, STEPS },
		{ -1, 500, 500, STEPS, STEPS },
		{ INT64_MAX, 0, INT64_MAX / 4, 249, 251 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_in_range(share(cases[i].ramp_us, cases[i].since_us,
				    cases[i].now_us),
		    cases[i].least, cases[i].most);
	}
}

static void
test_the_largest_random_number_waits_for_the_end(void **state)
{
	(void)state;
	assert_false(share_is_new(1000000, 0, 999999, UINT32_MAX));
	assert_true(share_is_new(1000000, 0, 1000000, UINT32_MAX));
	assert_true(share_is_new(1000000, 0, 1, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_the_share_grows_linearly_from_nothing_to_everything),
		cmocka_unit_test(
		    test_the_largest_random_number_waits_for_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
