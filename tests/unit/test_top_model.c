/* The rows of msvc top and the tree of msvc status: order, rates, text. */
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
#include "supervisor/cmd_mistake.h"
#include "supervisor/cmd_model.h"
#include "supervisor/cmd_size.h"
#include "supervisor/cmd_tree.h"
#include "supervisor/top_log.h"
#include "supervisor/top_model.h"

/* web requires db and wants cache; db has two instances; far is elsewhere. */
static const char status_text[] =
    "{\"ok\":true,\"status\":{\"groups\":[{\"name\":\"data\",\"strategy\":"
    "\"one_for_all\",\"services\":[\"db\",\"cache\"]}],\"services\":["
    "{\"name\":\"web\",\"state\":\"starting\",\"requires\":[\"db\"],"
    "\"wants\":[\"cache\"],\"after\":[\"db\"],\"instances\":[{\"index\":1,"
    "\"state\":\"starting\",\"pid\":null,\"restarts\":3,"
    "\"reason\":\"waits for db\"}]},"
    "{\"name\":\"db\",\"state\":\"backoff\",\"group\":\"data\","
    "\"instances\":[{\"index\":1,\"state\":\"ready\",\"pid\":20,"
    "\"restarts\":0},{\"index\":2,\"state\":\"backoff\",\"pid\":0,"
    "\"restarts\":7,\"last_exit\":\"exit 1\"}]},"
    "{\"name\":\"cache\",\"state\":\"ready\",\"group\":\"data\","
    "\"requires\":[\"db\"],\"instances\":[{\"index\":1,\"state\":\"ready\","
    "\"pid\":30,\"restarts\":1}]},"
    "{\"name\":\"far\",\"state\":\"ready\",\"instances\":[]}]}}";

static struct buf answer;
static struct cmd_model model;

static int
set_up(void **state)
{
	struct err err = { "" };

	(void)state;
	if (json_to_mp(status_text, strlen(status_text), &answer, NULL, &err) <
		0 ||
	    cmd_model_init(&model, &answer) < 0)
		return -1;
	model.instances[1].usage =
	    (struct cmd_usage){ true, 5000, 100000, 3 * 1024 * 1024, 12 };
	model.instances[3].usage =
	    (struct cmd_usage){ true, 400, 50000, 900 * 1024, 40 };
	model.instances[1].cpu = 5;
	model.instances[3].cpu = 40;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	cmd_model_fini(&model);
	buf_fini(&answer);
	return 0;
}

static void
test_rows_are_sorted_and_filtered(void **state)
{
	static const struct {
		const char *keys, *filter;
		const char *labels;
	} cases[] = {
		{ "", "", "cache/1 db/1 db/2 far web/1" },
		{ "I", "", "web/1 far db/1 db/2 cache/1" },
		{ "P", "", "cache/1 db/1 web/1 db/2 far" },
		{ "M", "", "db/1 cache/1 web/1 db/2 far" },
		{ "F", "", "cache/1 db/1 web/1 db/2 far" },
		{ "R", "", "db/2 web/1 cache/1 db/1 far" },
		{ "RI", "", "db/1 far cache/1 web/1 db/2" },
		{ "T", "", "db/1 cache/1 web/1 db/2 far" },
		{ ">", "", "db/2 db/1 cache/1 far web/1" },
		{ "PN", "", "cache/1 db/1 db/2 far web/1" },
		{ "", "db", "db/1 db/2" },
		{ "", "ready", "cache/1 db/1 far" },
		{ "", "nothing", "" },
	};
	unsigned rows[8];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct top_order order = { .column = TOP_NAME };
		char text[128] = "", label[32];
		size_t count;

		for (const char *key = cases[i].keys; *key != '\0'; key++)
			assert_true(top_order_key(&order, *key));
		strcpy(order.filter, cases[i].filter);
		count = top_select(&model, &order, rows);
		for (size_t j = 0; j < count; j++) {
			top_label(&model, &model.instances[rows[j]], label,
			    sizeof(label));
			strcat(text, j > 0 ? " " : "");
			strcat(text, label);
		}
		print_message("\"%s\" \"%s\"\n", cases[i].keys,
		    cases[i].filter);
		assert_string_equal(text, cases[i].labels);
	}
}

static void
test_going_round_the_columns_comes_back(void **state)
{
	struct top_order order = { .column = TOP_NAME };

	(void)state;
	assert_true(top_order_key(&order, '<'));
	assert_int_equal(order.column, TOP_REASON);
	for (int i = 0; i < TOP_COLUMNS; i++)
		assert_true(top_order_key(&order, '>'));
	assert_int_equal(order.column, TOP_REASON);
	assert_false(top_order_key(&order, 'x'));
	assert_false(top_order_key(&order, 0));
}

