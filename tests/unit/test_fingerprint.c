#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "router/exchange.h"
#include "router/fingerprint.h"
#include "router/poison.h"

struct parts {
	const char *method, *path, *query, *body;
};

static struct poison_print
print_of(const struct parts *parts, uint64_t key)
{
	const struct exchange_request request = {
		.method = parts->method,
		.method_len = strlen(parts->method),
		.path = parts->path,
		.path_len = strlen(parts->path),
		.query = parts->query,
		.query_len = strlen(parts->query),
		.body = (const uint8_t *)parts->body,
		.body_len = strlen(parts->body),
		/* Of this one client only: it is the same request. */
		.request_id = parts->body,
		.request_id_len = strlen(parts->body),
		.client = parts->body,
	};
	struct poison_print print;

	fingerprint_make(&request, key, &print);
	return print;
}

static bool
is_equal(struct poison_print a, struct poison_print b)
{
	return a.a == b.a && a.b == b.b;
}

static void
test_different_requests_are_told_apart(void **state)
{
	static const struct parts all[] = {
		{ "GET", "/a", "", "" },
		{ "GETT", "/a", "", "" },
		{ "GET", "/ab", "", "" },
		{ "GET", "/a", "b", "" },
		{ "GET", "/a", "", "b" },
		{ "GET/", "a", "", "" },
		{ "", "GET/a", "", "" },
		{ "", "", "", "GET/a" },
		{ "POST", "/a", "", "GET/a" },
		{ "", "", "", "" },
	};
	const size_t count = sizeof(all) / sizeof(all[0]);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		for (size_t n = 0; n < count; n++)
			assert_int_equal(is_equal(print_of(&all[i], 1),
					     print_of(&all[n], 1)),
			    i == n);
	}
}

static void
test_who_does_not_know_the_key_does_not_know_the_print(void **state)
{
	static const struct parts parts = { "GET", "/a", "b=c", "body" };

	(void)state;
	assert_false(is_equal(print_of(&parts, 1), print_of(&parts, 2)));
	assert_false(
	    is_equal(print_of(&parts, 0), print_of(&parts, UINT64_C(1) << 63)));
	assert_true(is_equal(print_of(&parts, 7), print_of(&parts, 7)));
}

static void
test_parts_that_are_not_there_are_empty_ones(void **state)
{
	static const struct parts parts = { "", "", "", "" };
	const struct exchange_request request = { .method = NULL };
	struct poison_print print;

	(void)state;
	fingerprint_make(&request, 3, &print);
	assert_true(is_equal(print, print_of(&parts, 3)));
}

static void
test_what_is_shown_is_read_again(void **state)
{
	static const struct {
		struct poison_print print;
		const char *text;
	} cases[] = {
		{ { 0, 0 }, "00000000000000000000000000000000" },
		{ { 1, 0xf }, "0000000000000001000000000000000f" },
		{ { UINT64_MAX, UINT64_MAX },
		    "ffffffffffffffffffffffffffffffff" },
		{ { UINT64_C(0x0123456789abcdef), UINT64_C(1) << 63 },
		    "0123456789abcdef8000000000000000" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[LIFELINE_PRINT_LEN + 1];
		struct poison_print print = { 5, 5 };

		fingerprint_show(&cases[i].print, text);
		assert_string_equal(text, cases[i].text);
		assert_int_equal(fingerprint_parse(text, &print), 0);
		assert_true(is_equal(print, cases[i].print));
	}
}

static void
test_other_texts_are_no_prints(void **state)
{
	static const char *const bad[] = { "", "0",
		"0000000000000000000000000000000",
		"000000000000000000000000000000000",
		"0000000000000000000000000000000g",
		"0000000000000000000000000000000F",
		" 0000000000000000000000000000000",
		"0x000000000000000000000000000000",
		"-0000000000000000000000000000001",
		"000000000000000\xff"
		"0000000000000000" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct poison_print print = { 5, 6 };

		assert_int_equal(fingerprint_parse(bad[i], &print), -1);
		assert_true(is_equal(print, (struct poison_print){ 5, 6 }));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_different_requests_are_told_apart),
		cmocka_unit_test(
		    test_who_does_not_know_the_key_does_not_know_the_print),
		cmocka_unit_test(test_parts_that_are_not_there_are_empty_ones),
		cmocka_unit_test(test_what_is_shown_is_read_again),
		cmocka_unit_test(test_other_texts_are_no_prints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
