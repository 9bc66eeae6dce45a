/*
 * conf_probe: how to find out whether an instance is ready or well, as text.
 *
 *   http http://HOST:PORT/PATH    tcp HOST:PORT    command WORDS
 *   log REGEX
 *
 * Pure.
 */
#ifndef MSVC_CONF_CONF_PROBE_H
#define MSVC_CONF_CONF_PROBE_H

#include <stdbool.h>

struct conf_probe;
struct conf_why;

/* probe is empty before; -1 with why set, and probe to be released. */
int conf_probe_parse(const char *text, struct conf_probe *probe,
    struct conf_why *why);
void conf_probe_fini(struct conf_probe *probe);
bool conf_probe_is_equal(const struct conf_probe *left,
    const struct conf_probe *right);

#endif
