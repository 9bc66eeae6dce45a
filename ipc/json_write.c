#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "json.h"
#include "json_number.h"
#include "mp.h"
#include "utf8.h"

/* One open array or map. */
struct json_level {
	uint32_t left; /* items to come */
	bool is_map;
	bool is_begun; /* the next item needs a comma */
};

struct json_writer {
	struct mp_reader in;
	struct buf *out;
	struct json_level levels[JSON_DEPTH_MAX];
	size_t depth;
	struct err *err_r;
};

static int
json_refuse(struct json_writer *writer, const char *what)
{
	err_set(writer->err_r, "%s", what);
	return -1;
}

/* At a byte that is not plain; returns 0 when it is not UTF-8. */
static size_t
json_put_special(struct buf *out, const uint8_t *at)
{
	static const char names[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *found = at[0] == 0 ? NULL : strchr(names, at[0]);

	if (found != NULL) {
		buf_append_byte(out, '\\');
		buf_append_byte(out, (uint8_t)letters[found - names]);
		return 1;
	}
	if (at[0] < 0x20) {
		static const char hex[] = "0123456789abcdef";
		char escape[] = "\\u0000";

		escape[4] = hex[at[0] >> 4];
		escape[5] = hex[at[0] & 15];
		buf_append(out, escape, 6);
		return 1;
	}
	return 0;
}

static int
json_put_str(struct json_writer *writer, const char *str, size_t len)
{
	const uint8_t *at = (const uint8_t *)str, *end = at + len;
	size_t run = utf8_plain_run(at, len);
	uint8_t *to = buf_reserve(writer->out, run + 2);

	if (to == NULL)
		return json_refuse(writer, "out of memory");
	to[0] = '"';
	memcpy(to + 1, at, run);
	to[1 + run] = '"';
	at += run;
	if (at == end) {
		writer->out->len += run + 2;
		return 0;
	}
	writer->out->len += run + 1;
	while (at < end) {
		size_t used = json_put_special(writer->out, at);

		if (used == 0)
			return json_refuse(writer, "invalid UTF-8 in a string");
		at += used;
		run = utf8_plain_run(at, (size_t)(end - at));
		buf_append(writer->out, at, run);
		at += run;
	}
	buf_append_byte(writer->out, '"');
	return 0;
}

/* Base64 of RFC 4648 section 4, with padding. */
static void
json_put_bin(struct buf *out, const uint8_t *at, size_t len)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz0123456789+/";

	buf_append_byte(out, '"');
	while (len > 0) {
		uint32_t bits = (uint32_t)at[0] << 16;
		size_t take = len < 3 ? len : 3;
		char four[4];

		if (take > 1)
			bits |= (uint32_t)at[1] << 8;
		if (take > 2)
			bits |= at[2];
		four[0] = letters[bits >> 18];
		four[1] = letters[bits >> 12 & 63];
		four[2] = take > 1 ? letters[bits >> 6 & 63] : '=';
		four[3] = take > 2 ? letters[bits & 63] : '=';
		buf_append(out, four, 4);
		at += take;
		len -= take;
	}
	buf_append_byte(out, '"');
}

static int
json_put_integer(struct json_writer *writer)
{
	uint64_t value;
	int64_t negative;

	if (mp_get_uint(&writer->in, &value) == 0) {
		buf_append_uint(writer->out, value);
		return 0;
	}
	if (mp_get_int(&writer->in, &negative) == -1)
		return json_refuse(writer, "malformed MessagePack integer");
	buf_append_byte(writer->out, '-');
	buf_append_uint(writer->out, 0 - (uint64_t)negative);
	return 0;
}

static int
json_put_double(struct json_writer *writer)
{
	char text[JSON_NUMBER_MAX];
	double value;

	if (mp_get_double(&writer->in, &value) == -1)
		return json_refuse(writer, "malformed MessagePack float");
	if (!isfinite(value))
		return json_refuse(writer, "JSON has no infinity and no NaN");
	buf_append(writer->out, text, json_number_write(text, value));
	return 0;
}

