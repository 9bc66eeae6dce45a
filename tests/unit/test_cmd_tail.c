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

#include "ipc/loop.h"
#include "supervisor/cmd_tail.h"
#include "supervisor/logger/logzip.h"

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
	remove(path(".1.gz"));
	remove(path(".2.gz"));
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
	static char text[16 * 1024];
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

/* Let the logger's own code compress NAME.log.1. */
static void
compress(void)
{
	struct loop *loop = loop_new(NULL);
	struct logzip *zip = logzip_new(loop, NULL);

	logzip_add(zip, dir, "svc");
	for (int i = 0; i < 1000 && access(path(".1"), F_OK) == 0; i++)
		assert_int_equal(loop_turn(loop, 100, NULL), 0);
	assert_int_equal(access(path(".1.gz"), F_OK), 0);
	logzip_free(&zip);
	loop_free(&loop);
}

static void
test_compressed_parts_are_read_as_others(void **state)
{
	static const struct {
		size_t count, found;
		const char *lines;
	} cases[] = {
		{ 1, 1, "f " },
		{ 3, 3, "d e f " },
		{ 4, 4, "c d e f " },
		{ 5, 5, "b c d e f " },
		{ 100, 6, "a b c d e f " },
	};

	(void)state;
	put(".1", "a\nb\n");
	compress();
	assert_int_equal(rename(path(".1.gz"), path(".2.gz")), 0);
	put(".1", "c\nd\n");
	compress();
	put("", "e\nf\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tail *tail = tail_new(dir, "svc", cases[i].count, NULL);

		assert_non_null(tail);
		assert_int_equal(tail_count(tail), cases[i].found);
		assert_string_equal(rest(tail), cases[i].lines);
		tail_free(&tail);
	}
}

static void
test_compression_of_what_is_read_neither_loses_nor_repeats(void **state)
{
	struct tail *tail;

	(void)state;
	put("", "a\n");
	tail = tail_new(dir, "svc", 10, NULL);
	assert_non_null(tail);
	assert_string_equal(rest(tail), "a ");
	put("", "b\n");
	assert_int_equal(rename(path(""), path(".1")), 0);
	compress();
	put("", "c\n");
	assert_string_equal(rest(tail), "b c ");
	/* And one that is read compressed moves on. */
	tail_free(&tail);
	tail = tail_new(dir, "svc", 10, NULL);
	assert_int_equal(rename(path(".1.gz"), path(".2.gz")), 0);
	assert_int_equal(rename(path(""), path(".1")), 0);
	put("", "d\n");
	assert_string_equal(rest(tail), "a b c d ");
	tail_free(&tail);
}

/* A rotation leaves a hole for a moment, also below where we are. */
static void
test_a_hole_in_the_row_is_no_end(void **state)
{
	struct tail *tail;

	(void)state;
	put(".1", "a\n");
	put("", "b\n");
	tail = tail_new(dir, "svc", 10, NULL);
	assert_int_equal(rename(path(".1"), path(".2")), 0);
	/* Nothing is repeated when .1 is not there yet. */
	assert_string_equal(rest(tail), "a ");
	assert_int_equal(rename(path(""), path(".1")), 0);
	put("", "c\n");
	assert_string_equal(rest(tail), "b c ");
	tail_free(&tail);
}

#define AT(second) "2026-11-22T11:20:" second ".000Z"

static void
test_it_starts_with_the_part_that_has_the_time(void **state)
{
	static const struct {
		const char *since; /* NULL: all */
		const char *lines;
	} cases[] = {
		{ NULL, AT("10") " " AT("20") " " AT("30") " " AT("40") " " },
		{ AT("05"),
		    AT("10") " " AT("20") " " AT("30") " " AT("40") " " },
		{ AT("25"), AT("20") " " AT("30") " " AT("40") " " },
		{ AT("30"), AT("20") " " AT("30") " " AT("40") " " },
		{ AT("31"), AT("30") " " AT("40") " " },
		{ AT("50"), AT("30") " " AT("40") " " },
	};

	(void)state;
	put(".1", AT("10") "\n");
	compress();
	assert_int_equal(rename(path(".1.gz"), path(".2.gz")), 0);
	put(".1", AT("20") "\n");
	put("", AT("30") "\n" AT("40") "\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tail *tail =
		    tail_new_since(dir, "svc", cases[i].since, NULL);

		assert_non_null(tail);
		assert_string_equal(rest(tail), cases[i].lines);
		tail_free(&tail);
	}
}

static void
test_a_file_that_was_emptied_is_followed_from_its_start(void **state)
{
	struct tail *tail;

	(void)state;
	put("", "a\nb\nha");
	tail = tail_new(dir, "svc", 10, NULL);
	assert_string_equal(rest(tail), "a b ");
	assert_int_equal(truncate(path(""), 0), 0);
	assert_string_equal(rest(tail), "");
	put("", "c\n");
	assert_string_equal(rest(tail), "c ");
	tail_free(&tail);
}

/* Of the parts that are left, those that were read are not read again. */
static void
test_a_part_that_somebody_removed_repeats_nothing(void **state)
{
	struct tail *tail;

	(void)state;
	put(".2", AT("10") "\n");
	put(".1", AT("20") "\n");
	put("", AT("30") "\n");
	tail = tail_new(dir, "svc", 1, NULL);
	assert_string_equal(rest(tail), AT("30") " ");
	remove(path(""));
	assert_string_equal(rest(tail), "");
	put("", AT("40") "\n");
	assert_string_equal(rest(tail), AT("40") " ");
	/* Rotated twice, and the first one removed at once. */
	remove(path(""));
	remove(path(".2"));
	assert_int_equal(rename(path(".1"), path(".2")), 0);
	put(".1", AT("50") "\n");
	put("", AT("59") "\n");
	assert_string_equal(rest(tail), AT("50") " " AT("59") " ");
	tail_free(&tail);
}

static void
test_a_compressed_part_that_is_damaged_spoils_no_other(void **state)
{
	struct tail *tail;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		char line[16];

		snprintf(line, sizeof(line), "%x\n", i * 7919 % 65536);
		put(".1", line);
	}
	compress();
	assert_int_equal(truncate(path(".1.gz"), 2000), 0);
	put("", "first\nlast\n");
	tail = tail_new_since(dir, "svc", NULL, NULL);
	assert_non_null(strstr(rest(tail), " first last "));
	tail_free(&tail);
	/* Nor does one of which nothing is left. */
	assert_int_equal(truncate(path(".1.gz"), 3), 0);
	tail = tail_new(dir, "svc", 10, NULL);
	assert_string_equal(rest(tail), "first last ");
	tail_free(&tail);
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
		T(test_compressed_parts_are_read_as_others),
		T(test_compression_of_what_is_read_neither_loses_nor_repeats),
		T(test_a_hole_in_the_row_is_no_end),
		T(test_a_file_that_was_emptied_is_followed_from_its_start),
		T(test_a_part_that_somebody_removed_repeats_nothing),
		T(test_a_compressed_part_that_is_damaged_spoils_no_other),
		T(test_it_starts_with_the_part_that_has_the_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
