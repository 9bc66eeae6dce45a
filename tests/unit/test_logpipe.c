/* What was not handed on is still in the pipe. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "supervisor/logger/logline.h"
#include "supervisor/logger/logpipe.h"

struct fixture {
	struct logpipe_view *view;
	int fds[2];
	struct buf lines; /* handed on, each with "\n", cut ones with "\\\n" */
	int left_at_commit; /* bytes in the pipe when the sink commits */
};

static void
take_line(void *arg, const uint8_t *text, size_t len, bool is_cut)
{
	struct fixture *f = arg;

	buf_append(&f->lines, text, len);
	buf_append_str(&f->lines, is_cut ? "\\\n" : "\n");
}

static void
take_commit(void *arg)
{
	struct fixture *f = arg;

	ioctl(f->fds[0], FIONREAD, &f->left_at_commit);
}

static const struct logpipe_sink sink = { take_line, take_commit };

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->view = logpipe_view_new(NULL);
	assert_non_null(f->view);
	assert_int_equal(pipe2(f->fds, O_CLOEXEC), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	logpipe_view_free(&f->view);
	close(f->fds[0]);
	if (f->fds[1] != -1)
		close(f->fds[1]);
	buf_fini(&f->lines);
	free(f);
	return 0;
}

static void
say(struct fixture *f, const char *text)
{
	assert_int_equal(write(f->fds[1], text, strlen(text)), strlen(text));
}

static void
assert_lines(struct fixture *f, const char *lines)
{
	buf_append_byte(&f->lines, 0);
	assert_string_equal((const char *)buf_front(&f->lines), lines);
	buf_clear(&f->lines);
}

static int
left(struct fixture *f)
{
	int count;

	assert_int_equal(ioctl(f->fds[0], FIONREAD, &count), 0);
	return count;
}

static void
test_half_a_line_stays_in_the_pipe(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(logpipe_pump(f->view, f->fds[0], false, &sink, f),
	    LOGPIPE_PARTIAL);
	say(f, "one\ntw");
	assert_int_equal(logpipe_pump(f->view, f->fds[0], false, &sink, f),
	    LOGPIPE_MORE);
	assert_lines(f, "one\n");
	assert_int_equal(left(f), 2);
	assert_int_equal(logpipe_pump(f->view, f->fds[0], false, &sink, f),
	    LOGPIPE_PARTIAL);
	assert_int_equal(left(f), 2);
	say(f, "o\n");
	logpipe_pump(f->view, f->fds[0], false, &sink, f);
	assert_lines(f, "two\n");
}

static void
test_bytes_leave_the_pipe_after_the_commit(void **state)
{
	struct fixture *f = *state;

	say(f, "one\n");
	logpipe_pump(f->view, f->fds[0], false, &sink, f);
	assert_int_equal(f->left_at_commit, 4);
	assert_int_equal(left(f), 0);
}

static void
test_the_last_line_needs_no_newline(void **state)
{
	struct fixture *f = *state;

	say(f, "one\ntwo");
	close(f->fds[1]);
	f->fds[1] = -1;
	assert_int_equal(logpipe_pump(f->view, f->fds[0], true, &sink, f),
	    LOGPIPE_MORE);
	assert_int_equal(logpipe_pump(f->view, f->fds[0], true, &sink, f),
	    LOGPIPE_MORE);
	assert_lines(f, "one\ntwo\n");
	assert_int_equal(logpipe_pump(f->view, f->fds[0], true, &sink, f),
	    LOGPIPE_END);
}

/* In packet mode each write takes a whole slot of the pipe. */
static void
test_a_full_pipe_without_newline_is_cut(void **state)
{
	struct fixture *f = *state;

	close(f->fds[0]);
	close(f->fds[1]);
	assert_int_equal(pipe2(f->fds, O_CLOEXEC | O_DIRECT | O_NONBLOCK), 0);
	fcntl(f->fds[0], F_SETPIPE_SZ, 4 * 4096);
	for (int i = 0; i < 3; i++)
		say(f, "x");
	assert_int_equal(logpipe_pump(f->view, f->fds[0], false, &sink, f),
	    LOGPIPE_PARTIAL);
	say(f, "y");
	assert_int_equal(write(f->fds[1], "z", 1), -1);
	assert_int_equal(logpipe_pump(f->view, f->fds[0], false, &sink, f),
	    LOGPIPE_MORE);
	assert_lines(f, "xxxy\\\n");
	say(f, "z");
}

static void
test_what_is_no_pipe_ends_at_once(void **state)
{
	struct fixture *f = *state;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(logpipe_pump(f->view, fd, false, &sink, f),
	    LOGPIPE_END);
	close(fd);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_half_a_line_stays_in_the_pipe),
		T(test_bytes_leave_the_pipe_after_the_commit),
		T(test_the_last_line_needs_no_newline),
		T(test_a_full_pipe_without_newline_is_cut),
		T(test_what_is_no_pipe_ends_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
