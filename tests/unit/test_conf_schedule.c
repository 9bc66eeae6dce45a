/* conf: what does not go together with a schedule, and sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HEAD         "[msvc]\nrun_dir = /run/x\nlog_dir = /log\n"
#define JOB          HEAD "[service j]\ncommand = j\nschedule = @daily\n"
#define A            HEAD "[service a]\ncommand = a\n"
#define PATH         "/c/m.ini"

static const struct {
	const char *claim, *text;
	const char *line; /* the first one of the report, behind its path */
} mistakes[] = {
	{ "a wrong line", A "schedule = 61 * * * *\n",
	    ":6: service \"a\": schedule \"61 * * * *\" has a minute \"61\"; "
	    "write 0 to 59" },
	{ "an unknown zone", JOB "schedule_zone = Mars/Olympus\n",
	    ":7: service \"j\": schedule_zone \"Mars/Olympus\" is not a time "
	    "zone of this machine such as Europe/Berlin or UTC" },
	{ "a zone for nothing", A "schedule_zone = UTC\n",
	    ":6: service \"a\": key \"schedule_zone\" is for a service that "
	    "runs by a schedule; write schedule = */5 * * * * or drop it" },
	{ "jitter for nothing", A "schedule_jitter = 1s\n",
	    ":6: service \"a\": key \"schedule_jitter\" is for a service that "
	    "runs by a schedule; write schedule = */5 * * * * or drop it" },
	{ "instances", JOB "instances = 2\n",
	    ":7: service \"j\": key \"instances\" does not fit a service that "
	    "runs by a schedule (line 6); drop one of them" },
	{ "a range of instances", JOB "instances = 1..2\n",
	    ":7: service \"j\": key \"instances\" does not fit" },
	{ "idle_stop", JOB "idle_stop = 1s\n",
	    ":7: service \"j\": key \"idle_stop\" does not fit" },
	{ "health", JOB "health = tcp 127.0.0.1:1\n",
	    ":7: service \"j\": key \"health\" does not fit" },
	{ "watchdog", JOB "watchdog = 1s\n",
	    ":7: service \"j\": key \"watchdog\" does not fit" },
	{ "route", JOB "route = /j\n",
	    ":7: service \"j\": key \"route\" does not fit" },
	{ "type = service", JOB "type = service\n",
	    ":7: service \"j\": key \"type\" does not fit" },
	{ "restart = always", JOB "restart = always\n",
	    ":7: service \"j\": restart \"always\" does not fit" },
	{ "url", HEAD "[service j]\nurl = tcp://h:1\nschedule = @daily\n",
	    ":6: service \"j\": key \"schedule\" is for a process of this" },
	{ "a route section", JOB "[route r]\nmatch = GET /r\nservice = j\n",
	    ":9: route \"r\": service \"j\" runs by a schedule and answers no "
	    "requests; name another" },
	{ "requires", JOB "[service k]\ncommand = k\nrequires = j\n",
	    ":9: service \"k\": requires \"j\" runs by a schedule, so it is "
	    "not there all the time; write after or drop it" },
	{ "no socket", A "socket = 9000\n",
	    ":6: service \"a\": socket \"9000\" is not a socket such as "
	    "tcp:127.0.0.1:9000 or unix:/run/app.sock" },
	{ "a relative path", A "socket = unix:app.sock\n",
	    ":6: service \"a\": socket \"unix:app.sock\" is not a socket" },
	{ "port 0", A "socket = tcp:127.0.0.1:0\n",
	    ":6: service \"a\": socket \"tcp:127.0.0.1:0\" has port 0, where "
	    "nobody would find it; write 1 to 65535" },
	{ "the same one twice", A "socket = tcp::9000, tcp::9000\n",
	    ":6: service \"a\": socket \"tcp::9000, tcp::9000\" has "
	    "\"tcp::9000\" twice; drop one" },
	{ "one of another service",
	    A "socket = tcp::9000, unix:/s\n[service b]\ncommand = b\n"
	      "socket = unix:/s\n",
	    ":9: service \"b\": socket \"unix:/s\" is already taken by \"a\" "
	    "(line 6)" },
	{ "one of another service, in another order",
	    A "socket = unix:/s\n[service b]\ncommand = b\n"
	      "socket = tcp::9000, unix:/r, unix:/s\n",
	    ":9: service \"b\": socket \"unix:/s\" is already taken by \"a\" "
	    "(line 6)" },
	{ "sleep while its own clients talk",
	    A "socket = tcp::9000\nidle_stop = 1m\n",
	    ":7: service \"a\": key \"idle_stop\" does not fit a service with "
	    "sockets of its own (line 6), whose clients do not keep it awake; "
	    "drop one of them" },
};

