/*
 * casebook: what was lost with links to processes that may have died, and how
 * much of that is kept.
 *
 * A file is about one generation of an instance. One with a note is waited
 * for, and stays; of the others the oldest makes room for what is new. Control
 * thread only; no system calls.
 */
#ifndef MSVC_ROUTER_CASEBOOK_H
#define MSVC_ROUTER_CASEBOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ipc/buf.h"

#include "poison.h"

struct note;
struct worker_casualty;

enum {
	CASEBOOK_FILE_MAX = 256,               /* without a note */
	CASEBOOK_BODY_MAX = 16 * 1024,         /* requests */
	CASEBOOK_BYTES_MAX = 32 * 1024 * 1024, /* packets; prints are kept */
	CASEBOOK_US = 5000000 /* from a lost link to the note of a death */
};

/* A request that was in flight there. */
struct casebody {
	TAILQ_ENTRY(casebody) link;
	struct buf casualty, quarantine; /* empty: there was no room */
	struct poison_print print;
	int64_t at_us;
	bool is_taken;
};

struct casefile {
	TAILQ_ENTRY(casefile) link;
	char *service;
	uint64_t index, generation;
	TAILQ_HEAD(, casebody) bodies; /* as they came */
	size_t taken_count;
	uint64_t drained, dead; /* workers that told the end, a bit each */
	uint64_t wanted;        /* all of them */
	struct note *note; /* of the death, or that it drains; NULL: neither */
	int64_t until_us;  /* INT64_MAX: it may drain for hours */
};

struct casebook {
	TAILQ_HEAD(, casefile) files; /* as they were opened */
	size_t unnoted;               /* files without a note */
	size_t body_count, bytes;     /* of all files */
};

void casebook_init(struct casebook *book);
void casebook_fini(struct casebook *book);

struct casefile *casebook_find(const struct casebook *book, const char *service,
    uint64_t index, uint64_t generation);

/* The file of that generation, made if need be; NULL: no memory. */
struct casefile *casebook_open(struct casebook *book, const char *service,
    uint64_t index, uint64_t generation);

void casebook_drop(struct casebook *book, struct casefile *file);

/* Instead of the one before; it is shared. May be NULL. */
void casebook_set_note(struct casebook *book, struct casefile *file,
    struct note *note);

bool casefile_has_died(const struct casefile *file);

/*
 * Add a request, and forget others to make room. With no room at all only its
 * print is kept, or nothing.
 */
void casebook_add(struct casebook *book, struct casefile *file,
    const struct worker_casualty *casualty, int64_t now_us);

/* Forget the requests of links lost too long ago to have died of it. */
void casebook_forget(struct casebook *book, struct casefile *file,
    int64_t now_us);

#endif
