#include "keep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "ipc/loop.h"

void
keep_out_fini(struct keep_out *out)
{
	buf_fini(&out->bytes);
	buf_fini(&out->fds);
}

void
keep_put_fd(struct keep_out *out, int fd)
{
	mp_put_int(&out->bytes, fd);
	if (fd >= 0)
		buf_append(&out->fds, &fd, sizeof(fd));
}

static uint64_t
keep_uint(const void *at, size_t size)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	switch (size) {
	case sizeof(u64):
		memcpy(&u64, at, size);
		return u64;
	case sizeof(u32):
		memcpy(&u32, at, size);
		return u32;
	case sizeof(u16):
		memcpy(&u16, at, size);
		return u16;
	default:
		return *(const uint8_t *)at;
	}
}

static int64_t
keep_int(const void *at, size_t size)
{
	int64_t i64;
	int32_t i32;
	int16_t i16;

	switch (size) {
	case sizeof(i64):
		memcpy(&i64, at, size);
		return i64;
	case sizeof(i32):
		memcpy(&i32, at, size);
		return i32;
	case sizeof(i16):
		memcpy(&i16, at, size);
		return i16;
	default:
		return *(const int8_t *)at;
	}
}

static void
keep_put_text(struct keep_out *out, const char *text)
{
	if (text != NULL)
		mp_put_cstr(&out->bytes, text);
	else
		mp_put_nil(&out->bytes);
}

static void
keep_put_buf(struct keep_out *out, const struct buf *buf)
{
	/* What could not be held before cannot be handed on. */
	if (buf->is_failed)
		mp_put_nil(&out->bytes);
	else
		mp_put_bin(&out->bytes, buf_front(buf), buf_count(buf));
}

static void
keep_put_timer(struct keep_out *out, const struct loop_timer *timer)
{
	if (loop_timer_is_set(timer))
		mp_put_int(&out->bytes, timer->due_us);
	else
		mp_put_nil(&out->bytes);
}

static void
keep_put_field(struct keep_out *out, const struct keep_field *field,
    const void *at)
{
	switch (field->type) {
	case KEEP_BOOL:
		mp_put_bool(&out->bytes, *(const bool *)at);
		break;
	case KEEP_UINT:
		mp_put_uint(&out->bytes, keep_uint(at, field->size));
		break;
	case KEEP_INT:
		mp_put_int(&out->bytes, keep_int(at, field->size));
		break;
	case KEEP_TEXT:
		keep_put_text(out, *(char *const *)at);
		break;
	case KEEP_CHARS:
		keep_put_text(out, at);
		break;
	case KEEP_BUF:
		keep_put_buf(out, at);
		break;
	case KEEP_TIMER:
		keep_put_timer(out, at);
		break;
	case KEEP_FD:
		keep_put_fd(out, *(const int *)at);
		break;
	}
}

void
keep_put(struct keep_out *out, const struct keep_field *fields, size_t count,
    const void *object)
{
	mp_put_map(&out->bytes, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		mp_put_cstr(&out->bytes, fields[i].name);
		keep_put_field(out, &fields[i],
		    (const char *)object + fields[i].offset);
	}
}

int
keep_bad(struct keep_in *in, const char *what)
{
	if (in->err.text[0] == '\0')
		err_set(&in->err, "%s: malformed", what);
	return -1;
}

int
keep_get_array(struct keep_in *in, struct mp_reader *reader, uint32_t *count_r)
{
	return mp_get_array(reader, count_r) < 0 ? keep_bad(in, "list") : 0;
}

int
keep_get_uint(struct keep_in *in, struct mp_reader *reader, uint64_t *value_r)
{
	return mp_get_uint(reader, value_r) < 0 ? keep_bad(in, "number") : 0;
}

int
keep_get_int(struct keep_in *in, struct mp_reader *reader, int64_t *value_r)
{
	return mp_get_int(reader, value_r) < 0 ? keep_bad(in, "number") : 0;
}

int
keep_get_text(struct keep_in *in, struct mp_reader *reader, char **text_r)
{
	const char *text;
	size_t len;

	*text_r = NULL;
	if (mp_get_nil(reader) == 0)
		return 0;
	if (mp_get_str(reader, &text, &len) < 0 ||
	    memchr(text, '\0', len) != NULL)
		return keep_bad(in, "text");
	*text_r = strndup(text, len);
	if (*text_r == NULL) {
		err_set_errno(&in->err, "text");
		return -1;
	}
	return 0;
}

int
keep_get_bytes(struct keep_in *in, struct mp_reader *reader,
    const uint8_t **bytes_r, size_t *len_r)
{
	*bytes_r = NULL;
	*len_r = 0;
	if (mp_get_nil(reader) == 0)
		return 0;
	return mp_get_bin(reader, bytes_r, len_r) < 0 ? keep_bad(in, "bytes")
						      : 0;
}

