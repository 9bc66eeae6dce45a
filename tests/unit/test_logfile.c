/* A log file rotates by size and survives a disk that is full for a while. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/log.h"
#include "supervisor/logger/logfile.h"

struct fixture {
	char top[64]; /* removed at the end */
	char dir[96]; /* top/log, made by the logfile */
	struct logfile *file;
	struct logfile_settings settings;
	int64_t wall_ms; /* of what is written */
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->top, "/tmp/test_logfile.XXXXXX");
	assert_non_null(mkdtemp(f->top));
	snprintf(f->dir, sizeof(f->dir), "%s/a/log", f->top);
	f->settings.dir = f->dir;
	f->settings.keep = 2;
	f->wall_ms = 1795346430123; /* 2026-11-22T11:20:30.123Z */
	f->file = logfile_new("svc");
	assert_non_null(f->file);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	static const char *const names[] = { "/a/log/svc.log",
		"/a/log/svc.log.1", "/a/log/svc.log.2", "/a/log/svc.log.3",
		"/a/log/svc.log.1.gz", "/a/log/svc.log.2.gz", "/a/log", "/a",
		"" };
	struct fixture *f = *state;
	char path[160];

	logfile_free(&f->file);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", f->top, names[i]);
		remove(path);
	}
	free(f);
	return 0;
}

static void
put(struct fixture *f, const char *text, int64_t now_us)
{
	logfile_write(f->file, &f->settings, (const uint8_t *)text,
	    strlen(text), now_us, f->wall_ms);
}

/* The content of svc.log + suffix; "none" when there is no such file. */
static const char *
content(struct fixture *f, const char *suffix)
{
	static char text[4096];
	char path[160];
	FILE *in;

	snprintf(path, sizeof(path), "%s/svc.log%s", f->dir, suffix);
	in = fopen(path, "r");
	if (in == NULL)
		return "none";
	text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
	fclose(in);
	return text;
}

static void
remove_file(struct fixture *f, const char *suffix)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/svc.log%s", f->dir, suffix);
	assert_int_equal(remove(path), 0);
}

