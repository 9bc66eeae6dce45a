/* The logger does what the lifeline says. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "ipc/loop.h"
#include "supervisor/logger/logger.h"

struct fixture {
	struct loop *loop;
	struct logger *logger;
	int socks[2];   /* ours, the logger's */
	int console[2]; /* read end, write end */
	char dir[64];
	int stderr_fd; /* the logger lets go of 2 when it ends */
};

static void
send_msg(struct fixture *f, const struct lifeline_msg *msg, int fd)
{
	struct buf buf = { 0 };

	lifeline_encode(&buf, msg);
	assert_int_equal(lifeline_send(f->socks[0], buf_front(&buf),
			     buf_count(&buf), fd),
	    0);
	buf_fini(&buf);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct lifeline_msg msg = { .type = LIFELINE_LOG };

	assert_non_null(f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0,
			     f->socks),
	    0);
	assert_int_equal(pipe2(f->console, O_NONBLOCK), 0);
	strcpy(f->dir, "/tmp/test_logger.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->stderr_fd = dup(STDERR_FILENO);
	f->loop = loop_new(NULL);
	f->logger = logger_new(f->loop, f->socks[1], f->console[1], NULL);
	assert_non_null(f->logger);
	msg.u.log = (struct lifeline_log){ .dir = f->dir, .is_console = true };
	send_msg(f, &msg, -1);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char path[96];

	dup2(f->stderr_fd, STDERR_FILENO);
	close(f->stderr_fd);
	logger_free(&f->logger);
	loop_free(&f->loop);
	for (int i = 0; i < 2; i++) {
		close(f->socks[i]);
		close(f->console[i]);
	}
	snprintf(path, sizeof(path), "%s/svc.log", f->dir);
	remove(path);
	rmdir(f->dir);
	free(f);
	return 0;
}

/* Give the logger a pipe; returns its write end. */
static int
add_stream(struct fixture *f, uint64_t id, const char *name, const char *label)
{
	struct lifeline_msg msg = { .type = LIFELINE_STREAM };
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	msg.u.stream = (struct lifeline_stream){ id, name, label, "" };
	send_msg(f, &msg, fds[0]);
	close(fds[0]);
	return fds[1];
}

static void
say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void
turn(struct fixture *f)
{
	for (int i = 0; i < 4; i++)
		assert_int_equal(loop_turn(f->loop, 0, NULL), 0);
}

static const char *
content(struct fixture *f)
{
	static char text[4096];
	char path[96];
	FILE *in;

	snprintf(path, sizeof(path), "%s/svc.log", f->dir);
	in = fopen(path, "r");
	if (in == NULL)
		return "none";
	text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
	fclose(in);
	return text;
}

static void
test_pipes_share_a_file_and_their_end_is_reported(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[LIFELINE_PACKET_MAX + 1];
	struct lifeline_msg msg;
	int a = add_stream(f, 7, "svc", ""), b = add_stream(f, 8, "svc", "");
	int fd;
	long len;

	say(a, "one\nhalf");
	turn(f);
	say(b, "two\n");
	turn(f);
	assert_string_equal(content(f), "one\ntwo\n");
	assert_int_equal(lifeline_recv(f->socks[0], bytes, sizeof(bytes), &fd),
	    -1);
	close(a);
	turn(f);
	assert_string_equal(content(f), "one\ntwo\nhalf\n");
	len = lifeline_recv(f->socks[0], bytes, sizeof(bytes), &fd);
	assert_true(len > 0);
	assert_int_equal(lifeline_decode(bytes, (size_t)len, &msg, NULL), 0);
	assert_int_equal(msg.type, LIFELINE_DRAINED);
	assert_int_equal(msg.u.drained.id, 7);
	close(b);
}

static void
test_lines_are_echoed_to_the_console(void **state)
{
	struct fixture *f = *state;
	char text[64] = "";
	int a = add_stream(f, 1, "svc", "");

	say(a, "hello\n");
	turn(f);
	assert_int_equal(read(f->console[0], text, sizeof(text) - 1), 6);
	assert_string_equal(text, "hello\n");
	close(a);
}

static void
test_stop_writes_what_is_in_the_pipes_and_ends(void **state)
{
	struct fixture *f = *state;
	const struct lifeline_msg stop = { .type = LIFELINE_STOP };
	int a = add_stream(f, 1, "svc", "");

	turn(f);
	say(a, "one\nhalf");
	send_msg(f, &stop, -1);
	assert_int_equal(loop_run(f->loop, NULL), 0);
	assert_string_equal(content(f), "one\nhalf\n");
	close(a);
}

