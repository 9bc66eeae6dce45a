#include "http_chunk.h"

#include "http_rules.h"

enum http_chunk_state {
	CHUNK_SIZE,
	CHUNK_EXT,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
};

static enum http_chunk_result
http_chunk_refuse(struct http_chunk *chunk, const char *reason)
{
	chunk->reason = reason;
	return HTTP_CHUNK_BAD;
}

static int
http_hex_value(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte = (char)(byte | 0x20);
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static enum http_chunk_result
http_chunk_size(struct http_chunk *chunk, char byte)
{
	int digit = http_hex_value(byte);

	if (digit >= 0) {
		if (chunk->digits == 16)
			return http_chunk_refuse(chunk,
			    "a chunk size has more than 16 digits");
		chunk->digits++;
		chunk->left = chunk->left << 4 | (unsigned)digit;
		return HTTP_CHUNK_MORE;
	}
	if (chunk->digits == 0 || (byte != '\r' && byte != ';'))
		return http_chunk_refuse(chunk,
		    "a chunk size is not hexadecimal digits only");
	chunk->state = byte == ';' ? CHUNK_EXT : CHUNK_SIZE_LF;
	return HTTP_CHUNK_MORE;
}

static enum http_chunk_result
http_chunk_ext(struct http_chunk *chunk, char byte)
{
	if (byte == '\r') {
		chunk->state = CHUNK_SIZE_LF;
		return HTTP_CHUNK_MORE;
	}
	if (!http_is_field_value(&byte, 1))
		return http_chunk_refuse(chunk,
		    "a control byte in a chunk extension");
	if (++chunk->ext_len > HTTP_CHUNK_EXT_MAX)
		return http_chunk_refuse(chunk,
		    "the chunk extensions are too long");
	return HTTP_CHUNK_MORE;
}

static enum http_chunk_result
http_chunk_byte(struct http_chunk *chunk, char byte)
{
	switch (chunk->state) {
	case CHUNK_SIZE:
		return http_chunk_size(chunk, byte);
	case CHUNK_EXT:
		return http_chunk_ext(chunk, byte);
	case CHUNK_SIZE_LF:
		if (byte != '\n')
			break;
		chunk->digits = 0;
		chunk->state = CHUNK_DATA;
		return chunk->left > 0 ? HTTP_CHUNK_SIZE : HTTP_CHUNK_LAST;
	case CHUNK_DATA_CR:
		if (byte != '\r')
			break;
		chunk->state = CHUNK_DATA_LF;
		return HTTP_CHUNK_MORE;
	default:
		if (byte != '\n')
			break;
		chunk->state = CHUNK_SIZE;
		return HTTP_CHUNK_MORE;
	}
	return http_chunk_refuse(chunk,
	    "a chunk size or its data is not followed by CRLF");
}

enum http_chunk_result
http_chunk_feed(struct http_chunk *chunk, const char *bytes, size_t len,
    size_t *used_r)
{
	enum http_chunk_result result = HTTP_CHUNK_MORE;
	size_t pos = 0;

	if (chunk->state == CHUNK_DATA && len > 0) {
		*used_r = chunk->left < len ? (size_t)chunk->left : len;
		chunk->left -= *used_r;
		if (chunk->left == 0)
			chunk->state = CHUNK_DATA_CR;
		return HTTP_CHUNK_DATA;
	}
	while (pos < len && result == HTTP_CHUNK_MORE &&
	       chunk->state != CHUNK_DATA)
		result = http_chunk_byte(chunk, bytes[pos++]);
	*used_r = pos;
	return result;
}
