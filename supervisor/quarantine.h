/*
 * quarantine: the requests that the router does not deliver, kept here so that
 * a new router knows them too.
 *
 * The set is bounded in number, where the oldest goes as it does in the router
 * (router/poison.h), so that what is refused can be listed and released; and in
 * bytes, where the oldest lose their fields and bodies first. What has ended is
 * dropped when somebody looks.
 */
#ifndef MSVC_SUPERVISOR_QUARANTINE_H
#define MSVC_SUPERVISOR_QUARANTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ipc/lifeline.h"

struct supervise;

enum {
	QUARANTINE_MAX = 256,
	/* All of it has to fit into the queue of a new router's lifeline. */
	QUARANTINE_BYTES_MAX = 4 * 1024 * 1024
};

/* One request; strings are part of it. */
struct quarantine {
	TAILQ_ENTRY(quarantine) link;
	struct lifeline_quarantine entry; /* left_ms as of the last look */
	int64_t until_us;
	size_t size; /* bytes of all of it */
	char text[];
};

struct quarantines {
	TAILQ_HEAD(quarantine_queue, quarantine) all;
	unsigned count;
	size_t size;
};

void quarantines_init(struct quarantines *set);
void quarantines_fini(struct quarantines *set);

/*
 * Keep a copy of entry, instead of one with the same print. Returns true when
 * there was none of that print. Out of memory: it is not kept.
 */
bool quarantines_add(struct quarantines *set,
    const struct lifeline_quarantine *entry, int64_t now_us);

/* Drop what has ended and set left_ms of the others. */
void quarantines_look(struct quarantines *set, int64_t now_us);

/*
 * The one whose print is, or begins with, these hex digits. Returns NULL when
 * there is none, and with *is_several_r when there are several.
 */
struct quarantine *quarantines_find(const struct quarantines *set,
    const char *print, bool *is_several_r);

void quarantines_drop(struct quarantines *set, struct quarantine **itemp);

/* The router has quarantined a request. */
void quarantine_add(struct supervise *sup,
    const struct lifeline_quarantine *entry);

/* The router is new: tell it all that are left. */
void quarantine_send(struct supervise *sup);

/* An operator lets one go: the router delivers it again. */
void quarantine_release(struct supervise *sup, struct quarantine **itemp);

#endif
