#include "mp.h"

#include <endian.h>
#include <string.h>

/* The format bytes of the specification; the "fix" ones hold a value too. */
enum {
	MP_FIXMAP = 0x80,
	MP_FIXARRAY = 0x90,
	MP_FIXSTR = 0xa0,
	MP_CODE_NIL = 0xc0,
	MP_CODE_NEVER = 0xc1,
	MP_CODE_FALSE = 0xc2,
	MP_CODE_TRUE = 0xc3,
	MP_BIN8 = 0xc4,
	MP_EXT8 = 0xc7,
	MP_EXT32 = 0xc9,
	MP_FLOAT32 = 0xca,
	MP_FLOAT64 = 0xcb,
	MP_UINT8 = 0xcc,
	MP_UINT64 = 0xcf,
	MP_INT8 = 0xd0,
	MP_INT64 = 0xd3,
	MP_FIXEXT1 = 0xd4,
	MP_FIXEXT16 = 0xd8,
	MP_STR8 = 0xd9,
	MP_ARRAY16 = 0xdc,
	MP_MAP16 = 0xde,
	MP_NEGFIX = 0xe0
};

static inline size_t
mp_left(const struct mp_reader *reader)
{
	return (size_t)(reader->end - reader->pos);
}

/* An unsigned big-endian number of 1, 2, 4 or 8 bytes. */
static inline uint64_t
mp_load(const uint8_t *bytes, size_t size)
{
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	switch (size) {
	case 1:
		return bytes[0];
	case 2:
		memcpy(&u16, bytes, sizeof(u16));
		return be16toh(u16);
	case 4:
		memcpy(&u32, bytes, sizeof(u32));
		return be32toh(u32);
	default:
		memcpy(&u64, bytes, sizeof(u64));
		return be64toh(u64);
	}
}

enum mp_type
mp_peek(const struct mp_reader *reader)
{
	static const uint8_t types[MP_NEGFIX - MP_CODE_NIL] = {
		MP_NIL, MP_BAD, MP_BOOL, MP_BOOL,     /* c0 */
		MP_BIN, MP_BIN, MP_BIN, MP_EXT,       /* c4 */
		MP_EXT, MP_EXT, MP_DOUBLE, MP_DOUBLE, /* c8 */
		MP_UINT, MP_UINT, MP_UINT, MP_UINT,   /* cc */
		MP_INT, MP_INT, MP_INT, MP_INT,       /* d0 */
		MP_EXT, MP_EXT, MP_EXT, MP_EXT,       /* d4 */
		MP_EXT, MP_STR, MP_STR, MP_STR,       /* d8 */
		MP_ARRAY, MP_ARRAY, MP_MAP, MP_MAP,   /* dc */
	};
	uint8_t code;

	if (reader->pos >= reader->end)
		return MP_END;
	code = *reader->pos;
	if (code < MP_FIXMAP)
		return MP_UINT;
	if (code < MP_FIXARRAY)
		return MP_MAP;
	if (code < MP_FIXSTR)
		return MP_ARRAY;
	if (code < MP_CODE_NIL)
		return MP_STR;
	if (code >= MP_NEGFIX)
		return MP_INT;
	return (enum mp_type)types[code - MP_CODE_NIL];
}

int
mp_get_nil(struct mp_reader *reader)
{
	if (reader->pos >= reader->end || *reader->pos != MP_CODE_NIL)
		return -1;
	reader->pos++;
	return 0;
}

int
mp_get_bool(struct mp_reader *reader, bool *value_r)
{
	if (reader->pos >= reader->end ||
	    (*reader->pos & 0xfe) != MP_CODE_FALSE)
		return -1;
	*value_r = *reader->pos++ == MP_CODE_TRUE;
	return 0;
}

/*
 * Any integer that is not a positive fixint, as the 64 bits of an int64, or of
 * a uint64 when is_unsigned_r says so. The cursor stays; the length is
 * returned, or 0 when this is no whole integer.
 */
