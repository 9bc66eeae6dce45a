/*
 * msvc-logger: writes what the services say into their log files.
 *
 * Started by the supervisor with the lifeline on file descriptor 3.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/err.h"
#include "ipc/launch.h"
#include "ipc/log.h"
#include "ipc/loop.h"

#include "logger.h"

/* The supervisor decides when we end: by STOP or by its own end. */
static void
ignore_signals(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM, SIGPIPE,
		SIGUSR1, SIGUSR2, SIGXFSZ, SIGTTOU };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_IGN);
}

/* A few files and pipes for each instance: more than the usual soft limit. */
static void
raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int
run(void)
{
	struct err err = { "" };
	struct loop *loop;
	struct logger *logger;
	int rc = 1;

	loop = loop_new(&err);
	if (loop == NULL)
		fatalx("%s", err.text);
	logger = logger_new(loop, LAUNCH_FD_LIFELINE, STDOUT_FILENO, &err);
	if (logger == NULL)
		fatalx("%s", err.text);
	if (loop_run(loop, &err) == 0)
		rc = 0;
	else
		log_errorx("%s", err.text);
	logger_free(&logger);
	loop_free(&loop);
	return rc;
}

int
main(int argc, char **argv)
{
	int type;
	socklen_t len = sizeof(type);

	if (argc == 2 && strcmp(argv[1], "-V") == 0) {
		puts("msvc-logger " MSVC_VERSION);
		return 0;
	}
	if (argc != 1 ||
	    getsockopt(LAUNCH_FD_LIFELINE, SOL_SOCKET, SO_TYPE, &type, &len) ==
		-1 ||
	    type != SOCK_SEQPACKET) {
		fputs("msvc-logger: is started by msvc, see msvc(8)\n", stderr);
		return 2;
	}
	/* Of us alone its end asks for something: see sweep.h. */
	(void)prctl(PR_SET_PDEATHSIG, 0);
	ignore_signals();
	raise_file_limit();
	return run();
}
