/* What a reload is going to do, from two configurations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/json.h"
#include "supervisor/reload_plan.h"

static struct conf *
load(const char *text)
{
	struct conf_report report = { 0 };
	struct conf *conf = NULL;

	if (conf_load_text("/x/msvc.ini", text, strlen(text), &conf, &report) <
	    0)
		conf_report_print(&report, stdout);
	conf_report_fini(&report);
	assert_non_null(conf);
	return conf;
}

static void
test_each_difference_has_its_act_and_its_keys(void **state)
{
	static const struct {
		const char *title, *before, *after;
		bool is_wanted;
		enum reload_act act;
		const char *json; /* of the keys */
	} cases[] = {
		{ "the same", "command = a\n", "command = a\n", true,
		    RELOAD_KEEP, "[]" },
		{ "written otherwise", "command = a\ntimeout = 10s\n",
		    "command = a\n", true, RELOAD_KEEP, "[]" },
		{ "applied", "command = a\n", "command = a\ntimeout = 2s\n",
		    true, RELOAD_CHANGE, "[\"timeout\"]" },
		{ "restarted", "command = a\n", "command = b\nnice = 5\n", true,
		    RELOAD_RESTART, "[\"command\",\"nice\"]" },
		{ "what is stopped is not restarted", "command = a\n",
		    "command = b\n", false, RELOAD_CHANGE, "[\"command\"]" },
		{ "disabled", "command = a\n", "command = a\nenabled = no\n",
		    true, RELOAD_STOP, "[\"enabled\"]" },
		{ "enabled", "command = a\nenabled = no\n", "command = b\n",
		    true, RELOAD_START, "[\"command\",\"enabled\"]" },
		{ "stays disabled", "command = a\nenabled = no\n",
		    "command = b\nenabled = no\n", true, RELOAD_CHANGE,
		    "[\"command\"]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256], expected[256];
		struct conf *before, *after;
		struct reload_plan plan = { 0 };
		struct reload_present present = { .name = "s" };
		struct buf mp = { 0 }, json = { 0 };
		struct err err = { "" };

		print_message("%s\n", cases[i].title);
		snprintf(text, sizeof(text), "[service s]\n%s",
		    cases[i].before);
		before = load(text);
		snprintf(text, sizeof(text), "[service s]\n%s", cases[i].after);
		after = load(text);
		present.conf = before->services[0];
		present.is_wanted = cases[i].is_wanted;
		present.change = conf_service_compare(before->services[0],
		    after->services[0]);
		assert_int_equal(reload_plan_add(&plan, &present,
				     after->services[0]),
		    0);
		assert_int_equal(plan.count, 1);
		assert_int_equal(plan.items[0].act, cases[i].act);
		reload_plan_put(&plan, &mp);
		assert_int_equal(json_from_mp(buf_front(&mp), buf_count(&mp),
				     &json, &err),
		    0);
		buf_append_byte(&json, 0);
		snprintf(expected, sizeof(expected),
		    "[{\"section\":\"service\",\"name\":\"s\",\"act\":\"%s\","
		    "\"keys\":%s}]",
		    reload_act_name(cases[i].act), cases[i].json);
		assert_string_equal((const char *)buf_front(&json), expected);
		buf_fini(&mp);
		buf_fini(&json);
		reload_plan_fini(&plan);
		conf_free(&before);
		conf_free(&after);
	}
}

