/*
 * supervise: the life of the supervisor, from the lock to the last exit.
 *
 * Two steps, so that whatever can still be refused is refused on the terminal:
 * supervise_new() does everything that may fail for a reason the caller can
 * mend, supervise_run() never fails for one. One thread; both steps in the
 * same process, since the lock names its pid and the children are its own.
 *
 *   msvc run     new, run in the foreground
 *   msvc start   fork; the child calls new, reports success or the err to its
 *                parent, detaches (setsid, 0 1 2 to /dev/null) and calls run;
 *                the parent then connects to the control socket, which listens
 *                from supervise_new() on, and sends "wait"
 */
#ifndef MSVC_SUPERVISOR_SUPERVISE_H
#define MSVC_SUPERVISOR_SUPERVISE_H

#include <stdbool.h>

struct conf;
struct err;
struct supervise;

struct supervise_options {
	const char *program_dir; /* has msvc-router and msvc-logger */
	bool is_foreground;      /* the logger echoes all lines to fd 1 */
	bool is_colour;          /* ... with colours */
};

/*
 * Check the programs, take RUN_DIR/lock, make the run directory, bind all
 * listeners and the control socket. Starts no process.
 *
 * confp     moved into the supervisor on success (and set to NULL)
 * options   strings are copied
 * sup_r     set to a supervisor the caller must supervise_free()
 * err_r     "already running as pid 123 (lock /run/msvc/lock)",
 *           "127.0.0.1:8080: Address already in use", ...
 *
 * Returns 0, or -1 with err set and nothing left behind.
 */
int supervise_new(struct conf **confp, const struct supervise_options *options,
    struct supervise **sup_r, struct err *err_r);

/*
 * Start everything and serve until asked to stop by a signal or the control
 * socket. Changes signal mask, RLIMIT_NOFILE and the subreaper flag of the
 * process. On return all children are gone, all files but the logs removed and
 * the lock is free. Returns the exit code.
 */
int supervise_run(struct supervise *sup);

void supervise_free(struct supervise **supp);

#endif
