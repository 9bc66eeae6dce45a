/*
 * conf_words: arrays of strings, and text that is split into them. Pure.
 */
#ifndef MSVC_CONF_CONF_WORDS_H
#define MSVC_CONF_CONF_WORDS_H

#include <stddef.h>

struct conf_strings;
struct conf_why;

/* Make it empty, with items set. */
void conf_words_init(struct conf_strings *words);

/* Release everything; items is NULL afterwards. */
void conf_words_fini(struct conf_strings *words);

/* Drop the strings, keep the array. */
void conf_words_clear(struct conf_strings *words);

/* Append a copy of the first len bytes; -1 when out of memory. */
int conf_words_add(struct conf_strings *words, const char *text, size_t len);

/*
 * Append the words of a command line: split at white space; '...' is taken
 * as it is; in "..." a backslash takes " and \ literally; outside of quotes
 * it takes any character. Nothing is expanded. Returns -1 with why set when a
 * quote is not closed, a backslash is last, or out of memory.
 */
int conf_words_split(struct conf_strings *words, const char *text,
    struct conf_why *why);

/* Append the items of "a, b, c"; -1 when one is empty. */
int conf_words_list(struct conf_strings *words, const char *text,
    struct conf_why *why);

/*
 * Where a comment starts: at a ; behind white space and outside of quotes
 * (a quote that is never closed is a plain character). NULL without one.
 */
const char *conf_words_comment(const char *text);

#endif
