/*
 * meta: the meta map of a request frame (msvc-wire(7)).
 */
#ifndef MSVC_ROUTER_META_H
#define MSVC_ROUTER_META_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct http_request;
struct pattern_match;

/* What the router adds to the fields of the client. All borrowed. */
struct meta {
	int64_t deadline_ms;
	const char *request_id;
	size_t request_id_len;
	const char *traceparent; /* TRACE_PARENT_LEN bytes */
	const char *client;
	const char *route;                 /* NULL: not routed by a route */
	const struct pattern_match *match; /* NULL: no parameters */
};

/*
 * Append the map for an HTTP request. Repeated fields are joined with ", ",
 * cookies with "; " (RFC 9110 section 5.3, RFC 6265). Values that are no
 * UTF-8 become it, from ISO-8859-1. text is scratch.
 */
void meta_put_http(struct buf *buf, const struct meta *meta,
    const struct http_request *req, struct buf *text);

/*
 * Append the map for a request of an SP peer whose own meta map is given:
 * names with ":" are ours to set and dropped, as is what would be no sendable
 * HTTP field.
 */
void meta_put_sp(struct buf *buf, const struct meta *meta, const uint8_t *given,
    size_t given_len, struct buf *text);

#endif
