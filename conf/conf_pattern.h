/*
 * conf_pattern: path prefixes and route patterns, checked and normalized.
 *
 * The same words as in the router: an optional method, then segments: a
 * literal, a {name}, or a last *. Pure.
 */
#ifndef MSVC_CONF_CONF_PATTERN_H
#define MSVC_CONF_CONF_PATTERN_H

#include <stddef.h>

struct conf_why;

enum conf_segment_kind {
	CONF_SEGMENT_LITERAL,
	CONF_SEGMENT_PARAM,
	CONF_SEGMENT_REST
};

enum {
	CONF_SEGMENT_MAX = 64, /* as the router's */
	CONF_PARAM_MAX = 16,
	CONF_PATTERN_MAX = 1024 /* bytes; the router gets it in one packet */
};

struct conf_segment {
	enum conf_segment_kind kind;
	const char *text; /* literal or name, without the braces */
};

struct conf_pattern {
	char *text;         /* owned; what the others point into */
	const char *method; /* "" for any */
	size_t count;
	struct conf_segment segments[CONF_SEGMENT_MAX];
};

/*
 * Parse "GET /users/{id}". On success the caller must conf_pattern_fini().
 * Literals are normalized: unreserved characters are decoded, other escapes
 * have capital digits (RFC 3986 section 6.2.2).
 */
int conf_pattern_parse(const char *text, struct conf_pattern *pattern_r,
    struct conf_why *why);
void conf_pattern_fini(struct conf_pattern *pattern);

/*
 * Check a path prefix and bring it to its normal form, without a last slash
 * but "/". Returns a string the caller must free, or NULL with why set.
 */
char *conf_pattern_prefix(const char *text, struct conf_why *why);

#endif
