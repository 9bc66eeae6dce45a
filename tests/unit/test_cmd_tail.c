/* The last lines of a log are found and followed over its rotations. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervisor/cmd_tail.h"

static char dir[64];

static int
setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_cmd_tail.XXXXXX");
	return mkdtemp(dir) == NULL;
}

static char *
path(const char *suffix)
{
	static char text[2][128];
	static int turn;

	turn = !turn;
	snprintf(text[turn], sizeof(text[0]), "%s/svc.log%s", dir, suffix);
	return text[turn];
}

static int
teardown(void **state)
{
	(void)state;
	remove(path(""));
	remove(path(".1"));
	remove(path(".2"));
	remove(path(".3"));
	return rmdir(dir);
}

static void
put(const char *suffix, const char *text)
{
	FILE *out = fopen(path(suffix), "a");

	assert_non_null(out);
	assert_int_equal(fputs(text, out) >= 0, 1);
	assert_int_equal(fclose(out), 0);
}

/* Everything tail_next() gives now, as "a b c ". */
static const char *
rest(struct tail *tail)
{
	static char text[4096];
	const char *line;
	size_t len;

	text[0] = '\0';
	while ((line = tail_next(tail, &len)) != NULL) {
		strncat(text, line, len);
		strcat(text, " ");
	}
	return text;
}

static void
test_it_starts_so_many_lines_before_the_end(void **state)
{
	static const struct {
		size_t count, found;
		const char *lines;
	} cases[] = {
		{ 0, 0, "" },
		{ 1, 1, "f " },
		{ 2, 2, "e f " },
		{ 3, 3, "d e f " },
		{ 5, 5, "b c d e f " },
		{ 100, 6, "a b c d e f " },
	};

	(void)state;
	put(".2", "a\nb\n");
	put(".1", "c\nd\n");
	put("", "e\nf\nhalf");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tail *tail = tail_new(dir, "svc", cases[i].count, NULL);

		assert_non_null(tail);
		assert_int_equal(tail_count(tail), cases[i].found);
		assert_string_equal(rest(tail), cases[i].lines);
		tail_free(&tail);
	}
}

static void
test_lines_longer_than_a_block_are_found(void **state)
{
	static char line[200 * 1000];
	struct tail *tail;
	size_t len;

	(void)state;
	memset(line, 'x', sizeof(line) - 2);
	line[sizeof(line) - 2] = '\n';
	put("", "first\n");
	put("", line);
	put("", line);
	tail = tail_new(dir, "svc", 2, NULL);
	assert_non_null(tail);
	assert_non_null(tail_next(tail, &len));
	assert_int_equal(len, sizeof(line) - 2);
	assert_non_null(tail_next(tail, &len));
	assert_null(tail_next(tail, &len));
	tail_free(&tail);
}

static void
test_rotations_neither_lose_nor_repeat_a_line(void **state)
{
	struct tail *tail;

	(void)state;
	put("", "a\n");
	tail = tail_new(dir, "svc", 10, NULL);
	assert_non_null(tail);
	assert_string_equal(rest(tail), "a ");
	put("", "b\n");
	assert_int_equal(rename(path(""), path(".1")), 0);
	/* Between rename and open there is no such file. */
	assert_string_equal(rest(tail), "b ");
	put("", "c\n");
	assert_int_equal(rename(path(".1"), path(".2")), 0);
	assert_int_equal(rename(path(""), path(".1")), 0);
	put("", "d\n");
	assert_string_equal(rest(tail), "c d ");
	put("", "half");
	assert_string_equal(rest(tail), "");
	put("", " line\n");
	assert_string_equal(rest(tail), "half line ");
	/* The part that is being read is rotated away for good. */
	assert_int_equal(rename(path(""), path(".3")), 0);
	remove(path(".3"));
	remove(path(".2"));
	remove(path(".1"));
	put(".1", "e\n");
	put("", "f\n");
	assert_string_equal(rest(tail), "e f ");
	tail_free(&tail);
}

static void
test_no_log_is_told_by_errno(void **state)
{
	(void)state;
	errno = 0;
	assert_null(tail_new(dir, "svc", 10, NULL));
	assert_int_equal(errno, ENOENT);
}

static void
test_the_time_of_a_line_is_found(void **state)
{
	static const struct {
		const char *line;
		int at; /* -1: none */
	} cases[] = {
		{ "2026-11-22T11:20:30.123Z echo/1 x", 0 },
		{ "{\"time\":\"2026-11-22T11:20:30.123Z\"}", 9 },
		{ "2026-11-22T11:20:30.123", -1 },
		{ "2026-11-22 11:20:30.123Z", -1 },
		{ "", -1 },
		{ "{", -1 },
		{ "{:", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *line = cases[i].line;
		const char *time = tail_time(line, strlen(line));

		if (cases[i].at == -1)
			assert_null(time);
		else
			assert_ptr_equal(time, line + cases[i].at);
	}
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_it_starts_so_many_lines_before_the_end),
		T(test_lines_longer_than_a_block_are_found),
		T(test_rotations_neither_lose_nor_repeat_a_line),
		T(test_no_log_is_told_by_errno),
		cmocka_unit_test(test_the_time_of_a_line_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
