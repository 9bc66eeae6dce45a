#include <string.h>

#include "buf.h"
#include "err.h"
#include "json_reader.h"

/*
 * The output is written here byte by byte and not with mp_put_*(): the header
 * of a string or container is known only behind its content, and patched then.
 */

int
json_refuse(struct json_reader *reader, size_t offset, const char *what)
{
	reader->offset = offset;
	err_set(reader->err_r, "%s at byte %zu", what, offset);
	return -1;
}

int
json_refuse_memory(struct json_reader *reader)
{
	return json_refuse(reader, reader->pos, "out of memory");
}

/* Room for len more bytes of output. */
int
json_room(struct json_reader *reader, size_t len)
{
	struct buf *out = reader->out;
	size_t behind = out->len - out->head;

	if (reader->out_cap - reader->out_len >= len)
		return 0;
	/* The buf moves bytes that it knows of: it must know all of ours. */
	out->len += reader->start + reader->out_len - behind;
	if (buf_reserve(out, len) == NULL)
		return json_refuse_memory(reader);
	reader->base = out->data + out->head + reader->start;
	reader->out_cap = out->cap - out->head - reader->start;
	return 0;
}

void
json_put_byte(struct json_reader *reader, unsigned byte)
{
	reader->base[reader->out_len++] = (uint8_t)byte;
}

size_t
json_write_be(uint8_t *to, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
	return len;
}

static void
json_put_be(struct json_reader *reader, unsigned type, uint64_t value,
    size_t len)
{
	json_put_byte(reader, type);
	reader->out_len +=
	    json_write_be(reader->base + reader->out_len, value, len);
}

void
json_put_uint(struct json_reader *reader, uint64_t value)
{
	if (value < 0x80)
		json_put_byte(reader, (unsigned)value);
	else if (value <= UINT8_MAX)
		json_put_be(reader, 0xcc, value, 1);
	else if (value <= UINT16_MAX)
		json_put_be(reader, 0xcd, value, 2);
	else if (value <= UINT32_MAX)
		json_put_be(reader, 0xce, value, 4);
	else
		json_put_be(reader, 0xcf, value, 8);
}

void
json_put_int(struct json_reader *reader, int64_t value)
{
	if (value >= -32)
		json_put_byte(reader, (unsigned)(uint8_t)value);
	else if (value >= INT8_MIN)
		json_put_be(reader, 0xd0, (uint64_t)value, 1);
	else if (value >= INT16_MIN)
		json_put_be(reader, 0xd1, (uint64_t)value, 2);
	else if (value >= INT32_MIN)
		json_put_be(reader, 0xd2, (uint64_t)value, 4);
	else
		json_put_be(reader, 0xd3, (uint64_t)value, 8);
}

void
json_put_double(struct json_reader *reader, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	json_put_be(reader, 0xcb, bits, 8);
}
