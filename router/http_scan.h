/*
 * http_scan: the lines of a head or of trailers, byte by byte.
 *
 * Sees each byte once, in pieces of any size, before any other code does:
 * lines end in CRLF and nothing else, fields are "name:", no line is folded,
 * no control byte but the tab is in them, and the limits hold. What passes
 * has one reading only. Pure.
 */
#ifndef MSVC_ROUTER_HTTP_SCAN_H
#define MSVC_ROUTER_HTTP_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct http_scan {
	size_t max_len; /* bytes with all line ends; over: 431 or 414 */
	size_t max_fields;
	size_t len;    /* bytes seen */
	size_t fields; /* field lines begun */
	bool in_first; /* still in the request line */
	bool in_name;
	bool has_cr;   /* the last byte was a CR */
	bool is_begun; /* the current line has bytes */
	unsigned status;
	const char *reason; /* after HTTP_SCAN_BAD; static */
};

enum http_scan_result {
	HTTP_SCAN_MORE, /* all bytes used */
	HTTP_SCAN_END,  /* the empty line is behind us */
	HTTP_SCAN_BAD   /* answer with status */
};

/* has_request_line: a head, else trailers. */
void http_scan_init(struct http_scan *scan, bool has_request_line,
    size_t max_len, size_t max_fields);

/* used_r is set to the number of bytes that belong to these lines. */
enum http_scan_result http_scan_feed(struct http_scan *scan, const char *bytes,
    size_t len, size_t *used_r);

#endif
