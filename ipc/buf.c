#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	BUF_CAP_MIN = 256
};

void
buf_fini(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){ .data = NULL };
}

/*
 * Move the unread bytes to the front of the same memory (no more bytes than
 * were consumed, so that each byte is moved once on average), or to the front
 * of twice the memory.
 */
static bool
buf_grow(struct buf *buf, size_t len)
{
	size_t count = buf_count(buf);
	size_t cap = buf->cap * 2;
	uint8_t *data;

	if (len > SIZE_MAX / 4 - count)
		return false;
	if (buf->head >= count && buf->cap - count >= len && buf->cap > 0) {
		if (count > 0)
			memcpy(buf->data, buf->data + buf->head, count);
		buf->head = 0;
		buf->len = count;
		return true;
	}
	if (cap < BUF_CAP_MIN)
		cap = BUF_CAP_MIN;
	if (cap < count + len)
		cap = count + len;
	/* realloc() may move by remapping pages instead of copying. */
	data = buf->head == 0 ? realloc(buf->data, cap) : malloc(cap);
	if (data == NULL)
		return false;
	if (buf->head > 0) {
		memcpy(data, buf->data + buf->head, count);
		free(buf->data);
	}
	*buf = (struct buf){ .data = data, .len = count, .cap = cap };
	return true;
}

uint8_t *
buf_make_room(struct buf *buf, size_t len)
{
	if (buf->is_failed)
		return NULL;
	if (buf->cap == 0 || buf->cap - buf->len < len) {
		if (!buf_grow(buf, len)) {
			buf->is_failed = true;
			return NULL;
		}
	}
	return buf->data + buf->len;
}

void
buf_append_uint(struct buf *buf, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	buf_append(buf, digits + at, sizeof(digits) - at);
}

void
buf_printf(struct buf *buf, const char *fmt, ...)
{
	char *to = (char *)buf_reserve(buf, 1);
	va_list args;
	size_t room;
	int len;

	if (to == NULL)
		return;
	room = buf->cap - buf->len;
	va_start(args, fmt);
	len = vsnprintf(to, room, fmt, args);
	va_end(args);
	if (len >= 0 && (size_t)len >= room) {
		room = (size_t)len + 1;
		to = (char *)buf_reserve(buf, room);
		if (to == NULL)
			return;
		va_start(args, fmt);
		len = vsnprintf(to, room, fmt, args);
		va_end(args);
	}
	if (len > 0)
		buf->len += (size_t)len;
}

void
buf_consume(struct buf *buf, size_t len)
{
	buf->head += len;
	if (buf->head >= buf->len)
		buf->head = buf->len = 0;
}

void
buf_clear(struct buf *buf)
{
	buf->head = buf->len = 0;
	buf->is_failed = false;
}

void
buf_shrink(struct buf *buf, size_t keep)
{
	bool is_failed = buf->is_failed;

	if (buf->cap <= keep || buf_count(buf) > 0)
		return;
	buf_fini(buf);
	buf->is_failed = is_failed;
}
