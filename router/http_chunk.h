/*
 * http_chunk: the chunked coding taken off a body (RFC 9112 section 7.1).
 *
 * A size is 1 to 16 hexadecimal digits and nothing else; a chunk extension
 * starts with ";" right behind it and is ignored, up to HTTP_CHUNK_EXT_MAX
 * bytes in a body. Lines end in CRLF only. Pure; the trailers are read by
 * http_scan.
 */
#ifndef MSVC_ROUTER_HTTP_CHUNK_H
#define MSVC_ROUTER_HTTP_CHUNK_H

#include <stddef.h>
#include <stdint.h>

enum {
	HTTP_CHUNK_EXT_MAX = 1024
};

enum http_chunk_result {
	HTTP_CHUNK_MORE, /* all bytes used */
	HTTP_CHUNK_SIZE, /* a chunk begins: left says its length */
	HTTP_CHUNK_DATA, /* the used bytes are all data */
	HTTP_CHUNK_LAST, /* behind the line of the last chunk */
	HTTP_CHUNK_BAD   /* 400 */
};

struct http_chunk {
	uint64_t left; /* bytes of data to come in this chunk */
	size_t ext_len;
	unsigned digits;
	unsigned state;
	const char *reason; /* after HTTP_CHUNK_BAD; static */
};

/* A zeroed struct is ready to be fed. One event is told a call. */
enum http_chunk_result http_chunk_feed(struct http_chunk *chunk,
    const char *bytes, size_t len, size_t *used_r);

#endif
