/* Lines reach the daemons of the machine, or are counted. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/log.h"
#include "ipc/loop.h"
#include "supervisor/logger/logsys.h"

#define WALL_MS INT64_C(1795346430123) /* 2026-11-22T11:20:30.123Z */

struct fixture {
	char dir[64], path[96];
	struct loop *loop;
	struct logsys *sys;
	int daemon; /* the daemon's socket; -1: there is none */
};

static void
start_daemon(struct fixture *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, f->path);
	f->daemon = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f->daemon, (struct sockaddr *)&address,
			     sizeof(address)),
	    0);
}

static void
stop_daemon(struct fixture *f)
{
	close(f->daemon);
	f->daemon = -1;
	unlink(f->path);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->dir, "/tmp/test_logsys.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/sock", f->dir);
	f->loop = loop_new(NULL);
	f->daemon = -1;
	f->sys = logsys_new(f->loop, LOGSYS_SYSLOG, f->path, NULL);
	assert_non_null(f->sys);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	logsys_free(&f->sys);
	loop_free(&f->loop);
	if (f->daemon != -1)
		stop_daemon(f);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void
say(struct fixture *f, const char *text)
{
	logsys_write(f->sys, "echo/1", WALL_MS, (const uint8_t *)text,
	    strlen(text));
}

/* The text of the next datagram behind the time; "" when there is none. */
static const char *
heard(struct fixture *f)
{
	static char text[512];
	ssize_t len = recv(f->daemon, text, sizeof(text) - 1, 0);

	if (len == -1)
		return "";
	text[len] = '\0';
	return text + strlen("<30>Nov 22 11:20:30 ");
}

static void
test_syslog_gets_what_it_knows(void **state)
{
	struct buf out = { 0 };

	(void)state;
	setenv("TZ", "UTC-2", 1);
	tzset();
	logsys_put_syslog(&out, "echo/1", WALL_MS,
	    (const uint8_t *)"a\nb \xc3\xa4", 6);
	buf_append_byte(&out, 0);
	assert_string_equal((const char *)buf_front(&out),
	    "<30>Nov 22 13:20:30 echo/1: a\\x0ab \xc3\xa4");
	buf_clear(&out);
	/* The day has two columns. */
	logsys_put_syslog(&out, "a", 0, (const uint8_t *)"", 0);
	buf_append_byte(&out, 0);
	assert_string_equal((const char *)buf_front(&out),
	    "<30>Jan  1 02:00:00 a: ");
	buf_fini(&out);
	setenv("TZ", "UTC", 1);
	tzset();
}

static void
test_journald_gets_fields_and_any_bytes(void **state)
{
	static const char expected[] =
	    "PRIORITY=6\nSYSLOG_IDENTIFIER=echo\nMSVC_SERVICE=echo\n"
	    "MSVC_INSTANCE=12\nMESSAGE\n\x05\0\0\0\0\0\0\0a\nB=c\n";
	struct buf out = { 0 };

	(void)state;
	logsys_put_journal(&out, "echo/12", (const uint8_t *)"a\nB=c", 5);
	assert_int_equal(buf_count(&out), sizeof(expected) - 1);
	assert_memory_equal(buf_front(&out), expected, sizeof(expected) - 1);
	buf_fini(&out);
}

static void
test_lines_reach_the_daemon(void **state)
{
	struct fixture *f = *state;

	start_daemon(f);
	say(f, "one");
	say(f, "two");
	assert_string_equal(heard(f), "echo/1: one");
	assert_string_equal(heard(f), "echo/1: two");
	assert_string_equal(heard(f), "");
}

static void
test_without_a_daemon_lines_are_counted_and_told_of(void **state)
{
	struct fixture *f = *state;
	const char *line = "";
	unsigned lost = 3;
	char note[64];

	say(f, "lost");
	say(f, "lost too");
	start_daemon(f);
	/* Nobody tries more often than that. */
	say(f, "lost as well");
	assert_string_equal(heard(f), "");
	for (unsigned i = 0; line[0] == '\0' && i < 1000; i++) {
		loop_turn(f->loop, 20, NULL);
		say(f, "heard");
		line = heard(f);
		lost += line[0] == '\0';
	}
	snprintf(note, sizeof(note), "msvc-logger: warn %u lines dropped",
	    lost);
	assert_string_equal(line, note);
	assert_string_equal(heard(f), "echo/1: heard");
	say(f, "as before");
	assert_string_equal(heard(f), "echo/1: as before");
}

static void
test_a_daemon_that_was_restarted_costs_no_line(void **state)
{
	struct fixture *f = *state;

	start_daemon(f);
	say(f, "one");
	assert_string_equal(heard(f), "echo/1: one");
	stop_daemon(f);
	start_daemon(f);
	say(f, "two");
	assert_string_equal(heard(f), "echo/1: two");
	assert_string_equal(heard(f), "");
}

/* A service that says no more must not be what the note waits for. */
static void
test_a_loss_is_told_without_another_line(void **state)
{
	struct fixture *f = *state;
	const char *line = "";

	say(f, "lost");
	start_daemon(f);
	for (unsigned i = 0; line[0] == '\0' && i < 50; i++) {
		loop_turn(f->loop, 100, NULL);
		line = heard(f);
	}
	assert_string_equal(line, "msvc-logger: warn 1 lines dropped");
}

static void
test_a_daemon_that_is_slow_gets_all_later(void **state)
{
	struct fixture *f = *state;
	char text[16], expected[32];
	int count = 2000, got = 0;

	start_daemon(f);
	/* More than its queue holds. */
	for (int i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "%d", i);
		say(f, text);
	}
	while (got < count) {
		const char *line = heard(f);

		if (line[0] == '\0') {
			assert_int_equal(loop_turn(f->loop, 5000, NULL), 0);
			continue;
		}
		snprintf(expected, sizeof(expected), "echo/1: %d", got++);
		assert_string_equal(line, expected);
	}
	assert_string_equal(heard(f), "");
}

static void
test_one_that_hears_nothing_costs_lines_but_no_time(void **state)
{
	struct fixture *f = *state;
	static char text[10 * 1000];
	const char *line;
	unsigned got = 0;

	start_daemon(f);
	memset(text, 'x', sizeof(text) - 1);
	alarm(5);
	for (int i = 0; i < 3000; i++)
		say(f, text);
	alarm(0);
	for (;;) {
		line = heard(f);
		if (line[0] == '\0')
			assert_int_equal(loop_turn(f->loop, 5000, NULL), 0);
		else if (strncmp(line, "msvc-logger", 11) == 0)
			break;
		else
			got++;
	}
	assert_in_range(got, 100, 2000);
	assert_int_equal(strtoul(line + strlen("msvc-logger: warn "), NULL,
			     10) +
			     got,
	    3000);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syslog_gets_what_it_knows),
		cmocka_unit_test(test_journald_gets_fields_and_any_bytes),
		T(test_lines_reach_the_daemon),
		T(test_without_a_daemon_lines_are_counted_and_told_of),
		T(test_a_daemon_that_was_restarted_costs_no_line),
		T(test_a_loss_is_told_without_another_line),
		T(test_a_daemon_that_is_slow_gets_all_later),
		T(test_one_that_hears_nothing_costs_lines_but_no_time),
	};

	log_init(-1, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
