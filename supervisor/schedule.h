/*
 * schedule: the next time of a line of cron.
 *
 * The line is in wall clock time, which daylight saving time shifts:
 *
 *   an hour that begins with "*"  runs as the wall clock shows its minutes: in
 *                                 an hour that comes twice, twice; what is
 *                                 skipped is not made up
 *   any other hour                runs once for each of its times: the first
 *                                 time if it comes twice, and if it is skipped
 *                                 at the first minute after the gap
 *
 * All but schedule_next_in() and schedule_show() is pure: the zone is a
 * function, time and randomness are arguments. Times are Unix times.
 */
#ifndef MSVC_SUPERVISOR_SCHEDULE_H
#define MSVC_SUPERVISOR_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

struct conf_cron;

enum {
	/* A run that is later than this, by suspend or a clock that was set,
	 * is missed. */
	SCHEDULE_GRACE_MS = 60 * 1000,
	/* A clock that was set back by at most this repeats no run. */
	SCHEDULE_BACK_S = 3600,
	SCHEDULE_SHOW_MAX = 64
};

enum schedule_verdict {
	SCHEDULE_WAIT,
	SCHEDULE_RUN,
	SCHEDULE_MISSED
};

/* Seconds east of UTC that the zone has at that time. */
typedef int64_t schedule_offset(int64_t time_s);

/*
 * The first time after after_s, in seconds; -1 when there is none within the
 * 41 years in which each possible line comes.
 */
int64_t schedule_next(const struct conf_cron *cron, int64_t after_s,
    schedule_offset *offset);

/*
 * The same in a zone of the machine's database; NULL: in the machine's own.
 * Sets the zone of the process for the time of the call: one thread only.
 */
int64_t schedule_next_in(const struct conf_cron *cron, int64_t after_s,
    const char *zone);

/* "2026-03-29 03:00:00 +0200" in that zone, into text. */
void schedule_show(int64_t time_s, const char *zone,
    char text[SCHEDULE_SHOW_MAX]);

/*
 * From when on to look for the next run: from now, but not before the last
 * one, last_s (0: none), unless the clock was set back by much.
 */
int64_t schedule_after(int64_t now_s, int64_t last_s);

/* When a run is due: up to jitter_ms later, as random says. In milliseconds. */
int64_t schedule_due(int64_t time_s, int64_t jitter_ms, uint64_t random);

/* Is it time for what is due then? */
enum schedule_verdict schedule_judge(int64_t now_ms, int64_t due_ms);

/* "in 4m" or "in 2d 3h", rounded up; "now" when it is past. */
void schedule_show_wait(int64_t now_ms, int64_t due_ms,
    char text[SCHEDULE_SHOW_MAX]);

#endif