static void
test_a_row_is_formatted(void **state)
{
	static const struct {
		size_t at;
		const char *text;
	} cases[] = {
		{ 0,
		    "web/1            starting       -     -     -    -        "
		    "3       - waits for db" },
		{ 1,
		    "db/1             ready         20    5%  3.0m   12        "
		    "0   1m40s -" },
		{ 2,
		    "db/2             backoff        -     -     -    -        "
		    "7       - exit 1" },
		{ 4,
		    "far              ready          -     -     -    -        "
		    "0       - -" },
	};
	char text[TOP_LINE_MAX], head[TOP_LINE_MAX];
	unsigned width;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		top_format_row(&model, &model.instances[cases[i].at],
		    top_name_width(&model), text);
		assert_string_equal(text, cases[i].text);
	}
	top_format_head(16, head);
	assert_string_equal(head + top_column_at(TOP_RESTARTS, 16, &width),
	    "RESTARTS  UPTIME LAST EXIT, REASON");
	assert_int_equal(width, 8);
	assert_memory_equal(head + top_column_at(TOP_STATE, 16, &width),
	    "STATE", 5);
}

static void
test_cpu_is_what_was_used_since_the_last_look(void **state)
{
	static const struct {
		const char *title;
		bool has_before;
		struct cmd_usage before, now;
		int64_t elapsed_ms;
		int percent;
	} cases[] = {
		{ "half of a second", true, { true, 1000, 9000, 0, 0 },
		    { true, 1500, 10000, 0, 0 }, 1000, 50 },
		{ "over all its life", false, { 0 }, { true, 500, 10000, 0, 0 },
		    0, 5 },
		{ "two threads", true, { true, 0, 1000, 0, 0 },
		    { true, 2000, 2000, 0, 0 }, 1000, 200 },
		{ "another process of that pid", true,
		    { true, 9000, 90000, 0, 0 }, { true, 100, 200, 0, 0 }, 1000,
		    50 },
		{ "a younger one that has used more", true,
		    { true, 100, 90000, 0, 0 }, { true, 200, 400, 0, 0 }, 1000,
		    50 },
		{ "no process", true, { 0 }, { 0 }, 1000, -1 },
		{ "no time", true, { true, 10, 1000, 0, 0 },
		    { true, 20, 1001, 0, 0 }, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].title);
		assert_int_equal(cmd_usage_percent(cases[i].has_before
						       ? &cases[i].before
						       : NULL,
				     &cases[i].now, cases[i].elapsed_ms),
		    cases[i].percent);
	}
}

static void
test_rates_follow_the_pid(void **state)
{
	struct cmd_model before;

	(void)state;
	assert_int_equal(cmd_model_init(&before, &answer), 0);
	before.instances[1].usage =
	    (struct cmd_usage){ true, 4000, 99000, 0, 0 };
	top_rates(&model, &before, 1000);
	assert_int_equal(model.instances[1].cpu, 100);
	/* Not known before: over its life. */
	assert_int_equal(model.instances[3].cpu, 1);
	assert_int_equal(model.instances[0].cpu, -1);
	cmd_model_fini(&before);
}

static void
test_stat_of_a_process_with_any_name_is_read(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t ticks, begun;
	} cases[] = {
		{ "12 (a) S 1 2 3 -1 5 6 7 8 9 10 11 30 12 13 14 15 16 17 "
		  "900 20\n",
		    0, 41, 900 },
		{ "12 (a) b) (c) R 1 2 3 0 5 6 7 8 9 10 100 200 0 0 20 0 1 0 "
		  "77 0\n",
		    0, 300, 77 },
		{ "12 (a) S 1 2 3\n", -1, 0, 0 },
		{ "", -1, 0, 0 },
		{ "12 (a", -1, 0, 0 },
	};
	uint64_t ticks, begun;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].text);
		assert_int_equal(cmd_usage_parse(cases[i].text, &ticks, &begun),
		    cases[i].rc);
		if (cases[i].rc < 0)
			continue;
		assert_int_equal(ticks, cases[i].ticks);
		assert_int_equal(begun, cases[i].begun);
	}
}

static char *
print_tree(const struct cmd_status_view *view, bool is_utf8, int *rc_r)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	*rc_r = cmd_tree_print(&model, view, is_utf8, out);
	fclose(out);
	return text;
}

