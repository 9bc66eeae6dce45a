/*
 * spawn: fork and exec of one child, with nothing of ours left in it.
 *
 * The child is leader of its own session and process group, has all signals
 * at their defaults and unblocked, dies with the supervisor (PR_SET_PDEATHSIG),
 * and keeps only descriptors 0, 1, 2 and perhaps 3. What keeps it from
 * becoming the program it writes into a pipe that closes itself on exec, so
 * that the supervisor can tell "no such file" from a program that exits 127
 * without ever waiting for the child.
 */
#ifndef MSVC_SUPERVISOR_SPAWN_H
#define MSVC_SUPERVISOR_SPAWN_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

struct err;

enum {
	SPAWN_REPORT_MAX = 255
};

struct spawn_user {
	char *name; /* owned */
	char *home; /* owned */
	uid_t uid;
	gid_t gid;
};

struct spawn {
	char *const *argv; /* argv[0] with a slash as is, else by PATH */
	char *const *env;
	const char *dir;               /* or NULL */
	const struct spawn_user *user; /* or NULL: as we are */
	struct rlimit nofile;
	int out_fd, err_fd;
	int lifeline_fd; /* becomes 3; -1: none */
};

/*
 * Look up user (may be NULL) and group (may be NULL: the user's own one).
 * Returns 0 with user_r filled, to be released by spawn_user_fini(); its name
 * is NULL when neither was given. May block on the name service.
 */
int spawn_user_init(struct spawn_user *user_r, const char *user,
    const char *group, struct err *err_r);
void spawn_user_fini(struct spawn_user *user);

/*
 * Start a child.
 *
 * report_r  set to a non-blocking pipe, the caller's: end of file means that
 *           the program runs, text says why it does not
 *
 * Returns the pid, or -1 with err set (fork or pipe failed).
 */
pid_t spawn_child(const struct spawn *spawn, int *report_r, struct err *err_r);

/*
 * Read a report pipe. Returns 1 when the program runs, -1 with text (size
 * SPAWN_REPORT_MAX + 1) when it never will, 0 when the child is still between
 * fork and exec.
 */
int spawn_report(int report_fd, char *text);

#endif
