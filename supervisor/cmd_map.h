/*
 * cmd_map: reading what a file or the supervisor has answered, for printing.
 *
 * A map is a cursor at an encoded map. What is missing or of another type
 * reads as nothing, so that any bytes are safe to print from. Pure but for
 * cmd_map_print().
 */
#ifndef MSVC_SUPERVISOR_CMD_MAP_H
#define MSVC_SUPERVISOR_CMD_MAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ipc/mp.h"

struct buf;

struct cmd_text {
	const char *str; /* borrowed, not ended by a NUL */
	size_t len;
};

struct mp_reader cmd_map_open(const struct buf *mp);

/* The string at key; "-" when it is missing or empty. */
struct cmd_text cmd_map_text(struct mp_reader map, const char *key);

/* A number, or 0. */
int64_t cmd_map_int(struct mp_reader map, const char *key);
bool cmd_map_bool(struct mp_reader map, const char *key);

/* Is there a value at key, and is it not null? */
bool cmd_map_has(struct mp_reader map, const char *key);

/* A cursor at the value of key; an empty one when there is none. */
struct mp_reader cmd_map_find(struct mp_reader map, const char *key);

/* Go into the array at key, behind its head. Returns how many items it has. */
uint32_t cmd_map_items(struct mp_reader map, const char *key,
    struct mp_reader *items_r);

/* Take the next item. Returns false when there is none. */
bool cmd_map_next(struct mp_reader *items, struct mp_reader *item_r);

/*
 * Print at most max bytes of text on one line, what cannot be shown as "?";
 * what is cut ends in "~". Returns the columns, a character each.
 */
int cmd_map_print(struct cmd_text text, size_t max, FILE *out);

#endif
