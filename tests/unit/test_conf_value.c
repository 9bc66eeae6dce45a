/* conf_value, conf_words, conf_addr, conf_pattern: texts and their meaning. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "conf/conf_addr.h"
#include "conf/conf_pattern.h"
#include "conf/conf_value.h"
#include "conf/conf_words.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BAD          (-1)

static void
durations_have_units_and_bounds(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = { { "500ms", 500 }, { "10s", 10000 }, { "2m", 120000 },
		{ "1h", 3600000 }, { "1H", 3600000 }, { "0", 0 }, { "0s", 0 },
		{ "9223372036854775807ms", INT64_MAX },
		{ "9223372036854775808ms", BAD },
		{ "9223372036854775807s", BAD },
		{ "99999999999999999999s", BAD }, { "10", BAD }, { "", BAD },
		{ "s", BAD }, { "-1s", BAD }, { "+1s", BAD }, { "1.5s", BAD },
		{ "1 s", BAD }, { "1s ", BAD }, { "1d", BAD },
		{ "0x1s", BAD } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_why why = { "" };
		int64_t ms = BAD;
		int rc = conf_value_duration(cases[i].text, &ms, &why);

		assert_int_equal(rc, cases[i].ms == BAD ? -1 : 0);
		assert_int_equal(rc == 0 ? ms : BAD, cases[i].ms);
		assert_int_equal(why.text[0] == '\0', rc == 0);
	}
}

static void
sizes_are_powers_of_1024_and_never_wrap(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = { { "0", 0 }, { "512", 512 }, { "64k", 65536 },
		{ "10M", 10485760 }, { "1g", 1073741824 }, { "8589934592g", 0 },
		{ "8589934591g", 9223372035781033984u } };
	struct conf_why why;
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		bytes = 0;
		conf_value_size(cases[i].text, &bytes, &why);
		assert_int_equal(bytes, cases[i].bytes);
	}
	assert_int_equal(conf_value_size("1kb", &bytes, &why), -1);
	assert_int_equal(conf_value_size("k", &bytes, &why), -1);
	assert_int_equal(conf_value_size("-1", &bytes, &why), -1);
}

static void
limits_are_a_count_within_a_time(void **state)
{
	static const struct {
		const char *text;
		int rc;
		unsigned limit;
		int64_t period_ms;
	} cases[] = { { "5/60s", 0, 5, 60000 }, { "1/1ms", 0, 1, 1 },
		{ "none", 0, 0, 0 }, { "0", 0, 0, 0 }, { "5", -1, 0, 0 },
		{ "0/1s", -1, 0, 0 }, { "5/0", -1, 0, 0 }, { "5/60", -1, 0, 0 },
		{ "5/25h", -1, 0, 0 }, { "/1s", -1, 0, 0 } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_why why;
		unsigned limit = 0;
		int64_t period_ms = 0;

		assert_int_equal(conf_value_limit(cases[i].text, &limit,
				     &period_ms, &why),
		    cases[i].rc);
		assert_int_equal(limit, cases[i].limit);
		assert_int_equal(period_ms, cases[i].period_ms);
	}
}

static void
signals_have_names_and_numbers(void **state)
{
	static const struct {
		const char *text;
		int number;
	} cases[] = { { "TERM", 15 }, { "SIGTERM", 15 }, { "sigint", 2 },
		{ "KILL", 9 }, { "USR2", 12 }, { "1", 1 }, { "64", 64 },
		{ "0", BAD }, { "65", BAD }, { "SIG", BAD }, { "SIG9", BAD },
		{ "", BAD } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_why why;
		int number = BAD;

		conf_value_signal(cases[i].text, &number, &why);
		assert_int_equal(number, cases[i].number);
	}
}

static void
exit_codes_are_a_set(void **state)
{
	uint8_t codes[CONF_CODE_BYTES];
	struct conf_why why;
	static const char *const bad[] = { "", ",", "1,", "256", "5-3", "-1",
		"1 2", "a", "1-", "99999999999999999999" };

	(void)state;
	assert_int_equal(conf_value_codes("0, 2 ,64-78,255", codes, &why), 0);
	assert_int_equal(codes[0], 5);
	assert_int_equal(codes[8], 0xff);
	assert_int_equal(codes[9], 0x7f);
	assert_int_equal(codes[31], 0x80);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(conf_value_codes(bad[i], codes, &why), -1);
}

static void
command_lines_split_as_a_shell_would(void **state)
{
	static const struct {
		const char *text;
		const char *joined; /* words in brackets; NULL: malformed */
	} cases[] = { { "a b\tc", "[a][b][c]" }, { "  a  ", "[a]" }, { "", "" },
		{ "'a b'", "[a b]" }, { "a'b'\"c\"d", "[abcd]" },
		{ "''", "[]" }, { "a\\ b", "[a b]" }, { "'a\\b'", "[a\\b]" },
		{ "\"a\\\"b\"", "[a\"b]" }, { "\"a\\nb\"", "[a\\nb]" },
		{ "\"\\\\\"", "[\\]" }, { "\\\\", "[\\]" }, { "\\'", "[']" },
		{ "$HOME *", "[$HOME][*]" }, { "'a", NULL },
		{ "\"a\\\"", NULL }, { "a\\", NULL } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_strings words;
		struct conf_why why;
		char joined[64] = "";
		int rc;

		conf_words_init(&words);
		rc = conf_words_split(&words, cases[i].text, &why);
		assert_int_equal(rc, cases[i].joined == NULL ? -1 : 0);
		for (size_t j = 0; rc == 0 && j < words.count; j++)
			sprintf(joined + strlen(joined), "[%s]",
			    words.items[j]);
		if (rc == 0)
			assert_string_equal(joined, cases[i].joined);
		conf_words_fini(&words);
	}
}

