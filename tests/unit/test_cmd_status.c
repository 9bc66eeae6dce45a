/* The status of the supervisor as a table of at most 80 columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/json.h"
#include "supervisor/cmd_status.h"

#define LONG_NAME "a-service-with-a-name-that-is-far-too-long-for-a-table"

static const char status_text[] =
    "{\"ok\":true,\"status\":{\"supervisor\":{\"pid\":12,\"version\":\"1.2\","
    "\"config\":\"/etc/msvc/msvc.ini\",\"since\":1000,\"state\":\"running\","
    "\"router\":{\"pid\":13,\"state\":\"ready\",\"restarts\":2},"
    "\"logger\":{\"pid\":14,\"state\":\"ready\",\"restarts\":0},"
    "\"listen\":[\"127.0.0.1:8080\",\"[::1]:80\"]},\"services\":["
    "{\"name\":\"users\",\"state\":\"ready\",\"instances\":["
    "{\"index\":1,\"state\":\"ready\",\"pid\":100,\"generation\":1,"
    "\"restarts\":0,\"since\":1000,\"last_exit\":null,\"reason\":\"\"},"
    "{\"index\":2,\"state\":\"backoff\",\"pid\":0,\"generation\":7,"
    "\"restarts\":6,\"since\":1187,\"last_exit\":\"signal 9\","
    "\"reason\":\"killed by signal 9, next try in 400 ms, and a lot "
    "more that does not fit\"}]},"
    "{\"name\":\"" LONG_NAME "\",\"state\":\"failed\",\"instances\":["
    "{\"index\":10,\"state\":\"failed\",\"pid\":0,\"generation\":999999,"
    "\"restarts\":6,\"since\":1187,\"last_exit\":\"exit 1\"}]},"
    "{\"name\":\"far\",\"state\":\"disabled\",\"instances\":[]}]}}";

/* Print status_text (or other) into a string the caller frees. */
static char *
print(const char *json, const struct cmd_status_view *view, int *rc_r)
{
	struct buf answer = { 0 };
	struct err err = { "" };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(json_to_mp(json, strlen(json), &answer, NULL, &err),
	    0);
	*rc_r = cmd_status_print(&answer, view, out);
	fclose(out);
	buf_fini(&answer);
	return text;
}

static void
test_each_instance_has_a_line(void **state)
{
	const struct cmd_status_view view = { .now = 1192, .width = 80 };
	int rc;
	char *text = print(status_text, &view, &rc);

	(void)state;
	assert_int_equal(rc, 0);
	assert_string_equal(text,
	    "msvc     running, pid 12, up 3m12s, version 1.2\n"
	    "router   ready, pid 13, restarts 2\n"
	    "logger   ready, pid 14\n"
	    "config   /etc/msvc/msvc.ini\n"
	    "listen   127.0.0.1:8080, [::1]:80\n"
	    "\n"
	    "SERVICE/INSTANCE               STATE        PID   GEN   SINCE "
	    "LAST EXIT, REASON\n"
	    "users/1                        ready        100     1   3m12s -\n"
	    "users/2                        backoff        -     7      5s "
	    "killed by signal ~\n"
	    "a-service-with-a-name-that~/10 failed         - 99999      5s "
	    "exit 1\n"
	    "far                            disabled\n");
	free(text);
}

static void
test_a_rolling_restart_shows_two_generations_and_its_failure(void **state)
{
	static const char json[] =
	    "{\"ok\":true,\"status\":{\"supervisor\":{},\"services\":["
	    "{\"name\":\"users\",\"state\":\"ready\",\"rolled_back\":"
	    "\"users/1: rolled back: exited 3\",\"instances\":["
	    "{\"index\":1,\"state\":\"ready\",\"pid\":100,"
	    "\"generation\":1,\"since\":1000,\"beside\":false},"
	    "{\"index\":1,\"state\":\"starting\",\"pid\":101,"
	    "\"generation\":2,\"since\":1190,\"beside\":true}]}]}}";
	const struct cmd_status_view view = { .now = 1192,
		.width = 80,
		.service = "users" };
	int rc;
	char *text = print(json, &view, &rc);

	(void)state;
	assert_int_equal(rc, 0);
	assert_string_equal(text,
	    "SERVICE/INSTANCE STATE        PID   GEN   SINCE LAST EXIT, "
	    "REASON\n"
	    "users/1          ready        100     1   3m12s -\n"
	    "users/1+         starting     101     2      2s -\n"
	    "  users/1: rolled back: exited 3\n");
	free(text);
}

