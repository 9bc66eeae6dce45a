#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "json.h"
#include "json_number.h"
#include "json_reader.h"
#include "utf8.h"

/*
 * A container starts with one byte for its header, and its content moves up
 * by two or four bytes when it turns out to have more than 15 items: cheaper
 * than to count ahead, and small ones get the short header.
 */

enum {
	SCALAR_MAX = 9,     /* a header byte and eight */
	TEXT_MAX = 1 << 30, /* counts and offsets stay far below 2^32 */
	KEY_SHOWN_MAX = 64,
	MP_FIX_COUNT_MAX = 15,
};

static int
json_number(struct json_reader *reader)
{
	struct json_number number;

	json_number_read((const char *)reader->text + reader->pos,
	    reader->len - reader->pos, &number);
	switch (number.kind) {
	case JSON_NUMBER_UINT:
		json_put_uint(reader, number.unsigned_integer);
		break;
	case JSON_NUMBER_INT:
		json_put_int(reader, number.integer);
		break;
	case JSON_NUMBER_DOUBLE:
		json_put_double(reader, number.real);
		break;
	case JSON_NUMBER_RANGE:
		return json_refuse(reader, reader->pos,
		    "number too large for a double");
	default:
		return json_refuse(reader, reader->pos + number.len,
		    "malformed number");
	}
	reader->pos += number.len;
	return 0;
}

static int
json_word(struct json_reader *reader, const char *word, unsigned byte)
{
	size_t len = strlen(word);

	if (reader->len - reader->pos < len ||
	    memcmp(reader->text + reader->pos, word, len) != 0)
		return json_refuse(reader, reader->pos, "unknown word");
	json_put_byte(reader, byte);
	reader->pos += len;
	return 0;
}

static void
json_skip_space(struct json_reader *reader)
{
	while (reader->pos < reader->len) {
		uint8_t byte = reader->text[reader->pos];

		if (byte != ' ' && byte != '\n' && byte != '\t' && byte != '\r')
			break;
		reader->pos++;
	}
}

static int
json_open(struct json_reader *reader, bool is_map)
{
	struct json_level *level;

	if (reader->depth == JSON_DEPTH_MAX)
		return json_refuse(reader, reader->pos, "nested too deep");
	level = &reader->levels[reader->depth++];
	level->header = reader->out_len;
	level->count = 0;
	level->is_map = is_map;
	if (is_map)
		json_keys_open(&reader->keys, &level->object);
	json_put_byte(reader, 0);
	reader->pos++;
	return 0;
}

/* At the closing bracket: the count is known, the header can be written. */
static int
json_close(struct json_reader *reader)
{
	struct json_level *level = &reader->levels[reader->depth - 1];
	size_t wide = level->count <= UINT16_MAX ? 2 : 4;
	uint8_t *at;

	reader->pos++;
	if (level->count > MP_FIX_COUNT_MAX && json_room(reader, wide) == -1)
		return -1;
	at = reader->base + level->header;
	if (level->count <= MP_FIX_COUNT_MAX) {
		at[0] = (uint8_t)((level->is_map ? 0x80 : 0x90) | level->count);
	} else {
		memmove(at + 1 + wide, at + 1,
		    reader->out_len - level->header - 1);
		at[0] = (uint8_t)((level->is_map ? 0xde : 0xdc) + (wide == 4));
		json_write_be(at + 1, level->count, wide);
		reader->out_len += wide;
	}
	if (level->is_map)
		json_keys_close(&reader->keys, &level->object);
	reader->depth--;
	return 0;
}

static int
json_refuse_duplicate(struct json_reader *reader, size_t begin, size_t offset,
    size_t len)
{
	char shown[KEY_SHOWN_MAX + 1];
	const uint8_t *key = reader->base + offset;
	size_t count = 0;

	while (count < len) {
		size_t run = utf8_sequence(key + count, len - count);

		if (count + run > KEY_SHOWN_MAX)
			break;
		memcpy(shown + count, key + count, run);
		if (key[count] < 0x20)
			shown[count] = '?';
		count += run;
	}
	shown[count] = '\0';
	reader->offset = begin;
	err_set(reader->err_r, "duplicate key \"%s\" at byte %zu", shown,
	    begin);
	return -1;
}

