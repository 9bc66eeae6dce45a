/* The last lines of one instance are found in the log of its service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/json.h"
#include "supervisor/logger/lastlines.h"

#define TIME "2026-11-22T11:20:30.123Z"

struct fixture {
	char dir[64];
};

static void
path_of(const struct fixture *f, const char *suffix, char path_r[96])
{
	snprintf(path_r, 96, "%s/svc.log%s", f->dir, suffix);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->dir, "/tmp/test_lastlines.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char path[96];

	path_of(f, "", path);
	remove(path);
	path_of(f, ".1", path);
	remove(path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static FILE *
open_log(const struct fixture *f, const char *suffix)
{
	char path[96];
	FILE *out;

	path_of(f, suffix, path);
	out = fopen(path, "w");
	assert_non_null(out);
	return out;
}

/* The lines as JSON; valid until the next call. */
static const char *
lines(const char *dir, const char *label)
{
	static struct buf json;
	struct buf mp = { 0 };

	buf_clear(&json);
	lastlines_put(&mp, dir, "svc", label);
	assert_int_equal(json_from_mp(buf_front(&mp), buf_count(&mp), &json,
			     NULL),
	    0);
	buf_append_byte(&json, '\0');
	buf_fini(&mp);
	return (const char *)buf_front(&json);
}

static void
test_only_lines_of_the_label_count(void **state)
{
	struct fixture *f = *state;
	FILE *out = open_log(f, "");

	fputs(TIME " svc/1 one\n" TIME " svc/2 other\n" TIME " svc/11 no\n"
		   "svc/1 is no label here\n\nshort\n" TIME " svc/1 \n" TIME
		   " svc/1 a\xff\"b\n" TIME " svc/1\n",
	    out);
	fclose(out);
	assert_string_equal(lines(f->dir, "svc/1"),
	    "[\"" TIME " one\",\"" TIME " \",\"" TIME " a\\\\xff\\\"b\"]");
	assert_string_equal(lines(f->dir, "svc/3"), "[]");
}

static void
test_without_a_log_there_are_none(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(lines(f->dir, "svc/1"), "[]");
	assert_string_equal(lines("", "svc/1"), "[]");
	assert_string_equal(lines("/dev/null", "svc/1"), "[]");
}

/* The numbers of the lines, "N xxx", of a JSON array: first, last, count. */
static void
check_run(const char *json, unsigned first, unsigned last)
{
	unsigned number, count = 0;

	for (const char *at = json; (at = strstr(at, TIME)) != NULL;) {
		at += sizeof(TIME);
		number = (unsigned)strtoul(at, NULL, 10);
		assert_int_equal(number, first + count);
		count++;
	}
	assert_int_equal(count, last - first + 1);
}

static void
test_the_last_fifty_come_oldest_first(void **state)
{
	struct fixture *f = *state;
	FILE *out = open_log(f, "");

	for (unsigned i = 1; i <= 2000; i++)
		fprintf(out, TIME " svc/1 %u xxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
		    i);
	fclose(out);
	check_run(lines(f->dir, "svc/1"), 1951, 2000);
}

static void
test_lines_between_many_of_another_are_found(void **state)
{
	struct fixture *f = *state;
	FILE *out = open_log(f, "");

	for (unsigned i = 1; i <= 4000; i++)
		fprintf(out, TIME " svc/%u %u xxxxxxxxxxxxxxxxxxxxxxxxxx\n",
		    i % 400 == 0 ? 1 : 2, i / 400);
	fclose(out);
	check_run(lines(f->dir, "svc/1"), 1, 10);
}

static void
test_the_rotated_file_is_read_for_what_is_missing(void **state)
{
	struct fixture *f = *state;
	FILE *out = open_log(f, ".1");

	for (unsigned i = 1; i <= 100; i++)
		fprintf(out, TIME " svc/1 %u\n", i);
	fclose(out);
	out = open_log(f, "");
	for (unsigned i = 101; i <= 110; i++)
		fprintf(out, TIME " svc/1 %u\n", i);
	fclose(out);
	check_run(lines(f->dir, "svc/1"), 61, 110);
}

static void
test_a_long_line_is_cut(void **state)
{
	struct fixture *f = *state;
	FILE *out = open_log(f, "");
	const char *json;

	fputs(TIME " svc/1 ", out);
	for (unsigned i = 0; i < 5000; i++)
		putc('x', out);
	putc('\n', out);
	fclose(out);
	json = lines(f->dir, "svc/1");
	assert_true(strlen(json) < LASTLINES_TEXT_MAX + 16);
	assert_non_null(strstr(json, "x...\"]"));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_only_lines_of_the_label_count),
		T(test_without_a_log_there_are_none),
		T(test_the_last_fifty_come_oldest_first),
		T(test_lines_between_many_of_another_are_found),
		T(test_the_rotated_file_is_read_for_what_is_missing),
		T(test_a_long_line_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
