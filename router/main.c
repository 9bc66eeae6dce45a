/*
 * msvc-router: the HTTP and SP entry point. Started by the supervisor, which
 * talks to it over the lifeline, file descriptor 3; reads no configuration.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/err.h"
#include "ipc/launch.h"
#include "ipc/log.h"

#include "control.h"

enum {
	EXIT_USAGE = 2
};

static void
usage(FILE *out)
{
	fputs("usage: msvc-router [-V]\n", out);
}

/*
 * In the foreground the terminal sends Ctrl-C to the router too, while it is
 * the supervisor that decides about the end: it says STOP, or is gone.
 */
static void
block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
		fatal("sigprocmask");
	signal(SIGPIPE, SIG_IGN);
}

/* Each connection is a file descriptor: as many as we may have. */
static void
raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		log_warn("setrlimit: RLIMIT_NOFILE stays as it is");
}

static int
is_lifeline(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_SEQPACKET;
}

static void
set_flags(void)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	/* A full access pipe must cost lines, not time. */
	if (flags != -1)
		fcntl(STDOUT_FILENO, F_SETFL, flags | O_NONBLOCK);
	fcntl(LAUNCH_FD_LIFELINE, F_SETFD, FD_CLOEXEC);
}

int
main(int argc, char **argv)
{
	struct err err = { "" };

	if (argc == 2 && strcmp(argv[1], "-V") == 0) {
		puts("msvc-router " MSVC_VERSION);
		return 0;
	}
	if (argc != 1) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!is_lifeline(LAUNCH_FD_LIFELINE)) {
		fputs("msvc-router: file descriptor 3 is no lifeline; it is "
		      "the supervisor (msvc start) that starts this program\n",
		    stderr);
		return EXIT_USAGE;
	}
	log_init(STDERR_FILENO, LOG_LEVEL_INFO);
	block_signals();
	raise_limit();
	set_flags();
	if (control_run(LAUNCH_FD_LIFELINE, &err) == -1)
		fatalx("%s", err.text);
	return 0;
}