static void
a_comment_stands_behind_space_and_outside_quotes(void **state)
{
	static const struct {
		const char *text;
		int offset;
	} cases[] = { { "a ; b", 2 }, { "a;b", BAD }, { ";b", BAD },
		{ "'a ;' ; b", 6 }, { "it's ; so", 5 }, { "it's ; 's", BAD },
		{ "\\' ; '", 3 }, { "\"a\\\" ; \" ;", 9 }, { "a\t;", 2 },
		{ "tcp://h:1/;x", BAD } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *found = conf_words_comment(cases[i].text);

		assert_int_equal(found == NULL ? BAD
					       : (int)(found - cases[i].text),
		    cases[i].offset);
	}
}

static void
addresses_have_a_host_and_a_port(void **state)
{
	static const struct {
		const char *text;
		const char *host, *port; /* NULL: malformed */
	} cases[] = { { "127.0.0.1:8080", "127.0.0.1", "8080" },
		{ "[::1]:80", "::1", "80" }, { ":8080", "", "8080" },
		{ "*:8080", "", "8080" }, { "localhost:0", "localhost", "0" },
		{ "[fe80::1%eth0]:1", "fe80::1%eth0", "1" },
		{ "8080", NULL, NULL }, { "a:", NULL, NULL },
		{ "::1:80", NULL, NULL }, { "[x]:80", NULL, NULL },
		{ ":65536", NULL, NULL }, { ":+1", NULL, NULL },
		{ "a b:1", NULL, NULL }, { "http://h:1", NULL, NULL } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_listen listen;
		struct conf_why why;
		int rc = conf_addr_listen(cases[i].text, &listen, &why);

		assert_int_equal(rc, cases[i].host == NULL ? -1 : 0);
		if (rc == 0) {
			assert_string_equal(listen.host, cases[i].host);
			assert_string_equal(listen.port, cases[i].port);
		}
		free(listen.host);
		free(listen.port);
	}
}

static void
urls_are_of_known_kinds(void **state)
{
	static const struct {
		const char *text;
		int rc;
	} cases[] = { { "tcp://h:1", 0 }, { "tls+tcp://[::1]:1", 0 },
		{ "ws://h:1/p", 0 }, { "wss://h:1", 0 }, { "ipc:///a", 0 },
		{ "ipc://a", -1 }, { "tcp://:1", -1 }, { "tcp://h", -1 },
		{ "tcp://h:0", -1 }, { "tcp://h:1/p", -1 }, { "h:1", -1 },
		{ "ipc:///a b", -1 }, { "", -1 } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_why why;

		assert_int_equal(conf_addr_url(cases[i].text, &why),
		    cases[i].rc);
	}
}

static void
prefixes_have_one_form(void **state)
{
	static const struct {
		const char *text;
		const char *normal; /* NULL: malformed */
	} cases[] = { { "/", "/" }, { "/a", "/a" }, { "/a/", "/a" },
		{ "/%61%7e%2f", "/a~%2F" }, { "/a/b", "/a/b" }, { "a", NULL },
		{ "", NULL }, { "//", NULL }, { "/a//b", NULL },
		{ "/a/{b}", NULL }, { "/..", NULL }, { "/%2e", NULL },
		{ "/a b", NULL }, { "/\xc3\xa4", NULL } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_why why;
		char *normal = conf_pattern_prefix(cases[i].text, &why);

		assert_int_equal(normal == NULL, cases[i].normal == NULL);
		if (normal != NULL)
			assert_string_equal(normal, cases[i].normal);
		free(normal);
	}
}

static void
distance_counts_slips_of_the_fingers(void **state)
{
	(void)state;
	assert_int_equal(conf_value_distance("", ""), 0);
	assert_int_equal(conf_value_distance("route", "rout"), 1);
	assert_int_equal(conf_value_distance("tiemout", "timeout"), 1);
	assert_int_equal(conf_value_distance("abc", "xyz"), 3);
	assert_true(conf_value_is_near("Timeout", "timeout"));
	assert_false(conf_value_is_near("user", "route"));
	assert_false(conf_value_is_near("xy", "op"));
}

static void
shown_text_is_short_and_harmless(void **state)
{
	char out[CONF_SHOW_MAX], large[300];

	(void)state;
	assert_string_equal(conf_show(out, "a\x1b[0m"), "a\\x1b[0m");
	assert_string_equal(conf_show(out, "\xc3\xa4\xc3"), "\xc3\xa4\\xc3");
	assert_string_equal(conf_show(out, "\xc2\x9b"), "\\xc2\\x9b");
	memset(large, '\x01', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	assert_int_equal(strlen(conf_show(out, large)), 83);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_have_units_and_bounds),
		cmocka_unit_test(sizes_are_powers_of_1024_and_never_wrap),
		cmocka_unit_test(limits_are_a_count_within_a_time),
		cmocka_unit_test(signals_have_names_and_numbers),
		cmocka_unit_test(exit_codes_are_a_set),
		cmocka_unit_test(command_lines_split_as_a_shell_would),
		cmocka_unit_test(
		    a_comment_stands_behind_space_and_outside_quotes),
		cmocka_unit_test(addresses_have_a_host_and_a_port),
		cmocka_unit_test(urls_are_of_known_kinds),
		cmocka_unit_test(prefixes_have_one_form),
		cmocka_unit_test(distance_counts_slips_of_the_fingers),
		cmocka_unit_test(shown_text_is_short_and_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
