/*
 * instance: one instance of a service as one worker sees it, and its link.
 *
 * It dials as soon as the instance is starting, so that a plain nng service
 * becomes ready by our handshake, and again when a link is lost; it never
 * polls for a socket that it will be told of. All calls are for the worker's
 * thread.
 */
#ifndef MSVC_ROUTER_INSTANCE_H
#define MSVC_ROUTER_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>

#include <stddef.h>
#include <sys/queue.h>

#include "ipc/loop.h"

#include "limit.h"
#include "outlier.h"
#include "window.h"
#include "worker.h"

struct note;
struct peer;
struct upstream;

struct instance {
	struct upstream *upstream;
	TAILQ_ENTRY(instance) link; /* of those beside */
	unsigned index;
	unsigned state; /* enum lifeline_state */
	uint64_t generation;
	char *listen; /* URL to dial; "" when there is none yet */
	char *reason; /* why it failed or is in backoff */
	uint64_t restarts, restart_limit; /* so many of so many; 0: no limit */
	int64_t ready_us;                 /* loop time since when it is ready */
	int64_t retry_at_us; /* backoff: the next start, loop time */
	bool is_remote;      /* reached through libnng */
	bool is_watched;     /* we are told when its socket appears */
	bool is_asleep;      /* starts once the supervisor hears of a request */
	struct peer *peer;   /* NULL: not connected */
	int64_t up_us;       /* loop time since when the link is up */
	int64_t redial_us;   /* the next pause between two tries */
	struct loop_timer redial;
	/* How it answers this worker; anew with each generation. */
	struct worker_stats stats; /* since two generations are ready */
	struct outlier outlier;
	struct limit limit;   /* max_inflight = auto */
	struct window window; /* 0: no slow start */
};

/* NULL when out of memory. */
struct instance *instance_new(struct upstream *upstream, unsigned index);
void instance_free(struct instance **instancep); /* its peer must be gone */

/* Take over what the supervisor says; not of an older generation. */
void instance_update(struct instance *instance, const struct note *note);

/* Connect, unless there is a link, or no use for one. */
void instance_dial(struct instance *instance);

/* Another try to connect, with the shortest pause should it fail. */
void instance_kick(struct instance *instance);

/* It is no longer in the picture. */
void instance_remove(struct instance *instance);

/* May it be able to take a request before this loop time? */
bool instance_is_hopeful(const struct instance *instance, int64_t deadline_us);

/* May its link take one more request? */
bool instance_has_room(const struct instance *instance);

/* Neither stuck nor ejected: it is to be preferred to those that are. */
bool instance_is_good(const struct instance *instance, int64_t now_us);

/*
 * A request has ended there.
 *
 * status       of the answer; 504 when it did not come in time
 * latency_us   since it was sent
 */
void instance_answered(struct instance *instance, unsigned status,
    int64_t latency_us);

/* A handler had begun it, and the link was lost; the process lives. */
void instance_lost(struct instance *instance, int64_t latency_us);

/* outlier_judge() has changed its state. */
void instance_judged(struct instance *instance);

/* Let its slow start go on although no answer came. */
void instance_widen(struct instance *instance);

/* Tell the control thread how it answers. */
void instance_tell_stats(const struct instance *instance);

/* The peer's news. */
void instance_up(struct instance *instance);
void instance_down(struct instance *instance, const char *why);

#endif
