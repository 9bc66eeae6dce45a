/*
 * logset: the pipes of all children and the log files that they go to.
 *
 * Several pipes may share a file. Each is read as it becomes readable, one
 * pump a loop turn (logpipe.h), its lines are written with one write(2) and
 * echoed to the console if that is asked for.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_LOGSET_H
#define MSVC_SUPERVISOR_LOGGER_LOGSET_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct lifeline_log;
struct lifeline_stream;
struct logset;
struct loop;

enum {
	LOGSET_KEEP_MAX = 10000, /* rotated files of one log */
	LOGSET_LAST_TURNS = 64   /* pipes full, per stream, at the end */
};

/*
 * console   where lines are echoed when the settings say so; borrowed
 * ended     called with the id of a stream that has ended and was closed
 */
struct logset *logset_new(struct loop *loop, int console,
    void (*ended)(void *arg, uint64_t id), void *arg, struct err *err_r);
void logset_free(struct logset **setp);

/* Use these settings for all lines from now on. */
void logset_configure(struct logset *set, const struct lifeline_log *msg);

/* Read the pipe fd, which is the set's from success on. */
int logset_add(struct logset *set, const struct lifeline_stream *msg, int fd,
    struct err *err_r);

/* Close all files; the next line of each opens its path again. */
void logset_reopen(struct logset *set);

bool logset_is_empty(const struct logset *set);

/* Is that stream still read? */
bool logset_has(const struct logset *set, uint64_t id);

/* Where the log files are, "" for nowhere; borrowed until configured anew. */
const char *logset_dir(const struct logset *set);

/* Write what is in the pipes now, half lines too; for the end. */
void logset_flush(struct logset *set);

#endif
