/* Values that tell how a process is made, right and wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "conf/conf_process.h"
#include "conf/conf_value.h"
#include "conf/conf_words.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void
test_a_number_may_have_a_sign_and_has_bounds(void **state)
{
	static const struct {
		const char *text;
		int rc, number;
	} cases[] = {
		{ "0", 0, 0 },
		{ "-20", 0, -20 },
		{ "+19", 0, 19 },
		{ "19", 0, 19 },
		{ "20", -1, 0 },
		{ "-21", -1, 0 },
		{ "99999999999999999999", -1, 0 },
		{ "-99999999999999999999", -1, 0 },
		{ "--1", -1, 0 },
		{ "-", -1, 0 },
		{ "1.5", -1, 0 },
		{ "ten", -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_why why;
		int number = 0;

		assert_int_equal(conf_process_int(cases[i].text, -20, 19,
				     &number, &why),
		    cases[i].rc);
		assert_int_equal(number, cases[i].number);
	}
}

static void
test_a_mask_is_octal(void **state)
{
	static const struct {
		const char *text;
		int rc;
		unsigned mask;
	} cases[] = {
		{ "022", 0, 022 },
		{ "0", 0, 0 },
		{ "777", 0, 0777 },
		{ "0077", 0, 077 },
		{ "1000", -1, 0 },
		{ "7777", -1, 0 },
		{ "00022", -1, 0 },
		{ "029", -1, 0 },
		{ "-1", -1, 0 },
		{ "u=rwx", -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_why why;
		unsigned mask = 0;

		assert_int_equal(conf_process_umask(cases[i].text, &mask, &why),
		    cases[i].rc);
		assert_int_equal(mask, cases[i].mask);
	}
}

static void
test_instances_are_a_number_or_a_range(void **state)
{
	static const struct {
		const char *text;
		int rc;
		unsigned least;
		uint64_t most;
	} cases[] = {
		{ "1", 0, 1, 1 },
		{ "4", 0, 4, 4 },
		{ "1..4", 0, 1, 4 },
		{ "4..4", 0, 4, 4 },
		{ "4..1", -1, 0, 0 },
		{ "0", 0, 0, 0 }, /* the key's bounds refuse it */
		{ "1..", -1, 0, 0 },
		{ "..4", -1, 0, 0 },
		{ "1...4", -1, 0, 0 },
		{ "1-4", -1, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_why why;
		unsigned least = 0;
		uint64_t most = 0;

		assert_int_equal(conf_process_instances(cases[i].text, &least,
				     &most, &why),
		    cases[i].rc);
		if (cases[i].rc < 0)
			continue;
		assert_int_equal(least, cases[i].least);
		assert_int_equal(most, cases[i].most);
	}
}

static void
test_a_percentage_may_say_so(void **state)
{
	struct conf_why why;
	uint64_t percent;

	(void)state;
	assert_int_equal(conf_process_percent("150", &percent, &why), 0);
	assert_int_equal(percent, 150);
	assert_int_equal(conf_process_percent("25%", &percent, &why), 0);
	assert_int_equal(percent, 25);
	assert_int_equal(conf_process_percent("%", &percent, &why), -1);
	assert_int_equal(conf_process_percent("10%%", &percent, &why), -1);
	assert_int_equal(conf_process_percent("-5", &percent, &why), -1);
}