static void
what_makes_no_sense_is_refused_with_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(mistakes); i++) {
		struct conf_report report = { 0 };
		struct conf *conf = NULL;

		if (conf_load_text(PATH, mistakes[i].text,
			strlen(mistakes[i].text), &conf, &report) == 0)
			fail_msg("%s: loaded", mistakes[i].claim);
		if (strncmp(report.lines[0] + strlen(PATH), mistakes[i].line,
			strlen(mistakes[i].line)) != 0)
			fail_msg("%s: %s", mistakes[i].claim, report.lines[0]);
		assert_int_equal(report.count, 1);
		conf_report_fini(&report);
	}
}

static void
load_service(const char *text, struct conf **conf_r)
{
	struct conf_report report = { 0 };

	if (conf_load_text(PATH, text, strlen(text), conf_r, &report) < 0)
		fail_msg("%s", report.lines[0]);
	conf_report_fini(&report);
}

static void
a_scheduled_service_is_a_oneshot_without_a_time_limit(void **state)
{
	struct conf *conf;
	const struct conf_service *service;

	(void)state;
	load_service(JOB "schedule_zone = Europe/Berlin\n"
			 "schedule_jitter = 5s\ninstances = 1\n",
	    &conf);
	service = conf->services[0];
	assert_true(service->schedule.is_set);
	assert_int_equal(service->kind, CONF_KIND_ONESHOT);
	assert_int_equal(service->restart, CONF_RESTART_NEVER);
	assert_int_equal(service->ready_timeout_ms, 0);
	assert_false(service->is_overlapping);
	assert_int_equal(service->schedule_jitter_ms, 5000);
	assert_string_equal(service->schedule_zone, "Europe/Berlin");
	conf_free(&conf);
	load_service(JOB "restart = on-failure\nready_timeout = 1h\n", &conf);
	service = conf->services[0];
	assert_int_equal(service->restart, CONF_RESTART_ON_FAILURE);
	assert_int_equal(service->ready_timeout_ms, 3600000);
	conf_free(&conf);
}

static void
only_another_schedule_makes_a_difference_to_a_reload(void **state)
{
	static const struct {
		const char *text;
		enum conf_change change;
	} cases[] = {
		{ JOB, CONF_SAME },
		{ HEAD "[service j]\ncommand = j\nschedule = 0 0 * * *\n",
		    CONF_SAME },
		{ HEAD "[service j]\ncommand = j\nschedule = 0 1 * * *\n",
		    CONF_APPLY },
		{ JOB "schedule_zone = UTC\n", CONF_APPLY },
		{ JOB "schedule_jitter = 1s\n", CONF_APPLY },
		{ JOB "socket = tcp::9000\n", CONF_RESTART },
	};
	struct conf *before, *after;

	(void)state;
	load_service(JOB, &before);
	for (size_t i = 0; i < COUNT(cases); i++) {
		load_service(cases[i].text, &after);
		assert_int_equal(conf_service_compare(before->services[0],
				     after->services[0]),
		    cases[i].change);
		conf_free(&after);
	}
	conf_free(&before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_makes_no_sense_is_refused_with_its_line),
		cmocka_unit_test(
		    a_scheduled_service_is_a_oneshot_without_a_time_limit),
		cmocka_unit_test(
		    only_another_schedule_makes_a_difference_to_a_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