/* A key and its colon. */
static int
json_key(struct json_reader *reader, struct json_level *level)
{
	size_t begin = reader->pos, offset, len;

	if (begin == reader->len || reader->text[begin] != '"')
		return json_refuse(reader, begin, "expected a key in quotes");
	if (json_string(reader, &offset, &len) == -1)
		return -1;
	switch (json_keys_add(&reader->keys, &level->object, reader->base,
	    offset, len)) {
	case JSON_KEYS_NEW:
		break;
	case JSON_KEYS_SEEN:
		return json_refuse_duplicate(reader, begin, offset, len);
	default:
		return json_refuse_memory(reader);
	}
	json_skip_space(reader);
	if (reader->pos == reader->len || reader->text[reader->pos] != ':')
		return json_refuse(reader, reader->pos, "expected a colon");
	reader->pos++;
	json_skip_space(reader);
	return 0;
}

/* One scalar, or the opening of a container. */
static int
json_value(struct json_reader *reader)
{
	size_t offset, len;

	if (reader->pos == reader->len)
		return json_refuse(reader, reader->pos, "unfinished text");
	if (json_room(reader, SCALAR_MAX) == -1)
		return -1;
	switch (reader->text[reader->pos]) {
	case '{':
		return json_open(reader, true);
	case '[':
		return json_open(reader, false);
	case '"':
		return json_string(reader, &offset, &len);
	case 't':
		return json_word(reader, "true", 0xc3);
	case 'f':
		return json_word(reader, "false", 0xc2);
	case 'n':
		return json_word(reader, "null", 0xc0);
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		return json_number(reader);
	default:
		return json_refuse(reader, reader->pos, "expected a value");
	}
}

/*
 * Inside the innermost container, behind its bracket or an item: read what
 * leads to the next value, or close it. *is_closed_r tells which.
 */
static int
json_step(struct json_reader *reader, bool *is_closed_r)
{
	struct json_level *level = &reader->levels[reader->depth - 1];
	uint8_t close = level->is_map ? '}' : ']';

	json_skip_space(reader);
	if (reader->pos == reader->len)
		return json_refuse(reader, reader->pos, "unfinished text");
	*is_closed_r = reader->text[reader->pos] == close;
	if (*is_closed_r)
		return json_close(reader);
	if (level->count > 0) {
		if (reader->text[reader->pos] != ',')
			return json_refuse(reader, reader->pos,
			    level->is_map ? "expected , or }"
					  : "expected , or ]");
		reader->pos++;
		json_skip_space(reader);
	}
	level->count++;
	return level->is_map ? json_key(reader, level) : 0;
}

static int
json_text(struct json_reader *reader)
{
	bool is_closed;

	if (reader->len > TEXT_MAX)
		return json_refuse(reader, 0, "text over 1 GiB");
	json_skip_space(reader);
	if (json_value(reader) == -1)
		return -1;
	while (reader->depth > 0) {
		if (json_step(reader, &is_closed) == -1)
			return -1;
		if (!is_closed && json_value(reader) == -1)
			return -1;
	}
	json_skip_space(reader);
	if (reader->pos < reader->len)
		return json_refuse(reader, reader->pos,
		    "bytes behind the value");
	return 0;
}

int
json_to_mp(const char *text, size_t len, struct buf *out, size_t *offset_r,
    struct err *err_r)
{
	struct json_reader reader;
	int rc;

	/* The levels are set as they open; clearing them all would cost. */
	reader.text = (const uint8_t *)text;
	reader.len = len;
	reader.pos = 0;
	reader.out = out;
	reader.start = buf_count(out);
	reader.base = NULL;
	reader.out_len = 0;
	reader.out_cap = 0;
	reader.depth = 0;
	reader.offset = 0;
	reader.err_r = err_r;
	json_keys_init(&reader.keys);
	rc = json_text(&reader);
	while (reader.depth > 0) {
		struct json_level *level = &reader.levels[--reader.depth];

		if (level->is_map)
			json_keys_close(&reader.keys, &level->object);
	}
	json_keys_fini(&reader.keys);
	out->len = out->head + reader.start + (rc == 0 ? reader.out_len : 0);
	if (rc == -1 && offset_r != NULL)
		*offset_r = reader.offset;
	return rc;
}
