/* conf: the keys that say what is done about failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "conf/conf_json.h"
#include "conf/conf_value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HEAD         "[msvc]\nrun_dir = /run/x\nlog_dir = /log\n"
#define A            HEAD "[service a]\ncommand = a\n"
#define R            A "[route r]\nmatch = /r\nservice = a\n"

static const struct {
	const char *claim;
	const char *text;
	const char *line; /* the first one of the report, behind "/c/m.ini" */
} mistakes[] = {
	{ "detail", HEAD "[router]\nerror_detail = some\n",
	    ":5: router: error_detail \"some\" is not one of brief or full" },
	{ "max_inflight", A "max_inflight = any\n",
	    ":6: service \"a\": max_inflight \"any\" is neither a whole "
	    "number nor auto" },
	{ "max_inflight out of range", A "max_inflight = 65536\n",
	    ":6: service \"a\": max_inflight \"65536\" is out of range; 0 to "
	    "65535 is allowed" },
	{ "max_inflight_all knows no auto", A "max_inflight_all = auto\n",
	    ":6: service \"a\": max_inflight_all \"auto\" is not a whole "
	    "number" },
	{ "attempts", A "attempts = 0\n",
	    ":6: service \"a\": attempts \"0\" is out of range; 1 to 100 is "
	    "allowed" },
	{ "retry_budget", A "retry_budget = 101\n",
	    ":6: service \"a\": retry_budget \"101\" is out of range; 0 to "
	    "100 is allowed" },
	{ "stall_timeout", A "stall_timeout = 2h\n",
	    ":6: service \"a\": stall_timeout \"2h\" is out of range; 0 to "
	    "1h is allowed" },
	{ "hold_max_bytes", A "hold_max_bytes = 65g\n",
	    ":6: service \"a\": hold_max_bytes \"65g\" is out of range; 0 to "
	    "64g is allowed" },
	{ "ramp_requests", A "ramp_requests = 0\n",
	    ":6: service \"a\": ramp_requests \"0\" is out of range; 1 to "
	    "1000000 is allowed" },
	{ "crash_keep", HEAD "crash_keep = 10001\n",
	    ":4: msvc: crash_keep \"10001\" is out of range; 0 to 10000 is "
	    "allowed" },
	{ "crash_max_size", HEAD "crash_max_size = 63k\n",
	    ":4: msvc: crash_max_size \"63k\" is out of range; 64k to 1024g "
	    "is allowed" },
	{ "what is of a process does not go with a url",
	    HEAD "[service u]\nurl = tcp://h:1\nramp = 1s\n",
	    ":6: service \"u\": key \"ramp\" is for a process of this "
	    "machine, but url (line 5) names another; drop one of them" },
	{ "idempotent", R "idempotent = sometimes\n",
	    ":9: route \"r\": idempotent \"sometimes\" is neither yes nor "
	    "no" },

	{ "no kind of fallback", A "fallback = sorry\n",
	    ":6: service \"a\": fallback \"sorry\" is neither file PATH, json "
	    "TEXT nor service NAME" },
	{ "the kind alone", A "fallback = json\n",
	    ":6: service \"a\": fallback \"json\" is neither file PATH, json "
	    "TEXT nor service NAME" },
	{ "a kind with more letters", A "fallback = jsonp 1\n",
	    ":6: service \"a\": fallback \"jsonp 1\" is neither file PATH, "
	    "json TEXT nor service NAME" },
	{ "a text that is not JSON", A "fallback = json {\"a\":}\n",
	    ":6: service \"a\": fallback \"json {\"a\":}\" has a text that is "
	    "not JSON at byte 6" },
	{ "a service that is no name", R "fallback = service a b\n",
	    ":9: route \"r\": fallback \"service a b\" names no service; "
	    "write service NAME" },
	{ "a service that is not there", R "fallback = service b\n",
	    ":9: route \"r\": fallback service \"b\" is not in this config; "
	    "write the NAME of a [service NAME]" },
	{ "the service itself", A "fallback = service a\n",
	    ":6: service \"a\": fallback service \"a\" is the one that fails; "
	    "name another" },
	{ "the route's own service", R "fallback = service a\n",
	    ":9: route \"r\": fallback service \"a\" is the one that fails; "
	    "name another" },
	{ "a file that is not there", A "fallback = file no such.json\n",
	    ":6: service \"a\": fallback file \"no such.json\" cannot be "
	    "read: No such file or directory" },
	{ "a file that is none", A "fallback = file /dev/null\n",
	    ":6: service \"a\": fallback file \"/dev/null\" is not a regular "
	    "file" },
	{ "an unknown failure", A "fallback_on = down, slow\n",
	    ":6: service \"a\": fallback_on \"down, slow\" has an item "
	    "\"slow\" that is not one of down, timeout or 5xx" },
	{ "no failure", R "fallback_on =\n",
	    ":9: route \"r\": fallback_on \"\" is empty; write a value or "
	    "drop the line" },
	{ "a failure missing", R "fallback_on = down,\n",
	    ":9: route \"r\": fallback_on \"down,\" has an empty item; write "
	    "a list such as a, b" },
};

