/*
 * buf: a growable run of bytes, written at the end and read from the front.
 *
 * Out of memory is sticky: the failing append sets is_failed, appends become
 * no-ops, and whoever would use the bytes checks buf_is_failed() once. A
 * zeroed struct is a valid empty buf. Not thread-safe.
 */
#ifndef MSVC_IPC_BUF_H
#define MSVC_IPC_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
	uint8_t *data;  /* owned; NULL when cap is 0 */
	size_t head;    /* offset of the first unread byte */
	size_t len;     /* offset behind the last byte; head <= len <= cap */
	size_t cap;     /* allocated bytes */
	bool is_failed; /* an append ran out of memory */
};

/* Release the memory; the buf is empty and usable afterwards. */
void buf_fini(struct buf *buf);

/* For buf_reserve() alone: there is no room, or there may be none. */
uint8_t *buf_make_room(struct buf *buf, size_t len);

/*
 * Make room for len more bytes behind buf->len (moving unread bytes to the
 * front or growing). Returns where they go, or NULL when out of memory.
 * The pointer is valid until the next call that appends.
 *
 * This and the appends are inline: all that is written passes through them, a
 * few bytes at a time.
 */
static inline uint8_t *
buf_reserve(struct buf *buf, size_t len)
{
	if (buf->cap - buf->len > len && !buf->is_failed)
		return buf->data + buf->len;
	return buf_make_room(buf, len);
}

static inline void
buf_append(struct buf *buf, const void *data, size_t len)
{
	uint8_t *to;

	if (len == 0 || (to = buf_reserve(buf, len)) == NULL)
		return;
	memcpy(to, data, len);
	buf->len += len;
}

static inline void
buf_append_str(struct buf *buf, const char *str)
{
	buf_append(buf, str, strlen(str));
}

static inline void
buf_append_byte(struct buf *buf, uint8_t byte)
{
	uint8_t *to = buf_reserve(buf, 1);

	if (to == NULL)
		return;
	*to = byte;
	buf->len++;
}

/* The value in decimal digits. */
void buf_append_uint(struct buf *buf, uint64_t value);

void buf_printf(struct buf *buf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Drop len bytes from the front; resets the offsets when nothing is left. */
void buf_consume(struct buf *buf, size_t len);

/* Forget all bytes and a failure; keeps the memory. */
void buf_clear(struct buf *buf);

/* Give memory back when more than keep bytes are held and buf is empty. */
void buf_shrink(struct buf *buf, size_t keep);

static inline size_t
buf_count(const struct buf *buf)
{
	return buf->len - buf->head;
}

static inline const uint8_t *
buf_front(const struct buf *buf)
{
	/* NULL + 0 is undefined in C; sanitizers say so. */
	return buf->data == NULL ? NULL : buf->data + buf->head;
}

#endif
