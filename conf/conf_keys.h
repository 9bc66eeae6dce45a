/*
 * conf_keys: the table of conf_keys.def, and what follows from it: finding,
 * guessing, setting, comparing and freeing the fields of a section.
 */
#ifndef MSVC_CONF_CONF_KEYS_H
#define MSVC_CONF_CONF_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_place;
struct conf_why;

enum conf_section_kind {
	CONF_SECTION_MSVC,    /* fields of struct conf */
	CONF_SECTION_ROUTER,  /* struct conf_router */
	CONF_SECTION_SERVICE, /* struct conf_service */
	CONF_SECTION_ROUTE,   /* struct conf_route */
	CONF_SECTION_GROUP,   /* struct conf_group */
	CONF_SECTION_UNKNOWN
};

enum conf_type {
	CONF_TYPE_PATH,
	CONF_TYPE_TEXT,
	CONF_TYPE_INCLUDE, /* not a field; the loader keeps it */
	CONF_TYPE_SIZE,
	CONF_TYPE_COUNT,
	CONF_TYPE_DURATION,
	CONF_TYPE_BOOL,
	CONF_TYPE_LISTEN,
	CONF_TYPE_ADDRESS,
	CONF_TYPE_ACCESS,
	CONF_TYPE_DETAIL,
	CONF_TYPE_INFLIGHT,
	CONF_TYPE_FALLBACK,
	CONF_TYPE_FAILURES,
	CONF_TYPE_RESTART,
	CONF_TYPE_READY,
	CONF_TYPE_LIMIT,
	CONF_TYPE_SIGNAL,
	CONF_TYPE_CODES,
	CONF_TYPE_ARGV,
	CONF_TYPE_NAMES,
	CONF_TYPE_PREFIXES,
	CONF_TYPE_PATHS, /* ordered */
	CONF_TYPE_SOCKETS,
	CONF_TYPE_CAPABILITIES,
	CONF_TYPE_DURATIONS,
	CONF_TYPE_INSTANCES, /* N or MIN..MAX */
	CONF_TYPE_INT,
	CONF_TYPE_OCTAL,
	CONF_TYPE_PERCENT,
	CONF_TYPE_PROBE,
	CONF_TYPE_CRON,
	CONF_TYPE_ZONE,
	CONF_TYPE_KIND,
	CONF_TYPE_ON_FAILED,
	CONF_TYPE_ON_UNHEALTHY,
	CONF_TYPE_SECCOMP,
	CONF_TYPE_LOG,
	CONF_TYPE_LOG_FORMAT,
	CONF_TYPE_STRATEGY,
	CONF_TYPE_RLIMIT, /* the key is limit.NAME */
	CONF_TYPE_SECRET, /* the key is secret.NAME */
	CONF_TYPE_ENV,    /* the key is env.NAME */
	CONF_TYPE_URL,
	CONF_TYPE_PATTERN,
	CONF_TYPE_OP
};

enum conf_key_change {
	CONF_KEY_APPLY,
	CONF_KEY_RESTART
};

enum conf_key_where {
	CONF_KEY_ALL,
	CONF_KEY_LOCAL /* not together with url */
};

/* CONF_KEY_SERVICE_command and so on: indexes into the table. */
enum conf_key_id {
#define X(SECTION, key, TYPE, field, text, min, max, CHANGE, WHERE, help) \
	CONF_KEY_##SECTION##_##key,
#include "conf_keys.def"
#undef X
	CONF_KEY_COUNT
};

struct conf_key {
	enum conf_section_kind section;
	const char *name;
	enum conf_type type;
	size_t offset, width; /* of the field in the section's struct */
	const char *default_text;
	int64_t min, max; /* 0, 0: any */
	enum conf_key_change change;
	enum conf_key_where where;
	const char *help;
};

const struct conf_key *conf_key_get(enum conf_key_id id);

/* Is it a key with a name of one's own behind a dot, such as env.HOME? */
bool conf_key_is_open(enum conf_key_id id);

/* "service" and so on. */
const char *conf_key_section_name(enum conf_section_kind kind);

/*
 * The key that name ("timeout", "env.HOME") stands for in a section, or
 * CONF_KEY_COUNT.
 */
enum conf_key_id conf_key_find(enum conf_section_kind kind, const char *name);

/* May the key be written more than once in a section? */
bool conf_key_is_list(enum conf_key_id id);

/*
 * What to tell about a name that is no key of the section: a phrase that
 * follows "unknown key"; guesses among the keys of this and other sections.
 */
void conf_key_guess(enum conf_section_kind kind, const char *name,
    struct conf_why *why);

/*
 * Set the field of base, the section's struct, from text. name is the key as
 * written, place is kept where the field has one. Lists are appended to, so
 * that conf_key_clear() comes before the first value of a file. Returns -1
 * with why set, and the field without a value.
 */
int conf_key_set(enum conf_key_id id, void *base, const char *name,
    const char *text, const struct conf_place *place, struct conf_why *why);

/*
 * Set the field to no value (-1 when out of memory), or free what it owns for
 * good.
 */
int conf_key_clear(enum conf_key_id id, void *base);
void conf_key_fini(enum conf_key_id id, void *base);

/*
 * Give all fields of a zeroed struct of that kind their defaults; -1 when out
 * of memory.
 */
int conf_key_init_section(enum conf_section_kind kind, void *base);

/* Free the fields of a section's struct. Accepts a half-built one. */
void conf_key_fini_section(enum conf_section_kind kind, void *base);

/* Do two structs of that section agree in this key? */
bool conf_key_is_equal(enum conf_key_id id, const void *left,
    const void *right);

#endif
