/*
 * pattern: "GET /users/{id}" held against a method and a path.
 *
 * A pattern is an optional method, then a path of segments: a literal, a
 * {name} that matches one non-empty segment, or a last * that matches the
 * rest, also an empty one: a star behind "/files/" matches /files, /files/ and
 * /files/a/b.
 * A set picks the most specific pattern: segment by segment from the left a
 * literal beats {name} beats *, and with equal paths a method beats none. GET
 * patterns also match HEAD. Literals are compared byte by byte after
 * percent-decoding of unreserved characters (RFC 3986 section 6.2.2.2); %2F
 * never separates. Used by the router for routes and by the SDK for handlers.
 * Pure.
 */
#ifndef MSVC_IPC_PATTERN_H
#define MSVC_IPC_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct pattern_set;

enum {
	PATTERN_PARAM_MAX = 16,
	PATTERN_SEGMENT_MAX = 64
};

struct pattern_param {
	const char *name; /* borrowed from the set; "*" for the rest */
	size_t name_len;
	const char *value; /* borrowed from the path, still percent-encoded */
	size_t value_len;
};

struct pattern_match {
	void *data; /* as given to pattern_set_add */
	struct pattern_param params[PATTERN_PARAM_MAX];
	size_t param_count;
	bool is_path_known; /* no match, but the path is known with ... */
	char allow[128];    /* ... these methods, as for Allow: "GET, HEAD" */
};

struct pattern_set *pattern_set_new(void);
void pattern_set_free(struct pattern_set **setp);

/*
 * Add a pattern, which is copied; data is borrowed and handed back by a match.
 * Returns -1 when the text is no pattern, or the same shape is there already.
 */
int pattern_set_add(struct pattern_set *set, const char *text, void *data,
    struct err *err_r);

/*
 * Find the most specific pattern for a method and a path without query.
 * Returns true and fills match_r, whose strings are borrowed from set and
 * path; or false, with is_path_known and allow set. Any bytes are safe.
 */
bool pattern_set_match(const struct pattern_set *set, const char *method,
    size_t method_len, const char *path, size_t path_len,
    struct pattern_match *match_r);

#endif
