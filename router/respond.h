/*
 * respond: the bytes of an HTTP response, written into a buf.
 *
 * Every response has a Date, an X-Request-Id and, unless its length ends with
 * the connection, a known framing (RFC 9112 section 6). No I/O.
 */
#ifndef MSVC_ROUTER_RESPOND_H
#define MSVC_ROUTER_RESPOND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct frame;
struct problem;

/* What surrounds a response; all borrowed. */
struct respond {
	struct buf *out;
	unsigned minor;       /* the request's HTTP/1.minor */
	bool is_head;         /* the request was HEAD: no body */
	bool keep_alive;      /* the connection goes on after it */
	bool is_brief;        /* of a failure tell the cause, no more */
	const char *fallback; /* failure that it is in place of; or NULL */
	const char *date;
	const char *request_id;
	size_t request_id_len;
};

/* A body and its type as it goes to the client; borrowed. */
struct respond_body {
	const uint8_t *bytes;
	size_t len;
	const char *type; /* NULL: none, and no Content-Type */
	size_t type_len;
	bool varies; /* by Accept */
};

/* Has a response with this status content at all (RFC 9110 section 6.4.1)? */
bool respond_has_body(unsigned status);

/*
 * Find the body of a service's response: bytes as they are, other values as
 * JSON, written to text, or as MessagePack. Returns -1 when the status is no
 * final one or the payload cannot be shown as JSON: too deep, a key that is no
 * string, text that is no UTF-8.
 */
int respond_decode(const struct frame *frame, bool wants_msgpack,
    struct buf *text, struct respond_body *body_r, struct err *err_r);

/* A whole response of a service. Returns the number of body bytes. */
size_t respond_frame(const struct respond *respond, const struct frame *frame,
    const struct respond_body *body);

/* A whole response of the router that is no problem; the same. */
size_t respond_body(const struct respond *respond, unsigned status,
    const struct respond_body *body);

/* The head of a streamed one: chunked for HTTP/1.1, else up to the close. */
void respond_stream(const struct respond *respond, const struct frame *frame);
void respond_chunk(struct buf *out, unsigned minor, const void *bytes,
    size_t len);
void respond_last_chunk(struct buf *out, unsigned minor);

/* The router's own answer; status 204 has no body. Returns body bytes. */
size_t respond_problem(const struct respond *respond,
    const struct problem *problem, struct buf *text);

#endif
