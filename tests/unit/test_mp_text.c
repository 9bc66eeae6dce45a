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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_text_is_made_utf8_and_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
