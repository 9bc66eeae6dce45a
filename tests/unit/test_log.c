#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/err.h"
#include "ipc/log.h"

static int pipes[2];
static char text[8192];

static int
setup(void **state)
{
	(void)state;
	if (pipe2(pipes, O_NONBLOCK) < 0)
		return -1;
	log_init(pipes[1], LOG_LEVEL_INFO);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	log_init(STDERR_FILENO, LOG_LEVEL_INFO);
	close(pipes[0]);
	close(pipes[1]);
	return 0;
}

static const char *
logged(void)
{
	ssize_t len = read(pipes[0], text, sizeof(text) - 1);

	text[len > 0 ? len : 0] = '\0';
	return text;
}

static void
test_a_line_is_level_and_text(void **state)
{
	(void)state;
	log_debug("not seen");
	log_info("echo/%d: %s", 1, "ready");
	assert_string_equal(logged(), "info echo/1: ready\n");
	errno = ENOENT;
	log_warn("open %s", "x");
	assert_int_equal(errno, ENOENT);
	assert_string_equal(logged(),
	    "warn open x: No such file or directory\n");
	log_warnx("a");
	log_errorx("b");
	errno = EPERM;
	log_error("c");
	assert_string_equal(logged(),
	    "warn a\nerror b\nerror c: Operation not permitted\n");
	log_init(pipes[1], LOG_LEVEL_DEBUG);
	log_debug("seen");
	assert_string_equal(logged(), "debug seen\n");
}

static void
test_no_text_can_forge_a_line_or_a_terminal_command(void **state)
{
	(void)state;
	log_info("%s", "a\nerror forged\r\t\x1b[2J\x7f \xc2\x9b"
		       "31m \xc3\xa4");
	assert_string_equal(logged(),
	    "info a\\x0aerror forged\\x0d\\x09\\x1b[2J\\x7f "
	    "\\xc2\x9b"
	    "31m \xc3\xa4\n");
}

static void
test_a_long_line_is_cut_with_dots_and_ends(void **state)
{
	char noise[6000];
	size_t len;

	(void)state;
	memset(noise, '\n', sizeof(noise) - 1);
	noise[sizeof(noise) - 1] = '\0';
	log_info("%s", noise);
	len = strlen(logged());
	assert_true(len > 3000 && len <= 4096);
	assert_string_equal(text + len - 4, "...\n");
	assert_ptr_equal(strchr(text, '\n'), text + len - 1);
	memset(noise, 'x', sizeof(noise) - 1);
	log_info("%s", noise);
	len = strlen(logged());
	assert_true(len > 3000 && len <= 4096);
	assert_string_equal(text + len - 4, "...\n");
}

static void
test_dropped_lines_are_counted_and_told(void **state)
{
	char fill[4096];

	(void)state;
	memset(fill, 'f', sizeof(fill));
	while (write(pipes[1], fill, sizeof(fill)) > 0)
		continue;
	errno = ENOENT;
	log_info("lost");
	log_info("lost");
	log_info("lost");
	assert_int_equal(errno, ENOENT);
	while (read(pipes[0], fill, sizeof(fill)) > 0)
		continue;
	log_info("heard");
	log_info("and again");
	assert_string_equal(logged(),
	    "warn log: 3 lines dropped, the reader was too slow\n"
	    "info heard\ninfo and again\n");
}

static void
test_err_texts_are_cut_and_chained(void **state)
{
	char noise[400];
	struct err err;

	(void)state;
	err_set(NULL, "nobody wants it");
	errno = ENOENT;
	err_set_errno(&err, "open %s", "x");
	assert_int_equal(errno, ENOENT);
	assert_string_equal(err.text, "open x: No such file or directory");
	err_prefix(&err, "service \"%s\"", "a");
	assert_string_equal(err.text,
	    "service \"a\": open x: No such file or directory");
	err_set(&err, "again: %.9s", err.text);
	assert_string_equal(err.text, "again: service \"");
	memset(noise, 'n', sizeof(noise) - 1);
	noise[sizeof(noise) - 1] = '\0';
	err_prefix(&err, "%s", noise);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	err_set(&err, "%s", noise);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

#define WITH_PIPE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PIPE(test_a_line_is_level_and_text),
		WITH_PIPE(test_no_text_can_forge_a_line_or_a_terminal_command),
		WITH_PIPE(test_a_long_line_is_cut_with_dots_and_ends),
		WITH_PIPE(test_dropped_lines_are_counted_and_told),
		cmocka_unit_test(test_err_texts_are_cut_and_chained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
