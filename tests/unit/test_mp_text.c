/* Any bytes become a string that JSON can hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/mp.h"
#include "ipc/mp_text.h"
#include "ipc/utf8.h"

static void
test_text_is_made_utf8_and_cut_between_characters(void **state)
{
	static const struct {
		const char *text;
		size_t max;
		const char *want;
	} cases[] = {
		{ "", 10, "" },
		{ "plain", 10, "plain" },
		{ "plain", 5, "plain" },
		{ "plain", 4, "plai..." },
		{ "a\xff\xc3z", 10, "a\\xff\\xc3z" },
		{ "na\xc3\xafve", 10, "na\xc3\xafve" },
		{ "na\xc3\xafve", 3, "na..." },
		{ "na\xc3\xafve", 4, "na\xc3\xaf..." },
		{ "\xed\xa0\x80", 10, "\\xed\\xa0\\x80" },
		{ "\xf0\x9f\x98\x80", 10, "\xf0\x9f\x98\x80" },
		{ "\xf0\x9f\x98", 10, "\\xf0\\x9f\\x98" },
		{ "x", 0, "..." },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf buf = { 0 };
		struct mp_reader reader;
		const char *str;
		size_t len;

		mp_put_text(&buf, cases[i].text, strlen(cases[i].text),
		    cases[i].max);
		reader.pos = buf_front(&buf);
		reader.end = reader.pos + buf_count(&buf);
		assert_int_equal(mp_get_str(&reader, &str, &len), 0);
		assert_ptr_equal(reader.pos, reader.end);
		assert_int_equal(len, strlen(cases[i].want));
		assert_memory_equal(str, cases[i].want, len);
		buf_fini(&buf);
	}
}

static void
test_what_a_terminal_obeys_is_not_printable(void **state)
{
	static const struct {
		const char *text;
		size_t want;
	} cases[] = {
		{ "a", 1 },
		{ "\n", 0 },
		{ "\x1b[31m", 0 },
		{ "\x7f", 0 },
		{ "\x9b", 0 },
		{ "\xc2\x80", 0 },
		{ "\xc2\x9f", 0 },
		{ "\xc2\xa0", 2 },
		{ "\xc3\x9b", 2 },
		{ "\xf0\x9f\x98\x80", 4 },
		{ "\xf0\x9f\x98", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(utf8_printable((const uint8_t *)cases[i].text,
				     strlen(cases[i].text)),
		    cases[i].want);
	assert_int_equal(utf8_printable((const uint8_t *)"", 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_text_is_made_utf8_and_cut_between_characters),
		cmocka_unit_test(test_what_a_terminal_obeys_is_not_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
