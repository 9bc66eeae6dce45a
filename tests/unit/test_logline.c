/* The bytes of a service become whole, harmless lines of a log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "supervisor/logger/logline.h"

#define TIME "2026-11-22T11:20:30.123Z"

static void
test_text_is_escaped_only_where_it_could_do_harm(void **state)
{
	static const struct {
		const char *label, *text, *line;
	} cases[] = {
		{ "echo/1", "hello", TIME " echo/1 hello\n" },
		{ "", "as it is", "as it is\n" },
		{ "", "", "\n" },
		{ "", "tab\tstays", "tab\tstays\n" },
		{ "", "\033[31mred", "\\x1b[31mred\n" },
		{ "", "bell\a\x7f", "bell\\x07\\x7f\n" },
		{ "", "Gr\xc3\xbc\xc3\x9f", "Gr\xc3\xbc\xc3\x9f\n" },
		{ "",
		    "csi \xc2\x9b"
		    "31m",
		    "csi \\xc2\\x9b"
		    "31m\n" },
		{ "", "nbsp \xc2\xa0", "nbsp \xc2\xa0\n" },
		{ "", "raw \xff\xc2", "raw \xff\xc2\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = { 0 };

		logline_put(&out, TIME, cases[i].label, 0,
		    (const uint8_t *)cases[i].text, strlen(cases[i].text),
		    false);
		buf_append_byte(&out, 0);
		assert_string_equal((const char *)buf_front(&out),
		    cases[i].line);
		buf_fini(&out);
	}
}

static void
test_the_label_is_coloured_and_nothing_else(void **state)
{
	struct buf out = { 0 };

	(void)state;
	logline_put(&out, TIME, "a/1", 32, (const uint8_t *)"x", 1, true);
	buf_append_byte(&out, 0);
	assert_string_equal((const char *)buf_front(&out),
	    TIME " \033[32ma/1\033[0m x\\\n");
	buf_fini(&out);
	assert_int_equal(logline_colour("a/1"), logline_colour("a/2"));
}

static void
test_lines_end_at_newlines_and_at_the_limit(void **state)
{
	static uint8_t big[LOGLINE_MAX + 2];
	struct logline_cut cut;

	(void)state;
	assert_false(logline_next(big, 0, &cut));
	assert_false(logline_next((const uint8_t *)"half", 4, &cut));
	assert_true(logline_next((const uint8_t *)"a\r\nb", 4, &cut));
	assert_int_equal(cut.text_len, 1);
	assert_int_equal(cut.len, 3);
	assert_false(cut.is_cut);

	memset(big, 'x', sizeof(big));
	assert_false(logline_next(big, LOGLINE_MAX, &cut));
	assert_true(logline_next(big, LOGLINE_MAX + 1, &cut));
	assert_true(cut.is_cut);
	assert_int_equal(cut.len, LOGLINE_MAX);
	big[LOGLINE_MAX] = '\n';
	assert_true(logline_next(big, LOGLINE_MAX + 1, &cut));
	assert_false(cut.is_cut);
	assert_int_equal(cut.text_len, LOGLINE_MAX);

	/* A piece does not end inside the two bytes of an umlaut. */
	big[LOGLINE_MAX - 1] = 0xc3;
	big[LOGLINE_MAX] = 0xbc;
	assert_true(logline_next(big, sizeof(big), &cut));
	assert_int_equal(cut.len, LOGLINE_MAX - 1);
	/* Nor inside four bytes, wherever they begin; bytes that are none do
	 * not matter. */
	for (size_t back = 1; back < 4; back++) {
		memset(big, 'x', sizeof(big));
		memcpy(big + LOGLINE_MAX - back, "\xf0\x9f\x98\x80",
		    back < 3 ? back + 2 : 4);
		assert_true(logline_next(big, sizeof(big), &cut));
		assert_int_equal(cut.len, LOGLINE_MAX - back);
	}
	memset(big, 0x80, sizeof(big));
	assert_true(logline_next(big, sizeof(big), &cut));
	assert_int_equal(cut.len, LOGLINE_MAX);
}

static void
test_time_is_utc_with_milliseconds(void **state)
{
	char text[LOGLINE_TIME_SIZE];

	(void)state;
	logline_time(1795346430123, text);
	assert_string_equal(text, "2026-11-22T11:20:30.123Z");
	logline_time(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_text_is_escaped_only_where_it_could_do_harm),
		cmocka_unit_test(test_the_label_is_coloured_and_nothing_else),
		cmocka_unit_test(test_lines_end_at_newlines_and_at_the_limit),
		cmocka_unit_test(test_time_is_utc_with_milliseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
