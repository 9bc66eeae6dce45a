/*
 * conf_process: values that tell how a process is to be made.
 *
 * As in conf_value: 0, or -1 with why set to a phrase that continues
 * `key "value"`. Any text is safe. Pure.
 */
#ifndef MSVC_CONF_CONF_PROCESS_H
#define MSVC_CONF_CONF_PROCESS_H

#include <stdint.h>

struct conf_durations;
struct conf_rlimits;
struct conf_strings;
struct conf_why;

/* A whole number with perhaps a sign, from min to max. */
int conf_process_int(const char *text, int64_t min, int64_t max, int *number_r,
    struct conf_why *why);

/* "022", at most 0777. */
int conf_process_umask(const char *text, unsigned *mask_r,
    struct conf_why *why);

/* "150" or "150%". */
int conf_process_percent(const char *text, uint64_t *percent_r,
    struct conf_why *why);

/* "4" or "1..4"; the first is at most the second. */
int conf_process_instances(const char *text, unsigned *least_r,
    uint64_t *most_r, struct conf_why *why);

/* "1s, 1s, 5s", each at most max_ms. */
int conf_process_durations(const char *text, int64_t max_ms,
    struct conf_durations *durations, struct conf_why *why);

/*
 * "1024", "1024:4096", "64m", "infinity" for the limit called name as in
 * prlimit(1): nofile, nproc, core, as, cpu (seconds) and so on.
 */
int conf_process_rlimit(const char *name, const char *text,
    struct conf_rlimits *limits, struct conf_why *why);

/* "nofile" of RLIMIT_NOFILE; NULL for a number that is none. */
const char *conf_process_rlimit_name(unsigned resource);

/* A list of "tcp:HOST:PORT" and "unix:/PATH". */
int conf_process_sockets(const char *text, struct conf_strings *sockets,
    struct conf_why *why);

/* "none", or a list of cap_chown and so on, as in capabilities(7). */
int conf_process_capabilities(const char *text,
    struct conf_strings *capabilities, struct conf_why *why);

/* The secret called name is the content of the file text: "NAME=text". */
int conf_process_secret(const char *name, const char *text,
    struct conf_strings *secrets, struct conf_why *why);

#endif
