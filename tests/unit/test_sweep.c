/* Which processes are of a run of the supervisor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/logger/sweep.h"

static void
test_only_exactly_that_run_matches(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		bool is_match;
	} cases[] = {
#define CASE(text, is_match) { text, sizeof(text) - 1, is_match }
		CASE("", false),
		CASE("MSVC_RUN=7.9", true),
		CASE("MSVC_RUN=7.9\0", true),
		CASE("A=b\0MSVC_RUN=7.9\0C=d\0", true),
		CASE("A=b\0MSVC_RUN=7.99\0", false),
		CASE("A=b\0MSVC_RUN=17.9\0", false),
		CASE("A=b\0MSVC_RUN=7.\0", false),
		CASE("XMSVC_RUN=7.9\0", false),
		CASE("A=MSVC_RUN=7.9\0", false),
		CASE("MSVC_RUN\0", false),
		CASE("\0\0\0MSVC_RUN=7.9", true),
#undef CASE
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(sweep_is_of_run(cases[i].bytes, cases[i].len,
				     "7.9"),
		    cases[i].is_match);
}

static void
test_a_group_is_of_one_supervisor_only(void **state)
{
	static const struct {
		const char *text, *own;
		bool is_match;
	} cases[] = {
		{ "0::/msvc-7/a.1.1\n", "0::/\n", true },
		{ "0::/msvc-7/a.1.1\n", "0::/msvc-7/supervisor\n", true },
		{ "0::/x/msvc-7/supervisor\n", "0::/x\n", true },
		{ "1:cpu:/\n0::/x/msvc-7/a.1.1\n",
		    "1:cpu:/y\n0::/x/msvc-7/supervisor\n", true },
		{ "0::/x/msvc-7/a.1.1\n", "0::/\n", false },
		{ "0::/msvc-7/a.1.1\n", "0::/x\n", false },
		{ "0::/x/msvc-77/a.1.1\n", "0::/x\n", false },
		{ "0::/x/msvc-7\n", "0::/x\n", false },
		{ "0::/x\n", "0::/x/msvc-7/supervisor\n", false },
		{ "0::/\n", "0::/\n", false },
		{ "1:cpu:/msvc-7/a.1.1\n", "0::/\n", false },
		{ "", "0::/\n", false },
		{ "0::/msvc-7/a.1.1\n", "", false },
		{ "", "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(sweep_is_in_group(cases[i].text, cases[i].own,
				     7),
		    cases[i].is_match);
}

static void
test_the_dead_and_a_logger_at_work_are_spared(void **state)
{
	static const struct {
		const char *stat;
		bool is_spared;
	} cases[] = {
		{ "12 (sleep) S 1 12", false },
		{ "12 (sleep) T 1 12", false },
		{ "12 (sleep) Z 1 12", true },
		{ "12 (a) Z) R 1 12", false },
		{ "12 (msvc-logger) S 1 12", true },
		{ "12 (msvc-logger) T 1 12", false },
		{ "12 (msvc-logger2) S 1 12", false },
		{ "", true },
		{ "12 (", true },
		{ "12 (a)", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(sweep_is_spared(cases[i].stat),
		    cases[i].is_spared);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_exactly_that_run_matches),
		cmocka_unit_test(test_a_group_is_of_one_supervisor_only),
		cmocka_unit_test(test_the_dead_and_a_logger_at_work_are_spared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
