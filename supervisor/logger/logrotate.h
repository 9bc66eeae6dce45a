/*
 * logrotate: the rotated files of a log, NAME.log.1 (the newest) and so on,
 * each plain or compressed as NAME.log.1.gz.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_LOGROTATE_H
#define MSVC_SUPERVISOR_LOGGER_LOGROTATE_H

#include <limits.h>
#include <stdbool.h>

enum {
	LOGROTATE_MAX = 10000 /* rotated files of one log */
};

/*
 * DIR/NAME.log for index 0, else the rotated file of that index. Returns 0, or
 * -1 with errno when the path is too long.
 */
int logrotate_path(const char *dir, const char *name, unsigned index,
    bool is_compressed, char path_r[PATH_MAX]);

/*
 * NAME.log.1 becomes NAME.log.2 and so on up to the first hole in the row, then
 * NAME.log NAME.log.1; those beyond keep are removed. Returns 0, or -1 with
 * errno and some files moved: the hole that this leaves is where the next
 * attempt ends, so that a row of them removes nothing.
 */
int logrotate_shift(const char *dir, const char *name, unsigned keep);

#endif
