/*
 * sweep: no process is left of a supervisor that was killed.
 *
 * The processes that it has started die with it (PR_SET_PDEATHSIG), but not
 * what those have started in sessions of their own. The logger outlives it by
 * a moment, and kills whoever has this run's LAUNCH_ENV_RUN in the environment
 * that it was started with, or is in one of the run's control groups
 * (cgroup.h). A process that has cleared its environment and is in none, or
 * that belongs to a user whom we may not look at, is not found.
 *
 * The next supervisor does the same with the run before it, in case that the
 * logger was killed or stopped as well.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_SWEEP_H
#define MSVC_SUPERVISOR_LOGGER_SWEEP_H

#include <stdbool.h>
#include <stddef.h>

enum {
	SWEEP_TIME_MS = 900,   /* at most, and more than enough */
	SWEEP_PAUSE_MS = 20,   /* between two looks at all processes */
	SWEEP_QUIET_ROUNDS = 3 /* so often in a row nobody: done */
};

/* A handle on our parent, to be closed by the caller; -1: none. */
int sweep_open(void);

/*
 * Our lifeline has ended: is our parent gone, or about to be? Waits a moment
 * for it. False when it lives and has only let go of us.
 */
bool sweep_is_due(int parent_fd);

/*
 * Kill all processes of that run ("PID.SECONDS"), but us. Returns how many
 * kills it took.
 */
unsigned sweep_run(const char *run);

/*
 * Has an environment, as in /proc/PID/environ, exactly that run? Pure; takes
 * any bytes.
 */
bool sweep_is_of_run(const char *environment, size_t len, const char *run);

/*
 * Is a process with that /proc/PID/cgroup in a control group of the supervisor
 * pid? own is /proc/self/cgroup of one that was started in the same group as
 * that supervisor, or is in its "supervisor" group by now. Pure.
 */
bool sweep_is_in_group(const char *text, const char *own, int pid);

/*
 * Is one with that /proc/PID/stat not to be killed: dead already, or a logger
 * at work? Pure; takes any text.
 */
bool sweep_is_spared(const char *stat);

#endif
