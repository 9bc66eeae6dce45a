/*
 * spawn: the least that a supervisor can cost.
 *
 * Starts COUNT times /bin/sleep ARGUMENT with posix_spawn, starts each again
 * that ends, and on SIGTERM ends them all: no configuration, no log, no state.
 * usage: spawn COUNT ARGUMENT
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	COUNT_MAX = 100000
};

extern char **environ;

static pid_t pids[COUNT_MAX];
static size_t count;
static volatile sig_atomic_t is_stopping;

static void
on_term(int number)
{
	(void)number;
	is_stopping = 1;
	for (size_t i = 0; i < count; i++)
		if (pids[i] > 0)
			kill(pids[i], SIGTERM);
}

/* SIGTERM is blocked here, so that it misses no process. */
static void
start(size_t index, char *argument)
{
	char *argv[] = { "/bin/sleep", argument, NULL };
	posix_spawnattr_t attr;
	sigset_t none;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	pids[index] = 0;
	if (posix_spawn(&pids[index], argv[0], NULL, &attr, argv, environ) != 0)
		_exit(1);
	posix_spawnattr_destroy(&attr);
}

static void
again(pid_t pid, char *argument)
{
	for (size_t i = 0; i < count; i++)
		if (pids[i] == pid) {
			if (is_stopping)
				pids[i] = 0;
			else
				start(i, argument);
			return;
		}
}

int
main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_term };
	sigset_t term;

	if (argc != 3 || strtoul(argv[1], NULL, 10) > COUNT_MAX) {
		fputs("usage: spawn COUNT ARGUMENT\n", stderr);
		return 2;
	}
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	sigaction(SIGTERM, &action, NULL);
	for (size_t all = strtoul(argv[1], NULL, 10); count < all; count++)
		start(count, argv[2]);
	for (;;) {
		pid_t pid;

		sigprocmask(SIG_UNBLOCK, &term, NULL);
		pid = waitpid(-1, NULL, 0);
		if (pid == -1 && errno != EINTR)
			return 0;
		sigprocmask(SIG_BLOCK, &term, NULL);
		if (pid > 0)
			again(pid, argv[2]);
	}
}
