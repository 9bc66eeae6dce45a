/*
 * rundir: the run directory, its lock, and the files in it.
 *
 * Layout in ipc/launch.h. The lock is an flock() on RUN_DIR/lock, which holds
 * the pid for people and messages; the file itself stays, empty, when the
 * supervisor ends, since removing a lock file that another process may have
 * open would let two own the directory. A run is named by the pid and the time
 * at which it was written there, so that the next one knows it too.
 */
#ifndef MSVC_SUPERVISOR_RUNDIR_H
#define MSVC_SUPERVISOR_RUNDIR_H

#include <stdbool.h>
#include <sys/types.h>

struct err;
struct spawn_user;

enum {
	RUNDIR_RUN_MAX = 48
};

struct rundir {
	char *path;      /* owned, absolute */
	int lock_fd;     /* -1: not ours */
	bool was_killed; /* who had it last: what is its may still be open */
	/* "PID.SECONDS": of ours, and of who was killed ("": nobody was) */
	char run[RUNDIR_RUN_MAX], old_run[RUNDIR_RUN_MAX];
};

/*
 * Make the directory and its parents, take the lock, sweep what a killed
 * supervisor left. Returns 0, or -1 with err "already running as pid N ..."
 * or what is wrong with the directory.
 */
int rundir_open(struct rundir *rundir, const char *path, struct err *err_r);

/* Remove our files and let the lock go. Accepts a zeroed or closed struct. */
void rundir_close(struct rundir *rundir);

/* Bind a listening stream socket of that name. Returns the fd or -1. */
int rundir_listen(const struct rundir *rundir, const char *name, mode_t mode,
    struct err *err_r);

/* Make svc/NAME, mode 0700; owned by user unless its name is NULL. */
int rundir_add_service(const struct rundir *rundir, const char *name,
    const struct spawn_user *user, struct err *err_r);
void rundir_drop_service(const struct rundir *rundir, const char *name);

/* Remove the socket and the secrets of one generation. */
void rundir_drop_instance(const struct rundir *rundir, const char *service,
    unsigned index, unsigned long long generation);

/*
 * Does the longest socket path of a service fit a struct sockaddr_un?
 * Returns 0, or -1 with err naming the service.
 */
int rundir_check_service(const char *run_dir, const char *service,
    struct err *err_r);

#endif
