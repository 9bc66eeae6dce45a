/*
 * http_head: a complete head judged, and made into a request.
 *
 * Here are the rules about the whole: the request line and its version, Host,
 * what frames the body, Expect, Connection. Lines and their bytes have passed
 * http_scan before.
 */
#ifndef MSVC_ROUTER_HTTP_HEAD_H
#define MSVC_ROUTER_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct http_field;
struct http_request;

struct http_fields_list {
	struct http_field *items; /* owned */
	uint32_t count;
	uint32_t cap;
};

struct http_head_facts {
	unsigned status;    /* when refused */
	const char *reason; /* static */
	bool is_chunked;
	uint64_t content_length; /* 0 without one */
};

/*
 * Fill request_r from the bytes of head, which are changed (field names to
 * lower case) and borrowed by it; list holds the fields, of which http_scan
 * has counted field_count. Returns 0, or -1 with status and reason set.
 */
int http_head_judge(struct buf *head, size_t field_count,
    struct http_fields_list *list, struct http_request *request_r,
    struct http_head_facts *facts_r);

#endif
