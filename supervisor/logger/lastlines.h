/*
 * lastlines: what an instance has said last, read back from its log file.
 *
 * Nothing is kept in memory for it: a crash is rare, instances are many. The
 * price is that lines which a full disk has cost are not to be had here
 * either, nor those that lie further back than LASTLINES_BYTES_MAX.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_LASTLINES_H
#define MSVC_SUPERVISOR_LOGGER_LASTLINES_H

#include <stddef.h>

struct buf;

enum {
	LASTLINES_MAX = 50,
	LASTLINES_TEXT_MAX = 1024, /* bytes of a line; the rest is cut off */
	LASTLINES_BYTES_MAX = 1024 * 1024 /* looked at in each of two files */
};

/*
 * Append, as a MessagePack array of str, the last lines of DIR/NAME.log with
 * that label, oldest first, each as "TIME text", whichever form they have in
 * the file. DIR/NAME.log.1 is read when there are too few, compressed or not. A
 * file that cannot be read has no lines.
 */
void lastlines_put(struct buf *out, const char *dir, const char *name,
    const char *label);

#endif