static size_t
mp_look_integer(const struct mp_reader *reader, uint64_t *bits_r,
    bool *is_unsigned_r)
{
	uint8_t code = *reader->pos;
	size_t size;
	uint64_t bits;

	*is_unsigned_r = code <= MP_UINT64;
	if (code >= MP_NEGFIX) {
		*bits_r = (uint64_t)(int8_t)code;
		return 1;
	}
	if (code < MP_UINT8 || code > MP_INT64)
		return 0;
	size = (size_t)1 << (code & 3);
	if (mp_left(reader) <= size)
		return 0;
	bits = mp_load(reader->pos + 1, size);
	/* Widen the sign bit: x ^ sign - sign. */
	if (code >= MP_INT8) {
		uint64_t sign = (uint64_t)1 << (8 * size - 1);

		bits = (bits ^ sign) - sign;
	}
	*bits_r = bits;
	return 1 + size;
}

int
mp_get_int(struct mp_reader *reader, int64_t *value_r)
{
	uint64_t bits;
	bool is_unsigned;
	size_t len;

	if (reader->pos >= reader->end)
		return -1;
	if (*reader->pos < MP_FIXMAP) {
		*value_r = *reader->pos++;
		return 0;
	}
	len = mp_look_integer(reader, &bits, &is_unsigned);
	if (len == 0 || (is_unsigned && bits > INT64_MAX))
		return -1;
	*value_r = (int64_t)bits;
	reader->pos += len;
	return 0;
}

int
mp_get_uint(struct mp_reader *reader, uint64_t *value_r)
{
	uint64_t bits;
	bool is_unsigned;
	size_t len;

	if (reader->pos >= reader->end)
		return -1;
	if (*reader->pos < MP_FIXMAP) {
		*value_r = *reader->pos++;
		return 0;
	}
	len = mp_look_integer(reader, &bits, &is_unsigned);
	if (len == 0 || (!is_unsigned && bits > INT64_MAX))
		return -1;
	*value_r = bits;
	reader->pos += len;
	return 0;
}

int
mp_get_double(struct mp_reader *reader, double *value_r)
{
	size_t left = mp_left(reader);

	if (left >= 5 && *reader->pos == MP_FLOAT32) {
		uint32_t bits = (uint32_t)mp_load(reader->pos + 1, 4);
		float value;

		memcpy(&value, &bits, sizeof(value));
		*value_r = (double)value;
		reader->pos += 5;
		return 0;
	}
	if (left >= 9 && *reader->pos == MP_FLOAT64) {
		uint64_t bits = mp_load(reader->pos + 1, 8);

		memcpy(value_r, &bits, sizeof(*value_r));
		reader->pos += 9;
		return 0;
	}
	return -1;
}

/*
 * The count or length behind a format byte of 1, 2 or 4 bytes. Returns the
 * bytes of the head with the format byte, or 0 when cut off.
 */
static inline size_t
mp_look_count(const struct mp_reader *reader, size_t size, size_t *count_r)
{
	if (mp_left(reader) <= size)
		return 0;
	*count_r = (size_t)mp_load(reader->pos + 1, size);
	return 1 + size;
}

/* Step over head and body, when both are there. */
static inline int
mp_take(struct mp_reader *reader, size_t head, size_t len,
    const uint8_t **data_r)
{
	if (head == 0 || mp_left(reader) - head < len)
		return -1;
	*data_r = reader->pos + head;
	reader->pos += head + len;
	return 0;
}

int
mp_get_str(struct mp_reader *reader, const char **str_r, size_t *len_r)
{
	const uint8_t *data;
	size_t head = 1, len;
	uint8_t code;

	if (reader->pos >= reader->end)
		return -1;
	code = *reader->pos;
	if ((code & 0xe0) == MP_FIXSTR)
		len = code & 0x1f;
	else if (code >= MP_STR8 && code < MP_ARRAY16)
		head =
		    mp_look_count(reader, (size_t)1 << (code - MP_STR8), &len);
	else
		return -1;
	if (head == 0 || mp_take(reader, head, len, &data) < 0)
		return -1;
	*str_r = (const char *)data;
	*len_r = len;
	return 0;
}

int
mp_get_bin(struct mp_reader *reader, const uint8_t **data_r, size_t *len_r)
{
	size_t head, len;

	if (reader->pos >= reader->end || *reader->pos < MP_BIN8 ||
	    *reader->pos >= MP_EXT8)
		return -1;
	head =
	    mp_look_count(reader, (size_t)1 << (*reader->pos - MP_BIN8), &len);
	if (head == 0 || mp_take(reader, head, len, data_r) < 0)
		return -1;
	*len_r = len;
	return 0;
}