static void
each_mistake_names_its_line_and_what_would_be_right(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(mistakes); i++) {
		struct conf_report report = { 0 };
		struct conf *conf;
		const char *text = mistakes[i].text;

		assert_int_equal(conf_load_text("/c/m.ini", text, strlen(text),
				     &conf, &report),
		    -1);
		assert_memory_equal(report.lines[0], "/c/m.ini", 8);
		if (strcmp(report.lines[0] + 8, mistakes[i].line) != 0)
			fail_msg("%s:\n%s\nnot\n%s", mistakes[i].claim,
			    report.lines[0] + 8, mistakes[i].line);
		assert_int_equal(report.count, 1);
		conf_report_fini(&report);
	}
}

static struct conf *
load_in(const char *path, const char *text)
{
	struct conf_report report = { 0 };
	struct conf *conf;

	conf_load_text(path, text, strlen(text), &conf, &report);
	conf_report_print(&report, stderr);
	assert_non_null(conf);
	return conf;
}

static struct conf *
load(const char *text)
{
	return load_in("/c/m.ini", text);
}

static void
defaults_are_those_of_the_manual(void **state)
{
	struct conf *conf = load(R);
	const struct conf_service *a = conf->services[0];

	(void)state;
	assert_string_equal(conf->crash_dir, "/log/crash");
	assert_int_equal(conf->crash_keep, 50);
	assert_int_equal(conf->crash_max_size, 16 << 20);
	assert_int_equal(conf->router.error_detail, CONF_DETAIL_BRIEF);
	assert_false(conf->router.is_body_kept);
	assert_int_equal(a->attempts, 3);
	assert_int_equal(a->retry_budget, 20);
	assert_int_equal(a->stall_timeout_ms, 250);
	assert_int_equal(a->hold_max, 1024);
	assert_int_equal(a->hold_max_bytes, 16 << 20);
	assert_int_equal(a->max_inflight, 0);
	assert_int_equal(a->max_inflight_all, 0);
	assert_int_equal(a->queue_timeout_ms, 1000);
	assert_int_equal(a->eject_time_ms, 1000);
	assert_int_equal(a->hang_grace_ms, 5000);
	assert_int_equal(a->watchdog_ms, 0);
	assert_int_equal(a->quarantine_ms, 600000);
	assert_true(a->is_overlapping);
	assert_int_equal(a->ramp_ms, 1000);
	assert_int_equal(a->ramp_requests, 20);
	assert_int_equal(a->drain_timeout_ms, 10000);
	assert_int_equal(a->fallback.kind, CONF_FALLBACK_NONE);
	assert_int_equal(a->fallback_on,
	    CONF_FAILURE_DOWN | CONF_FAILURE_TIMEOUT);
	assert_false(conf->routes[0].is_idempotent);
	assert_int_equal(conf->routes[0].fallback.kind, CONF_FALLBACK_NONE);
	assert_int_equal(conf->routes[0].fallback_on, 0);
	conf_free(&conf);
}

static void
values_reach_their_fields(void **state)
{
	struct conf *conf =
	    load(HEAD "crash_dir = d\ncrash_keep = 0\ncrash_max_size = 64k\n"
		      "[router]\nerror_detail = full\nquarantine_body = yes\n"
		      "[service a]\ncommand = a\nmax_inflight = auto\n"
		      "hold_max = 0\noverlap = no\nwatchdog = 30s\n"
		      "fallback_on = 5xx\n"
		      "[route r]\nmatch = /r\nservice = a\nidempotent = yes\n");
	const struct conf_service *a = conf->services[0];

	(void)state;
	assert_string_equal(conf->crash_dir, "/c/d");
	assert_int_equal(conf->crash_keep, 0);
	assert_int_equal(conf->crash_max_size, 65536);
	assert_int_equal(conf->router.error_detail, CONF_DETAIL_FULL);
	assert_true(conf->router.is_body_kept);
	assert_true(a->max_inflight == CONF_INFLIGHT_AUTO);
	assert_int_equal(a->hold_max, 0);
	assert_false(a->is_overlapping);
	assert_int_equal(a->watchdog_ms, 30000);
	assert_int_equal(a->fallback_on, CONF_FAILURE_5XX);
	assert_true(conf->routes[0].is_idempotent);
	conf_free(&conf);
}