static void
test_missing_directories_are_made_and_files_are_private(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char path[160];

	umask(0);
	put(f, "one\n", 0);
	assert_string_equal(content(f, ""), "one\n");
	snprintf(path, sizeof(path), "%s/svc.log", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(stat(f->dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
}

static void
test_files_rotate_at_line_ends_and_the_oldest_goes(void **state)
{
	struct fixture *f = *state;

	f->settings.max_size = 8;
	put(f, "111\n222\n333\n444\n555\n", 0);
	assert_string_equal(content(f, ""), "555\n");
	assert_string_equal(content(f, ".1"), "333\n444\n");
	assert_string_equal(content(f, ".2"), "111\n222\n");
	put(f, "666\n7777777777777\n8\n", 0);
	assert_string_equal(content(f, ""), "8\n");
	assert_string_equal(content(f, ".1"), "7777777777777\n");
	assert_string_equal(content(f, ".2"), "555\n666\n");
	assert_string_equal(content(f, ".3"), "none");
}

static void
test_keep_nothing_keeps_the_newest_lines_only(void **state)
{
	struct fixture *f = *state;

	f->settings.max_size = 8;
	f->settings.keep = 0;
	put(f, "111\n222\n333\n", 0);
	assert_string_equal(content(f, ""), "333\n");
	assert_string_equal(content(f, ".1"), "none");
}

static void
test_a_rotation_that_fails_costs_no_line(void **state)
{
	struct fixture *f = *state;
	char path[160];

	f->settings.max_size = 8;
	put(f, "111\n222\n", 0);
	/* A directory in the place of svc.log.1 cannot be overwritten. */
	snprintf(path, sizeof(path), "%s/svc.log.1", f->dir);
	f->settings.keep = 1;
	assert_int_equal(mkdir(path, 0700), 0);
	put(f, "333\n", 0);
	assert_string_equal(content(f, ""), "111\n222\n333\n");
	assert_int_equal(rmdir(path), 0);
	put(f, "444\n", LOGFILE_RETRY_US - 1);
	assert_string_equal(content(f, ".1"), "none");
	put(f, "555\n", LOGFILE_RETRY_US);
	assert_string_equal(content(f, ".1"), "111\n222\n333\n444\n");
	assert_string_equal(content(f, ""), "555\n");
}

/* RLIMIT_FSIZE cuts a write short and fails the next, as a full disk does. */
static void
limit_size(rlim_t size)
{
	struct rlimit limit = { size, RLIM_INFINITY };

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
test_a_full_disk_loses_whole_lines_and_says_how_many(void **state)
{
	struct fixture *f = *state;
	const char *text;

	put(f, "111\n", 0);
	limit_size(10);
	put(f, "222\n333\n444\n", 0);
	limit_size(RLIM_INFINITY);
	assert_string_equal(content(f, ""), "111\n222\n");
	assert_int_equal(logfile_dropped(f->file), 2);
	/* No attempt within a second ... */
	put(f, "555\n", LOGFILE_RETRY_US - 1);
	assert_string_equal(content(f, ""), "111\n222\n");
	/* ... and after it even without a line to write. */
	put(f, "", LOGFILE_RETRY_US);
	assert_int_equal(logfile_dropped(f->file), 0);
	put(f, "666\n", LOGFILE_RETRY_US);
	text = content(f, "");
	assert_non_null(strstr(text,
	    " msvc-logger warn 3 lines dropped: File too large\n666\n"));
	assert_memory_equal(text, "111\n222\n2", 9);
}

static void
test_a_closed_file_is_opened_by_its_name_again(void **state)
{
	struct fixture *f = *state;
	char from[160], to[160];

	put(f, "111\n", 0);
	snprintf(from, sizeof(from), "%s/svc.log", f->dir);
	snprintf(to, sizeof(to), "%s/svc.log.1", f->dir);
	assert_int_equal(rename(from, to), 0);
	put(f, "222\n", 0);
	logfile_close(f->file);
	put(f, "333\n", 0);
	assert_string_equal(content(f, ".1"), "111\n222\n");
	assert_string_equal(content(f, ""), "333\n");
}

/* rm, mv or logrotate without a signal: no line is written to nowhere. */
static void
test_a_file_that_is_gone_is_made_anew(void **state)
{
	struct fixture *f = *state;

	put(f, "111\n", 0);
	remove_file(f, "");
	assert_int_equal(rmdir(f->dir), 0);
	put(f, "222\n", LOGFILE_CHECK_US);
	assert_string_equal(content(f, ""), "222\n");
}

/* logrotate's copytruncate: the size is that of the file, not of our sum. */
static void
test_a_file_that_was_emptied_is_small(void **state)
{
	struct fixture *f = *state;
	char path[160];

	snprintf(path, sizeof(path), "%s/svc.log", f->dir);
	f->settings.max_size = 12;
	put(f, "111\n222\n", 0);
	assert_int_equal(truncate(path, 0), 0);
	put(f, "333\n444\n", LOGFILE_CHECK_US);
	assert_string_equal(content(f, ""), "333\n444\n");
	assert_string_equal(content(f, ".1"), "none");
	/* Nor does a write that is cut short leave a hole. */
	f->settings.max_size = 0;
	assert_int_equal(truncate(path, 0), 0);
	limit_size(6);
	put(f, "555\n666\n", LOGFILE_CHECK_US);
	limit_size(RLIM_INFINITY);
	assert_string_equal(content(f, ""), "555\n");
}

/* A logger that was killed while it wrote, or a machine that lost power. */
static void
test_half_a_line_of_before_is_no_start_of_ours(void **state)
{
	struct fixture *f = *state;

	char path[160];
	FILE *out;

	put(f, "111\n", 0);
	logfile_close(f->file);
	snprintf(path, sizeof(path), "%s/svc.log", f->dir);
	out = fopen(path, "a");
	assert_non_null(out);
	assert_int_equal(fputs("ha", out) >= 0, 1);
	assert_int_equal(fclose(out), 0);
	put(f, "222\n", 0);
	assert_string_equal(content(f, ""), "111\nha\n222\n");
}

static void
test_what_is_no_file_is_not_rotated(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char path[160];

	put(f, "111\n", 0);
	logfile_close(f->file);
	remove_file(f, "");
	snprintf(path, sizeof(path), "%s/svc.log", f->dir);
	assert_int_equal(symlink("/dev/null", path), 0);
	f->settings.max_size = 4;
	f->settings.max_age_ms = 1;
	put(f, "222\n333\n", 0);
	f->wall_ms += 1000;
	put(f, "444\n", 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(logfile_dropped(f->file), 0);
}

static void
test_a_hole_in_the_row_is_filled_before_one_is_removed(void **state)
{
	struct fixture *f = *state;

	f->settings.max_size = 4;
	put(f, "111\n222\n333\n", 0);
	assert_string_equal(content(f, ".2"), "111\n");
	remove_file(f, ".1");
	put(f, "444\n", 0);
	assert_string_equal(content(f, ".2"), "111\n");
	assert_string_equal(content(f, ".1"), "333\n");
}

static void
test_no_directory_means_no_file(void **state)
{
	struct fixture *f = *state;

	f->settings.dir = "";
	put(f, "111\n", 0);
	assert_int_equal(logfile_dropped(f->file), 0);
	assert_string_equal(content(f, ""), "none");
	assert_int_equal(access("/svc.log", F_OK), -1);
}

/* Opening one would wait for its reader, and every other log with it. */
static void
test_a_fifo_in_its_place_blocks_nobody(void **state)
{
	struct fixture *f = *state;
	char path[128];

	put(f, "one\n", 0);
	logfile_close(f->file);
	snprintf(path, sizeof(path), "%s/svc.log", f->dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	alarm(5);
	put(f, "two\n", 0);
	alarm(0);
	assert_int_equal(logfile_dropped(f->file), 1);
}

/* Who may write into log_dir must not choose which file root appends to. */
static void
test_a_link_is_followed_only_if_it_is_ours(void **state)
{
	struct fixture *f = *state;
	char path[128], target[128];
	struct stat st;

	if (geteuid() != 0)
		skip(); /* nobody else can make the link of another user */
	put(f, "one\n", 0);
	logfile_close(f->file);
	snprintf(path, sizeof(path), "%s/svc.log", f->dir);
	snprintf(target, sizeof(target), "%s/svc.log.3", f->dir);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink(target, path), 0);
	put(f, "two\n", 0);
	assert_int_equal(logfile_dropped(f->file), 0);
	logfile_close(f->file);
	assert_int_equal(lchown(path, 65534, 65534), 0);
	put(f, "three\n", 0);
	assert_int_equal(logfile_dropped(f->file), 1);
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_size, strlen("one\ntwo\n"));
}

static void
test_a_file_rotates_when_its_first_line_is_old(void **state)
{
	struct fixture *f = *state;

	f->settings.max_age_ms = 1000;
	put(f, "111\n", 0);
	f->wall_ms += 999;
	put(f, "222\n", 0);
	assert_string_equal(content(f, ".1"), "none");
	assert_false(logfile_take_rotated(f->file));
	f->wall_ms += 1;
	put(f, "", 0);
	assert_string_equal(content(f, ".1"), "none");
	put(f, "333\n", 0);
	assert_string_equal(content(f, ".1"), "111\n222\n");
	assert_string_equal(content(f, ""), "333\n");
	assert_true(logfile_take_rotated(f->file));
	assert_false(logfile_take_rotated(f->file));
	/* The new one has an age of its own; a clock set back is no age. */
	f->wall_ms += 999;
	put(f, "444\n", 0);
	f->wall_ms -= 100 * 1000;
	put(f, "555\n", 0);
	assert_string_equal(content(f, ""), "333\n444\n555\n");
}

static void
test_the_age_of_a_file_outlives_the_logger(void **state)
{
	static const char *const lines[] = {
		"2026-11-22T11:20:29.123Z svc/1 old\n",
		"{\"time\":\"2026-11-22T11:20:29.123Z\",\"service\":\"svc\"}\n"
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		f->settings.max_age_ms = 0;
		put(f, lines[i], 0);
		logfile_free(&f->file);
		f->file = logfile_new("svc");
		f->settings.max_age_ms = 1001;
		put(f, "still here\n", 0);
		assert_string_not_equal(content(f, ""), "still here\n");
		f->settings.max_age_ms = 1000;
		put(f, "new\n", 0);
		assert_string_equal(content(f, ""), "new\n");
		logfile_free(&f->file);
		f->file = logfile_new("svc");
		remove_file(f, "");
	}
	/* A first line that tells no time: the birth of the file does. */
	f->settings.max_age_ms = 0;
	put(f, "what time is it?\n", 0);
	logfile_free(&f->file);
	f->file = logfile_new("svc");
	f->settings.max_age_ms = 1000;
	f->wall_ms = (int64_t)time(NULL) * 1000;
	put(f, "now\n", 0);
	assert_string_equal(content(f, ""), "what time is it?\nnow\n");
	f->wall_ms += 3000;
	put(f, "later\n", 0);
	assert_string_equal(content(f, ""), "later\n");
}

static void
test_compressed_files_move_on_as_plain_ones(void **state)
{
	struct fixture *f = *state;
	char from[160], to[160];

	f->settings.max_size = 4;
	put(f, "111\n222\n", 0);
	snprintf(from, sizeof(from), "%s/svc.log.1", f->dir);
	snprintf(to, sizeof(to), "%s/svc.log.1.gz", f->dir);
	assert_int_equal(rename(from, to), 0);
	put(f, "333\n", 0);
	assert_string_equal(content(f, ".1"), "222\n");
	assert_string_equal(content(f, ".2.gz"), "111\n");
	put(f, "444\n", 0);
	assert_string_equal(content(f, ".2"), "222\n");
	assert_string_equal(content(f, ".2.gz"), "none");
	/* Fewer are to be kept from now on. */
	f->settings.keep = 1;
	put(f, "555\n", 0);
	assert_string_equal(content(f, ".1"), "444\n");
	assert_string_equal(content(f, ".2"), "none");
}

static void
test_the_note_has_the_form_of_the_file(void **state)
{
	struct fixture *f = *state;

	f->settings.is_json = true;
	put(f, "111\n", 0);
	limit_size(4);
	put(f, "222\n", 0);
	limit_size(RLIM_INFINITY);
	put(f, "", LOGFILE_RETRY_US);
	assert_string_equal(content(f, ""),
	    "111\n{\"time\":\"2026-11-22T11:20:30.123Z\","
	    "\"service\":\"msvc-logger\","
	    "\"line\":\"warn 1 lines dropped: File too large\"}\n");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_missing_directories_are_made_and_files_are_private),
		T(test_files_rotate_at_line_ends_and_the_oldest_goes),
		T(test_keep_nothing_keeps_the_newest_lines_only),
		T(test_a_rotation_that_fails_costs_no_line),
		T(test_a_full_disk_loses_whole_lines_and_says_how_many),
		T(test_a_closed_file_is_opened_by_its_name_again),
		T(test_a_file_that_is_gone_is_made_anew),
		T(test_a_file_that_was_emptied_is_small),
		T(test_half_a_line_of_before_is_no_start_of_ours),
		T(test_what_is_no_file_is_not_rotated),
		T(test_a_hole_in_the_row_is_filled_before_one_is_removed),
		T(test_a_fifo_in_its_place_blocks_nobody),
		T(test_a_link_is_followed_only_if_it_is_ours),
		T(test_no_directory_means_no_file),
		T(test_a_file_rotates_when_its_first_line_is_old),
		T(test_the_age_of_a_file_outlives_the_logger),
		T(test_compressed_files_move_on_as_plain_ones),
		T(test_the_note_has_the_form_of_the_file),
	};

	signal(SIGXFSZ, SIG_IGN);
	log_init(-1, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
