/*
 * http_rules: what may stand in a request line, a target, a Host and a field.
 *
 * Pure functions over borrowed bytes, which may come from anyone. Where RFC
 * 9112 leaves a choice they take the strict side: one space is one space.
 */
#ifndef MSVC_ROUTER_HTTP_RULES_H
#define MSVC_ROUTER_HTTP_RULES_H

#include <stdbool.h>
#include <stddef.h>

/* A run of bytes inside a head; borrowed, not NUL-terminated. */
struct http_span {
	const char *at;
	size_t len;
};

struct http_request_line {
	struct http_span method; /* a token */
	struct http_span target; /* not empty, no space in it */
	unsigned major, minor;
};

/* A checked target. authority.at is NULL unless it is in absolute-form. */
struct http_target {
	struct http_span authority;
	struct http_span path; /* may point to a static "/" or "*" */
	struct http_span query;
};

/* Are these bytes a token (RFC 9110 section 5.6.2)? Not when empty. */
bool http_is_token(const char *at, size_t len);

/* The letter in lower case; 0 for a byte that no token may hold. */
char http_token_lower(char byte);

/* Equal but for the case of ASCII letters; lower must be in lower case. */
bool http_span_is(struct http_span span, const char *lower);

/* No control byte but the tab: a field value (RFC 9110 section 5.5). */
bool http_is_field_value(const char *at, size_t len);

/* Split "METHOD target HTTP/1.1" (no CRLF). -1 when it is anything else. */
int http_request_line_split(const char *at, size_t len,
    struct http_request_line *line_r);

/*
 * Check a target (RFC 9112 section 3.2): origin-form, absolute-form with http
 * or https, or "*" for OPTIONS. Returns NULL, or the reason to refuse it.
 */
const char *http_target_split(struct http_span target, bool is_options,
    struct http_target *target_r);

/* host [ ":" port ] of RFC 3986, the host not empty, no user information. */
bool http_is_authority(struct http_span authority);

/*
 * The next element of a comma-separated list, trimmed; empty ones are skipped.
 * Returns false at its end.
 */
bool http_list_next(struct http_span *list, struct http_span *element_r);

#endif