static void
a_route_has_its_services_fallback_unless_it_says_otherwise(void **state)
{
	static const struct {
		const char *keys; /* of the route */
		const char *text;
		enum conf_fallback_kind kind;
		unsigned failures;
	} cases[] = {
		{ "", "[1] ;", CONF_FALLBACK_BODY, CONF_FAILURE_5XX },
		{ "fallback = json 2\n", "2", CONF_FALLBACK_BODY,
		    CONF_FAILURE_5XX },
		{ "fallback = service b ; that\n", "b", CONF_FALLBACK_SERVICE,
		    CONF_FAILURE_5XX },
		{ "fallback_on = timeout,down,timeout\n", "[1] ;",
		    CONF_FALLBACK_BODY,
		    CONF_FAILURE_TIMEOUT | CONF_FAILURE_DOWN },
		{ "fallback = service b\nfallback_on = 5xx, down, timeout\n",
		    "b", CONF_FALLBACK_SERVICE, 7 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct conf_fallback *fallback;
		struct conf *conf;
		char text[512];
		unsigned failures;

		snprintf(text, sizeof(text),
		    HEAD "[route r]\nmatch = /r\nservice = a\n%s"
			 "[service a]\ncommand = a\nfallback_on = 5xx\n"
			 "fallback = json \t\"[1] ;\"\n"
			 "[service b]\ncommand = b\n",
		    cases[i].keys);
		conf = load(text);
		fallback =
		    conf_route_fallback(conf, &conf->routes[0], &failures);
		assert_int_equal(fallback->kind, cases[i].kind);
		assert_int_equal(failures, cases[i].failures);
		if (strcmp(cases[i].text, "[1] ;") == 0)
			assert_string_equal(fallback->text, "\"[1] ;\"");
		else
			assert_string_equal(fallback->text, cases[i].text);
		if (fallback->kind == CONF_FALLBACK_BODY)
			assert_string_equal(fallback->type, "application/json");
		conf_free(&conf);
	}
}

static void
write_file(const char *path, const char *bytes, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

/* Load a config in dir whose only fallback is that file. */
static struct conf *
load_file(const char *dir, const char *name, struct conf_report *report)
{
	char path[300], text[512];
	struct conf *conf;

	snprintf(path, sizeof(path), "%s/m.ini", dir);
	snprintf(text, sizeof(text), A "fallback = file %s\n", name);
	conf_load_text(path, text, strlen(text), &conf, report);
	return conf;
}

static void
a_file_is_read_from_beside_the_config(void **state)
{
	char dir[] = "/tmp/msvc-conf-XXXXXX";
	static char big[CONF_FALLBACK_MAX + 1];
	static const struct {
		const char *name;
		const char *bytes;
		size_t len;
		const char *type; /* NULL: the message ends with ... */
		const char *what;
	} cases[] = {
		{ "a.json", "{}", 2, "application/json", NULL },
		{ "a.HTML", "<p>", 3, "text/html; charset=utf-8", NULL },
		{ "a.xml", "<a/>", 4, "application/xml", NULL },
		{ "a.txt", "hi\n", 3, "text/plain; charset=utf-8", NULL },
		{ "a b", "", 0, "text/plain; charset=utf-8", NULL },
		{ "most", big, CONF_FALLBACK_MAX, "text/plain; charset=utf-8",
		    NULL },
		{ "more", big, CONF_FALLBACK_MAX + 1, NULL,
		    "\"more\" has over 64k; shorten it" },
		{ "nul", "a\0b", 3, NULL,
		    "\"nul\" has a NUL byte; name a text file" },
		{ "b.json", "{]", 2, NULL, "\"b.json\" is not JSON at byte 2" },
	};
	char path[300];

	(void)state;
	memset(big, 'x', sizeof(big));
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_report report = { 0 };
		struct conf *conf;

		snprintf(path, sizeof(path), "%s/%s", dir, cases[i].name);
		write_file(path, cases[i].bytes, cases[i].len);
		conf = load_file(dir, cases[i].name, &report);
		unlink(path);
		if (cases[i].type == NULL) {
			assert_null(conf);
			assert_non_null(strstr(report.lines[0], cases[i].what));
			conf_report_fini(&report);
			continue;
		}
		assert_non_null(conf);
		assert_string_equal(conf->services[0]->fallback.type,
		    cases[i].type);
		assert_int_equal(strlen(conf->services[0]->fallback.text),
		    cases[i].len);
		conf_free(&conf);
	}
	rmdir(dir);
}

static void
a_file_that_changed_is_a_change_without_a_restart(void **state)
{
	char dir[] = "/tmp/msvc-conf-XXXXXX", path[300];
	struct conf_report report = { 0 };
	struct conf *before, *after;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/f", dir);
	write_file(path, "1", 1);
	before = load_file(dir, "f", &report);
	after = load_file(dir, "f", &report);
	assert_int_equal(conf_service_compare(before->services[0],
			     after->services[0]),
	    CONF_SAME);
	conf_free(&after);
	write_file(path, "2", 1);
	after = load_file(dir, "f", &report);
	assert_int_equal(conf_service_compare(before->services[0],
			     after->services[0]),
	    CONF_APPLY);
	conf_free(&before);
	conf_free(&after);
	unlink(path);
	rmdir(dir);
}

static void
all_fallbacks_together_have_a_bound(void **state)
{
	struct conf_report report = { 0 };
	struct conf *conf;
	size_t size = CONF_FALLBACK_MAX + 8192;
	char *text = malloc(size), *at = text;

	(void)state;
	assert_non_null(text);
	at += sprintf(at, A "fallback = json \"");
	memset(at, 'x', CONF_FALLBACK_MAX - 2);
	at += CONF_FALLBACK_MAX - 2;
	at += sprintf(at, "\"\nroute = /0");
	for (int i = 1; i < 128; i++)
		at += sprintf(at, ", /%d", i);
	conf = load(text);
	conf_free(&conf);
	sprintf(at, "\n[route r]\nmatch = /r\nservice = a\n");
	assert_int_equal(conf_load_text("m", text, strlen(text), &conf,
			     &report),
	    -1);
	assert_string_equal(report.lines[0],
	    "m: fallbacks of all routes are over 8m together; shorten them");
	conf_report_fini(&report);
	free(text);
}

static void
json_is_what_the_standard_says(void **state)
{
	static const struct {
		const char *text;
		size_t byte; /* 0: it is JSON */
	} cases[] = {
		{ "1", 0 },
		{ " [ ] ", 0 },
		{ "{}", 0 },
		{ "{\"a\":[1,-0.5e+3,\"x\\u00e9\\n\",true,false,null]}", 0 },
		{ "\"\xc3\xa9\"", 0 },
		{ "0", 0 },
		{ "-0", 0 },
		{ "1E9", 0 },
		{ "", 1 },
		{ "01", 2 },
		{ "+1", 1 },
		{ ".5", 1 },
		{ "1.", 3 },
		{ "1e", 3 },
		{ "-", 2 },
		{ "nul", 1 },
		{ "truex", 5 },
		{ "[1,]", 4 },
		{ "[1 2]", 4 },
		{ "[1", 3 },
		{ "{\"a\"}", 5 },
		{ "{a:1}", 2 },
		{ "{\"a\":1,}", 8 },
		{ "\"a", 3 },
		{ "\"\\x\"", 3 },
		{ "\"\\u12g4\"", 6 },
		{ "\"a\tb\"", 3 },
		{ "\"\\", 3 },
		{ "1 2", 3 },
	};
	struct conf_why why;
	char text[80], expected[80];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int rc = conf_json_check(cases[i].text, &why);

		if (rc != (cases[i].byte == 0 ? 0 : -1))
			fail_msg("%s: %d", cases[i].text, rc);
		snprintf(expected, sizeof(expected), "is not JSON at byte %zu",
		    cases[i].byte);
		if (rc < 0 && strcmp(why.text, expected) != 0)
			fail_msg("%s: %s", cases[i].text, why.text);
	}
	memset(text, '[', 33);
	memset(text + 32, ']', 32);
	text[64] = '\0';
	assert_int_equal(conf_json_check(text, &why), 0);
	memset(text, '[', 33);
	memset(text + 33, ']', 33);
	text[66] = '\0';
	assert_int_equal(conf_json_check(text, &why), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    each_mistake_names_its_line_and_what_would_be_right),
		cmocka_unit_test(defaults_are_those_of_the_manual),
		cmocka_unit_test(values_reach_their_fields),
		cmocka_unit_test(
		    a_route_has_its_services_fallback_unless_it_says_otherwise),
		cmocka_unit_test(a_file_is_read_from_beside_the_config),
		cmocka_unit_test(
		    a_file_that_changed_is_a_change_without_a_restart),
		cmocka_unit_test(all_fallbacks_together_have_a_bound),
		cmocka_unit_test(json_is_what_the_standard_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
