/*
 * logs_line: which lines `msvc logs` shows, and how. Pure.
 */
#ifndef MSVC_SUPERVISOR_LOGS_LINE_H
#define MSVC_SUPERVISOR_LOGS_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "logger/logrec.h"

struct buf;
struct regex;

/* Empty times and a NULL expression let all lines pass. */
struct logs_filter {
	char since[LOGREC_TIME_LEN + 1]; /* from this on */
	char until[LOGREC_TIME_LEN + 1]; /* before this */
	const struct regex *grep; /* of the text, without time and label */
};

/*
 * Read a point in time: a duration before now_ms such as 10m, or a date and
 * time as ISO 8601 has them, "2026-11-22", "2026-11-22T11:20" or with seconds
 * and fractions of them; then "Z" or "+01:00", or nothing for local time.
 *
 * time_r   as it stands in front of lines, NUL-terminated
 *
 * Returns 0, or -1 when it is neither.
 */
int logs_time_read(const char *text, int64_t now_ms,
    char time_r[LOGREC_TIME_LEN + 1]);

/*
 * Take a line apart. Lines of the access log, and those of no known form, are
 * text from end to end, with the name of the log as label.
 *
 * time      of the line, or of the last one before it that had one; NULL
 * scratch   what rec_r borrows from, as in logrec_read()
 */
void logs_line_read(const char *name, const char *time, const char *line,
    size_t len, struct buf *scratch, struct logrec *rec_r);

bool logs_line_passes(const struct logs_filter *filter,
    const struct logrec *rec);

/* Append it with its newline: as one JSON object, or for people. */
void logs_line_put(struct buf *out, bool is_json, const char *line, size_t len,
    const struct logrec *rec);

#endif
