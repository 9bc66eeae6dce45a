/* Rotated files are compressed in slices, and never lost or half there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "ipc/log.h"
#include "ipc/loop.h"
#include "supervisor/logger/logzip.h"

struct fixture {
	char dir[64];
	struct loop *loop;
	struct logzip *zip;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->dir, "/tmp/test_logzip.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->loop = loop_new(NULL);
	f->zip = logzip_new(f->loop, NULL);
	assert_non_null(f->zip);
	*state = f;
	return 0;
}

static const char *
path(struct fixture *f, const char *suffix)
{
	static char text[2][128];
	static int turn;

	turn = !turn;
	snprintf(text[turn], sizeof(text[0]), "%s/svc.log%s", f->dir, suffix);
	return text[turn];
}

static int
teardown(void **state)
{
	static const char *const suffixes[] = { "", ".1", ".2", ".3", ".1.gz",
		".2.gz", ".3.gz", ".gz.tmp" };
	struct fixture *f = *state;

	logzip_free(&f->zip);
	loop_free(&f->loop);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		remove(path(f, suffixes[i]));
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static bool
is_there(struct fixture *f, const char *suffix)
{
	return access(path(f, suffix), F_OK) == 0;
}

/* A file with that many lines, the first of which is named. */
static void
put(struct fixture *f, const char *suffix, const char *first, int lines)
{
	FILE *out = fopen(path(f, suffix), "w");

	assert_non_null(out);
	fprintf(out, "%s\n", first);
	for (int i = 1; i < lines; i++)
		fprintf(out, "line %d of the log of a service\n", i);
	assert_int_equal(fclose(out), 0);
}

/* Is it whole: so many lines, and the first is that one? */
static void
assert_zipped(struct fixture *f, const char *suffix, const char *first,
    int lines)
{
	gzFile in = gzopen(path(f, suffix), "r");
	char line[128];
	int count = 0;

	assert_non_null(in);
	while (gzgets(in, line, sizeof(line)) != NULL) {
		if (count++ == 0)
			assert_memory_equal(line, first, strlen(first));
	}
	assert_int_equal(count, lines);
	assert_int_equal(gzclose(in), Z_OK);
}

/* The timers of a few milliseconds end the waiting of a turn. */
static void
run_until(struct fixture *f, const char *suffix)
{
	for (int i = 0; i < 1000 && !is_there(f, suffix); i++)
		assert_int_equal(loop_turn(f->loop, 100, NULL), 0);
	assert_true(is_there(f, suffix));
}

static void
test_all_plain_files_are_compressed_the_newest_first(void **state)
{
	struct fixture *f = *state;
	struct stat plain, zipped;

	put(f, "", "newest", 3);
	put(f, ".1", "one", 50 * 1000);
	put(f, ".2", "two", 2);
	put(f, ".3", "three", 1);
	assert_int_equal(stat(path(f, ".1"), &plain), 0);
	logzip_add(f->zip, f->dir, "svc");
	logzip_add(f->zip, f->dir, "svc");
	run_until(f, ".1.gz");
	assert_true(is_there(f, ".2"));
	run_until(f, ".2.gz");
	run_until(f, ".3.gz");
	assert_zipped(f, ".1.gz", "one", 50 * 1000);
	assert_zipped(f, ".2.gz", "two", 2);
	assert_zipped(f, ".3.gz", "three", 1);
	assert_false(is_there(f, ".1") || is_there(f, ".2") ||
		     is_there(f, ".3") || is_there(f, ".gz.tmp"));
	assert_true(is_there(f, ""));
	assert_int_equal(stat(path(f, ".1.gz"), &zipped), 0);
	assert_true(zipped.st_size < plain.st_size / 4);
	assert_int_equal(zipped.st_mtim.tv_nsec, plain.st_mtim.tv_nsec);
	assert_int_equal(zipped.st_mode, plain.st_mode);
}