static void
test_no_line_is_wider_than_the_view(void **state)
{
	static const unsigned widths[] = { 80, 81, 132, 1000 };
	int rc;

	(void)state;
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		const struct cmd_status_view view = { .now = 1192,
			.width = widths[i] };
		char *text = print(status_text, &view, &rc);

		for (char *line = strtok(text, "\n"); line != NULL;
		     line = strtok(NULL, "\n")) {
			print_message("%u: %s\n", widths[i], line);
			assert_true(strlen(line) <= widths[i]);
		}
		free(text);
	}
}

static void
test_one_service_can_be_asked_for(void **state)
{
	struct cmd_status_view view = { .now = 1192,
		.width = 80,
		.service = "far" };
	int rc;
	char *text = print(status_text, &view, &rc);

	(void)state;
	assert_int_equal(rc, 0);
	assert_string_equal(text,
	    "SERVICE/INSTANCE STATE        PID   GEN   SINCE LAST EXIT, "
	    "REASON\n"
	    "far              disabled\n");
	free(text);
	view.service = "nobody";
	text = print(status_text, &view, &rc);
	assert_int_equal(rc, -1);
	free(text);
}

static void
test_colours_are_asked_for(void **state)
{
	struct cmd_status_view view = { .now = 1192,
		.width = 80,
		.is_colour = true,
		.service = "users" };
	int rc;
	char *text = print(status_text, &view, &rc);

	(void)state;
	assert_non_null(strstr(text, " \033[32mready   \033[0m "));
	free(text);
	view.is_colour = false;
	text = print(status_text, &view, &rc);
	assert_null(strchr(text, '\033'));
	free(text);
}

static void
test_a_strange_answer_does_no_harm(void **state)
{
	static const struct {
		const char *json;
		int rc;
	} cases[] = {
		{ "{}", -1 },
		{ "{\"status\":1}", 0 },
		{ "{\"status\":{\"supervisor\":[],\"services\":7}}", 0 },
		{ "{\"status\":{\"services\":[1,\"x\",{\"instances\":[null]}]}"
		  "}",
		    0 },
	};
	const struct cmd_status_view view = { .now = 1192, .width = 80 };
	int rc;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		free(print(cases[i].json, &view, &rc));
		assert_int_equal(rc, cases[i].rc);
	}
}

static void
test_the_json_of_one_service_keeps_its_shape(void **state)
{
	struct buf answer = { 0 }, value = { 0 }, json = { 0 };
	struct err err = { "" };

	(void)state;
	assert_int_equal(json_to_mp(status_text, strlen(status_text), &answer,
			     NULL, &err),
	    0);
	assert_int_equal(cmd_status_filter(&answer, "far", &value), 0);
	assert_int_equal(json_from_mp(buf_front(&value), buf_count(&value),
			     &json, &err),
	    0);
	buf_append_byte(&json, 0);
	assert_non_null(strstr((const char *)buf_front(&json),
	    "\"services\":[{\"name\":\"far\",\"state\":\"disabled\","
	    "\"instances\":[]}]}"));
	assert_int_equal(cmd_status_filter(&answer, "nobody", &value), -1);
	buf_fini(&answer);
	buf_fini(&value);
	buf_fini(&json);
}

static void
test_durations_fit_seven_columns(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{ -5, "-" },
		{ 0, "0s" },
		{ 59, "59s" },
		{ 60, "1m00s" },
		{ 192, "3m12s" },
		{ 3599, "59m59s" },
		{ 7500, "2h05m" },
		{ 86399, "23h59m" },
		{ 3 * 86400 + 4 * 3600, "3d04h" },
		{ 999 * 86400, "999d00h" },
		{ INT64_C(1000) * 86400, "1000d" },
	};
	char text[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cmd_status_duration(cases[i].seconds, text);
		assert_string_equal(text, cases[i].text);
		assert_true(strlen(text) <= 7);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_instance_has_a_line),
		cmocka_unit_test(
		    test_a_rolling_restart_shows_two_generations_and_its_failure),
		cmocka_unit_test(test_no_line_is_wider_than_the_view),
		cmocka_unit_test(test_one_service_can_be_asked_for),
		cmocka_unit_test(test_colours_are_asked_for),
		cmocka_unit_test(test_a_strange_answer_does_no_harm),
		cmocka_unit_test(test_the_json_of_one_service_keeps_its_shape),
		cmocka_unit_test(test_durations_fit_seven_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
