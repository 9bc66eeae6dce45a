/*
 * value: a whole MessagePack value as a tree, unpacked by msgpack-c.
 *
 * For code that wants to look around in a value; mp.h reads one in a single
 * pass without memory. The bytes may come from anyone: counts and nesting are
 * checked before msgpack-c sees them, and the number of items is bounded.
 */
#ifndef MSVC_IPC_VALUE_H
#define MSVC_IPC_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mp.h"

struct buf;
struct err;
struct value;      /* one node; const for everybody */
struct value_zone; /* the memory of unpacked values */

enum {
	/* A byte of input can become a node of 24: bound the nodes. */
	VALUE_ITEMS_MAX = 1 << 20
};

/* Returns NULL when out of memory. */
struct value_zone *value_zone_new(void);
void value_zone_free(struct value_zone **zonep);

/* Forget all values of the zone and keep a little memory for the next. */
void value_zone_clear(struct value_zone *zone);

/*
 * Unpack the one value that bytes hold.
 *
 * zone    owns the nodes; they live until it is cleared or freed
 * bytes   writable, with one spare byte behind len. Strings are NUL-terminated
 *         in place, by overwriting bytes that are used up, and borrowed
 *
 * Returns NULL when this is not exactly one value, or too much of it.
 */
const struct value *value_unpack(struct value_zone *zone, uint8_t *bytes,
    size_t len, struct err *err_r);

/* These accept NULL and any type. value_type(NULL) is MP_END. */
enum mp_type value_type(const struct value *value);
size_t value_count(const struct value *value);
const struct value *value_at(const struct value *value, size_t i);
const struct value *value_key_at(const struct value *map, size_t i);

/* The first entry with this string as key. */
const struct value *value_get(const struct value *map, const char *key);

/* Bytes of a str or bin; a str has a NUL behind its len bytes. */
const char *value_bytes(const struct value *value, size_t *len_r);

/* Integers as doubles are fine, and doubles without fraction as integers. */
bool value_int(const struct value *value, int64_t *int_r);
bool value_double(const struct value *value, double *double_r);
bool value_bool(const struct value *value, bool *bool_r);

/* Append the encoded form; NULL is written as nil. */
void value_put(struct buf *buf, const struct value *value);

#endif
