#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "router/tally.h"
#include "router/worker.h"

static struct tally *tally;

static int
setup(void **state)
{
	(void)state;
	tally = tally_new();
	return tally == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	tally_free(&tally);
	return 0;
}

/* One worker tells; all have counted so many requests then. */
static void
assert_sum(unsigned worker, const struct worker_key *key, uint64_t requests,
    int64_t now_us, uint64_t expected)
{
	const struct worker_stats stats = { requests, requests / 2,
		requests * 10 };
	struct worker_stats sum = { 99, 99, 99 };

	tally_add(tally, worker, key, &stats, now_us, &sum);
	assert_int_equal(sum.requests, expected);
	assert_int_equal(sum.failures, expected / 2);
	assert_int_equal(sum.latency_us, expected * 10);
}

static void
test_what_workers_tell_is_summed_and_not_added_up(void **state)
{
	const struct worker_key key = { "s", 1, 1 };

	(void)state;
	assert_sum(0, &key, 10, 100, 10);
	assert_sum(1, &key, 4, 101, 14);
	assert_sum(0, &key, 12, 102, 16);
	assert_sum(TALLY_WORKERS_MAX - 1, &key, 2, 103, 18);
	/* There is no such worker. */
	assert_sum(TALLY_WORKERS_MAX, &key, 6, 104, 6);
	/* Compared anew, it begins at zero. */
	assert_sum(0, &key, 0, 105, 6);
}

static void
test_each_generation_has_its_own_numbers(void **state)
{
	static const struct worker_key keys[] = { { "s", 1, 1 }, { "s", 1, 2 },
		{ "s", 2, 1 }, { "t", 1, 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_sum(0, &keys[i], 2 + 2 * i, 0, 2 + 2 * i);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_sum(1, &keys[i], 20, 0, 22 + 2 * i);
}

static void
test_numbers_of_another_comparison_are_forgotten(void **state)
{
	const struct worker_key key = { "s", 1, 1 }, other = { "s", 2, 1 };
	int64_t later = 2 * (int64_t)TALLY_KEEP_US;

	(void)state;
	assert_sum(0, &key, 10, 0, 10);
	assert_sum(1, &key, 10, 0, 20);
	assert_sum(1, &other, 8, 0, 8);
	assert_sum(0, &key, 10, TALLY_KEEP_US, 20);
	/* The same generation, beside another new one. */
	assert_sum(0, &key, 2, later + 2, 2);
	assert_sum(0, &other, 4, later + 2, 4);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_workers_tell_is_summed_and_not_added_up),
		T(each_generation_has_its_own_numbers),
		T(numbers_of_another_comparison_are_forgotten),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
