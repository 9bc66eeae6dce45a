/*
 * spawn: a child process that becomes a program, with nothing of ours in it.
 *
 * The child is leader of its own session and process group, has all signals
 * at their defaults and unblocked, dies with the supervisor (PR_SET_PDEATHSIG),
 * and keeps only descriptors 0, 1, 2 and those that it is given from 3 on.
 *
 * It tells by a pipe that closes itself on exec why there is no program. That
 * is not waited for, or not for long: a program on a file system that does not
 * answer, or a child that somebody has stopped, must not hold up all others.
 */
#ifndef MSVC_SUPERVISOR_SPAWN_H
#define MSVC_SUPERVISOR_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "spawn_user.h"

struct err;
struct limits;
struct sandbox;

enum {
	SPAWN_REPORT_MAX = 255,
	SPAWN_WAIT_MS = 100,
	SPAWN_FDS_MAX = 64 /* descriptors that are passed on */
};

struct spawn {
	char *const *argv; /* argv[0] with a slash as is, else by PATH of env */
	/* An item "LISTEN_PID=0000000000" is given the child's pid. */
	char *const *env;
	const char *dir;               /* or NULL */
	const struct spawn_user *user; /* or NULL: as we are */
	const struct limits *limits;   /* or NULL: the usual */
	const struct sandbox *sandbox; /* or NULL: none */
	struct rlimit nofile;          /* unless limits have one */
	int out_fd, err_fd;
	int lifeline_fd;      /* becomes 3; -1: none */
	const int *fds;       /* become 3 and so on; only without a lifeline */
	size_t fd_count;      /* at most SPAWN_FDS_MAX */
	const char *fd_names; /* of fds, with colons between; or NULL */
};

/*
 * Start a child.
 *
 * report_r  set to a non-blocking pipe, the caller's, see spawn_report()
 *
 * Returns the pid, or -1 with err set (there is no child).
 */
pid_t spawn_start(const struct spawn *spawn, int *report_r, struct err *err_r);

/*
 * Read that pipe. Returns 1 when the program runs, -1 with text (room for
 * SPAWN_REPORT_MAX + 1 bytes) when it never will, 0 when the child is still
 * between fork and exec.
 */
int spawn_report(int report_fd, char *text);

/*
 * Start a child and wait a moment. report has room for SPAWN_REPORT_MAX + 1
 * bytes; it becomes "" when the program runs, or when that is not known within
 * SPAWN_WAIT_MS; else why it never will ("chdir /x: No such file or
 * directory"); that child has ended and is to be waited for as any other.
 *
 * Returns the pid, or -1 with err set (there is no child).
 */
pid_t spawn_child(const struct spawn *spawn, char *report, struct err *err_r);

/*
 * A child has ended. If it took longer than that, and never became its program,
 * report becomes why. Returns whether it does.
 */
bool spawn_late_report(pid_t pid, char *report);

/* That child was reaped: forget it. */
void spawn_forget(pid_t pid);

#endif
