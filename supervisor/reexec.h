/*
 * reexec: the running supervisor becomes another program, by execve(2).
 *
 * What it knows goes over in a memfd (keep.h); its pid, its children, and the
 * descriptors that are named there stay. In this order:
 *
 * 1. the state is written, and given to the new program as a child,
 *    "PROGRAM reexec-check" with the memfd on descriptor 3, which reads all of
 *    it and says whether it could take over;
 * 2. refused, or silent for REEXEC_CHECK_MS: everything is as before, and the
 *    operator is told why;
 * 3. else the state is written again, as it is by then, and "PROGRAM
 *    reexec-resume FD LOG_FD" takes the place of this program. execve() itself
 *    may still fail, which is a refusal too.
 *
 * From 3. on nothing should fail that has not failed in the rehearsal, but for
 * memory and descriptors that others have taken since: the new program begins
 * again for RESUME_TRIES times. Then it exits, and all that it
 * has started with it.
 */
#ifndef MSVC_SUPERVISOR_REEXEC_H
#define MSVC_SUPERVISOR_REEXEC_H

#include <stdbool.h>
#include <sys/types.h>

#include "ipc/loop.h"
#include "spawn.h"

struct err;
struct supervise;

enum {
	REEXEC_CHECK_MS = 10000,
};

struct reexec {
	struct supervise *sup; /* borrowed */
	char *program;         /* owned; NULL: nothing is under way */
	pid_t pid;             /* of the check; 0: it has ended */
	int said_fd;           /* owned; what it says */
	char report[SPAWN_REPORT_MAX + 1]; /* see spawn_child() */
	bool is_late;
	struct loop_timer timer;
	struct loop_task task; /* the exec itself, at the end of a turn */
};

void reexec_init(struct reexec *reexec, struct supervise *sup);
void reexec_fini(struct reexec *reexec);

/* Is an answer to an operator still to come? */
bool reexec_is_pending(const struct reexec *reexec);

/*
 * Begin. program is an executable file, NULL for the one that we are. Returns
 * 0, or -1 with the reason. What is refused later is told to those clients of
 * the control socket that wait for it.
 */
int reexec_start(struct reexec *reexec, const char *program, struct err *err_r);

/* A child was reaped: was it the check? */
bool reexec_exited(struct reexec *reexec, pid_t pid, int status);

/*
 * The other side: is this the command line of a check or a resume? Then
 * *code_r is set to the exit code, after the supervisor has ended. resume.c
 */
bool resume_main(int argc, char **argv, int *code_r);

#endif
