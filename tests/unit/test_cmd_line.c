/* Command lines of msvc(8) are read as its man page says. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervisor/cmd.h"

/* Split text at blanks and parse it; the messages go nowhere. */
static int
parse(const char *text, struct cmd_line *line_r)
{
	static char copy[256];
	static char *argv[16];
	int argc = 0, rc, saved = dup(STDERR_FILENO);
	int null = open("/dev/null", O_WRONLY);

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *word = strtok(copy, " "); word != NULL;
	     word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	dup2(null, STDERR_FILENO);
	rc = cmd_parse(argc, argv, line_r);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(null);
	return rc;
}

static void
test_good_lines_are_read(void **state)
{
	static const struct {
		const char *text;
		const char *command, *conf, *run_dir, *arg;
		bool is_json, is_help, is_following;
		const char *count;
	} cases[] = {
		{ "msvc status", "status", NULL, NULL, NULL, false, false,
		    false, NULL },
		{ "msvc -c a.ini -o json status users", "status", "a.ini", NULL,
		    "users", true, false, false, NULL },
		{ "msvc status users -o json -c a.ini", "status", "a.ini", NULL,
		    "users", true, false, false, NULL },
		{ "msvc -r /run/x stop", "stop", NULL, "/run/x", NULL, false,
		    false, false, NULL },
		{ "msvc -o json status -o table", "status", NULL, NULL, NULL,
		    false, false, false, NULL },
		{ "msvc logs users -f -n 5", "logs", NULL, NULL, "users", false,
		    false, true, "5" },
		{ "msvc logs -fn5", "logs", NULL, NULL, NULL, false, false,
		    true, "5" },
		{ "msvc start --help", "start", NULL, NULL, NULL, false, true,
		    false, NULL },
		{ "msvc sub -n 2 -- -topic", "sub", NULL, NULL, "-topic", false,
		    false, false, "2" },
		{ "msvc pub -h", "pub", NULL, NULL, NULL, false, true, false,
		    NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cmd_line line;

		print_message("%s\n", cases[i].text);
		assert_int_equal(parse(cases[i].text, &line), 0);
		assert_string_equal(line.cmd->name, cases[i].command);
		assert_int_equal(line.is_json, cases[i].is_json);
		assert_int_equal(line.is_help, cases[i].is_help);
		assert_int_equal(line.is_following, cases[i].is_following);
#define SAME(got, want)                                 \
	do {                                            \
		if ((want) == NULL)                     \
			assert_null(got);               \
		else                                    \
			assert_string_equal(got, want); \
	} while (0)
		SAME(line.conf_path, cases[i].conf);
		SAME(line.run_dir, cases[i].run_dir);
		SAME(line.count, cases[i].count);
		SAME(line.arg_count > 0 ? line.args[0] : NULL, cases[i].arg);
	}
}

static void
test_bad_lines_are_refused(void **state)
{
	static const char *const cases[] = { "msvc", "msvc -x status",
		"msvc fly", "msvc -o xml status", "msvc status a b",
		"msvc reload now", "msvc pub topic", "msvc call",
		"msvc status -f", "msvc status --for 3s", "msvc -c",
		"msvc logs -p 3", "msvc fault users", "msvc fault a b c",
		"msvc crash show a b", "msvc stop -n 3", "msvc sub" };
	struct cmd_line line;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i]);
		assert_int_equal(parse(cases[i], &line), -1);
	}
}

static void
test_a_fault_has_long_options(void **state)
{
	struct cmd_line line;

	(void)state;
	assert_int_equal(parse("msvc fault users/1 error=503 --percent 5 "
			       "--for 10s",
			     &line),
	    0);
	assert_string_equal(line.args[0], "users/1");
	assert_string_equal(line.args[1], "error=503");
	assert_string_equal(line.percent, "5");
	assert_string_equal(line.duration, "10s");
	assert_int_equal(parse("msvc fault users -d1s stop", &line), 0);
	assert_string_equal(line.duration, "1s");
	assert_null(line.percent);
}

static void
test_an_instance_is_a_number_behind_a_slash(void **state)
{
	static const struct {
		const char *text, *service;
		int rc;
		unsigned instance;
	} cases[] = {
		{ "users", "users", 0, 0 },
		{ "users/2", "users", 0, 2 },
		{ "users/1000", "users", 0, 1000 },
		{ "users/0", NULL, -1, 0 },
		{ "users/", NULL, -1, 0 },
		{ "users/two", NULL, -1, 0 },
		{ "", NULL, -1, 0 },
		{ "/1", NULL, -1, 0 },
		{ "users/-1", NULL, -1, 0 },
		{ "users/1/2", NULL, -1, 0 },
		{ "users/99999999999999999999", NULL, -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64];
		unsigned instance;

		strcpy(text, cases[i].text);
		assert_int_equal(cmd_split_instance(text, &instance),
		    cases[i].rc);
		if (cases[i].rc == -1)
			continue;
		assert_string_equal(text, cases[i].service);
		assert_int_equal(instance, cases[i].instance);
	}
}

static void
test_numbers_are_whole_and_in_range(void **state)
{
	(void)state;
	assert_int_equal(cmd_number("0", 0, 9), 0);
	assert_int_equal(cmd_number("9", 0, 9), 9);
	assert_int_equal(cmd_number("10", 0, 9), -1);
	assert_int_equal(cmd_number("", 0, 9), -1);
	assert_int_equal(cmd_number("+1", 0, 9), -1);
	assert_int_equal(cmd_number(" 1", 0, 9), -1);
	assert_int_equal(cmd_number("1x", 0, 9), -1);
}

static void
test_the_hint_is_the_nearest_command(void **state)
{
	static const struct {
		const char *typed, *meant;
	} cases[] = {
		{ "stat", "status" }, /* though "start" is one letter away */
		{ "statsu", "status" },
		{ "statr", "start" },
		{ "sto", "stop" },
		{ "resart", "restart" },
		{ "START", "start" },
		{ "log", "logs" },
		{ "pbu", "pub" },
		{ "nosuch", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct cmd *cmd = cmd_nearest(cases[i].typed);

		assert_int_equal(cmd == NULL, cases[i].meant == NULL);
		if (cmd != NULL)
			assert_string_equal(cmd->name, cases[i].meant);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_lines_are_read),
		cmocka_unit_test(test_bad_lines_are_refused),
		cmocka_unit_test(test_a_fault_has_long_options),
		cmocka_unit_test(test_an_instance_is_a_number_behind_a_slash),
		cmocka_unit_test(test_numbers_are_whole_and_in_range),
		cmocka_unit_test(test_the_hint_is_the_nearest_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
