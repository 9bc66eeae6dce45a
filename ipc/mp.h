/*
 * mp: MessagePack values, written with msgpack-c and read in place.
 *
 * Writing appends to a buf through msgpack-c's packer. Reading is a cursor
 * over borrowed bytes that may come from anyone: it allocates nothing, checks
 * every length against the bytes that are left, and so cannot be made to
 * reserve memory by a forged count (msgpack-c's own unpacker can: a 6-byte
 * message may claim 2^32 items).
 *
 * Source: github.com/msgpack/msgpack spec.md. All of it but ext is accepted;
 * ext values can be skipped only.
 */
#ifndef MSVC_IPC_MP_H
#define MSVC_IPC_MP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

void mp_put_nil(struct buf *buf);
void mp_put_bool(struct buf *buf, bool value);
void mp_put_int(struct buf *buf, int64_t value);
void mp_put_uint(struct buf *buf, uint64_t value);
void mp_put_double(struct buf *buf, double value);
void mp_put_str(struct buf *buf, const char *str, size_t len);
void mp_put_cstr(struct buf *buf, const char *str);
void mp_put_bin(struct buf *buf, const void *data, size_t len);
void mp_put_array(struct buf *buf, uint32_t count);
void mp_put_map(struct buf *buf, uint32_t count);

enum mp_type {
	MP_NIL,
	MP_BOOL,
	MP_INT,
	MP_UINT,
	MP_DOUBLE,
	MP_STR,
	MP_BIN,
	MP_ARRAY,
	MP_MAP,
	MP_EXT,
	MP_END,
	MP_BAD
};

enum {
	MP_DEPTH_MAX = 32
}; /* nesting that mp_skip accepts */

struct mp_reader {
	const uint8_t *pos; /* next unread byte */
	const uint8_t *end;
};

/* The type of the next value; MP_END at the end, MP_BAD for byte 0xc1. */
enum mp_type mp_peek(const struct mp_reader *reader);

/*
 * Read one value of that type. Return 0, or -1 with the cursor unmoved when
 * the next value is of another type, out of range, or cut off. Strings are
 * borrowed from the bytes and not NUL-terminated. A uint too large for int64
 * is out of range for mp_get_int, a negative one for mp_get_uint. mp_get_array
 * and mp_get_map refuse a count that the bytes left cannot hold.
 */
int mp_get_nil(struct mp_reader *reader);
int mp_get_bool(struct mp_reader *reader, bool *value_r);
int mp_get_int(struct mp_reader *reader, int64_t *value_r);
int mp_get_uint(struct mp_reader *reader, uint64_t *value_r);
int mp_get_double(struct mp_reader *reader, double *value_r);
int mp_get_str(struct mp_reader *reader, const char **str_r, size_t *len_r);
int mp_get_bin(struct mp_reader *reader, const uint8_t **data_r, size_t *len_r);
int mp_get_array(struct mp_reader *reader, uint32_t *count_r);
int mp_get_map(struct mp_reader *reader, uint32_t *count_r);

/* Step over one whole value; -1 when cut off, bad, or nested too deep. */
int mp_skip(struct mp_reader *reader);

/*
 * Find a string key in a map value. map is the whole encoded map; on success
 * value_r is set to a cursor at the value (its end is the map's end).
 * Returns false when map is no well-formed map or has no such key.
 */
bool mp_map_find(const uint8_t *map, size_t len, const char *key,
    struct mp_reader *value_r);

#endif
