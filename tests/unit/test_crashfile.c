/* Crash bundles are private files, and the oldest make room. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/err.h"
#include "supervisor/logger/crashfile.h"

struct fixture {
	char top[64];
	char dir[96]; /* top/a/crash, made by the first file */
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->top, "/tmp/test_crashfile.XXXXXX");
	assert_non_null(mkdtemp(f->top));
	snprintf(f->dir, sizeof(f->dir), "%s/a/crash", f->top);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	DIR *dir = opendir(f->dir);
	struct dirent *entry;
	char path[128];

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir != NULL)
		closedir(dir);
	rmdir(f->dir);
	snprintf(path, sizeof(path), "%s/a", f->top);
	rmdir(path);
	rmdir(f->top);
	free(f);
	return 0;
}

static bool
has(const struct fixture *f, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	return access(path, F_OK) == 0;
}

static void
put(const struct fixture *f, const char *id, size_t len)
{
	static const char bytes[1000] = "{}";

	assert_int_equal(crashfile_write(f->dir, id, bytes, len, NULL), 0);
}

static void
test_file_and_directory_are_made_private(void **state)
{
	struct fixture *f = *state;
	char path[256], text[8] = "";
	struct stat st;
	int fd;

	umask(0);
	assert_int_equal(crashfile_write(f->dir, "a-1-1-20260101T000000Z",
			     "{}\n", 3, NULL),
	    0);
	assert_int_equal(stat(f->dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	snprintf(path, sizeof(path), "%s/a-1-1-20260101T000000Z.json", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, text, sizeof(text)), 3);
	assert_string_equal(text, "{}\n");
	close(fd);
	assert_false(has(f, ".a-1-1-20260101T000000Z.tmp"));
}

static void
test_a_slash_at_the_end_changes_nothing(void **state)
{
	struct fixture *f = *state;
	char path[256];
	struct stat st;

	umask(0);
	snprintf(path, sizeof(path), "%s//", f->dir);
	assert_int_equal(crashfile_write(path, "a-1-1-20260101T000000Z", "{}\n",
			     3, NULL),
	    0);
	assert_int_equal(stat(f->dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void
test_names_that_are_none_are_refused(void **state)
{
	static const char *const names[] = { "", "../x", "a/b", "x.json" };
	struct fixture *f = *state;
	struct err err = { "" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(crashfile_write(f->dir, names[i], "{}", 2,
				     &err),
		    -1);
		assert_true(err.text[0] != '\0');
	}
}

static void
test_a_directory_that_cannot_be_made_is_an_error(void **state)
{
	struct err err = { "" };

	(void)state;
	assert_int_equal(crashfile_write("/dev/null/crash",
			     "a-1-1-20260101T000000Z", "{}", 2, &err),
	    -1);
	assert_non_null(strstr(err.text, "/dev/null/crash"));
}

static void
test_a_link_is_not_followed(void **state)
{
	struct fixture *f = *state;
	char path[256], target[256];
	struct stat st;

	put(f, "a-1-1-20260101T000000Z", 10);
	snprintf(target, sizeof(target), "%s/target", f->dir);
	snprintf(path, sizeof(path), "%s/.a-1-2-20260101T000000Z.tmp", f->dir);
	assert_int_equal(symlink(target, path), 0);
	put(f, "a-1-2-20260101T000000Z", 10);
	assert_false(has(f, "target"));
	snprintf(path, sizeof(path), "%s/a-1-2-20260101T000000Z.json", f->dir);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void
test_the_oldest_go_first_and_others_are_left_alone(void **state)
{
	static const struct {
		uint64_t keep, max_size;
		unsigned removed;
		const char *oldest_left;
	} cases[] = {
		{ 5, 10000, 0, "z-1-1-20260101T000000Z.json" },
		{ 3, 10000, 2, "a-1-10-20260103T000000Z.json" },
		{ 3, 200, 1, "b-1-1-20260104T000000Z.json" },
		{ 1, 10000, 1, "a-1-1-20260105T000000Z.json" },
		/* The newest stays, whatever the limits are. */
		{ 0, 1, 0, "a-1-1-20260105T000000Z.json" },
	};
	struct fixture *f = *state;
	char path[256];

	put(f, "a-1-10-20260103T000000Z", 100);
	put(f, "a-1-9-20260103T000000Z", 100);
	put(f, "z-1-1-20260101T000000Z", 100);
	put(f, "a-1-1-20260105T000000Z", 100);
	put(f, "b-1-1-20260104T000000Z", 100);
	snprintf(path, sizeof(path), "%s/notes.json", f->dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(crashfile_prune(f->dir, cases[i].keep,
				     cases[i].max_size, NULL),
		    cases[i].removed);
		assert_true(has(f, cases[i].oldest_left));
		assert_true(has(f, "notes.json"));
	}
	assert_false(has(f, "z-1-1-20260101T000000Z.json"));
	assert_false(has(f, "b-1-1-20260104T000000Z.json"));
}

static void
test_what_was_written_last_stays_when_the_clock_was_set_back(void **state)
{
	struct fixture *f = *state;

	put(f, "a-1-1-20260103T000000Z", 100);
	put(f, "a-1-2-20260104T000000Z", 100);
	put(f, "a-1-3-19700101T000000Z", 100);
	assert_int_equal(crashfile_prune(f->dir, 2, 1000,
			     "a-1-3-19700101T000000Z"),
	    1);
	assert_false(has(f, "a-1-1-20260103T000000Z.json"));
	assert_int_equal(crashfile_prune(f->dir, 9, 10,
			     "a-1-3-19700101T000000Z"),
	    1);
	assert_true(has(f, "a-1-3-19700101T000000Z.json"));
	assert_int_equal(crashfile_prune(f->dir, 0, 10,
			     "a-1-3-19700101T000000Z"),
	    0);
}

static void
test_what_a_killed_logger_left_is_swept(void **state)
{
	struct fixture *f = *state;
	char path[256];

	put(f, "a-1-1-20260101T000000Z", 10);
	snprintf(path, sizeof(path), "%s/.a-1-9-20260101T000000Z.tmp", f->dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(crashfile_prune(f->dir, 10, 1000, NULL), 0);
	assert_false(has(f, ".a-1-9-20260101T000000Z.tmp"));
	assert_true(has(f, "a-1-1-20260101T000000Z.json"));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_file_and_directory_are_made_private),
		T(test_a_slash_at_the_end_changes_nothing),
		T(test_names_that_are_none_are_refused),
		T(test_a_directory_that_cannot_be_made_is_an_error),
		T(test_a_link_is_not_followed),
		T(test_the_oldest_go_first_and_others_are_left_alone),
		T(test_what_was_written_last_stays_when_the_clock_was_set_back),
		T(test_what_a_killed_logger_left_is_swept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
