/*
 * conf_mistake: the mistakes of one load, gathered in any order.
 */
#ifndef MSVC_CONF_CONF_MISTAKE_H
#define MSVC_CONF_CONF_MISTAKE_H

#include <stdbool.h>
#include <stddef.h>

struct conf_report;
struct conf_strings;

struct conf_mistake;

/* A zeroed struct is a valid empty one. */
struct conf_mistakes {
	struct conf_mistake *items; /* owned */
	size_t count, cap;
	size_t dropped; /* over the bound, or out of memory */
};

/*
 * Add one. file is an index into the names given to conf_mistake_report;
 * line 0 stands for the file as a whole.
 */
void conf_mistake_add(struct conf_mistakes *mistakes, size_t file,
    unsigned line, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* True when more of them would not be shown: guesses are wasted on them. */
bool conf_mistake_is_full(const struct conf_mistakes *mistakes);

static inline bool
conf_mistake_is_any(const struct conf_mistakes *mistakes)
{
	return mistakes->count + mistakes->dropped > 0;
}

/* Sort by file and line and hand the first hundred to report. */
void conf_mistake_report(struct conf_mistakes *mistakes,
    const struct conf_strings *names, struct conf_report *report);

void conf_report_add(struct conf_report *report, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void conf_mistake_fini(struct conf_mistakes *mistakes);

#endif
