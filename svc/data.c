#include "core.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/json.h"
#include "ipc/mp.h"
#include "ipc/utf8.h"

/*
 * A container is opened with a one-byte head, which is right for up to 15
 * entries. When it closes with more, its content moves up to make room for
 * the larger head: rare, and cheaper than counting first.
 */
struct level {
	size_t offset; /* of the head */
	uint32_t count;
	bool is_map;
};

struct svc_data {
	struct buf buf;
	struct level levels[MP_DEPTH_MAX];
	unsigned depth; /* open containers */
	bool is_failed;
};

enum {
	HEAD_FIXMAP = 0x80,
	HEAD_FIXARRAY = 0x90,
	HEAD_ARRAY16 = 0xdc,
	HEAD_ARRAY32 = 0xdd,
	HEAD_MAP16 = 0xde,
	HEAD_MAP32 = 0xdf
};

static void
level_open(struct svc_data *data, bool is_map)
{
	if (data->depth == MP_DEPTH_MAX) {
		data->is_failed = true;
		return;
	}
	data->levels[data->depth++] =
	    (struct level){ data->buf.len, 0, is_map };
	buf_append_byte(&data->buf, is_map ? HEAD_FIXMAP : HEAD_FIXARRAY);
}

/* Move what is behind the head up by extra bytes; NULL when out of memory. */
static uint8_t *
level_widen(struct svc_data *data, size_t offset, size_t extra)
{
	uint8_t *head;

	if (buf_reserve(&data->buf, extra) == NULL)
		return NULL;
	head = data->buf.data + offset;
	memmove(head + 1 + extra, head + 1, data->buf.len - offset - 1);
	data->buf.len += extra;
	return head;
}

static void
level_close(struct svc_data *data)
{
	struct level level = data->levels[--data->depth];
	size_t extra = level.count < 16 ? 0 : level.count <= UINT16_MAX ? 2 : 4;
	uint8_t *head;

	if (data->buf.is_failed ||
	    (head = level_widen(data, level.offset, extra)) == NULL) {
		data->is_failed = true;
		return;
	}
	if (extra == 0) {
		*head = (uint8_t)(*head | level.count);
		return;
	}
	if (level.is_map)
		*head = extra == 2 ? HEAD_MAP16 : HEAD_MAP32;
	else
		*head = extra == 2 ? HEAD_ARRAY16 : HEAD_ARRAY32;
	for (size_t i = 0; i < extra; i++)
		head[1 + i] = (uint8_t)(level.count >> (8 * (extra - 1 - i)));
}

static struct svc_data *
data_new(void)
{
	return calloc(1, sizeof(struct svc_data));
}

static struct svc_data *
data_open(bool is_map)
{
	struct svc_data *data = data_new();

	if (data != NULL)
		level_open(data, is_map);
	return data;
}

struct svc_data *
svc_map(void)
{
	return data_open(true);
}

struct svc_data *
svc_array(void)
{
	return data_open(false);
}

struct svc_data *
svc_copy(const struct svc_value *value)
{
	struct svc_data *data = data_new();

	if (data != NULL)
		value_put(&data->buf, payload_private(value));
	return data;
}

struct svc_data *
svc_json(const char *text)
{
	struct svc_data *data = data_new();

	if (data == NULL)
		return NULL;
	if (json_to_mp(text, strlen(text), &data->buf, NULL, NULL) != 0) {
		svc_data_free(data);
		return NULL;
	}
	return data;
}

void
svc_data_free(struct svc_data *data)
{
	if (data == NULL)
		return;
	buf_fini(&data->buf);
	free(data);
}

const struct buf *
data_finish(struct svc_data *data)
{
	if (data == NULL)
		return NULL;
	while (data->depth > 0)
		level_close(data);
	if (data->is_failed || data->buf.is_failed)
		return NULL;
	return &data->buf;
}

char *
svc_data_to_json(struct svc_data *data)
{
	const struct buf *value = data_finish(data);
	struct buf text = { 0 };
	char *copy = NULL;

	if (value != NULL &&
	    json_from_mp(buf_front(value), buf_count(value), &text, NULL) == 0)
		copy = strndup((const char *)text.data, text.len);
	buf_fini(&text);
	svc_data_free(data);
	return copy;
}

/* Count an entry and write its key. Returns false when it cannot be. */
static bool
entry_begin(struct svc_data *data, const char *key)
{
	struct level *level;

	if (data == NULL)
		return false;
	if (data->is_failed || data->depth == 0)
		goto fail;
	level = &data->levels[data->depth - 1];
	if (level->is_map != (key != NULL) || level->count == UINT32_MAX)
		goto fail;
	level->count++;
	if (key != NULL)
		mp_put_cstr(&data->buf, key);
	return true;
fail:
	data->is_failed = true;
	return false;
}

void
svc_put_nil(struct svc_data *data, const char *key)
{
	if (entry_begin(data, key))
		mp_put_nil(&data->buf);
}

void
svc_put_bool(struct svc_data *data, const char *key, bool value)
{
	if (entry_begin(data, key))
		mp_put_bool(&data->buf, value);
}

void
svc_put_int(struct svc_data *data, const char *key, int64_t value)
{
	if (entry_begin(data, key))
		mp_put_int(&data->buf, value);
}

void
svc_put_double(struct svc_data *data, const char *key, double value)
{
	if (entry_begin(data, key))
		mp_put_double(&data->buf, value);
}

void
svc_put_str(struct svc_data *data, const char *key, const char *str)
{
	if (str == NULL)
		svc_put_nil(data, key);
	else
		svc_put_text(data, key, str, strlen(str));
}

static bool
is_utf8(const uint8_t *text, size_t len)
{
	size_t step;

	for (size_t i = 0; i < len; i += step) {
		step = utf8_sequence(text + i, len - i);
		if (step == 0)
			return false;
	}
	return true;
}

void
svc_put_text(struct svc_data *data, const char *key, const void *text,
    size_t len)
{
	if (!is_utf8(text, len))
		svc_put_bytes(data, key, text, len);
	else if (entry_begin(data, key))
		mp_put_str(&data->buf, text, len);
}

void
svc_put_bytes(struct svc_data *data, const char *key, const void *bytes,
    size_t len)
{
	if (entry_begin(data, key))
		mp_put_bin(&data->buf, bytes, len);
}

void
svc_put_value(struct svc_data *data, const char *key,
    const struct svc_value *value)
{
	if (entry_begin(data, key))
		value_put(&data->buf, payload_private(value));
}

void
svc_put_json(struct svc_data *data, const char *key, const char *text)
{
	if (entry_begin(data, key) &&
	    json_to_mp(text, strlen(text), &data->buf, NULL, NULL) != 0)
		data->is_failed = true;
}

void
svc_put_map(struct svc_data *data, const char *key)
{
	if (entry_begin(data, key))
		level_open(data, true);
}

void
svc_put_array(struct svc_data *data, const char *key)
{
	if (entry_begin(data, key))
		level_open(data, false);
}

void
svc_end(struct svc_data *data)
{
	if (data == NULL)
		return;
	/* The outermost container is closed by whoever sends it. */
	if (data->depth > 1)
		level_close(data);
	else
		data->is_failed = true;
}