static int
json_open(struct json_writer *writer, bool is_map)
{
	struct json_level *level;
	uint32_t count;

	if (writer->depth == JSON_DEPTH_MAX)
		return json_refuse(writer, "nested too deep for JSON");
	if ((is_map ? mp_get_map(&writer->in, &count)
		    : mp_get_array(&writer->in, &count)) == -1)
		return json_refuse(writer, "malformed MessagePack container");
	level = &writer->levels[writer->depth++];
	*level = (struct json_level){ .left = count, .is_map = is_map };
	buf_append_byte(writer->out, is_map ? '{' : '[');
	return 0;
}

static int
json_get_str(struct json_writer *writer)
{
	const char *str;
	size_t len;

	if (mp_get_str(&writer->in, &str, &len) == -1)
		return json_refuse(writer, "malformed MessagePack string");
	return json_put_str(writer, str, len);
}

/* One scalar, or the opening of a container. */
static int
json_value(struct json_writer *writer)
{
	const uint8_t *data;
	size_t len;
	bool value;

	switch (mp_peek(&writer->in)) {
	case MP_STR:
		return json_get_str(writer);
	case MP_INT:
	case MP_UINT:
		return json_put_integer(writer);
	case MP_DOUBLE:
		return json_put_double(writer);
	case MP_MAP:
		return json_open(writer, true);
	case MP_ARRAY:
		return json_open(writer, false);
	case MP_NIL:
		mp_get_nil(&writer->in);
		buf_append(writer->out, "null", 4);
		return 0;
	case MP_BOOL:
		mp_get_bool(&writer->in, &value);
		buf_append_str(writer->out, value ? "true" : "false");
		return 0;
	case MP_BIN:
		if (mp_get_bin(&writer->in, &data, &len) == -1)
			return json_refuse(writer, "malformed MessagePack bin");
		json_put_bin(writer->out, data, len);
		return 0;
	case MP_EXT:
		return json_refuse(writer, "JSON has no ext values");
	default:
		return json_refuse(writer, "malformed MessagePack");
	}
}

/* What leads to the next value of the innermost container, or its end. */
static int
json_step(struct json_writer *writer, bool *is_closed_r)
{
	struct json_level *level = &writer->levels[writer->depth - 1];

	*is_closed_r = level->left == 0;
	if (level->left == 0) {
		buf_append_byte(writer->out, level->is_map ? '}' : ']');
		writer->depth--;
		return 0;
	}
	level->left--;
	if (level->is_begun)
		buf_append_byte(writer->out, ',');
	level->is_begun = true;
	if (!level->is_map)
		return 0;
	if (mp_peek(&writer->in) != MP_STR)
		return json_refuse(writer, "JSON has string keys only");
	if (json_get_str(writer) == -1)
		return -1;
	buf_append_byte(writer->out, ':');
	return 0;
}

static int
json_whole(struct json_writer *writer)
{
	bool is_closed;

	if (json_value(writer) == -1)
		return -1;
	while (writer->depth > 0) {
		if (json_step(writer, &is_closed) == -1)
			return -1;
		if (!is_closed && json_value(writer) == -1)
			return -1;
	}
	if (mp_peek(&writer->in) != MP_END)
		return json_refuse(writer, "bytes behind the value");
	if (writer->out->is_failed)
		return json_refuse(writer, "out of memory");
	return 0;
}

int
json_from_mp(const void *data, size_t len, struct buf *out, struct err *err_r)
{
	struct json_writer writer;
	size_t before = buf_count(out);

	writer.in.pos = data;
	writer.in.end = writer.in.pos + len;
	writer.out = out;
	writer.depth = 0;
	writer.err_r = err_r;
	if (json_whole(&writer) == 0)
		return 0;
	out->len = out->head + before;
	return -1;
}
