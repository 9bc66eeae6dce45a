#include "http.h"

#include <stdlib.h>
#include <string.h>

#include "http_chunk.h"
#include "http_fields.h"
#include "http_head.h"
#include "http_rules.h"
#include "http_scan.h"

enum {
	EMPTY_LINES_MAX = 4,     /* in front of a request line */
	RESERVE_MAX = 64 * 1024, /* on the word of a Content-Length */
	KEEP_HEAD = 1024,        /* kept from request to request */
	KEEP_BODY = 1024,
	KEEP_FIELDS = 32,
	HEAD_LIMIT_MAX = 1024 * 1024 * 1024, /* offsets are 32 bits */
};

enum http_state {
	STATE_START, /* only empty lines so far */
	STATE_HEAD,
	STATE_LENGTH, /* a body of known length */
	STATE_CHUNKED,
	STATE_TRAILERS,
	STATE_DONE,
	STATE_REFUSED
};

struct http_parser {
	struct http_limits limits;
	size_t max_body; /* for this request */
	enum http_state state;
	unsigned status;
	const char *reason;   /* static */
	unsigned empty_lines; /* in STATE_START */
	bool has_cr;          /* in STATE_START */
	struct http_scan scan;
	struct http_chunk chunk;
	uint64_t body_left; /* STATE_LENGTH: bytes to come */
	struct buf head;
	struct buf body;
	struct http_fields_list fields;
	struct http_request request;
};

struct http_parser *
http_parser_new(const struct http_limits *limits)
{
	struct http_parser *parser = calloc(1, sizeof(*parser));

	if (parser == NULL)
		return NULL;
	parser->limits = *limits;
	if (parser->limits.max_head > HEAD_LIMIT_MAX)
		parser->limits.max_head = HEAD_LIMIT_MAX;
	return parser;
}

void
http_parser_trim(struct http_parser *parser)
{
	if (parser->state != STATE_START)
		return;
	buf_fini(&parser->head);
	buf_fini(&parser->body);
	free(parser->fields.items);
	parser->fields = (struct http_fields_list){ 0 };
}

void
http_parser_free(struct http_parser **parserp)
{
	struct http_parser *parser = *parserp;

	if (parser == NULL)
		return;
	*parserp = NULL;
	parser->state = STATE_START;
	http_parser_trim(parser);
	free(parser);
}

void
http_parser_next(struct http_parser *parser)
{
	buf_clear(&parser->head);
	buf_clear(&parser->body);
	buf_shrink(&parser->head, KEEP_HEAD);
	buf_shrink(&parser->body, KEEP_BODY);
	if (parser->fields.cap > KEEP_FIELDS) {
		free(parser->fields.items);
		parser->fields = (struct http_fields_list){ 0 };
	}
	parser->fields.count = 0;
	parser->request = (struct http_request){ 0 };
	parser->empty_lines = 0;
	parser->state = STATE_START;
}

static enum http_progress
http_refuse(struct http_parser *parser, unsigned status, const char *reason)
{
	parser->state = STATE_REFUSED;
	parser->status = status;
	parser->reason = reason;
	return HTTP_REFUSE;
}

static enum http_progress
http_done(struct http_parser *parser)
{
	if (parser->body.is_failed)
		return http_refuse(parser, 503, "out of memory");
	parser->request.body_len = buf_count(&parser->body);
	if (parser->request.body_len > 0)
		parser->request.body = buf_front(&parser->body);
	parser->request.expects_continue = false;
	parser->state = STATE_DONE;
	return HTTP_DONE;
}

/* A client may send an empty line too many; RFC 9112 section 2.2. */
static enum http_progress
http_feed_start(struct http_parser *parser, const char *bytes, size_t len,
    size_t *used_r)
{
	size_t pos = 0;

	for (; pos < len; pos++) {
		if (parser->has_cr && bytes[pos] != '\n')
			return http_refuse(parser, 400, "a CR without LF");
		if (!parser->has_cr && bytes[pos] != '\r')
			break;
		parser->has_cr = !parser->has_cr;
		if (parser->has_cr && ++parser->empty_lines > EMPTY_LINES_MAX)
			return http_refuse(parser, 400,
			    "too many empty lines before a request");
	}
	*used_r = pos;
	if (pos < len) {
		parser->state = STATE_HEAD;
		parser->max_body = parser->limits.max_body;
		http_scan_init(&parser->scan, true, parser->limits.max_head,
		    parser->limits.max_headers);
	}
	return HTTP_MORE;
}

/* The head is in one piece: judge it, and see what body comes. */
static enum http_progress
http_head_end(struct http_parser *parser)
{
	struct http_head_facts facts;

	if (parser->head.is_failed)
		return http_refuse(parser, 503, "out of memory");
	if (http_head_judge(&parser->head, parser->scan.fields, &parser->fields,
		&parser->request, &facts) == -1)
		return http_refuse(parser, facts.status, facts.reason);
	if (facts.is_chunked) {
		parser->state = STATE_CHUNKED;
		parser->chunk = (struct http_chunk){ 0 };
		return HTTP_HEAD;
	}
	if (facts.content_length == 0)
		return http_done(parser);
	parser->state = STATE_LENGTH;
	parser->body_left = facts.content_length;
	return HTTP_HEAD;
}

