/* When a new generation is clearly worse than the old one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/judge.h"

enum {
	MS = 1000,
	LEAST = 50
};

static const struct {
	const char *name;
	struct judge_stats old, fresh; /* requests, failures, latency sum */
	int64_t ramp_left_us;
	enum judge_verdict verdict;
} cases[] = {
	{ "as good as the old one: wait for the end of the ramp",
	    { 1000, 10, 1000 * MS }, { 100, 1, 100 * MS }, 1, JUDGE_WAIT },
	{ "as good as the old one to the end", { 1000, 10, 1000 * MS },
	    { 100, 1, 100 * MS }, 0, JUDGE_GOOD },
	{ "nothing was asked", { 0, 0, 0 }, { 0, 0, 0 }, 1, JUDGE_WAIT },
	{ "nothing was asked to the end", { 0, 0, 0 }, { 0, 0, 0 }, -1,
	    JUDGE_GOOD },

	{ "all of it fails", { 1000, 0, 1000 * MS }, { 50, 50, 50 * MS }, 1,
	    JUDGE_WORSE_ERRORS },
	{ "all of it fails at the end", { 1000, 0, 1000 * MS },
	    { 50, 50, 50 * MS }, 0, JUDGE_WORSE_ERRORS },
	{ "all of too few fails", { 1000, 0, 1000 * MS }, { 49, 49, 49 * MS },
	    1, JUDGE_WAIT },
	{ "all of too few fails to the end", { 1000, 0, 1000 * MS },
	    { 49, 49, 49 * MS }, 0, JUDGE_GOOD },
	{ "five of a hundred is not more than 5 points", { 1000, 0, 1000 * MS },
	    { 100, 5, 100 * MS }, 1, JUDGE_WAIT },
	{ "six of a hundred is", { 1000, 0, 1000 * MS }, { 100, 6, 100 * MS },
	    1, JUDGE_WORSE_ERRORS },
	{ "two failures are bad luck", { 1000, 0, 1000 * MS },
	    { 50, 2, 50 * MS }, 1, JUDGE_WAIT },
	{ "three failures of fifty", { 1000, 0, 1000 * MS }, { 50, 3, 50 * MS },
	    1, JUDGE_WORSE_ERRORS },
	{ "three times as bad as a bad one is not more", { 1000, 100, 0 },
	    { 100, 30, 0 }, 1, JUDGE_WAIT },
	{ "more than three times as bad", { 1000, 100, 0 }, { 100, 31, 0 }, 1,
	    JUDGE_WORSE_ERRORS },
	{ "both fail always", { 1000, 1000, 0 }, { 100, 100, 0 }, 0,
	    JUDGE_GOOD },
	{ "the old one had no request", { 0, 0, 0 }, { 50, 3, 0 }, 1,
	    JUDGE_WORSE_ERRORS },

	{ "slower, but by less than 20 ms", { 100, 0, 100 * MS },
	    { 100, 0, 2100 * MS }, 1, JUDGE_WAIT },
	{ "slower by more than 20 ms", { 100, 0, 100 * MS },
	    { 100, 0, 2101 * MS }, 1, JUDGE_WORSE_LATENCY },
	{ "twice as slow is not more", { 100, 0, 10000 * MS },
	    { 100, 0, 20000 * MS }, 1, JUDGE_WAIT },
	{ "more than twice as slow", { 100, 0, 10000 * MS },
	    { 100, 0, 20001 * MS }, 1, JUDGE_WORSE_LATENCY },
	{ "slower than too few of the old one", { 49, 0, 49 * MS },
	    { 100, 0, 100000 * MS }, 0, JUDGE_GOOD },
	{ "too few that were slow", { 100, 0, 100 * MS }, { 49, 0, 49000 * MS },
	    0, JUDGE_GOOD },
	{ "both: errors are told", { 100, 0, 100 * MS },
	    { 100, 50, 100000 * MS }, 1, JUDGE_WORSE_ERRORS },
	{ "sums near the end of numbers", { UINT64_MAX, 0, UINT64_MAX },
	    { UINT64_MAX, UINT64_MAX, UINT64_MAX }, 1, JUDGE_WORSE_ERRORS },
};

static void
test_only_the_clearly_worse_goes_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum judge_verdict is = judge_upgrade(&cases[i].old,
		    &cases[i].fresh, LEAST, cases[i].ramp_left_us);

		if (is != cases[i].verdict)
			fail_msg("%s: %d", cases[i].name, (int)is);
	}
}

static void
test_no_least_number_of_requests_means_one(void **state)
{
	static const struct judge_stats none = { 0, 0, 0 };
	static const struct judge_stats bad = { 3, 3, 3 };
	static const struct judge_stats unlucky = { 2, 2, 2 };
	static const struct judge_stats slow = { 3, 0, 3000 * MS };

	(void)state;
	assert_int_equal(judge_upgrade(&none, &none, 0, 1), JUDGE_WAIT);
	assert_int_equal(judge_upgrade(&none, &bad, 0, 1), JUDGE_WORSE_ERRORS);
	assert_int_equal(judge_upgrade(&none, &unlucky, 0, 1), JUDGE_WAIT);
	/* Of an old one without requests nothing can be slower. */
	assert_int_equal(judge_upgrade(&none, &slow, 0, 1), JUDGE_WAIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_the_clearly_worse_goes_back),
		cmocka_unit_test(test_no_least_number_of_requests_means_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
