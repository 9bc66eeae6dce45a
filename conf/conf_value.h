/*
 * conf_value: the text of one value, checked and turned into what it means.
 *
 * Each function returns 0, or -1 with why set to a phrase that continues
 * `key "value"` and says what would be right: `is not a duration such as 500ms
 * or 10s`. Any text is safe. Pure.
 */
#ifndef MSVC_CONF_CONF_VALUE_H
#define MSVC_CONF_CONF_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CONF_SHOW_MAX = 128,
	CONF_CODE_BYTES = 32
};

struct conf_why {
	char text[384]; /* NUL-terminated */
};

void conf_why_set(struct conf_why *why, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Make text fit for a message: control bytes and broken UTF-8 become \xNN,
 * and what is over 80 bytes is replaced by "...". Returns out.
 */
const char *conf_show(char out[CONF_SHOW_MAX], const char *text);

/* "500ms", "10s", "2m", "1h", or "0". */
int conf_value_duration(const char *text, int64_t *ms_r, struct conf_why *why);

/* "512", "64k", "10m", "1g"; k is 1024, capitals mean the same. */
int conf_value_size(const char *text, uint64_t *bytes_r, struct conf_why *why);

int conf_value_count(const char *text, uint64_t *count_r, struct conf_why *why);

/* yes, true, on, 1; no, false, off, 0. */
int conf_value_bool(const char *text, bool *is_r, struct conf_why *why);

/* "5/60s"; "0" and "none" give limit 0, which is no limit. */
int conf_value_limit(const char *text, unsigned *limit_r, int64_t *period_ms_r,
    struct conf_why *why);

/* "TERM", "SIGTERM" or "15". */
int conf_value_signal(const char *text, int *signal_r, struct conf_why *why);

/* "0, 2, 64-78" as a set of bits. */
int conf_value_codes(const char *text, uint8_t codes_r[CONF_CODE_BYTES],
    struct conf_why *why);

/* The index of text in words, which end with NULL. */
int conf_value_word(const char *text, const char *const *words,
    unsigned *index_r, struct conf_why *why);

/* [A-Za-z][A-Za-z0-9_-]{0,31}, and not one that msvc uses itself. */
int conf_value_name(const char *text, struct conf_why *why);

/* An environment variable's name that msvc does not set itself. */
int conf_value_env_name(const char *text, struct conf_why *why);

/*
 * How many letters to add, drop, change or swap to make one text the other;
 * for did-you-mean. Anything over 64 bytes is infinitely far away.
 */
unsigned conf_value_distance(const char *a, const char *b);

/* Is that near enough to be a slip of the fingers? */
bool conf_value_is_near(const char *typed, const char *known);

#endif
