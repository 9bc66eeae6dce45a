/*
 * logwriter: where lines go, as the settings and the rule of their log say.
 *
 * A log is what shares a name: the streams of one service. Its lines go to a
 * file, to syslog or journald, to standard output, or nowhere; not more of
 * them than its rate allows; and each is echoed to the console if that is
 * asked for. A line reaches its target between begin and commit.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_LOGWRITER_H
#define MSVC_SUPERVISOR_LOGGER_LOGWRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct lifeline_log;
struct lifeline_log_rule;
struct logdest; /* one log */
struct logwriter;
struct loop;

/* What the writer writes to that is not in the log directory; borrowed. */
struct logwriter_places {
	int console;         /* standard output */
	const char *syslog;  /* LOGSYS_SYSLOG_PATH, but in tests */
	const char *journal; /* LOGSYS_JOURNAL_PATH, but in tests */
};

/* places is copied. Returns NULL with err_r set. */
struct logwriter *logwriter_new(struct loop *loop,
    const struct logwriter_places *places, struct err *err_r);
void logwriter_free(struct logwriter **writerp);

/* Use these settings for all lines from now on. */
void logwriter_configure(struct logwriter *writer,
    const struct lifeline_log *msg);

/* The same for the lines of one log. */
void logwriter_rule(struct logwriter *writer,
    const struct lifeline_log_rule *msg);

/* The log of that name, for one more stream; NULL when out of memory. */
struct logdest *logwriter_hold(struct logwriter *writer, const char *name);
void logwriter_release(struct logwriter *writer, struct logdest *dest);

/* Close all files; the next line of each opens its path again. */
void logwriter_reopen(struct logwriter *writer);

/* Lines follow, all of this moment. */
void logwriter_begin(struct logwriter *writer);

/* One line; label and colour as in logline.h. */
void logwriter_line(struct logwriter *writer, struct logdest *dest,
    const char *label, unsigned colour, const uint8_t *text, size_t len,
    bool is_cut);

/* Write what came since begin, all of it of one log. */
void logwriter_commit(struct logwriter *writer, struct logdest *dest);

/* Append what that label has said last, as lastlines_put() does. */
void logwriter_put_last(const struct logwriter *writer, const char *name,
    const char *label, struct buf *out);

#endif
