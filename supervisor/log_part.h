/*
 * log_part: one file of a log that is read: the newest, or a rotated one,
 * which may be compressed.
 */
#ifndef MSVC_SUPERVISOR_LOG_PART_H
#define MSVC_SUPERVISOR_LOG_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <zlib.h>

struct log_part {
	int fd;    /* -1: none */
	gzFile gz; /* of fd, which it owns; NULL: not compressed */
};

/*
 * Open the part of that index, 0 being the newest, plain or compressed.
 * Returns 0, or -1 with errno: ENOENT when there is none.
 */
int log_part_open(struct log_part *part, const char *dir, const char *name,
    unsigned index);
void log_part_close(struct log_part *part);

/* The next bytes, as read(2); 0 at the end and for what cannot be read. */
ssize_t log_part_read(struct log_part *part, uint8_t *bytes, size_t size);

/*
 * Is it shorter than what was read of it, since somebody has emptied it? Then
 * go to its start.
 */
bool log_part_restart(struct log_part *part);

/*
 * Go to where the last count lines begin. A last line without newline is not
 * counted.
 *
 * skip_r   lines to read and drop before them: nobody can go to the middle
 *          of a compressed file
 *
 * Returns how many lines there are, at most count.
 */
size_t log_part_seek(struct log_part *part, size_t count, size_t *skip_r);

/* Copy the time of its first line (LOGREC_TIME_LEN bytes); goes to its start.
 */
bool log_part_first_time(struct log_part *part, char *time_r);

/*
 * Is it the one of that index now? Also if it was compressed since it was
 * opened. Returns 1, 0 for another one, or -1 when there is none.
 */
int log_part_is(const struct log_part *part, const char *dir, const char *name,
    unsigned index);

#endif
