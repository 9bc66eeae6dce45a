/*
 * cmd_tail: the last lines of one log and those that come after, over
 * rotations.
 *
 * A log is DIR/NAME.log and its older parts NAME.log.1, .2 and so on. A tail
 * starts at one of them and walks on to the newer ones by their inodes, so
 * that a rotation between two calls neither loses nor repeats a line.
 */
#ifndef MSVC_SUPERVISOR_CMD_TAIL_H
#define MSVC_SUPERVISOR_CMD_TAIL_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct tail;

enum {
	TAIL_TIME_LEN = 24 /* "2026-11-22T11:20:30.123Z" */
};

/*
 * Open a log so that its last count lines are next. Reads from the end, not
 * the whole file. name is copied.
 *
 * Returns NULL with err_r set, errno ENOENT when there is no such log.
 */
struct tail *tail_new(const char *dir, const char *name, size_t count,
    struct err *err_r);
void tail_free(struct tail **tailp);

const char *tail_name(const struct tail *tail);

/* How many lines tail_new() found; at most its count. */
size_t tail_count(const struct tail *tail);

/*
 * The next whole line without its newline, or NULL when there is none yet; a
 * later call may have one. Borrowed until the next call.
 */
const char *tail_next(struct tail *tail, size_t *len_r);

/* The time in a line (at its start or as the first JSON string), or NULL. */
const char *tail_time(const char *line, size_t len);

#endif
