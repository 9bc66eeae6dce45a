/*
 * cmd_tail: lines of one log from some point on, over its rotations.
 *
 * A log is DIR/NAME.log and its older parts (log_part.h). A tail starts at one
 * of them and walks on to the newer ones by their inodes, so that a rotation
 * between two calls neither loses nor repeats a line; nor does the compression
 * of the part that is being read.
 */
#ifndef MSVC_SUPERVISOR_CMD_TAIL_H
#define MSVC_SUPERVISOR_CMD_TAIL_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct tail;

/*
 * Open a log so that its last count lines are next. Reads from the end, not
 * the whole file. name is copied.
 *
 * Returns NULL with err_r set, errno ENOENT when there is no such log.
 */
struct tail *tail_new(const char *dir, const char *name, size_t count,
    struct err *err_r);

/*
 * The same from the oldest part on that has lines since that time; as there
 * are earlier ones in it, the caller leaves those out. since has the form of
 * logrec.h; NULL: all there is.
 */
struct tail *tail_new_since(const char *dir, const char *name,
    const char *since, struct err *err_r);

void tail_free(struct tail **tailp);

const char *tail_name(const struct tail *tail);

/* How many lines tail_new() found; at most its count. */
size_t tail_count(const struct tail *tail);

/*
 * The next whole line without its newline, or NULL when there is none yet; a
 * later call may have one. Borrowed until the next call.
 */
const char *tail_next(struct tail *tail, size_t *len_r);

#endif
