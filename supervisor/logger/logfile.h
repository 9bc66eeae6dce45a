/*
 * logfile: one log file, its rotation, and what happens when the disk is full.
 *
 * DIR/NAME.log is opened at the first write and moved to NAME.log.1 (and so
 * on, up to keep, see logrotate.h) when it would grow beyond max_size, or when
 * a line comes and its first line is older than max_age_ms. How old that is, a
 * logger that goes on with the file of another reads from the line itself; if
 * that has no time, the file's birth tells. A write that fails loses
 * its lines but never more: they are counted, the next attempt is made a
 * second later, and the first line of a file that works again tells how many
 * are missing and why. A file never ends in half a line of ours, and ours never
 * begins in half a line of others. A file that was moved or removed is made
 * anew within LOGFILE_CHECK_US; what is no regular file is not rotated.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_LOGFILE_H
#define MSVC_SUPERVISOR_LOGGER_LOGFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct logfile;

enum {
	LOGFILE_RETRY_US = 1000 * 1000,
	LOGFILE_CHECK_US = 1000 * 1000 /* between two looks at the path */
};

/* Where and how to write; shared by all files, the strings are borrowed. */
struct logfile_settings {
	const char *dir;    /* made when it is missing; "" = write nothing */
	uint64_t max_size;  /* bytes; 0 = do not rotate */
	unsigned keep;      /* rotated files to keep */
	int64_t max_age_ms; /* of the first line; 0 = any */
	bool is_json;       /* form of our own notes */
};

/* Returns NULL when out of memory. name is copied; it has no slash. */
struct logfile *logfile_new(const char *name);
void logfile_free(struct logfile **filep);

const char *logfile_name(const struct logfile *file);

/* Close; the next write opens the path again. */
void logfile_close(struct logfile *file);

/*
 * Append whole lines, with one write(2) unless the file is full. Failure is
 * counted in the file and logged once, not returned: there is nothing that the
 * caller could do better.
 *
 * now_us    monotonic
 * wall_ms   the time of the lines, milliseconds since 1970
 */
void logfile_write(struct logfile *file,
    const struct logfile_settings *settings, const uint8_t *bytes, size_t len,
    int64_t now_us, int64_t wall_ms);

/* Has it been rotated since this was asked last? */
bool logfile_take_rotated(struct logfile *file);

/* Lines that could not be written since the file failed; 0 when it works. */
uint64_t logfile_dropped(const struct logfile *file);

#endif
