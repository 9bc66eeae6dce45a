/*
 * lastring: the last lines of instances whose lines go into no file.
 *
 * A crash bundle needs them, and what syslog or a terminal has got cannot be
 * read back. LASTLINES_MAX lines are kept for each label.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_LASTRING_H
#define MSVC_SUPERVISOR_LOGGER_LASTRING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct buf;
struct lastring;

/* A zeroed head is an empty set. */
SLIST_HEAD(lastrings, lastring);

void lastrings_fini(struct lastrings *rings);

/* Keep a line. Out of memory, it is not kept. time as in logline.h. */
void lastrings_add(struct lastrings *rings, const char *label, const char *time,
    const uint8_t *text, size_t len);

/* Append the lines of that label as lastlines_put() does. */
void lastrings_put(const struct lastrings *rings, const char *label,
    struct buf *out);

#endif
