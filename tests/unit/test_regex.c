/* Expressions match within limits, and mistakes in them are explained. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ipc/err.h"
#include "supervisor/logger/regex.h"

static void
test_texts_match_or_not(void **state)
{
	static const struct {
		const char *expression, *text;
		bool is_caseless, matches;
	} cases[] = {
		{ "ready", "I am ready.", false, true },
		{ "^ready", "I am ready.", false, false },
		{ "READY", "I am ready.", false, false },
		{ "READY", "I am ready.", true, true },
		{ "port \\d+$", "port 8080", false, true },
		{ "", "", false, true },
		{ "fähre", "die FÄHRE", true, true },
		{ "b", "\xff\xfe b", false, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct regex *regex =
		    regex_new(cases[i].expression, cases[i].is_caseless, NULL);

		assert_non_null(regex);
		assert_int_equal(regex_match(regex, cases[i].text,
				     strlen(cases[i].text)),
		    cases[i].matches);
		regex_free(&regex);
		assert_null(regex);
	}
}

static void
test_a_mistake_is_explained_with_its_offset(void **state)
{
	struct err err = { "" };

	(void)state;
	assert_null(regex_new("ab(c", false, &err));
	assert_string_equal(err.text,
	    "missing closing parenthesis at offset 4");
}

/* Takes 2^30 steps without a limit. */
static void
test_an_expression_without_end_does_not_match(void **state)
{
	struct regex *regex = regex_new("^(a+)+\\1$", false, NULL);
	char text[64];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[30] = 'b';
	assert_non_null(regex);
	assert_false(regex_match(regex, text, 31));
	regex_free(&regex);
}

/* Each start is within the limit of steps, but there are many. */
static void
test_a_long_text_takes_no_long_time(void **state)
{
	struct regex *regex = regex_new("\\S+.*\\S+[!?]", false, NULL);
	static char text[16 * 1024];
	clock_t start = clock();

	(void)state;
	assert_non_null(regex);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "ab "[i % 3];
	assert_int_equal(regex_search(regex, text, sizeof(text)), -1);
	assert_true((clock() - start) * 1000 / CLOCKS_PER_SEC < 1000);
	/* Wherever it is in a text without such trouble, it is found. */
	memset(text, ' ', sizeof(text));
	for (size_t i = 0; i < sizeof(text) - 3; i += 997) {
		memcpy(text + i, "ab?", 3);
		assert_int_equal(regex_search(regex, text, sizeof(text)), 1);
		memset(text + i, ' ', 3);
	}
	assert_int_equal(regex_search(regex, text, sizeof(text)), 0);
	regex_free(&regex);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts_match_or_not),
		cmocka_unit_test(test_a_mistake_is_explained_with_its_offset),
		cmocka_unit_test(test_an_expression_without_end_does_not_match),
		cmocka_unit_test(test_a_long_text_takes_no_long_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
