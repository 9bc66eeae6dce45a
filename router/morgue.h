/*
 * morgue: what was in flight in processes that have died, over all workers.
 *
 * A worker tells what it lost with a link, perhaps before the supervisor's
 * note of the death, and, after that note, that it has told all. With the last
 * worker's word the case is closed: the casualties go to the supervisor, and a
 * crash that one of the requests can have caused is judged (poison.h). Also
 * knows which workers have nothing in flight any more in an instance that
 * drains.
 *
 * What was lost with a link is a casualty of a death within 5 seconds, and
 * forgotten then. A worker that does not tell the end of a death within some
 * seconds is waited for no longer. Control thread only.
 */
#ifndef MSVC_ROUTER_MORGUE_H
#define MSVC_ROUTER_MORGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct lifeline_quarantine;
struct loop;
struct morgue;
struct note;
struct poison;
struct poison_print;
struct snapshot;
struct worker_casualty;
struct worker_key;

enum {
	MORGUE_WORKER_MAX = 64
};

struct morgue_handler {
	void *arg;
	/* A whole packet for the supervisor, which casualties it can miss. */
	void (*tell)(void *arg, const struct buf *packet, bool is_needed);
	/* Nothing is in flight any more in an instance that drains. */
	void (*idle)(void *arg, const struct worker_key *key);
	/*
	 * Suspects or quarantined requests have changed: look again. Called
	 * before resolved(), or once at the end of a turn.
	 */
	void (*changed)(void *arg, const struct poison *poison);
	/* A crash was judged; note is that of the death. */
	void (*resolved)(void *arg, struct note *note);
	/* How long a request of this service is quarantined; 0: never. */
	int64_t (*quarantine_us)(void *arg, const char *service);
};

/* NULL with err set. handler is copied. */
struct morgue *morgue_new(struct loop *loop,
    const struct morgue_handler *handler, struct err *err_r);
void morgue_free(struct morgue **morguep);

/*
 * The supervisor's word on an instance, before the workers get it. Of a death,
 * or when it drains, each of the workers is waited for; the same note may come
 * again.
 */
void morgue_note(struct morgue *morgue, struct note *note, size_t worker_count);

/* Nothing more will be said of services that are not in the picture. */
void morgue_prune(struct morgue *morgue, const struct snapshot *snapshot);

/*
 * The workers' words. gone: by number, less than MORGUE_WORKER_MAX, and as
 * often as it likes.
 */
void morgue_casualty(struct morgue *morgue,
    const struct worker_casualty *casualty);
void morgue_gone(struct morgue *morgue, unsigned worker,
    const struct worker_key *key, bool is_dead);
void morgue_cleared(struct morgue *morgue, const char *service,
    const struct poison_print *print);

/* The supervisor's words: of a former router's quarantine, of its end. */
void morgue_quarantine(struct morgue *morgue,
    const struct lifeline_quarantine *entry);
void morgue_release(struct morgue *morgue, const char *print);

#endif
