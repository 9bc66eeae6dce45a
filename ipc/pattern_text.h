/*
 * pattern_text: the text of a pattern, taken apart; internal to pattern.c.
 *
 * Pure, and allocates nothing.
 */
#ifndef MSVC_IPC_PATTERN_TEXT_H
#define MSVC_IPC_PATTERN_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "pattern.h"

struct err;

enum {
	PATTERN_LITERAL_MAX = 255, /* bytes of a literal, normalised */
	PATTERN_METHOD_MAX = 31
};

enum pattern_kind {
	PATTERN_LITERAL,
	PATTERN_PARAM, /* {name} */
	PATTERN_REST   /* * */
};

struct pattern_segment {
	enum pattern_kind kind;
	const char *text; /* literal: as written; param: its name; rest: "*" */
	size_t len;
};

/* All pointers are borrowed from the text. */
struct pattern_text {
	const char *method;
	size_t method_len; /* 0 = any method */
	struct pattern_segment segments[PATTERN_SEGMENT_MAX];
	size_t segment_count; /* at least 1; "/" is one empty literal */
};

/* Returns 0, or -1 with err naming the first mistake. */
int pattern_text_parse(const char *text, struct pattern_text *parsed_r,
    struct err *err_r);

/*
 * Bring a segment to the one form in which equal ones have equal bytes:
 * unreserved characters plain, other escapes with upper-case digits, bytes
 * beyond ASCII as escapes (RFC 3986 section 6.2.2). Returns its length, or -1
 * when it has a broken escape or is longer than any literal.
 */
int pattern_text_normalise(const char *text, size_t len,
    char out[PATTERN_LITERAL_MAX]);

/* True when pattern_text_normalise() would copy these bytes as they are. */
bool pattern_text_is_normal(const char *text, size_t len);

#endif