static enum http_progress
http_feed_head(struct http_parser *parser, const char *bytes, size_t len,
    size_t *used_r)
{
	enum http_scan_result result;

	result = http_scan_feed(&parser->scan, bytes, len, used_r);
	if (result == HTTP_SCAN_BAD)
		return http_refuse(parser, parser->scan.status,
		    parser->scan.reason);
	buf_append(&parser->head, bytes, *used_r);
	return result == HTTP_SCAN_END ? http_head_end(parser) : HTTP_MORE;
}

static enum http_progress
http_refuse_body(struct http_parser *parser)
{
	return http_refuse(parser, 413, "the body is too large");
}

static enum http_progress
http_feed_length(struct http_parser *parser, const char *bytes, size_t len,
    size_t *used_r)
{
	size_t take = len;

	if (parser->body_left > parser->max_body - buf_count(&parser->body))
		return http_refuse_body(parser);
	if (parser->body_left < len)
		take = (size_t)parser->body_left;
	if (take > 0 && buf_count(&parser->body) == 0)
		buf_reserve(&parser->body, parser->body_left < RESERVE_MAX
					       ? (size_t)parser->body_left
					       : RESERVE_MAX);
	buf_append(&parser->body, bytes, take);
	*used_r = take;
	parser->body_left -= take;
	return parser->body_left == 0 ? http_done(parser) : HTTP_MORE;
}

static enum http_progress
http_feed_chunked(struct http_parser *parser, const char *bytes, size_t len,
    size_t *used_r)
{
	switch (http_chunk_feed(&parser->chunk, bytes, len, used_r)) {
	case HTTP_CHUNK_SIZE:
		if (parser->chunk.left >
		    parser->max_body - buf_count(&parser->body))
			return http_refuse_body(parser);
		return HTTP_MORE;
	case HTTP_CHUNK_DATA:
		buf_append(&parser->body, bytes, *used_r);
		return HTTP_MORE;
	case HTTP_CHUNK_LAST:
		parser->state = STATE_TRAILERS;
		http_scan_init(&parser->scan, false, parser->limits.max_head,
		    parser->limits.max_headers);
		return HTTP_MORE;
	case HTTP_CHUNK_BAD:
		return http_refuse(parser, 400, parser->chunk.reason);
	default:
		return HTTP_MORE;
	}
}

/*
 * Trailers are checked and dropped: merged into the fields they could say
 * what the checks of the head have refused (RFC 9110 section 6.5.1).
 */
static enum http_progress
http_feed_trailers(struct http_parser *parser, const char *bytes, size_t len,
    size_t *used_r)
{
	switch (http_scan_feed(&parser->scan, bytes, len, used_r)) {
	case HTTP_SCAN_BAD:
		return http_refuse(parser, parser->scan.status,
		    parser->scan.reason);
	case HTTP_SCAN_END:
		return http_done(parser);
	default:
		return HTTP_MORE;
	}
}

static enum http_progress
http_feed_some(struct http_parser *parser, const char *bytes, size_t len,
    size_t *used_r)
{
	switch (parser->state) {
	case STATE_START:
		return http_feed_start(parser, bytes, len, used_r);
	case STATE_HEAD:
		return http_feed_head(parser, bytes, len, used_r);
	case STATE_LENGTH:
		return http_feed_length(parser, bytes, len, used_r);
	case STATE_CHUNKED:
		return http_feed_chunked(parser, bytes, len, used_r);
	case STATE_TRAILERS:
		return http_feed_trailers(parser, bytes, len, used_r);
	case STATE_DONE:
		return HTTP_DONE;
	default:
		return HTTP_REFUSE;
	}
}

enum http_progress
http_parser_feed(struct http_parser *parser, const void *bytes, size_t len,
    size_t *used_r)
{
	enum http_progress progress = HTTP_MORE;
	size_t pos = 0;

	do {
		size_t used = 0;

		progress = http_feed_some(parser, (const char *)bytes + pos,
		    len - pos, &used);
		pos += used;
	} while (progress == HTTP_MORE && pos < len);
	/* What is there already needs no "100 Continue". */
	if (progress == HTTP_HEAD && pos < len)
		parser->request.expects_continue = false;
	*used_r = pos;
	return progress;
}

const struct http_request *
http_parser_request(const struct http_parser *parser)
{
	return &parser->request;
}

int
http_parser_max_body(struct http_parser *parser, size_t max_body)
{
	parser->max_body = max_body;
	if ((parser->state == STATE_LENGTH && parser->body_left > max_body) ||
	    buf_count(&parser->body) > max_body) {
		http_refuse_body(parser);
		return -1;
	}
	return 0;
}

bool
http_parser_is_idle(const struct http_parser *parser)
{
	return parser->state == STATE_START;
}

unsigned
http_parser_status(const struct http_parser *parser)
{
	return parser->status;
}

const char *
http_parser_reason(const struct http_parser *parser)
{
	return parser->reason;
}
