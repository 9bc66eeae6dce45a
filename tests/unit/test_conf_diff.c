/* conf_service_compare: what a reload does for each key that differs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/conf.h"

#define HEAD "[msvc]\nrun_dir = /r\nlog_dir = /l\n[service b]\ncommand = b\n"

static struct conf *
load(const char *keys)
{
	struct conf_report report = { 0 };
	struct conf *conf;
	char text[512];

	snprintf(text, sizeof(text), HEAD "[service a]\n%s", keys);
	conf_load_text("/c/m.ini", text, strlen(text), &conf, &report);
	conf_report_print(&report, stderr);
	assert_non_null(conf);
	return conf;
}

static void
only_what_a_process_was_started_with_restarts_it(void **state)
{
	static const struct {
		const char *before, *after;
		enum conf_change change;
	} cases[] = {
		{ "command = a", "command=a ; the same", CONF_SAME },
		{ "command = a", "# moved\n\ncommand = a", CONF_SAME },
		{ "command = a", "command = a\ntimeout = 10s", CONF_SAME },
		{ "command = a b", "command = b a", CONF_RESTART },
		{ "command = a", "command = a\ndir = /", CONF_RESTART },
		{ "command = a", "command = a\nuser = root", CONF_RESTART },
		{ "command = a", "command = a\ngroup = root", CONF_RESTART },
		{ "command = a", "command = a\nenv.A = 1", CONF_RESTART },
		{ "command = a\nenv.A = 1", "command = a\nenv.A = 2",
		    CONF_RESTART },
		{ "command = a\nenv.A = 1\nenv.B = 2",
		    "command = a\nenv.B = 2\nenv.A = 1", CONF_SAME },
		{ "command = a", "command = a\nready = none", CONF_RESTART },
		{ "command = a", "url = tcp://h:1", CONF_RESTART },
		{ "command = a", "command = a\ninstances = 2", CONF_APPLY },
		{ "command = a", "command = a\nroute = /x", CONF_APPLY },
		{ "command = a\nroute = /x, /y", "command = a\nroute = /y, /x",
		    CONF_SAME },
		{ "command = a", "command = a\nrestart = never", CONF_APPLY },
		{ "command = a", "command = a\nrestart_delay = 1s",
		    CONF_APPLY },
		{ "command = a", "command = a\nrestart_delay_max = 1s",
		    CONF_APPLY },
		{ "command = a", "command = a\nrestart_limit = 5/61s",
		    CONF_APPLY },
		{ "command = a", "command = a\nready_timeout = 1s",
		    CONF_APPLY },
		{ "command = a", "command = a\nstop_signal = INT", CONF_APPLY },
		{ "command = a", "command = a\nstop_timeout = 1s", CONF_APPLY },
		{ "command = a", "command = a\nafter = b", CONF_APPLY },
		{ "command = a", "command = a\nsuccess_codes = 0,1",
		    CONF_APPLY },
		{ "command = a", "command = a\ntimeout = 11s", CONF_APPLY },
		{ "command = a", "command = a\nenabled = no", CONF_APPLY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf *before, *after;
		enum conf_change change;

		/* Only root may name users at all. */
		if (getuid() != 0 && strstr(cases[i].after, "root") != NULL)
			continue;
		before = load(cases[i].before);
		after = load(cases[i].after);
		change = conf_service_compare(conf_find_service(before, "a"),
		    conf_find_service(after, "a"));
		if (change != cases[i].change)
			print_error("%s\n", cases[i].after);
		assert_int_equal(change, cases[i].change);
		conf_free(&before);
		conf_free(&after);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    only_what_a_process_was_started_with_restarts_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