static void
test_what_comes_and_goes_is_counted(void **state)
{
	struct conf *conf = load("[service a]\ncommand = a\n[service b]\n"
				 "command = b\nenabled = no\n");
	struct reload_present gone = { .name = "z", .conf = conf->services[0] },
			      fresh = { .name = "a" }, off = { .name = "b" },
			      kept = { .name = "k",
				      .conf = conf->services[0],
				      .is_wanted = true,
				      .change = CONF_SAME };
	struct reload_plan plan = { 0 };
	struct reload_counts counts;

	(void)state;
	assert_int_equal(reload_plan_add(&plan, &gone, NULL), 0);
	assert_int_equal(reload_plan_add(&plan, &fresh, conf->services[0]), 0);
	assert_int_equal(reload_plan_add(&plan, &off, conf->services[1]), 0);
	assert_int_equal(reload_plan_add(&plan, &kept, conf->services[0]), 0);
	assert_int_equal(plan.items[0].act, RELOAD_STOP);
	assert_int_equal(plan.items[1].act, RELOAD_START);
	assert_int_equal(plan.items[2].act, RELOAD_KEEP);
	assert_int_equal(plan.items[3].act, RELOAD_KEEP);
	counts = reload_plan_count(&plan);
	assert_int_equal(counts.removed, 1);
	assert_int_equal(counts.added, 2);
	assert_int_equal(counts.kept, 1);
	assert_int_equal(counts.restarted + counts.applied, 0);
	reload_plan_fini(&plan);
	conf_free(&conf);
}

static void
test_a_process_on_an_older_configuration_is_told(void **state)
{
	struct conf *old = load("[service s]\ncommand = a\n"),
		    *now = load("[service s]\ncommand = b\n");
	struct reload_present present = { .name = "s",
		.conf = now->services[0],
		.other = old->services[0],
		.is_wanted = true,
		.change = CONF_RESTART };
	struct reload_plan plan = { 0 };

	(void)state;
	assert_int_equal(reload_plan_add(&plan, &present, now->services[0]), 0);
	assert_int_equal(plan.items[0].act, RELOAD_RESTART);
	assert_true(plan.items[0].differs[CONF_KEY_SERVICE_command]);
	reload_plan_fini(&plan);
	conf_free(&old);
	conf_free(&now);
}

static void
test_other_sections_are_there_only_when_they_differ(void **state)
{
	struct conf *before = load("[msvc]\nlog_keep = 3\n[router]\n"
				   "max_body = 2m\n[service s]\ncommand = a\n"
				   "[route one]\nmatch = GET /a\nservice = s\n"
				   "[route two]\nmatch = GET /b\nservice = s\n"
				   "[group g]\nservices = s\n"),
		    *after = load("[msvc]\nlog_keep = 4\n[router]\n"
				  "max_body = 2m\n[service s]\ncommand = a\n"
				  "[route two]\nmatch = GET /c\nservice = s\n"
				  "[route new]\nmatch = GET /d\nservice = s\n"
				  "[group g]\nservices = s\n"
				  "strategy = one_for_all\n");
	static const struct {
		enum conf_section_kind section;
		const char *name;
		enum reload_act act;
	} expected[] = {
		{ CONF_SECTION_MSVC, "", RELOAD_CHANGE },
		{ CONF_SECTION_ROUTE, "one", RELOAD_STOP },
		{ CONF_SECTION_ROUTE, "two", RELOAD_CHANGE },
		{ CONF_SECTION_ROUTE, "new", RELOAD_START },
		{ CONF_SECTION_GROUP, "g", RELOAD_CHANGE },
	};
	struct reload_plan plan = { 0 };

	(void)state;
	assert_int_equal(reload_plan_add_rest(&plan, before, after), 0);
	assert_int_equal(plan.count, sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < plan.count; i++) {
		assert_int_equal(plan.items[i].section, expected[i].section);
		assert_string_equal(plan.items[i].name, expected[i].name);
		assert_int_equal(plan.items[i].act, expected[i].act);
	}
	assert_true(plan.items[0].differs[CONF_KEY_MSVC_log_keep]);
	assert_true(plan.items[2].differs[CONF_KEY_ROUTE_match]);
	assert_false(plan.items[2].differs[CONF_KEY_ROUTE_service]);
	assert_true(plan.items[4].differs[CONF_KEY_GROUP_strategy]);
	reload_plan_fini(&plan);
	conf_free(&before);
	conf_free(&after);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_difference_has_its_act_and_its_keys),
		cmocka_unit_test(test_what_comes_and_goes_is_counted),
		cmocka_unit_test(
		    test_a_process_on_an_older_configuration_is_told),
		cmocka_unit_test(
		    test_other_sections_are_there_only_when_they_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
