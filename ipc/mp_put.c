#include "mp.h"

#include <string.h>

#include <msgpack/pack.h>

#include "buf.h"

enum {
	MP_FIXSTR_MAX = 31
};

/*
 * The writing half of mp. The packer lives on the stack of each call; the
 * compiler sees through its callback, so this costs what a hand-written writer
 * would.
 */

static inline int
mp_on_pack(void *arg, const char *data, size_t len)
{
	struct buf *buf = arg;
	uint8_t *to = buf_reserve(buf, len);

	if (to == NULL)
		return -1;
	memcpy(to, data, len);
	buf->len += len;
	return 0;
}

static inline msgpack_packer
mp_packer(struct buf *buf)
{
	return (msgpack_packer){ .data = buf, .callback = mp_on_pack };
}

void
mp_put_nil(struct buf *buf)
{
	msgpack_packer packer = mp_packer(buf);

	msgpack_pack_nil(&packer);
}

void
mp_put_bool(struct buf *buf, bool value)
{
	msgpack_packer packer = mp_packer(buf);

	if (value)
		msgpack_pack_true(&packer);
	else
		msgpack_pack_false(&packer);
}

void
mp_put_int(struct buf *buf, int64_t value)
{
	msgpack_packer packer = mp_packer(buf);

	msgpack_pack_int64(&packer, value);
}

void
mp_put_uint(struct buf *buf, uint64_t value)
{
	msgpack_packer packer = mp_packer(buf);

	msgpack_pack_uint64(&packer, value);
}

void
mp_put_double(struct buf *buf, double value)
{
	msgpack_packer packer = mp_packer(buf);

	msgpack_pack_double(&packer, value);
}

/* MessagePack has no string or bin of 4 GiB or more. */
static bool
mp_is_too_long(struct buf *buf, size_t len)
{
	if (len <= UINT32_MAX)
		return false;
	buf->is_failed = true;
	return true;
}

void
mp_put_str(struct buf *buf, const char *str, size_t len)
{
	msgpack_packer packer = mp_packer(buf);
	uint8_t *to;

	/* Most are names and short values: head and bytes in one go. */
	if (len <= MP_FIXSTR_MAX && (to = buf_reserve(buf, len + 1)) != NULL) {
		*to = (uint8_t)(0xa0 | len);
		if (len > 0)
			memcpy(to + 1, str, len);
		buf->len += len + 1;
		return;
	}
	if (mp_is_too_long(buf, len))
		return;
	msgpack_pack_str(&packer, len);
	buf_append(buf, str, len);
}

void
mp_put_cstr(struct buf *buf, const char *str)
{
	mp_put_str(buf, str, strlen(str));
}

void
mp_put_bin(struct buf *buf, const void *data, size_t len)
{
	msgpack_packer packer = mp_packer(buf);

	if (mp_is_too_long(buf, len))
		return;
	msgpack_pack_bin(&packer, len);
	buf_append(buf, data, len);
}

void
mp_put_array(struct buf *buf, uint32_t count)
{
	msgpack_packer packer = mp_packer(buf);

	msgpack_pack_array(&packer, count);
}

void
mp_put_map(struct buf *buf, uint32_t count)
{
	msgpack_packer packer = mp_packer(buf);

	msgpack_pack_map(&packer, count);
}
