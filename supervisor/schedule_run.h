/*
 * schedule_run: services that run by a schedule, see schedule.h for the times.
 *
 * Between its runs such a service is asleep; when its time comes it is woken
 * and started in its turn. A run that is due while the one before still goes
 * (or is to be tried again) is skipped, one that passes while the machine
 * sleeps or the clock is set forward is missed; neither is made up. One timer
 * serves all services, and a second descriptor tells when the clock was set.
 */
#ifndef MSVC_SUPERVISOR_SCHEDULE_RUN_H
#define MSVC_SUPERVISOR_SCHEDULE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/loop.h"
#include "schedule.h"

struct buf;
struct instance;
struct service;
struct supervise;

/* What a service knows of its runs; times are Unix times. Zero: none yet. */
struct schedule_run {
	int64_t next_s;               /* as the schedule has it */
	int64_t due_ms;               /* the same with its jitter */
	int64_t last_s;               /* that of the schedule which came last */
	int64_t last_start, last_end; /* of a process, in seconds */
	int64_t last_duration_ms;
	char *last_result; /* owned, or NULL: "exited 0" */
	uint64_t runs, failures, skipped;
	bool is_on; /* it runs by a schedule */
};

struct schedules {
	struct supervise *sup;   /* borrowed */
	struct loop_timer timer; /* the first one that is due */
	struct loop_io clock;    /* owned fd: the clock was set */
};

void schedules_init(struct schedules *schedules, struct supervise *sup);
void schedules_fini(struct schedules *schedules);
void schedule_run_fini(struct schedule_run *run);

/* Look for what is due, and wait for the next. Also after a reexec. */
void schedules_step(struct schedules *schedules);

/*
 * The service is wanted: it is started in its turn, or sleeps until its
 * schedule says so. To be called again when its configuration has changed; a
 * run that is under way goes on, and so does the sleep of one that is idle.
 */
void service_begin(struct service *svc);

/*
 * Is there no run of it that a new configuration could replace? What runs of a
 * service that gets a schedule just now is none.
 */
bool schedule_is_resting(const struct instance *inst);

/*
 * A process of it begins; has ended after so many milliseconds: what is
 * "exited 3". One that an operator ends is no failure. Of services without a
 * schedule both are ignored.
 */
void schedule_started(struct instance *inst);
void schedule_ended(struct instance *inst, const char *what, bool is_failure,
    int64_t ran_ms);

/* "next run in 4m", into text; NULL when none is planned. */
const char *schedule_reason(const struct service *svc,
    char text[SCHEDULE_SHOW_MAX]);

/* Append its "schedule" of control.h, nil for one without. */
void schedule_put_status(struct buf *buf, const struct service *svc);

#endif
