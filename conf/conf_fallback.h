/*
 * conf_fallback: what is answered in place of a failure, and of which.
 */
#ifndef MSVC_CONF_CONF_FALLBACK_H
#define MSVC_CONF_CONF_FALLBACK_H

#include <stdbool.h>

struct conf_fallback;
struct conf_why;

/*
 * "file PATH", "json TEXT" or "service NAME". Sets an empty fallback, which
 * the caller must conf_fallback_fini(); a file is read by
 * conf_fallback_check() (conf_load.h), when it is known where PATH starts.
 * Returns 0, or -1 with why set and nothing in it.
 */
int conf_fallback_parse(const char *text, struct conf_fallback *fallback,
    struct conf_why *why);

void conf_fallback_fini(struct conf_fallback *fallback);

bool conf_fallback_is_equal(const struct conf_fallback *left,
    const struct conf_fallback *right);

/* "down, timeout, 5xx" as enum conf_failure, or-ed. */
int conf_fallback_failures(const char *text, unsigned *failures_r,
    struct conf_why *why);

#endif
