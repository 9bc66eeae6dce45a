/*
 * cmd_usage: what a process uses, as /proc tells the msvc command.
 *
 * The command reads it, not the supervisor: a thousand files are no work for
 * the loop that restarts services.
 */
#ifndef MSVC_SUPERVISOR_CMD_USAGE_H
#define MSVC_SUPERVISOR_CMD_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;

struct cmd_usage {
	bool is_known;     /* else all others are 0 */
	int64_t cpu_ms;    /* of all its threads, so far */
	int64_t age_ms;    /* since the process began */
	uint64_t memory;   /* bytes: its resident set */
	unsigned fd_count; /* 0 also when we may not look */
};

/*
 * The main process of an instance; no usage for pid 0 or one that is gone.
 */
struct cmd_usage cmd_usage_read(pid_t pid);

/*
 * Read the text of /proc/PID/stat (proc(5)): clock ticks of user and system
 * time together, and at which tick after boot it began. Returns 0, or -1 when
 * it is something else. Pure.
 */
int cmd_usage_parse(const char *stat, uint64_t *ticks_r, uint64_t *begun_r);

/*
 * Percent of one CPU between two looks, elapsed_ms apart; before NULL, or of
 * another process: over all its life. -1: not known. Pure.
 */
int cmd_usage_percent(const struct cmd_usage *before,
    const struct cmd_usage *now, int64_t elapsed_ms);

/*
 * Append a status object (control.h) to out with "cpu_ms", "cpu_percent",
 * "memory" and "fds" in each instance. Returns 0, or -1 when it is none.
 */
int cmd_usage_put(const struct buf *status, struct buf *out);

#endif
