#include <string.h>

#include "json_reader.h"
#include "utf8.h"

enum {
	STR_HEADER_MAX = 5,
	UTF8_MAX = 4,
};

static size_t
json_str_header_len(size_t len)
{
	return len < 32 ? 1 : len <= UINT8_MAX ? 2 : len <= UINT16_MAX ? 3 : 5;
}

/* Returns the length of the header. */
static size_t
json_write_str_header(uint8_t *to, size_t len)
{
	if (len < 32) {
		to[0] = (uint8_t)(0xa0 | len);
		return 1;
	}
	if (len <= UINT8_MAX) {
		to[0] = 0xd9;
		return 1 + json_write_be(to + 1, len, 1);
	}
	if (len <= UINT16_MAX) {
		to[0] = 0xda;
		return 1 + json_write_be(to + 1, len, 2);
	}
	to[0] = 0xdb;
	return 1 + json_write_be(to + 1, len, 4);
}

static int
json_hex4(const uint8_t *at, size_t len, uint32_t *code_r)
{
	uint32_t code = 0;

	if (len < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		uint32_t digit = at[i];

		if (digit >= '0' && digit <= '9')
			digit -= '0';
		else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
			digit = (digit | 0x20) - 'a' + 10;
		else
			return -1;
		code = code << 4 | digit;
	}
	*code_r = code;
	return 0;
}

/* At "\u"; decodes one escape, or the two of a surrogate pair. */
static int
json_escape_code(struct json_reader *reader, uint8_t **to)
{
	const uint8_t *at = reader->text + reader->pos;
	size_t left = reader->len - reader->pos, used = 6;
	uint32_t code, low;

	if (json_hex4(at + 2, left - 2, &code) == -1)
		return json_refuse(reader, reader->pos,
		    "\\u without four hexadecimal digits");
	if (code >= 0xd800 && code < 0xe000) {
		if (code >= 0xdc00 || left < 12 || at[6] != '\\' ||
		    at[7] != 'u' || json_hex4(at + 8, left - 8, &low) == -1 ||
		    low < 0xdc00 || low >= 0xe000)
			return json_refuse(reader, reader->pos,
			    "lone surrogate");
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		used = 12;
	}
	*to += utf8_put(*to, code);
	reader->pos += used;
	return 0;
}

/* At a backslash. */
static int
json_escape(struct json_reader *reader, uint8_t **to)
{
	static const char from[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const uint8_t *at = reader->text + reader->pos;
	const char *found;

	if (reader->len - reader->pos < 2)
		return json_refuse(reader, reader->len, "unfinished string");
	if (at[1] == 'u')
		return json_escape_code(reader, to);
	found = at[1] == '\0' ? NULL : strchr(from, at[1]);
	if (found == NULL)
		return json_refuse(reader, reader->pos, "unknown escape");
	*(*to)++ = (uint8_t)meant[found - from];
	reader->pos += 2;
	return 0;
}

/* At a byte that is not plain: an escape, or a mistake. */
static int
json_string_special(struct json_reader *reader, uint8_t **to)
{
	const uint8_t *at = reader->text + reader->pos;

	if (at[0] == '\\')
		return json_escape(reader, to);
	if (at[0] < 0x20)
		return json_refuse(reader, reader->pos,
		    "control byte in a string");
	return json_refuse(reader, reader->pos, "invalid UTF-8");
}

/*
 * A string whose first run did not end it: decoded behind the room for the
 * longest header, and moved to its own header once that is known.
 */
static int
json_string_long(struct json_reader *reader, size_t *offset_r, size_t *len_r)
{
	size_t begin = reader->out_len, run, len, header;
	uint8_t *to;

	if (json_room(reader, STR_HEADER_MAX) == -1)
		return -1;
	reader->out_len += STR_HEADER_MAX;
	for (;;) {
		const uint8_t *at = reader->text + reader->pos;

		run = utf8_plain_run(at, reader->len - reader->pos);
		if (json_room(reader, run + UTF8_MAX) == -1)
			return -1;
		to = reader->base + reader->out_len;
		memcpy(to, at, run);
		to += run;
		reader->pos += run;
		reader->out_len += run;
		if (reader->pos == reader->len)
			return json_refuse(reader, reader->len,
			    "unfinished string");
		if (reader->text[reader->pos] == '"')
			break;
		if (json_string_special(reader, &to) == -1)
			return -1;
		reader->out_len = (size_t)(to - reader->base);
	}
	reader->pos++;
	len = reader->out_len - begin - STR_HEADER_MAX;
	to = reader->base + begin;
	memmove(to + json_str_header_len(len), to + STR_HEADER_MAX, len);
	header = json_write_str_header(to, len);
	*offset_r = begin + header;
	*len_r = len;
	reader->out_len = begin + header + len;
	return 0;
}

int
json_string(struct json_reader *reader, size_t *offset_r, size_t *len_r)
{
	const uint8_t *at = reader->text + ++reader->pos;
	size_t left = reader->len - reader->pos;
	size_t run = utf8_plain_run(at, left);
	uint8_t *to;

	if (run == left || at[run] != '"')
		return json_string_long(reader, offset_r, len_r);
	if (json_room(reader, STR_HEADER_MAX + run) == -1)
		return -1;
	to = reader->base + reader->out_len;
	*offset_r = reader->out_len + json_write_str_header(to, run);
	*len_r = run;
	memcpy(reader->base + *offset_r, at, run);
	reader->out_len = *offset_r + run;
	reader->pos += run + 1;
	return 0;
}
