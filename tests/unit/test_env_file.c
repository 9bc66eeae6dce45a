/* The lines of an env_file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ipc/err.h"
#include "supervisor/env_file.h"

static void
test_lines_become_variables(void **state)
{
	static const struct {
		const char *text, *want; /* items with | between */
	} cases[] = {
		{ "", "" },
		{ "A=1\nB=2", "A=1|B=2" },
		{ "\n  \n# A=1\n; B=2\n  C=3\n", "C=3" },
		{ "A=\nB=  \n", "A=|B=" },
		{ "A=  x y \t\n", "A=x y" },
		{ "A = x\n", "A=x" },
		{ "A=x # y\n", "A=x # y" },
		{ "A=x=y\n", "A=x=y" },
		{ "A='x  $y\\n\" '\n", "A=x  $y\\n\" " },
		{ "A=\"x \\\"y\\\" \\$z \\n \"\n", "A=x \"y\" $z \\n " },
		{ "A=\"one\ntwo\"\nB=3\n", "A=one\ntwo|B=3" },
		{ "A=one\\\ntwo\nB=3\n", "A=onetwo|B=3" },
		{ "A=\"one\\\ntwo\"\n", "A=onetwo" },
		{ "A=x\\ \n", "A=x " },
		{ "A=a'b'\"c\"d\n", "A=abcd" },
		{ "A=x\\", "A=x" },
		{ "A=1\r\nB=2\r\n", "A=1|B=2" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct env_items items = { 0 };
		struct err err = { "" };
		char got[256] = "";

		assert_int_equal(env_file_parse("f", cases[i].text,
				     strlen(cases[i].text), &items, &err),
		    0);
		for (size_t j = 0; j < items.count; j++) {
			strcat(got, j == 0 ? "" : "|");
			strcat(got, items.items[j]);
		}
		assert_string_equal(got, cases[i].want);
		env_items_fini(&items);
	}
}

static void
test_mistakes_are_told_with_their_line(void **state)
{
	static const struct {
		const char *text, *want;
		size_t len; /* 0: of the text */
	} cases[] = {
		{ "A=1\nnothing\n", "f:2: is not of the form KEY=value", 0 },
		{ "A=1\n\n\n=x\n", "f:4: \"\" does not name", 0 },
		{ "1A=x\n", "f:1: \"1A\" does not name", 0 },
		{ "A=\"1\n2\"\nB='x\ny\n", "f:3: has a quote that does not",
		    0 },
		{ "A=a\\\nb\nLISTEN_FDS=3\n", "f:3: \"LISTEN_FDS\" is a", 0 },
		{ "MSVC_X=3\n", "f:1: \"MSVC_X\" is a variable that msvc", 0 },
		{ "A=x\0y\n", "f: has a NUL byte", 6 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len =
		    cases[i].len > 0 ? cases[i].len : strlen(cases[i].text);
		struct env_items items = { 0 };
		struct err err = { "" };

		assert_int_equal(env_file_parse("f", cases[i].text, len, &items,
				     &err),
		    -1);
		assert_memory_equal(err.text, cases[i].want,
		    strlen(cases[i].want));
		env_items_fini(&items);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_become_variables),
		cmocka_unit_test(test_mistakes_are_told_with_their_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