/* fix is the fix code, wide its 16-bit form; an item has item_min bytes. */
static inline int
mp_get_count(struct mp_reader *reader, uint8_t fix, uint8_t wide,
    size_t item_min, uint32_t *count_r)
{
	size_t head = 1, count;
	uint8_t code;

	if (reader->pos >= reader->end)
		return -1;
	code = *reader->pos;
	if ((code & 0xf0) == fix)
		count = code & 0x0f;
	else if (code == wide || code == wide + 1)
		head = mp_look_count(reader, code == wide ? 2 : 4, &count);
	else
		return -1;
	if (head == 0 || count > (mp_left(reader) - head) / item_min)
		return -1;
	reader->pos += head;
	*count_r = (uint32_t)count;
	return 0;
}

int
mp_get_array(struct mp_reader *reader, uint32_t *count_r)
{
	return mp_get_count(reader, MP_FIXARRAY, MP_ARRAY16, 1, count_r);
}

int
mp_get_map(struct mp_reader *reader, uint32_t *count_r)
{
	return mp_get_count(reader, MP_FIXMAP, MP_MAP16, 2, count_r);
}

static int
mp_skip_ext(struct mp_reader *reader)
{
	uint8_t code = *reader->pos;
	const uint8_t *data;
	size_t head, len;

	if (code >= MP_FIXEXT1) {
		head = 2;
		len = (size_t)1 << (code - MP_FIXEXT1);
		if (mp_left(reader) < head)
			return -1;
		return mp_take(reader, head, len, &data);
	}
	head = mp_look_count(reader, (size_t)1 << (code - MP_EXT8), &len);
	/* The type byte follows the length. */
	return head == 0 ? -1 : mp_take(reader, head, len + 1, &data);
}

/* Step over one scalar, or into a container, whose items are then counted. */
static int
mp_skip_head(struct mp_reader *reader, enum mp_type type, uint64_t *items_r)
{
	const uint8_t *data;
	uint32_t count = 0;
	size_t len;
	int rc;

	switch (type) {
	case MP_NIL:
	case MP_BOOL:
		len = 1;
		break;
	case MP_INT:
	case MP_UINT:
		len = *reader->pos < MP_FIXMAP || *reader->pos >= MP_NEGFIX
			  ? 1
			  : 1 + ((size_t)1 << (*reader->pos & 3));
		break;
	case MP_DOUBLE:
		len = *reader->pos == MP_FLOAT32 ? 5 : 9;
		break;
	case MP_STR:
		return mp_get_str(reader, (const char **)(void *)&data, &len);
	case MP_BIN:
		return mp_get_bin(reader, &data, &len);
	case MP_EXT:
		return mp_skip_ext(reader);
	case MP_ARRAY:
		rc = mp_get_array(reader, &count);
		*items_r = count;
		return rc;
	case MP_MAP:
		rc = mp_get_map(reader, &count);
		*items_r = (uint64_t)count * 2;
		return rc;
	default:
		return -1;
	}
	if (mp_left(reader) < len)
		return -1;
	reader->pos += len;
	return 0;
}

int
mp_skip(struct mp_reader *reader)
{
	struct mp_reader at = *reader;
	uint64_t left[MP_DEPTH_MAX]; /* items to go in each open container */
	size_t depth = 0;

	for (;;) {
		enum mp_type type = mp_peek(&at);
		bool is_container = type == MP_ARRAY || type == MP_MAP;
		uint64_t items = 0;

		if (is_container && depth == MP_DEPTH_MAX)
			return -1;
		if (mp_skip_head(&at, type, &items) < 0)
			return -1;
		if (is_container)
			left[depth++] = items;
		while (depth > 0 && left[depth - 1] == 0)
			depth--;
		if (depth == 0)
			break;
		left[depth - 1]--;
	}
	*reader = at;
	return 0;
}

bool
mp_map_find(const uint8_t *map, size_t len, const char *key,
    struct mp_reader *value_r)
{
	struct mp_reader reader = { map, map + len };
	size_t key_len = strlen(key);
	uint32_t count;

	if (mp_get_map(&reader, &count) < 0)
		return false;
	for (; count > 0; count--) {
		const char *str;
		size_t str_len;

		if (mp_get_str(&reader, &str, &str_len) == 0) {
			if (str_len == key_len &&
			    memcmp(str, key, key_len) == 0) {
				*value_r = reader;
				return reader.pos < reader.end;
			}
		} else if (mp_skip(&reader) < 0) {
			return false;
		}
		if (mp_skip(&reader) < 0)
			return false;
	}
	return false;
}
