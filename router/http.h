/*
 * http: one HTTP/1.1 request parser, strict, incremental, on llhttp.
 *
 * Every byte of a head passes three readers: http_scan sees to lines and
 * limits as the bytes come, llhttp in strict mode splits the fields of the
 * complete head, http_head applies what RFC 9110 and 9112 leave to the server:
 * Host, Content-Length against Transfer-Encoding, targets, Expect, Connection.
 * http_chunk takes the chunked coding off. Whatever two parsers could read in
 * two ways is refused. No I/O: bytes in, a request or a refusal out, the same
 * for any cut of the bytes into pieces.
 */
#ifndef MSVC_ROUTER_HTTP_H
#define MSVC_ROUTER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/buf.h"

struct http_parser;

#define HTTP_CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

struct http_limits {
	size_t max_head; /* request line and fields, bytes; over: 431 or 414 */
	size_t max_headers; /* field lines; over: 431 */
	size_t max_body;    /* decoded body bytes; over: 413 */
};

struct http_field {
	uint32_t name, name_len; /* offsets into http_request.head, the name */
	uint32_t value, value_len; /* in lower case, the value trimmed */
};

/* Borrowed from the parser until http_parser_next() or free. */
struct http_request {
	char *head;         /* the bytes that the offsets point into */
	const char *method; /* "GET"; NUL-terminated, static */
	size_t method_len;
	const char *path; /* as sent, "/a%20b", or "*" for OPTIONS * */
	size_t path_len;
	const char *query; /* without "?"; len 0 when none */
	size_t query_len;
	const char *host; /* of Host or the absolute-form target */
	size_t host_len;
	/*
	 * End-to-end fields only, in order, repeated ones separate: hop-by-hop
	 * ones and what Connection names are gone, also Content-Length and
	 * Expect, which are dealt with here. Values may hold bytes over 0x7f
	 * that are no UTF-8. "host" has the authority of an absolute target.
	 */
	const struct http_field *fields;
	size_t field_count;
	const uint8_t *body; /* complete once HTTP_DONE; framing removed */
	size_t body_len;
	unsigned minor;        /* HTTP/1.minor */
	bool keep_alive;       /* the connection may go on after it */
	bool expects_continue; /* Expect: 100-continue and body not seen yet */
	bool has_body;         /* Content-Length over 0 or chunked */
};

enum http_progress {
	HTTP_MORE,   /* all bytes used, the request is not complete */
	HTTP_HEAD,   /* the head is complete, the body is not; told once */
	HTTP_DONE,   /* one request is complete; bytes may be left over */
	HTTP_REFUSE, /* answer http_parser_status() and close */
};

/* limits are copied. NULL when out of memory. */
struct http_parser *http_parser_new(const struct http_limits *limits);
void http_parser_free(struct http_parser **parserp);

/*
 * Feed bytes; used_r says how many were taken. HTTP_HEAD is told for each
 * request that has a body, also when all its bytes are there: the caller may
 * then change the body limit with http_parser_max_body() and goes on feeding
 * (a Content-Length over the limit is refused by the next feed, also one of 0
 * bytes). After HTTP_DONE it must call http_parser_next() before the next
 * feed, after HTTP_REFUSE only free.
 */
enum http_progress http_parser_feed(struct http_parser *parser,
    const void *bytes, size_t len, size_t *used_r);

const struct http_request *http_parser_request(
    const struct http_parser *parser);

/* After HTTP_HEAD: a limit of this route. Returns -1 when the announced
 * Content-Length is over it already; the parser then is in HTTP_REFUSE 413. */
int http_parser_max_body(struct http_parser *parser, size_t max_body);

/* Forget the request and be ready for the next. Gives big buffers back and
 * keeps up to 2.5 KiB for the next request. */
void http_parser_next(struct http_parser *parser);

/*
 * Give all buffers back, so that the parser holds under 512 bytes. For a
 * connection that was idle for a turn of the loop; nothing happens while a
 * request is in progress.
 */
void http_parser_trim(struct http_parser *parser);

/* True before the first byte of a request has been fed; empty lines in front
 * of a request (at most four are accepted) do not count. */
bool http_parser_is_idle(const struct http_parser *parser);

/* After HTTP_REFUSE: 400, 413, 414, 417, 431, 501, 503 (out of memory) or 505,
 * and why, a static string. */
unsigned http_parser_status(const struct http_parser *parser);
const char *http_parser_reason(const struct http_parser *parser);

/* "Not Found" for 404; "Status" for a number RFC 9110 does not name. */
const char *http_status_phrase(unsigned status);

/*
 * May a field that a service put into its response go out? False for
 * hop-by-hop and framing fields, names that are no tokens, values with CR, LF
 * or NUL (RFC 9110 section 5.5).
 */
bool http_field_is_sendable(const char *name, size_t name_len,
    const char *value, size_t value_len);

#endif
