/*
 * regex: one regular expression of PCRE2, matched within limits.
 *
 * An expression that backtracks without end must not stop who asks: beyond
 * REGEX_STEPS_MAX or REGEX_TIME_MAX_US, a text is one that does not match. Text
 * need not be UTF-8.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_REGEX_H
#define MSVC_SUPERVISOR_LOGGER_REGEX_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct regex;

enum {
	REGEX_STEPS_MAX = 100 * 1000,  /* of matching, from one place on */
	REGEX_TIME_MAX_US = 10 * 1000, /* of CPU time, for one text */
	REGEX_DEPTH_MAX = 1000,
	REGEX_HEAP_MAX_KIB = 4 * 1024
};

/*
 * Compile an expression. Returns NULL with err_r set, which then names what is
 * wrong and the offset in bytes: "missing closing parenthesis at offset 3".
 */
struct regex *regex_new(const char *expression, bool is_caseless,
    struct err *err_r);
void regex_free(struct regex **regexp);

/*
 * Look for it anywhere in text. Returns 1, 0 when it is not there, or -1 when
 * that would take too long to find out.
 */
int regex_search(const struct regex *regex, const char *text, size_t len);

/* Is it there for sure? */
bool regex_match(const struct regex *regex, const char *text, size_t len);

#endif
