/* The last generation of names that are gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "supervisor/generation.h"

static void
test_a_name_goes_on_where_it_ended_and_others_begin(void **state)
{
	struct generations generations = { 0 };

	(void)state;
	generations_keep(&generations, "a", 7);
	generations_keep(&generations, "a", 5);
	generations_keep(&generations, "b", 0);
	assert_int_equal(generations.count, 1);
	assert_int_equal(generations_take(&generations, "b"), 0);
	assert_int_equal(generations_take(&generations, "a"), 7);
	assert_int_equal(generations.count, 0);
	generations_fini(&generations);
}

static void
test_names_are_bounded_and_still_none_goes_back(void **state)
{
	struct generations generations = { 0 };
	char name[16];

	(void)state;
	for (unsigned i = 0; i <= GENERATION_NAMES_MAX; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		generations_keep(&generations, name, i + 1);
	}
	assert_true(generations.count <= GENERATION_NAMES_MAX);
	for (unsigned i = 0; i <= GENERATION_NAMES_MAX; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		assert_true(generations_take(&generations, name) >= i + 1);
	}
	generations_keep(&generations, "new", 3);
	assert_true(generations_take(&generations, "new") > 3);
	generations_fini(&generations);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_name_goes_on_where_it_ended_and_others_begin),
		cmocka_unit_test(
		    test_names_are_bounded_and_still_none_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