static void
test_durations_come_one_after_the_other(void **state)
{
	static const struct {
		const char *text, *complaint; /* NULL: fine */
		size_t count;
		int64_t last_ms;
	} cases[] = {
		{ "100ms", NULL, 1, 100 },
		{ "1s, 1s,5s ,30s", NULL, 4, 30000 },
		{ "0, 1h", NULL, 2, 3600000 },
		{ "2h", "is out of range", 0, 0 },
		{ "1s, 2h", "has an item \"2h\" that is out of range", 0, 0 },
		{ "1s, x", "has an item \"x\" that is not a duration", 0, 0 },
		{ "1s,,2s", "", 0, 0 },
		{ "1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s",
		    "has 17 items; 16 are allowed", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_durations durations;
		struct conf_why why = { "" };
		int rc = conf_process_durations(cases[i].text, 3600000,
		    &durations, &why);

		assert_int_equal(rc, cases[i].complaint == NULL ? 0 : -1);
		if (rc < 0) {
			assert_non_null(strstr(why.text, cases[i].complaint));
			continue;
		}
		assert_int_equal(durations.count, cases[i].count);
		assert_int_equal(durations.items_ms[durations.count - 1],
		    cases[i].last_ms);
	}
}

static void
test_a_limit_is_soft_and_hard(void **state)
{
	static const struct {
		const char *name, *text;
		int rc;
		unsigned resource;
		uint64_t soft, hard;
	} cases[] = {
		{ "nofile", "1024", 0, RLIMIT_NOFILE, 1024, 1024 },
		{ "nofile", "1024:4096", 0, RLIMIT_NOFILE, 1024, 4096 },
		{ "core", "infinity", 0, RLIMIT_CORE, UINT64_MAX, UINT64_MAX },
		{ "core", "0:unlimited", 0, RLIMIT_CORE, 0, UINT64_MAX },
		{ "as", "64m", 0, RLIMIT_AS, 64 << 20, 64 << 20 },
		{ "nofile", "4096:1024", -1, 0, 0, 0 },
		{ "nofile", "64m", -1, 0, 0, 0 },
		{ "nofile", "1:2:3", -1, 0, 0, 0 },
		{ "nofile", ":", -1, 0, 0, 0 },
		{ "files", "1024", -1, 0, 0, 0 },
		{ "", "1024", -1, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_rlimits limits = { .is_set = { false } };
		struct conf_why why;
		unsigned resource = cases[i].resource;

		assert_int_equal(conf_process_rlimit(cases[i].name,
				     cases[i].text, &limits, &why),
		    cases[i].rc);
		if (cases[i].rc < 0)
			continue;
		assert_true(limits.is_set[resource]);
		assert_true(limits.soft[resource] == cases[i].soft);
		assert_true(limits.hard[resource] == cases[i].hard);
		assert_string_equal(conf_process_rlimit_name(resource),
		    cases[i].name);
	}
}

static void
test_every_limit_of_the_kernel_has_a_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONF_RLIMITS; i++)
		assert_non_null(conf_process_rlimit_name(i));
	assert_null(conf_process_rlimit_name(CONF_RLIMITS));
}

static void
test_lists_of_sockets_and_capabilities(void **state)
{
	static const struct {
		int (*fn)(const char *text, struct conf_strings *list,
		    struct conf_why *why);
		const char *text;
		int rc;
		size_t count;
	} cases[] = {
		{ conf_process_sockets, "tcp:127.0.0.1:9000", 0, 1 },
		{ conf_process_sockets, "tcp:[::1]:9000, unix:/run/a.sock", 0,
		    2 },
		{ conf_process_sockets, "tcp::9000", 0, 1 },
		{ conf_process_sockets, "127.0.0.1:9000", -1, 0 },
		{ conf_process_sockets, "tcp:127.0.0.1:9000 http-only", -1, 0 },
		{ conf_process_sockets, "unix:run/a.sock", -1, 0 },
		{ conf_process_sockets, "udp:127.0.0.1:53", -1, 0 },
		{ conf_process_sockets, "tcp::1, tcp::1", -1, 0 },
		{ conf_process_capabilities, "none", 0, 0 },
		{ conf_process_capabilities, "cap_chown", 0, 1 },
		{ conf_process_capabilities, "CAP_NET_RAW, cap_chown", 0, 2 },
		{ conf_process_capabilities, "chown", -1, 0 },
		{ conf_process_capabilities, "cap_chown+ep", -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_strings list;
		struct conf_why why;

		conf_words_init(&list);
		assert_int_equal(cases[i].fn(cases[i].text, &list, &why),
		    cases[i].rc);
		if (cases[i].rc == 0)
			assert_int_equal(list.count, cases[i].count);
		conf_words_fini(&list);
	}
}

static void
test_the_name_of_a_secret_is_that_of_a_file(void **state)
{
	static const struct {
		const char *name;
		int rc;
	} cases[] = {
		{ "db-password", 0 },
		{ "tls.key", 0 },
		{ "", -1 },
		{ "..", -1 },
		{ ".hidden", -1 },
		{ "a/b", -1 },
		{ "a b", -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_strings list;
		struct conf_why why;

		conf_words_init(&list);
		assert_int_equal(conf_process_secret(cases[i].name, "/etc/x",
				     &list, &why),
		    cases[i].rc);
		conf_words_fini(&list);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_number_may_have_a_sign_and_has_bounds),
		cmocka_unit_test(test_a_mask_is_octal),
		cmocka_unit_test(test_instances_are_a_number_or_a_range),
		cmocka_unit_test(test_a_percentage_may_say_so),
		cmocka_unit_test(test_durations_come_one_after_the_other),
		cmocka_unit_test(test_a_limit_is_soft_and_hard),
		cmocka_unit_test(test_every_limit_of_the_kernel_has_a_name),
		cmocka_unit_test(test_lists_of_sockets_and_capabilities),
		cmocka_unit_test(test_the_name_of_a_secret_is_that_of_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
