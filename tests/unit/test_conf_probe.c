/* Probes as they are written in the configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "conf/conf_probe.h"
#include "conf/conf_value.h"

static void
test_what_is_right_is_taken_apart(void **state)
{
	static const struct {
		const char *text;
		enum conf_probe_kind kind;
		const char *rest, *host, *port, *path, *program;
	} cases[] = {
		{ "http http://127.0.0.1:9000/health?full=1", CONF_PROBE_HTTP,
		    "http://127.0.0.1:9000/health?full=1", "127.0.0.1", "9000",
		    "/health?full=1", NULL },
		{ "http 10.0.0.1:80", CONF_PROBE_HTTP, "10.0.0.1:80",
		    "10.0.0.1", "80", "/", NULL },
		{ "http \t http://[::1]:80/", CONF_PROBE_HTTP,
		    "http://[::1]:80/", "::1", "80", "/", NULL },
		{ "tcp localhost:5432", CONF_PROBE_TCP, "localhost:5432",
		    "localhost", "5432", NULL, NULL },
		{ "tcp [fe80::1%eth0]:1", CONF_PROBE_TCP, "[fe80::1%eth0]:1",
		    "fe80::1%eth0", "1", NULL, NULL },
		{ "command bin/check --deep 'a b'", CONF_PROBE_COMMAND,
		    "bin/check --deep 'a b'", NULL, NULL, NULL, "bin/check" },
		{ "log ^listening on .*:\\d+$", CONF_PROBE_LOG,
		    "^listening on .*:\\d+$", NULL, NULL, NULL, NULL },
	};
	struct conf_why why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf_probe probe = { .kind = CONF_PROBE_NONE };

		if (conf_probe_parse(cases[i].text, &probe, &why) < 0)
			fail_msg("%s: %s", cases[i].text, why.text);
		assert_int_equal(probe.kind, cases[i].kind);
		assert_string_equal(probe.text, cases[i].rest);
		if (cases[i].host != NULL) {
			assert_string_equal(probe.host, cases[i].host);
			assert_string_equal(probe.port, cases[i].port);
		}
		if (cases[i].path != NULL)
			assert_string_equal(probe.path, cases[i].path);
		if (cases[i].program != NULL)
			assert_string_equal(probe.argv.items[0],
			    cases[i].program);
		conf_probe_fini(&probe);
	}
}

static void
test_each_mistake_says_what_would_be_right(void **state)
{
	static const char http[] = "http http://127.0.0.1:9000/health",
			  tcp[] = "tcp 127.0.0.1:9000";
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "ftp 127.0.0.1:1", "write http URL, tcp ADDRESS" },
		{ "http", "write http URL" },
		{ "http ", "write http URL" },
		{ "http https://127.0.0.1:1/", http },
		{ "http http://127.0.0.1/", http },
		{ "http http://127.0.0.1:0/", http },
		{ "http http://127.0.0.1:1/a b", http },
		{ "http http://127.0.0.1:1/a\rb", http },
		{ "http http://127.0.0.1:1/\xc3\xa4", http },
		{ "http http://127.0.0.1:1/#top", http },
		{ "http http://db.example:80/", "numeric address" },
		{ "tcp db:5432", "numeric address" },
		{ "tcp localhost.:1", "numeric address" },
		{ "tcp 127.1:1", tcp },
		{ "tcp :5432", tcp },
		{ "tcp *:5432", tcp },
		{ "tcp 127.0.0.1", tcp },
		{ "tcp 127.0.0.1:00", tcp },
		{ "tcp 127.0.0.1:65536", tcp },
		{ "tcp 127.0.0.1:1 http-only", tcp },
		{ "command 'a", "not closed" },
		{ "command ''", "has no program" },
		{ "log a(b", "missing closing parenthesis at offset 3" },
		{ "log [", "at offset 1" },
	};
	struct conf_why why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf_probe probe = { .kind = CONF_PROBE_NONE };

		if (conf_probe_parse(cases[i].text, &probe, &why) == 0)
			fail_msg("%s is accepted", cases[i].text);
		if (strstr(why.text, cases[i].why) == NULL)
			fail_msg("%s: %s", cases[i].text, why.text);
		conf_probe_fini(&probe);
	}
}

static void
test_a_path_is_bounded(void **state)
{
	char text[1200] = "http 127.0.0.1:1/";
	struct conf_probe probe = { .kind = CONF_PROBE_NONE };
	struct conf_why why;
	size_t len = strlen(text);

	(void)state;
	memset(text + len, 'x', 1023);
	assert_int_equal(conf_probe_parse(text, &probe, &why), 0);
	conf_probe_fini(&probe);
	text[len + 1023] = 'x';
	assert_int_equal(conf_probe_parse(text, &probe, &why), -1);
	conf_probe_fini(&probe);
}

static void
test_probes_are_equal_when_they_are_written_the_same(void **state)
{
	struct conf_probe left = { .kind = CONF_PROBE_NONE }, right = left;
	struct conf_why why;

	(void)state;
	assert_true(conf_probe_is_equal(&left, &right));
	assert_int_equal(conf_probe_parse("tcp 127.0.0.1:1", &left, &why), 0);
	assert_false(conf_probe_is_equal(&left, &right));
	assert_int_equal(conf_probe_parse("http 127.0.0.1:1", &right, &why), 0);
	assert_false(conf_probe_is_equal(&left, &right));
	conf_probe_fini(&right);
	assert_int_equal(conf_probe_parse("tcp  127.0.0.1:1", &right, &why), 0);
	assert_true(conf_probe_is_equal(&left, &right));
	conf_probe_fini(&left);
	conf_probe_fini(&right);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_right_is_taken_apart),
		cmocka_unit_test(test_each_mistake_says_what_would_be_right),
		cmocka_unit_test(test_a_path_is_bounded),
		cmocka_unit_test(
		    test_probes_are_equal_when_they_are_written_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
