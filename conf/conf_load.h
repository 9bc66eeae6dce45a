/*
 * conf_load: what is known while a config is being read and checked.
 *
 * Internal to conf/. The reader fills sections, the checks hold them against
 * each other; both put what they find into mistakes.
 */
#ifndef MSVC_CONF_CONF_LOAD_H
#define MSVC_CONF_CONF_LOAD_H

#include <stdbool.h>
#include <stddef.h>

/* Out of memory must not end the supervisor; an entry is then not found. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "conf.h"
#include "conf_keys.h"
#include "conf_mistake.h"

struct conf_why;

struct conf_section {
	enum conf_section_kind kind;
	char *name;  /* owned; "" for [msvc] and [router] */
	char *title; /* owned; "service users" in small letters */
	size_t file; /* index into conf.files */
	unsigned line;
	unsigned lines[CONF_KEY_COUNT]; /* of each key; 0: not in the file */
	void *object;                   /* its struct; owned when is_owner */
	bool is_owner;                  /* else the struct conf has it */
	bool is_known;     /* its name is good and its own: in by_title */
	size_t index;      /* service: among conf.services */
	UT_hash_handle hh; /* by title */
};

/* A key of the current section, or a file, that has been seen already. */
struct conf_seen {
	unsigned line;
	UT_hash_handle hh;
	char name[];
};

struct conf_include {
	char *pattern; /* owned, as written */
	unsigned line;
};

struct conf_loader {
	struct conf *conf;         /* becomes the result */
	struct conf_strings names; /* of conf.files, as messages show them */
	char *dir;                 /* of the main file; "" for the root */
	struct conf_mistakes mistakes;
	struct conf_section **sections; /* owned, in reading order */
	size_t section_count, section_cap;
	struct conf_section *by_title; /* borrowed from sections */
	struct conf_section *current;  /* borrowed; NULL before the first */
	struct conf_section unknown;   /* stands for one we do not know */
	struct conf_seen *seen;        /* owned */
	struct conf_seen *files;       /* owned; real paths */
	struct conf_include *includes; /* owned */
	size_t include_count;
	size_t file; /* being read */
	bool is_out_of_memory;
	const struct conf_text *given;   /* borrowed: instead of the disk */
	size_t given_count, given_files; /* the files first, then bodies */
};

enum {
	CONF_WHERE_MAX = 256
};

/* The handler of conf_src_parse(); arg is the loader. */
void conf_section_start(void *arg, unsigned line, const char *name);
void conf_entry_add(void *arg, unsigned line, const char *name,
    const char *value);
void conf_section_free(struct conf_section *section);
void conf_seen_free(struct conf_seen **seenp);

/* The section called name, or NULL. */
struct conf_section *conf_section_find(const struct conf_loader *loader,
    enum conf_section_kind kind, const char *name);

/* Add a mistake as `service "users": ...`. */
void conf_section_mistake(struct conf_loader *loader,
    const struct conf_section *section, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* "line 11", or "FILE:11" when seen from another file. Returns out. */
const char *conf_section_where(const struct conf_loader *loader,
    const struct conf_section *section, unsigned line, size_t seen_from,
    char out[CONF_WHERE_MAX]);

/* Append to a guess: `; did you mean "users"?`, or what services are. */
void conf_section_guess_service(const struct conf_loader *loader,
    const char *name, struct conf_why *why);

/* path as seen from dir; the caller must free it. NULL: out of memory. */
char *conf_path_resolve(const char *dir, const char *path);

/*
 * Read a file of the config, from the disk or from what was given, and keep it
 * in the conf. Returns 0 with the bytes, borrowed from there, or -1 with why.
 * conf_text.c
 */
int conf_text_read(struct conf_loader *loader, const char *path,
    const char **bytes_r, size_t *len_r, struct conf_why *why);
void conf_text_fini(struct conf *conf);

/* The checks. Each looks at all sections and reports all it finds. */
void conf_check_sections(struct conf_loader *loader);
void conf_path_finish(struct conf_loader *loader);
void conf_order_find(struct conf_loader *loader);
void conf_group_check(struct conf_loader *loader);
/* Of one service, before what a oneshot is; of one [route]. conf_schedule.c */
void conf_schedule_check(struct conf_loader *loader,
    const struct conf_section *section);
void conf_schedule_check_route(struct conf_loader *loader,
    const struct conf_section *section);
void conf_socket_check(struct conf_loader *loader);
void conf_route_check(struct conf_loader *loader);
void conf_fallback_check(struct conf_loader *loader); /* reads its files */

#endif
