/*
 * role: the supervisor's own two helpers, the router and the logger.
 *
 * They have a lifeline, are always restarted, first at once and then with a
 * growing delay, and never count as failed.
 */
#ifndef MSVC_SUPERVISOR_ROLE_H
#define MSVC_SUPERVISOR_ROLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backoff.h"
#include "feed.h"
#include "ipc/loop.h"

struct err;
struct supervise;

enum role_kind {
	ROLE_ROUTER,
	ROLE_LOGGER,
	ROLE_COUNT
};

struct role {
	struct supervise *sup; /* borrowed */
	enum role_kind kind;
	const char *name; /* "router" */
	char *program;    /* owned: absolute path */
	pid_t pid;        /* 0: no process */
	unsigned state;   /* STATE_ of lifeline.h */
	uint64_t restarts;
	int64_t since; /* Unix seconds */
	int64_t started_us;
	struct loop_timer timer; /* backoff or stop timeout */
	struct backoff backoff;
	struct feed feed;
	int out_fd, err_fd; /* borrowed: its 1 and 2 */
};

/* Find the program; "router" is PROGRAM_DIR/msvc-router. */
int role_init(struct role *role, struct supervise *sup, enum role_kind kind,
    const char *program_dir, struct err *err_r);
void role_fini(struct role *role);

/* Start it; a failure is logged and tried again. */
void role_start(struct role *role);

/* Ask it to finish; killed after timeout_ms. */
void role_stop(struct role *role, int64_t timeout_ms);
void role_kill(struct role *role);

/* Its process was reaped. */
void role_exited(struct role *role, int status);

#endif
