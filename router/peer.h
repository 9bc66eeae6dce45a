/*
 * peer: a link to one generation of one instance, and what is in flight on it.
 *
 * A worker has at most one for each generation, retired ones that live on
 * until their last answer came, and lost ones: their link is gone, but what
 * becomes of the requests that a handler had begun is not decided before the
 * supervisor has told how the process ended.
 *
 * peer.c sends and takes answers; peer_loss.c ends a link and tells of what
 * was in flight; peer_watch.c looks for instances that stand or hang. All
 * calls are for the worker's thread.
 */
#ifndef MSVC_ROUTER_PEER_H
#define MSVC_ROUTER_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/loop.h"

#include "poison.h"
#include "retry.h"
#include "slots.h"

struct exchange;
struct instance;
struct link;
struct note;
struct upstream;
struct worker;

enum {
	/* A response may be this big; a service that sends more is cut off. */
	PEER_MESSAGE_MAX = 64 * 1024 * 1024,
	/*
	 * Services take no longer messages either, and would close the link
	 * with all that is in flight on it. The rest is for op and meta.
	 */
	PEER_REQUEST_MAX = PEER_MESSAGE_MAX - 4 * 1024 * 1024,
	/* With more than this unwritten a link gets no new requests. */
	PEER_QUEUE_SOFT = 1024 * 1024,
	/* The supervisor's word on a death is waited for so long. */
	PEER_VERDICT_US = 250 * 1000,
	PEER_WHAT_MAX = 96,
	PEER_PARKED_MAX = 256
};

/* A taken request that nobody waits for any more, while it is still taken. */
struct parked {
	TAILQ_ENTRY(parked) link;
	uint32_t id;
	int64_t sent_us;
	int64_t hung_us; /* loop time from which on it is a hang */
	struct poison_print print;
	struct buf casualty, quarantine; /* what to tell if it ends here */
	char what[PEER_WHAT_MAX];        /* "GET /reports", for logs */
};

struct peer {
	struct worker *worker;
	struct upstream *upstream;
	struct instance *instance; /* NULL once retired or lost */
	struct link *link;
	struct slots slots;
	TAILQ_HEAD(, parked) parked;
	unsigned index;
	uint64_t generation;
	unsigned death;    /* enum lifeline_death, as far as told */
	bool is_remote;    /* the supervisor knows nothing of its process */
	bool is_closing;   /* nothing more is taken from it */
	bool is_lost;      /* the link is gone */
	bool is_malformed; /* it sent what makes no sense */
	bool is_stuck;     /* has not begun a request for stall_timeout */
	int64_t heard_us;  /* when the last frame came */
	int64_t probe_us;  /* when one more is sent to see if it still is */
	int64_t probe_pause_us;
	int64_t told_us;         /* when the log had it; 0: not yet */
	uint32_t stuck_count;    /* in flight, not those to see with */
	bool is_hung;            /* a handler is long past its deadline */
	bool is_marked;          /* the control thread waits for its end, */
	bool is_told;            /* which it knows of */
	struct loop_task task;   /* closes at the end of the turn */
	struct loop_timer watch; /* while requests are in flight, or lost */
	struct err why;
	TAILQ_ENTRY(peer) link_all;
};

/*
 * Start to connect. The peer tells instance_up() and instance_down() of its
 * owner, until peer_retire(). Returns NULL with err and errno set.
 */
struct peer *peer_new(struct instance *instance, struct err *err_r);

/*
 * Close at once. Requests that no handler has begun go back to the upstream,
 * the others when it is known why.
 */
void peer_close(struct peer *peer, const char *why);

/* No new requests; closes by itself when the last in flight is answered. */
void peer_retire(struct peer *peer);

/* Connected, and neither full nor on its way out. */
bool peer_is_usable(const struct peer *peer);
bool peer_is_up(const struct peer *peer);

/*
 * It stands still, and others are to be preferred. From time to time one
 * request is good enough to find out: it can be taken back.
 */
bool peer_is_stuck(const struct peer *peer);
size_t peer_outstanding(const struct peer *peer);

/* Send a request; only when peer_is_usable(). Keeps or answers it. */
void peer_send(struct peer *peer, struct exchange *ex);

/* Forget an exchange that is in flight here and tell the service. */
void peer_cancel(struct peer *peer, struct exchange *ex);
void peer_credit(struct peer *peer, struct exchange *ex, uint64_t bytes);

/* The deadline of an exchange in flight here has passed. */
void peer_failed(struct peer *peer, const struct exchange *ex);

/* The supervisor's word on a generation: what it means for its peers. */
void peers_note(struct upstream *upstream, const struct note *note);

/* Is an equal request in an instance of upstream, or is its end unknown? */
bool peers_have_equal(const struct upstream *upstream, struct exchange *ex);

/* What a crash means for other requests has been decided. */
void peers_resolve(struct upstream *upstream, const struct note *note);

/*
 * For the other files of peer.
 */

/* The exchange is no longer in flight here. */
void peer_drop(struct peer *peer, struct slot *slot);

/* Retired or lost, with nothing in flight: end it when the turn is over. */
void peer_settle(struct peer *peer);

/* It is lost and empty: free it. peer_loss.c */
void peer_bury(struct peer *peer);
void peer_on_verdict_timeout(struct peer *peer);

/* Requests are in flight: look at them now and then. peer_watch.c */
void peer_watch(struct peer *peer);
void peer_on_watch(struct loop_timer *timer);

/* Its answer was on its way when the link was lost. */
bool peer_is_done(const struct peer *peer, const struct slot *slot);

/* Take one back that was sent: true when no handler has begun or will. */
bool peer_revoke(struct peer *peer, const struct exchange *ex);

/* Its handler runs on with nobody waiting. False: it does not run. */
bool peer_park(struct peer *peer, struct slot *slot);

/* An answer to a parked one has come. */
void peer_unpark(struct peer *peer, uint32_t id);
void peer_unpark_all(struct peer *peer);

#endif
