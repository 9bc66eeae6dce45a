/* What a row of probe results means: healthy, unhealthy, and the words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/health.h"

/* A result is '+' or '-'; news is 'L' for lost, 'B' for back, '.' for none. */
static void
test_rows_of_results_make_unhealthy_and_healthy(void **state)
{
	static const struct {
		const char *claim;
		struct health_rule rule;
		const char *results, *news;
	} cases[] = {
		{ "well is no news", { 3, 1 }, "+++", "..." },
		{ "the third failure in a row", { 3, 1 }, "---", "..L" },
		{ "told once", { 3, 1 }, "------", "..L..." },
		{ "a success ends the row", { 3, 1 }, "--+--+--", "........" },
		{ "and the next row counts from one", { 3, 1 }, "--+---",
		    ".....L" },
		{ "one failure is enough where it says so", { 1, 1 }, "+-",
		    ".L" },
		{ "one success brings it back", { 2, 1 }, "--+", ".LB" },
		{ "three in a row bring it back", { 1, 3 }, "-+++", "L..B" },
		{ "a failure ends that row", { 1, 3 }, "-++-+++", "L.....B" },
		{ "lost and back again and again", { 2, 2 }, "--++--++",
		    ".L.B.L.B" },
	};
	static const char letters[] = { [HEALTH_SAME] = '.',
		[HEALTH_LOST] = 'L',
		[HEALTH_BACK] = 'B' };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct health health = { 0 };
		enum health_news news;

		for (size_t j = 0; cases[i].results[j] != '\0'; j++) {
			news = health_step(&health, &cases[i].rule,
			    cases[i].results[j] == '+');
			if (letters[news] != cases[i].news[j])
				fail_msg("%s: result %zu", cases[i].claim,
				    j + 1);
		}
	}
}

static void
test_the_text_says_how_far_it_is(void **state)
{
	static const struct {
		const char *results, *text;
	} cases[] = {
		{ "", NULL },
		{ "+", "well" },
		{ "-", "failing 1 of 3: answered 503" },
		{ "--", "failing 2 of 3: answered 503" },
		{ "--+", "well" },
		{ "---", "unhealthy: answered 503" },
		{ "----", "unhealthy: answered 503" },
		{ "---+", "recovering 1 of 2" },
		{ "---+-", "unhealthy: answered 503" },
		{ "---++", "well" },
	};
	static const struct health_rule rule = { 3, 2 };
	const char *found;
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct health health = { 0 };

		for (const char *c = cases[i].results; *c != '\0'; c++)
			(void)health_step(&health, &rule, *c == '+');
		found = health_text(&health, &rule, "answered 503", text,
		    sizeof(text));
		if (cases[i].text == NULL)
			assert_null(found);
		else
			assert_string_equal(found, cases[i].text);
	}
}

static void
test_the_wait_is_the_interval_a_tenth_more_or_less(void **state)
{
	static const uint32_t numbers[] = { 0, 1, 999, 12345, 0x7fffffff,
		0xffffffff };
	int64_t least = INT64_MAX, most = 0, delay_ms;

	(void)state;
	for (uint32_t i = 0; i < 4000; i++) {
		delay_ms = health_delay_ms(10000, i);
		least = delay_ms < least ? delay_ms : least;
		most = delay_ms > most ? delay_ms : most;
	}
	assert_int_equal(least, 9000);
	assert_int_equal(most, 11000);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_int_equal(health_delay_ms(9, numbers[i]), 9);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_rows_of_results_make_unhealthy_and_healthy),
		cmocka_unit_test(test_the_text_says_how_far_it_is),
		cmocka_unit_test(
		    test_the_wait_is_the_interval_a_tenth_more_or_less),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