int
keep_get_fd(struct keep_in *in, struct mp_reader *reader, int *fd_r)
{
	int64_t value;

	*fd_r = -1;
	if (mp_get_int(reader, &value) < 0 || value < -1 || value > INT32_MAX)
		return keep_bad(in, "descriptor");
	if (value == -1)
		return 0;
	if (in->is_rehearsal)
		*fd_r = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	else if (fcntl((int)value, F_GETFD) >= 0)
		*fd_r = (int)value;
	if (*fd_r >= 0)
		return 0;
	err_set_errno(&in->err, "descriptor %d", (int)value);
	return -1;
}

/* Returns -1 when value does not fit into size bytes. */
static int
keep_set_uint(void *at, size_t size, uint64_t value)
{
	uint32_t u32 = (uint32_t)value;
	uint16_t u16 = (uint16_t)value;
	uint8_t u8 = (uint8_t)value;

	if (size < sizeof(value) && value >> (8 * size) != 0)
		return -1;
	memcpy(at,
	    size == sizeof(value) ? (void *)&value
	    : size == sizeof(u32) ? (void *)&u32
	    : size == sizeof(u16) ? (void *)&u16
				  : (void *)&u8,
	    size);
	return 0;
}

static int
keep_set_int(void *at, size_t size, int64_t value)
{
	int64_t max = size == sizeof(value)
			  ? INT64_MAX
			  : ((int64_t)1 << (8 * size - 1)) - 1;

	if (value > max || value < -max - 1)
		return -1;
	/* Two's complement: the low bytes are those of the narrower type. */
	return keep_set_uint(at, size,
	    size == sizeof(value)
		? (uint64_t)value
		: (uint64_t)value & (((uint64_t)1 << (8 * size)) - 1));
}

static int
keep_get_chars(struct mp_reader *reader, char *at, size_t size)
{
	const char *text;
	size_t len;

	if (mp_get_str(reader, &text, &len) < 0 || len >= size)
		return -1;
	memcpy(at, text, len);
	at[len] = '\0';
	return 0;
}

static int
keep_get_buf(struct keep_in *in, struct mp_reader *reader, struct buf *buf)
{
	const uint8_t *bytes;
	size_t len;

	if (keep_get_bytes(in, reader, &bytes, &len) < 0)
		return -1;
	buf_clear(buf);
	buf_append(buf, bytes, len);
	return buf->is_failed ? -1 : 0;
}

static int
keep_get_timer(struct keep_in *in, struct mp_reader *reader,
    struct loop_timer *timer)
{
	int64_t due_us;

	loop_timer_drop(in->loop, timer);
	if (mp_get_nil(reader) == 0)
		return 0;
	if (mp_get_int(reader, &due_us) < 0)
		return -1;
	loop_timer_set(in->loop, timer, due_us);
	return 0;
}

static int
keep_get_field(struct keep_in *in, struct mp_reader *reader,
    const struct keep_field *field, void *at)
{
	uint64_t uvalue;
	int64_t value;

	switch (field->type) {
	case KEEP_BOOL:
		return mp_get_bool(reader, at);
	case KEEP_UINT:
		return mp_get_uint(reader, &uvalue) < 0
			   ? -1
			   : keep_set_uint(at, field->size, uvalue);
	case KEEP_INT:
		return mp_get_int(reader, &value) < 0
			   ? -1
			   : keep_set_int(at, field->size, value);
	case KEEP_TEXT:
		free(*(char **)at);
		return keep_get_text(in, reader, at);
	case KEEP_CHARS:
		return keep_get_chars(reader, at, field->size);
	case KEEP_BUF:
		return keep_get_buf(in, reader, at);
	case KEEP_TIMER:
		return keep_get_timer(in, reader, at);
	default:
		return keep_get_fd(in, reader, at);
	}
}

/* As a rule the field is the one behind the last one. */
static const struct keep_field *
keep_find(const struct keep_field *fields, size_t count, size_t guess,
    const char *name, size_t len)
{
	for (size_t i = 0; i < count; i++) {
		const struct keep_field *field = &fields[(guess + i) % count];

		if (strlen(field->name) == len &&
		    memcmp(field->name, name, len) == 0)
			return field;
	}
	return NULL;
}

int
keep_get(struct keep_in *in, struct mp_reader *reader,
    const struct keep_field *fields, size_t count, void *object)
{
	const struct keep_field *field;
	uint32_t pairs;
	const char *name;
	size_t len;

	if (mp_get_map(reader, &pairs) < 0)
		return keep_bad(in, "record");
	for (uint32_t i = 0; i < pairs; i++) {
		if (mp_get_str(reader, &name, &len) < 0)
			return keep_bad(in, "record");
		field = keep_find(fields, count, i, name, len);
		if (field == NULL) {
			if (mp_skip(reader) < 0)
				return keep_bad(in, "record");
			continue;
		}
		if (keep_get_field(in, reader, field,
			(char *)object + field->offset) < 0)
			return keep_bad(in, field->name);
	}
	return 0;
}