static void
test_the_end_of_the_supervisor_waits_for_the_last_pipe(void **state)
{
	struct fixture *f = *state;
	int a = add_stream(f, 1, "svc", "");

	turn(f);
	assert_int_equal(shutdown(f->socks[0], SHUT_RDWR), 0);
	turn(f);
	say(a, "last words");
	close(a);
	assert_int_equal(loop_run(f->loop, NULL), 0);
	assert_string_equal(content(f), "last words\n");
}

/* Tell of a crash of svc/1, which wrote to that stream. */
static void
crash(struct fixture *f, const char *id, uint64_t stream, uint64_t keep)
{
	struct lifeline_msg msg = { .type = LIFELINE_CRASH };

	msg.u.crash = (struct lifeline_crash){ .id = id,
		.dir = f->dir,
		.keep = keep,
		.max_size = 1000 * 1000,
		.stream = stream,
		.name = "svc",
		.label = "svc/1",
		.json = "{\"id\":1}" };
	send_msg(f, &msg, -1);
}

/* The text of a bundle, which is removed; "none" when there is none. */
static const char *
take_bundle(struct fixture *f, const char *id)
{
	static char text[4096];
	char path[192];
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s.json", f->dir, id);
	in = fopen(path, "r");
	if (in == NULL)
		return "none";
	text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
	fclose(in);
	remove(path);
	return text;
}

#define ID_ONE "svc-1-1-20260101T000000Z"
#define ID_TWO "svc-1-2-20260102T000000Z"

static void
test_a_bundle_gets_the_last_words_of_the_dead(void **state)
{
	struct fixture *f = *state;
	int a = add_stream(f, 7, "svc", "svc/1");
	const char *text;

	say(a, "one\n");
	turn(f);
	crash(f, ID_ONE, 7, 9);
	turn(f);
	assert_string_equal(take_bundle(f, ID_ONE), "none");
	say(a, "last words");
	close(a);
	turn(f);
	text = take_bundle(f, ID_ONE);
	assert_memory_equal(text, "{\"id\":1,\"log\":[\"20", 18);
	assert_non_null(strstr(text, "Z one\",\"20"));
	assert_non_null(strstr(text, "Z last words\"]}\n"));
}

static void
test_a_bundle_of_a_stream_that_is_over_is_written_at_once(void **state)
{
	struct fixture *f = *state;

	crash(f, ID_ONE, 7, 9);
	crash(f, "../evil", 7, 9);
	turn(f);
	assert_string_equal(take_bundle(f, ID_ONE), "{\"id\":1,\"log\":[]}\n");
}

static void
test_bundles_beyond_their_number_are_removed(void **state)
{
	struct fixture *f = *state;

	crash(f, ID_ONE, 7, 1);
	crash(f, ID_TWO, 7, 1);
	turn(f);
	assert_string_equal(take_bundle(f, ID_ONE), "none");
	assert_string_not_equal(take_bundle(f, ID_TWO), "none");
}

static void
test_a_bundle_that_waits_is_written_at_the_end(void **state)
{
	struct fixture *f = *state;
	int a = add_stream(f, 7, "svc", "svc/1");

	turn(f);
	crash(f, ID_ONE, 7, 9);
	turn(f);
	logger_free(&f->logger);
	assert_string_equal(take_bundle(f, ID_ONE), "{\"id\":1,\"log\":[]}\n");
	close(a);
}

static void
test_names_that_leave_the_directory_are_refused(void **state)
{
	static const char *const names[] = { "", "../svc", "a/b", ".hidden" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int a = add_stream(f, i, names[i], "");

		turn(f);
		/* Nobody holds the read end: the pipe was closed. */
		assert_int_equal(write(a, "x\n", 2), -1);
		close(a);
	}
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_pipes_share_a_file_and_their_end_is_reported),
		T(test_lines_are_echoed_to_the_console),
		T(test_stop_writes_what_is_in_the_pipes_and_ends),
		T(test_the_end_of_the_supervisor_waits_for_the_last_pipe),
		T(test_a_bundle_gets_the_last_words_of_the_dead),
		T(test_a_bundle_of_a_stream_that_is_over_is_written_at_once),
		T(test_bundles_beyond_their_number_are_removed),
		T(test_a_bundle_that_waits_is_written_at_the_end),
		T(test_names_that_leave_the_directory_are_refused),
	};

	signal(SIGPIPE, SIG_IGN);
	log_init(-1, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
