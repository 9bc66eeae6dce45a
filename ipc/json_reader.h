/*
 * json_reader: what the parts of the JSON reader share. Internal to json.
 */
#ifndef MSVC_IPC_JSON_READER_H
#define MSVC_IPC_JSON_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "json_keys.h"

struct buf;
struct err;

/* One open array or object. */
struct json_level {
	size_t header; /* offset of its header in the output */
	uint32_t count;
	bool is_map;
	struct json_object object;
};

struct json_reader {
	const uint8_t *text;
	size_t len;
	size_t pos;
	struct buf *out;
	size_t start;  /* unread bytes that were in out before */
	uint8_t *base; /* of our output; moves when it grows */
	size_t out_len;
	size_t out_cap;
	struct json_keys keys;
	struct json_level levels[JSON_DEPTH_MAX];
	size_t depth;
	size_t offset; /* of the mistake */
	struct err *err_r;
};

/* Note a mistake and where it is. Always returns -1. */
int json_refuse(struct json_reader *reader, size_t offset, const char *what);
int json_refuse_memory(struct json_reader *reader);

/* Make room for len more bytes of output; base may move. 0, or -1. */
int json_room(struct json_reader *reader, size_t len);

/* Write big-endian, as MessagePack has it; returns len. */
size_t json_write_be(uint8_t *to, uint64_t value, size_t len);

/* Write a scalar, for which json_room() was called. */
void json_put_byte(struct json_reader *reader, unsigned byte);
void json_put_uint(struct json_reader *reader, uint64_t value);
void json_put_int(struct json_reader *reader, int64_t value);
void json_put_double(struct json_reader *reader, double value);

/*
 * At a quote: read a string up to and with its closing quote. Says where in
 * the output its decoded bytes are. 0, or -1.
 */
int json_string(struct json_reader *reader, size_t *offset_r, size_t *len_r);

#endif
