/*
 * logset: the pipes of all children and the logs that they go to.
 *
 * Several pipes may share a log. Each is read as it becomes readable, one pump
 * a loop turn (logpipe.h), and its lines are handed to the writer, which knows
 * where they go (logwriter.h). A stream may have a pattern: the first line
 * that matches it is told of, once.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_LOGSET_H
#define MSVC_SUPERVISOR_LOGGER_LOGSET_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct err;
struct lifeline_log;
struct lifeline_log_rule;
struct lifeline_stream;
struct logset;
struct logwriter_places;
struct loop;

enum {
	LOGSET_LAST_TURNS = 64,    /* pipes full, per stream, at the end */
	LOGSET_LOOK_MIN_US = 1000, /* at half a line: has it grown? */
	LOGSET_LOOK_MAX_US = 1000 * 1000,
	LOGSET_SLOW_MAX = 10 /* lines: then a pattern is given up */
};

struct logset_news {
	/* That stream has ended and was closed. */
	void (*ended)(void *arg, uint64_t id);
	/* A whole line of it matches its pattern. */
	void (*matched)(void *arg, uint64_t id);
	void *arg;
};

/* places and news are copied. Returns NULL with err_r set. */
struct logset *logset_new(struct loop *loop,
    const struct logwriter_places *places, const struct logset_news *news,
    struct err *err_r);
void logset_free(struct logset **setp);

/* Use these settings for all lines from now on. */
void logset_configure(struct logset *set, const struct lifeline_log *msg);

/* The same for all lines of one log. */
void logset_rule(struct logset *set, const struct lifeline_log_rule *msg);

/*
 * Read the pipe fd, which is the set's from success on. A pattern that is no
 * regular expression is logged, and never matches; one that takes too long for
 * LOGSET_SLOW_MAX lines is logged and given up, since all other logs wait.
 */
int logset_add(struct logset *set, const struct lifeline_stream *msg, int fd,
    struct err *err_r);

/* Close all files; the next line of each opens its path again. */
void logset_reopen(struct logset *set);

bool logset_is_empty(const struct logset *set);

/* Is that stream still read? */
bool logset_has(const struct logset *set, uint64_t id);

/* What a label of a log has said last, see lastlines.h; wherever it went. */
void logset_put_last(const struct logset *set, const char *name,
    const char *label, struct buf *out);

/* Write what is in the pipes now, half lines too; for the end. */
void logset_flush(struct logset *set);

#endif
