/* Lines of logs are chosen by time and text, and shown in either form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "supervisor/logger/regex.h"
#include "supervisor/logs_line.h"

#define TIME   "2026-11-22T11:20:30.123Z"
#define JSON   "{\"time\":\"" TIME "\",\"service\":\"a\",\"instance\":1,"
#define NOW_MS INT64_C(1795346430123) /* the same */

static void
test_points_in_time_are_understood(void **state)
{
	static const struct {
		const char *text, *time; /* NULL: refused */
	} cases[] = {
		{ "10m", "2026-11-22T11:10:30.123Z" },
		{ "1500ms", "2026-11-22T11:20:28.623Z" },
		{ "0", TIME },
		{ "2026-11-22T11:20:30.123Z", TIME },
		{ "2026-11-22T11:20:30Z", "2026-11-22T11:20:30.000Z" },
		{ "2026-11-22 11:20Z", "2026-11-22T11:20:00.000Z" },
		{ "2026-11-22T11:20:30.5+02:00", "2026-11-22T09:20:30.500Z" },
		{ "2026-11-22T11:20-0330", "2026-11-22T14:50:00.000Z" },
		{ "2026-11-22T11:20:30", "2026-11-22T10:20:30.000Z" },
		{ "2026-07-01T12:00", "2026-07-01T10:00:00.000Z" },
		{ "2026-11-22", "2026-11-21T23:00:00.000Z" },
		{ "", NULL },
		{ "soon", NULL },
		{ "10", NULL },
		{ "-10m", NULL },
		{ "2026-11", NULL },
		{ "2026-13-01", NULL },
		{ "2026-11-22T", NULL },
		{ "2026-11-22T11:20:30X", NULL },
		{ "2026-11-22T11:20:30+2", NULL },
		{ "2026-11-22T11:20:30+24:00", NULL },
		{ "2026-11-22T11:20:30+01:60", NULL },
		{ "2026-02-30", NULL },
		{ "9999-12-31T23:00:00-05:00", NULL },
		{ "2026-11-22T11:20:30Z and more", NULL },
		{ "1969-01-01", NULL },
	};
	char time[LOGREC_TIME_LEN + 1];

	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc = logs_time_read(cases[i].text, NOW_MS, time);

		assert_int_equal(rc, cases[i].time != NULL ? 0 : -1);
		if (rc == 0)
			assert_string_equal(time, cases[i].time);
	}
}

static void
test_lines_pass_or_not(void **state)
{
	static const struct {
		const char *since, *until, *grep;
		bool passes;
	} cases[] = {
		{ "", "", NULL, true },
		{ TIME, "", NULL, true },
		{ "2026-11-22T11:20:30.124Z", "", NULL, false },
		{ "", "2026-11-22T11:20:30.124Z", NULL, true },
		{ "", TIME, NULL, false },
		{ "", "", "^hello", true },
		{ "", "", "2026|svc", false },
		{ TIME, "", "nothing", false },
	};
	static const char line[] = TIME " svc/1 hello";
	struct buf scratch = { 0 };
	struct logrec rec;

	(void)state;
	logs_line_read("svc", NULL, line, strlen(line), &scratch, &rec);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct logs_filter filter = { .grep = NULL };
		struct regex *regex = NULL;

		strcpy(filter.since, cases[i].since);
		strcpy(filter.until, cases[i].until);
		if (cases[i].grep != NULL)
			filter.grep = regex =
			    regex_new(cases[i].grep, false, NULL);
		assert_int_equal(logs_line_passes(&filter, &rec),
		    cases[i].passes);
		regex_free(&regex);
	}
	buf_fini(&scratch);
}

static void
test_lines_are_shown_in_either_form(void **state)
{
	static const struct {
		const char *name, *line, *text, *json;
	} cases[] = {
		{ "a", TIME " a/1 hello", TIME " a/1 hello",
		    JSON "\"line\":\"hello\"}" },
		{ "a", JSON "\"line\":\"hel\\u001blo\"}",
		    TIME " a/1 hel\\x1blo", JSON "\"line\":\"hel\\u001blo\"}" },
		{ "a", JSON "\"line\":\"hel\",\"cut\":true}", TIME " a/1 hel\\",
		    JSON "\"line\":\"hel\",\"cut\":true}" },
		{ "a", "nonsense", "nonsense",
		    "{\"time\":\"" TIME "\",\"service\":\"a\","
		    "\"line\":\"nonsense\"}" },
		{ "access", TIME " GET /", TIME " GET /",
		    "{\"time\":\"" TIME "\",\"service\":\"access\","
		    "\"line\":\"" TIME " GET /\"}" },
		{ "access", "{\"status\":200}", "{\"status\":200}",
		    "{\"time\":\"" TIME "\",\"service\":\"access\","
		    "\"line\":\"{\\\"status\\\":200}\"}" },
	};
	struct buf scratch = { 0 }, out = { 0 };
	struct logrec rec;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *line = cases[i].line;

		logs_line_read(cases[i].name, TIME, line, strlen(line),
		    &scratch, &rec);
		for (int is_json = 0; is_json < 2; is_json++) {
			const char *expected =
			    is_json ? cases[i].json : cases[i].text;

			buf_clear(&out);
			logs_line_put(&out, is_json, line, strlen(line), &rec);
			assert_int_equal(buf_count(&out), strlen(expected) + 1);
			assert_memory_equal(buf_front(&out), expected,
			    strlen(expected));
		}
	}
	buf_fini(&scratch);
	buf_fini(&out);
}

static void
test_a_line_without_a_time_before_all_others_has_none(void **state)
{
	struct buf scratch = { 0 }, out = { 0 };
	struct logrec rec;

	(void)state;
	logs_line_read("a", NULL, "x", 1, &scratch, &rec);
	logs_line_put(&out, true, "x", 1, &rec);
	buf_append_byte(&out, 0);
	assert_string_equal((const char *)buf_front(&out),
	    "{\"time\":null,\"service\":\"a\",\"line\":\"x\"}\n");
	buf_fini(&scratch);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_points_in_time_are_understood),
		cmocka_unit_test(test_lines_pass_or_not),
		cmocka_unit_test(test_lines_are_shown_in_either_form),
		cmocka_unit_test(
		    test_a_line_without_a_time_before_all_others_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
