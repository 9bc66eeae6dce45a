/* What a process is given, from its configuration and what msvc has itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "supervisor/cgroup.h"
#include "supervisor/limits.h"

static void
test_zero_takes_no_privilege_and_gives_no_protection(void **state)
{
	static const struct {
		int wish, own, want;
		bool differs;
	} cases[] = {
		{ 0, 0, 0, false },
		{ 0, 5, 5, false },
		{ 0, -5, 0, true },
		{ 7, 5, 7, true },
		{ -3, 0, -3, true },
		{ 5, 5, 5, false },
	};
	struct limits limits;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct limits_own own = { .nice = cases[i].own,
			.oom_score_adj = cases[i].own };
		struct conf_service conf = { .nice = cases[i].wish,
			.oom_score_adj = cases[i].wish };

		limits_make(&limits, &conf, &own, 0, false);
		assert_int_equal(limits.nice, cases[i].want);
		assert_int_equal(limits.has_nice, cases[i].differs);
		assert_int_equal(limits.oom_score_adj, cases[i].want);
		assert_int_equal(limits.has_oom_score_adj, cases[i].differs);
	}
}

static void
test_resource_limits_are_those_of_the_configuration(void **state)
{
	struct conf_service conf = { .umask = 027 };
	struct limits_own own = { 0 };
	struct limits limits;

	(void)state;
	conf.rlimits.is_set[RLIMIT_NOFILE] = true;
	conf.rlimits.soft[RLIMIT_NOFILE] = 10;
	conf.rlimits.hard[RLIMIT_NOFILE] = UINT64_MAX;
	limits_make(&limits, &conf, &own, 0, true);
	assert_true(limits.is_set[RLIMIT_NOFILE]);
	assert_false(limits.is_set[RLIMIT_NPROC]);
	assert_int_equal(limits.rlimits[RLIMIT_NOFILE].rlim_cur, 10);
	assert_true(limits.rlimits[RLIMIT_NOFILE].rlim_max == RLIM_INFINITY);
	assert_int_equal(limits.umask, 027);
}

static void
test_without_its_controller_a_limit_is_approximated(void **state)
{
	static const struct {
		unsigned controllers;
		bool is_other, has_data, has_nproc;
	} cases[] = {
		{ 0, true, true, true },
		{ 0, false, true, false },
		{ 1U << CGROUP_MEMORY, true, false, true },
		{ 1U << CGROUP_PIDS, true, true, false },
		{ 1U << CGROUP_CPU, false, true, false },
		{ 1U << CGROUP_PIDS | 1U << CGROUP_MEMORY, true, false, false },
	};
	struct conf_service conf = { .memory_max = 1000, .tasks_max = 5 };
	struct limits_own own = { 0 };
	struct limits limits;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		limits_make(&limits, &conf, &own, cases[i].controllers,
		    cases[i].is_other);
		assert_int_equal(limits.is_set[RLIMIT_DATA], cases[i].has_data);
		assert_int_equal(limits.is_set[RLIMIT_NPROC],
		    cases[i].has_nproc);
	}
	assert_false(limits.is_set[RLIMIT_AS]);
}

static void
test_the_smaller_one_counts(void **state)
{
	static const struct {
		uint64_t soft, hard, want_soft, want_hard;
	} cases[] = {
		{ 10, 20, 10, 20 },
		{ 10, 5000, 10, 1000 },
		{ 4000, UINT64_MAX, 1000, 1000 },
	};
	struct conf_service conf = { .memory_max = 1000 };
	struct limits_own own = { 0 };
	struct limits limits;

	(void)state;
	conf.rlimits.is_set[RLIMIT_DATA] = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		conf.rlimits.soft[RLIMIT_DATA] = cases[i].soft;
		conf.rlimits.hard[RLIMIT_DATA] = cases[i].hard;
		limits_make(&limits, &conf, &own, 0, false);
		assert_int_equal(limits.rlimits[RLIMIT_DATA].rlim_cur,
		    cases[i].want_soft);
		assert_int_equal(limits.rlimits[RLIMIT_DATA].rlim_max,
		    cases[i].want_hard);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_zero_takes_no_privilege_and_gives_no_protection),
		cmocka_unit_test(
		    test_resource_limits_are_those_of_the_configuration),
		cmocka_unit_test(
		    test_without_its_controller_a_limit_is_approximated),
		cmocka_unit_test(test_the_smaller_one_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
