/*
 * logrec: a line of a log file in its two forms, text and JSON.
 *
 * Text is "TIME LABEL text"; JSON is an object with the members time, service,
 * instance (a number; left out where there is none) and line, in this order,
 * and "cut": true when the line goes on in the next one. What a service says
 * is always a string, even if it is JSON itself. Pure.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_LOGREC_H
#define MSVC_SUPERVISOR_LOGGER_LOGREC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum {
	LOGREC_TIME_LEN = 24 /* "2026-11-22T11:20:30.123Z" */
};

struct logrec {
	const char *time;  /* LOGREC_TIME_LEN bytes; NULL: not known */
	const char *label; /* "echo/1" */
	size_t label_len;
	const char *text;
	size_t len;
	bool is_cut;
};

/* The time at the start of a line, or as its first JSON string; or NULL. */
const char *logrec_time(const char *line, size_t len);

/* Milliseconds since 1970 of such a time. */
int64_t logrec_time_ms(const char *time);

/* A label is "service/instance" or "name". Length of the first part. */
size_t logrec_service_len(const char *label, size_t len);

/*
 * Take a line of either form apart.
 *
 * scratch   cleared, and filled with what rec_r then borrows from it
 *
 * Returns false when it is neither (a line without a label, for example).
 */
bool logrec_read(const char *line, size_t len, struct buf *scratch,
    struct logrec *rec_r);

/*
 * Append it as an object without a newline. Control characters are escaped,
 * those beyond ASCII too, and bytes that are not UTF-8 become U+FFFD.
 */
void logrec_put_json(struct buf *out, const struct logrec *rec);

/*
 * Append text with control characters as \xNN, so that nothing in it is an
 * escape sequence of a terminal; all other bytes stay as they are.
 */
void logrec_put_safe(struct buf *out, const char *text, size_t len);

#endif