static void
test_the_tree_shows_what_depends_on_what(void **state)
{
	struct cmd_status_view view = { .width = 80 };
	int rc;
	char *text = print_tree(&view, false, &rc);

	(void)state;
	assert_int_equal(rc, 0);
	assert_string_equal(text,
	    "SERVICE/INSTANCE           STATE        PID  UPTIME RES  CPU   "
	    "MEM WHY\n"
	    "web                        starting       -       -   3    -     "
	    "- waits for db\n"
	    "|- requires db (data)      backoff        -       -   0    -     "
	    "- -\n"
	    "|  |- db/1                 ready         20   1m40s   0   5%  "
	    "3.0m -\n"
	    "|  `- db/2                 backoff        -       -   7    -     "
	    "- exit 1\n"
	    "`- wants cache (data)      ready         30     50s   1  40%  "
	    "900k -\n"
	    "   `- requires db (data) ^ backoff        -       -   0    -     "
	    "- -\n"
	    "far                        ready          -       -   0    -     "
	    "- -\n");
	free(text);
	view.service = "cache";
	text = print_tree(&view, true, &rc);
	assert_int_equal(rc, 0);
	assert_non_null(strstr(text, "\n└─ requires db (data)"));
	assert_null(strstr(text, "web"));
	free(text);
	view.service = "nobody";
	text = print_tree(&view, true, &rc);
	assert_int_equal(rc, -1);
	free(text);
}

static void
test_no_line_of_the_tree_is_too_wide(void **state)
{
	struct cmd_status_view view = { .width = 80 };
	int rc;
	char *text = print_tree(&view, false, &rc);

	(void)state;
	for (char *line = strtok(text, "\n"); line != NULL;
	     line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 80);
	free(text);
}

static void
test_sizes_fit_five_columns(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ 1023, "1023" },
		{ 1024, "1.0k" },
		{ 10 * 1024 - 1, "9.9k" },
		{ 10 * 1024, "10k" },
		{ 1024 * 1024 - 1, "1023k" },
		{ 1024 * 1024, "1.0m" },
		{ 3 * UINT64_C(1073741824) / 2, "1.5g" },
		{ UINT64_MAX, "15e" },
	};
	char text[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cmd_size_format(cases[i].bytes, text);
		assert_string_equal(text, cases[i].text);
		assert_true(strlen(text) <= 5);
	}
}

static void
test_a_mistake_is_taken_apart(void **state)
{
	static const struct {
		const char *line, *file;
		long number;
		const char *text;
	} cases[] = {
		{ "msvc.ini:12: unknown key \"x: y\"", "msvc.ini", 12,
		    "unknown key \"x: y\"" },
		{ "/etc/a:b/msvc.ini:3: no", "/etc/a:b/msvc.ini", 3, "no" },
		{ "msvc.ini: cannot be read", "msvc.ini", 0, "cannot be read" },
		{ "and 12 more", "", 0, "and 12 more" },
	};
	struct cmd_mistake mistake;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cmd_mistake_split(cases[i].line, &mistake);
		assert_int_equal(mistake.file_len, strlen(cases[i].file));
		assert_memory_equal(cases[i].line, cases[i].file,
		    mistake.file_len);
		assert_int_equal(mistake.line, cases[i].number);
		assert_string_equal(mistake.text, cases[i].text);
	}
}

static void
test_a_log_line_is_of_one_instance(void **state)
{
	static const struct {
		const char *line;
		bool is;
	} cases[] = {
		{ "2026-11-22T11:20:30.123Z users/1 listening", true },
		{ "2026-11-22T11:20:30.123Z users/12 listening", false },
		{ "2026-11-22T11:20:30.123Z our-users/1 x", false },
		{ "{\"instance\":\"users/1\",\"text\":\"x\"}", true },
		{ "users/1", true },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(top_log_is_of(cases[i].line,
				     strlen(cases[i].line), "users/1"),
		    cases[i].is);
}

static void
test_a_strange_answer_does_no_harm(void **state)
{
	static const char *const texts[] = { "{}", "{\"status\":1}",
		"{\"status\":{\"services\":7}}",
		"{\"status\":{\"services\":[1,\"x\",{\"instances\":[null]},"
		"{\"name\":\"a\",\"requires\":[\"a\",3]}]}}" };
	const struct cmd_status_view view = { .width = 80 };
	struct cmd_model strange;
	struct err err = { "" };
	char *text;
	size_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buf mp = { 0 };
		FILE *out = open_memstream(&text, &size);

		assert_int_equal(json_to_mp(texts[i], strlen(texts[i]), &mp,
				     NULL, &err),
		    0);
		if (cmd_model_init(&strange, &mp) == 0)
			cmd_tree_print(&strange, &view, false, out);
		cmd_model_fini(&strange);
		fclose(out);
		free(text);
		buf_fini(&mp);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rows_are_sorted_and_filtered),
		TEST(test_going_round_the_columns_comes_back),
		TEST(test_a_row_is_formatted),
		TEST(test_cpu_is_what_was_used_since_the_last_look),
		TEST(test_rates_follow_the_pid),
		TEST(test_stat_of_a_process_with_any_name_is_read),
		TEST(test_the_tree_shows_what_depends_on_what),
		TEST(test_no_line_of_the_tree_is_too_wide),
		TEST(test_sizes_fit_five_columns),
		TEST(test_a_mistake_is_taken_apart),
		TEST(test_a_log_line_is_of_one_instance),
		TEST(test_a_strange_answer_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
