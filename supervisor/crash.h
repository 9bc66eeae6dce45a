/*
 * crash: what is known of a death, until its bundle is written.
 *
 * crash_begin() notes the facts; what was in flight comes from the router, for
 * which a record waits CRASH_WAIT_MS at most. Then the logger is told, which
 * adds the last log lines and writes the file (LIFELINE_CRASH): the supervisor
 * itself touches no disk. What a bundle holds is in crash_json.h.
 */
#ifndef MSVC_SUPERVISOR_CRASH_H
#define MSVC_SUPERVISOR_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "ipc/crash_id.h"
#include "ipc/loop.h"

struct lifeline_casualty;
struct lifeline_linked;
struct rusage;
struct supervise;

enum {
	CRASH_PENDING_MAX = 64,  /* records; the oldest goes out for one more */
	CRASH_REQUESTS_MAX = 64, /* listed in a bundle; all are counted */
	CRASH_WAIT_MS = 500      /* for the router; for a logger that is gone */
};

/* All of it is borrowed until crash_begin() returns. */
struct crash_facts {
	const char *service;
	unsigned index;
	uint64_t generation;
	pid_t pid;
	int status;                  /* of wait(2) */
	const struct rusage *rusage; /* NULL: not known */
	int64_t uptime_ms;           /* since it was started */
	int64_t ready_ms;            /* since it was ready; 0: never was */
	bool is_oom;                 /* crash_is_oom(), in crash_oom.h */
	const char *what; /* "killed by signal 11 (Segmentation fault)" */
	const char
	    *decision;    /* "restart", "failed", "stopped", "rolled back" */
	int64_t delay_ms; /* to the next start */
	unsigned restarts, restart_limit; /* so many of so many; 0: no limit */
	uint64_t stream; /* streams.last_id right after its streams_open() */
};

struct crash;

struct crashes {
	struct supervise *sup;                  /* borrowed */
	TAILQ_HEAD(crash_queue, crash) pending; /* earliest due first */
	struct loop_timer timer; /* one, lest many deaths need many timers */
	unsigned count;
	int oom_fd;         /* owned; -1: this system does not tell */
	uint64_t oom_count; /* as last read, at oom_us of the loop */
	int64_t oom_us;
	uint64_t oom_known; /* kills that were there, or found their victim */
};

void crashes_init(struct crashes *crashes, struct supervise *sup);
void crashes_fini(struct crashes *crashes);

/*
 * A process has ended without being asked to, and that is a failure. To be
 * called in the loop's turn in which it was reaped, before the router can
 * answer. A bundle never fails its caller: out of memory is a log line.
 *
 * id_r   the id of the bundle to come, for the log; "" when none is kept
 */
void crash_begin(struct supervise *sup, const struct crash_facts *facts,
    char id_r[CRASH_ID_MAX]);

/* Wait for nobody any more: the logger is about to be stopped. */
void crash_flush(struct supervise *sup);

/* The router tells what was in flight there, and that this was all. */
void crash_casualty(struct supervise *sup,
    const struct lifeline_casualty *casualty);
void crash_casualties_end(struct supervise *sup,
    const struct lifeline_linked *linked);

#endif
