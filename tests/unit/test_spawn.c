/* What is known of a child between fork and exec, also of one that is slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ipc/err.h"
#include "ipc/launch.h"
#include "supervisor/spawn.h"

static int gate[2] = { -1, -1 }; /* "/gate" is there once its end is closed */

/* In place of the C library's: a directory on a server that does not answer. */
int
chdir(const char *path)
{
	char byte;

	if (strcmp(path, "/gate") != 0 && strcmp(path, "/gate/missing") != 0)
		return 0;
	close(gate[1]);
	(void)!read(gate[0], &byte, 1);
	errno = ENOENT;
	return strcmp(path, "/gate") == 0 ? 0 : -1;
}

static char *true_argv[] = { (char[]){ "true" }, NULL };
static char *env[] = { (char[]){ "PATH=/usr/bin:/bin" }, NULL };

static struct spawn
spawn_of(char *const *argv, const char *dir)
{
	struct spawn spawn = { .argv = argv,
		.env = env,
		.dir = dir,
		.out_fd = STDOUT_FILENO,
		.err_fd = STDERR_FILENO,
		.lifeline_fd = -1 };

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &spawn.nofile), 0);
	return spawn;
}

static int
reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
test_one_that_runs_has_nothing_to_report(void **state)
{
	struct spawn spawn = spawn_of(true_argv, NULL);
	char report[SPAWN_REPORT_MAX + 1];
	struct err err;
	pid_t pid;

	(void)state;
	pid = spawn_child(&spawn, report, &err);
	assert_true(pid > 0);
	assert_string_equal(report, "");
	assert_int_equal(reap(pid), 0);
	assert_false(spawn_late_report(pid, report));
}

static void
test_one_that_has_no_program_says_so_at_once(void **state)
{
	char *argv[] = { (char[]){ "/no/such/program" }, NULL };
	struct spawn spawn = spawn_of(argv, NULL);
	char report[SPAWN_REPORT_MAX + 1];
	struct err err;
	pid_t pid;

	(void)state;
	pid = spawn_child(&spawn, report, &err);
	assert_true(pid > 0);
	assert_string_equal(report,
	    "exec /no/such/program: No such file or directory");
	assert_int_equal(WEXITSTATUS(reap(pid)), LAUNCH_EXIT_EXEC);
}

/* Each stands where the other has to go, and has to keep out of the way. */
static void
test_descriptors_arrive_in_their_order_and_are_signed(void **state)
{
	static char signed_env[] = LAUNCH_ENV_LISTEN_PID "=0000000000";
	char *argv[] = { (char[]){ "/bin/sh" }, (char[]){ "-c" },
		(char[]){ "[ $LISTEN_PID = $$ ] && printf a >&3 && "
			  "printf b >&4 && ! (: >&5) 2>&-" },
		NULL };
	char *more_env[] = { env[0], signed_env, NULL };
	struct spawn spawn = spawn_of(argv, NULL);
	char report[SPAWN_REPORT_MAX + 1], byte;
	int first[2], second[2], at[2];
	struct err err;
	pid_t pid;

	(void)state;
	/* 3 and 4 are free for the copies. */
	for (int fd = 3; fd < 5; fd++)
		(void)dup2(STDERR_FILENO, fd);
	assert_int_equal(pipe2(first, O_CLOEXEC), 0);
	assert_int_equal(pipe2(second, O_CLOEXEC), 0);
	at[0] = dup3(first[1], 4, O_CLOEXEC);
	at[1] = dup3(second[1], 3, O_CLOEXEC);
	assert_int_equal(at[0], 4);
	assert_int_equal(at[1], 3);
	spawn.env = more_env;
	spawn.fds = at;
	spawn.fd_count = 2;
	pid = spawn_child(&spawn, report, &err);
	assert_true(pid > 0);
	assert_string_equal(report, "");
	assert_int_equal(reap(pid), 0);
	assert_int_equal(read(first[0], &byte, 1), 1);
	assert_int_equal(byte, 'a');
	assert_int_equal(read(second[0], &byte, 1), 1);
	assert_int_equal(byte, 'b');
}

/* Start one that hangs at its directory; it must not take us along. */
static pid_t
start_late(const char *dir)
{
	struct spawn spawn = spawn_of(true_argv, dir);
	char report[SPAWN_REPORT_MAX + 1];
	struct timespec before, after;
	struct err err;
	pid_t pid;

	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	clock_gettime(CLOCK_MONOTONIC, &before);
	pid = spawn_child(&spawn, report, &err);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(pid > 0);
	assert_string_equal(report, "");
	assert_true(after.tv_sec - before.tv_sec < 10);
	assert_false(spawn_late_report(pid, report));
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	close(gate[0]);
	close(gate[1]);
	return pid;
}

static void
test_one_that_is_slow_may_still_run(void **state)
{
	char report[SPAWN_REPORT_MAX + 1];
	pid_t pid = start_late("/gate");

	(void)state;
	assert_int_equal(reap(pid), 0);
	assert_false(spawn_late_report(pid, report));
	spawn_forget(pid);
}

static void
test_one_that_is_slow_to_fail_tells_why_at_its_end(void **state)
{
	char report[SPAWN_REPORT_MAX + 1];
	pid_t pid = start_late("/gate/missing");

	(void)state;
	assert_int_equal(WEXITSTATUS(reap(pid)), LAUNCH_EXIT_SETUP);
	assert_true(spawn_late_report(pid, report));
	assert_string_equal(report,
	    "chdir /gate/missing: No such file or directory");
	spawn_forget(pid);
	assert_false(spawn_late_report(pid, report));
}

static void
on_alarm(int signum)
{
	(void)signum;
}

static void
test_a_signal_while_we_wait_changes_nothing(void **state)
{
	struct itimerval soon = { .it_value.tv_usec = 20000 };
	struct sigaction action = { .sa_handler = on_alarm };
	char report[SPAWN_REPORT_MAX + 1];
	pid_t pid;

	(void)state;
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	pid = start_late("/gate/missing");
	(void)reap(pid);
	assert_true(spawn_late_report(pid, report));
	spawn_forget(pid);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_that_runs_has_nothing_to_report),
		cmocka_unit_test(test_one_that_has_no_program_says_so_at_once),
		cmocka_unit_test(
		    test_descriptors_arrive_in_their_order_and_are_signed),
		cmocka_unit_test(test_one_that_is_slow_may_still_run),
		cmocka_unit_test(
		    test_one_that_is_slow_to_fail_tells_why_at_its_end),
		cmocka_unit_test(test_a_signal_while_we_wait_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
