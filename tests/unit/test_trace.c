/* Request ids and traceparent values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/trace.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN  "00f067aa0ba902b7"

static struct trace_random random_state = { { 1, 2 } };

static void
ids_are_made_of_lower_case_hex_and_differ(void **state)
{
	char a[TRACE_ID_LEN], b[TRACE_ID_LEN];

	(void)state;
	trace_make_id(&random_state, a);
	trace_make_id(&random_state, b);
	assert_memory_not_equal(a, b, TRACE_ID_LEN);
	for (size_t i = 0; i < TRACE_ID_LEN; i++)
		assert_non_null(strchr("0123456789abcdef", a[i]));
}

static void
a_request_id_is_taken_over_only_when_it_cannot_hurt_a_log(void **state)
{
	char longest[TRACE_ID_MAX + 1];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	assert_true(trace_id_is_sane("abc-1.2_3", 9));
	assert_true(trace_id_is_sane(longest, TRACE_ID_MAX));
	assert_false(trace_id_is_sane(longest, TRACE_ID_MAX + 1));
	assert_false(trace_id_is_sane("", 0));
	assert_false(trace_id_is_sane("a b", 3));
	assert_false(trace_id_is_sane("a\"b", 3));
	assert_false(trace_id_is_sane("a\nb", 3));
	assert_false(trace_id_is_sane("\xc3\xa4", 2));
}

static void
a_valid_traceparent_keeps_its_trace_and_gets_a_new_parent(void **state)
{
	const char *given = "00-" TRACE "-" SPAN "-00";
	char made[TRACE_PARENT_LEN];

	(void)state;
	trace_make_parent(&random_state, given, strlen(given), made);
	assert_memory_equal(made, given, 36);
	assert_memory_not_equal(made + 36, SPAN, 16);
	assert_memory_equal(made + 52, "-00", 3);
}

static void
an_invalid_traceparent_begins_a_new_trace(void **state)
{
	static const char *const cases[] = {
		"",
		"00-" TRACE "-" SPAN,
		"ff-" TRACE "-" SPAN "-01",
		"00-" TRACE "-" SPAN "-01-more",
		"01-" TRACE "-" SPAN "-01more",
		"00-00000000000000000000000000000000-" SPAN "-01",
		"00-" TRACE "-0000000000000000-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
		"00-" TRACE "-" SPAN "-zz",
		"00_" TRACE "-" SPAN "-01",
		"00-" TRACE "_" SPAN "-01",
		"00-" TRACE "-" SPAN "_01",
	};
	char made[TRACE_PARENT_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		trace_make_parent(&random_state, cases[i], strlen(cases[i]),
		    made);
		assert_memory_not_equal(made + 3, TRACE, 32);
		assert_memory_equal(made, "00-", 3);
		assert_memory_equal(made + 52, "-01", 3);
	}
}

static void
a_later_version_is_read_as_far_as_it_is_known(void **state)
{
	const char *given = "cc-" TRACE "-" SPAN "-01-what";
	char made[TRACE_PARENT_LEN];

	(void)state;
	trace_make_parent(&random_state, given, strlen(given), made);
	assert_memory_equal(made, "00-" TRACE, 35);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_made_of_lower_case_hex_and_differ),
		cmocka_unit_test(
		    a_request_id_is_taken_over_only_when_it_cannot_hurt_a_log),
		cmocka_unit_test(
		    a_valid_traceparent_keeps_its_trace_and_gets_a_new_parent),
		cmocka_unit_test(an_invalid_traceparent_begins_a_new_trace),
		cmocka_unit_test(a_later_version_is_read_as_far_as_it_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