static void
test_a_rotation_meanwhile_moves_the_result(void **state)
{
	struct fixture *f = *state;

	put(f, ".1", "one", 50 * 1000);
	logzip_add(f->zip, f->dir, "svc");
	run_until(f, ".gz.tmp");
	assert_int_equal(rename(path(f, ".1"), path(f, ".2")), 0);
	put(f, ".1", "newer", 2);
	run_until(f, ".2.gz");
	assert_zipped(f, ".2.gz", "one", 50 * 1000);
	run_until(f, ".1.gz");
	assert_zipped(f, ".1.gz", "newer", 2);
}

static void
test_a_file_that_is_removed_meanwhile_leaves_nothing(void **state)
{
	struct fixture *f = *state;

	put(f, ".1", "one", 50 * 1000);
	logzip_add(f->zip, f->dir, "svc");
	run_until(f, ".gz.tmp");
	assert_int_equal(unlink(path(f, ".1")), 0);
	for (int i = 0; i < 1000 && is_there(f, ".gz.tmp"); i++)
		assert_int_equal(loop_turn(f->loop, 100, NULL), 0);
	assert_false(is_there(f, ".gz.tmp") || is_there(f, ".1.gz"));
}

static void
test_an_interrupted_one_leaves_the_plain_file(void **state)
{
	struct fixture *f = *state;

	put(f, ".1", "one", 50 * 1000);
	logzip_add(f->zip, f->dir, "svc");
	run_until(f, ".gz.tmp");
	logzip_free(&f->zip);
	assert_true(is_there(f, ".1"));
	assert_false(is_there(f, ".gz.tmp") || is_there(f, ".1.gz"));
	/* One that was killed leaves its temporary file to the next. */
	put(f, ".gz.tmp", "half", 1);
	f->zip = logzip_new(f->loop, NULL);
	logzip_add(f->zip, f->dir, "svc");
	run_until(f, ".1.gz");
	assert_zipped(f, ".1.gz", "one", 50 * 1000);
}

static void
test_what_a_killed_one_left_goes_also_without_its_plain_file(void **state)
{
	struct fixture *f = *state;

	put(f, ".gz.tmp", "half", 1);
	logzip_add(f->zip, f->dir, "svc");
	for (int i = 0; i < 100 && is_there(f, ".gz.tmp"); i++)
		assert_int_equal(loop_turn(f->loop, 10, NULL), 0);
	assert_false(is_there(f, ".gz.tmp"));
}

static void
test_what_cannot_be_compressed_stays(void **state)
{
	struct fixture *f = *state;

	put(f, ".1", "one", 2);
	/* A directory in the place of the temporary file. */
	assert_int_equal(mkdir(path(f, ".gz.tmp"), 0700), 0);
	logzip_add(f->zip, f->dir, "svc");
	for (int i = 0; i < 3; i++)
		assert_int_equal(loop_turn(f->loop, 10, NULL), 0);
	assert_true(is_there(f, ".1"));
	assert_int_equal(rmdir(path(f, ".gz.tmp")), 0);
	logzip_add(f->zip, f->dir, "svc");
	run_until(f, ".1.gz");
}

static void
test_the_header_names_the_plain_files_inode(void **state)
{
	struct fixture *f = *state;
	uint8_t header[LOGZIP_HEADER_MAX];
	struct stat st;
	size_t len;
	FILE *in;

	put(f, ".1", "one", 2);
	assert_int_equal(stat(path(f, ".1"), &st), 0);
	logzip_add(f->zip, f->dir, "svc");
	run_until(f, ".1.gz");
	in = fopen(path(f, ".1.gz"), "r");
	assert_non_null(in);
	len = fread(header, 1, sizeof(header), in);
	fclose(in);
	assert_int_equal(logzip_inode(header, len), st.st_ino);
	for (size_t i = 0; i < 18; i++)
		assert_int_equal(logzip_inode(header, i), 0);
	header[0] = 0;
	assert_int_equal(logzip_inode(header, len), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_all_plain_files_are_compressed_the_newest_first),
		T(test_a_rotation_meanwhile_moves_the_result),
		T(test_a_file_that_is_removed_meanwhile_leaves_nothing),
		T(test_an_interrupted_one_leaves_the_plain_file),
		T(test_what_a_killed_one_left_goes_also_without_its_plain_file),
		T(test_what_cannot_be_compressed_stays),
		T(test_the_header_names_the_plain_files_inode),
	};

	log_init(-1, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
