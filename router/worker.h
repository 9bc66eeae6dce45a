/*
 * worker: one thread with one event loop, its connections and its links.
 *
 * Workers share nothing that changes but two counters: everything else comes
 * as letters from the control thread. The fields of struct worker are for the
 * files that make up a worker (conn, caller, exchange, peer, upstream), all
 * of them on its thread.
 */
#ifndef MSVC_ROUTER_WORKER_H
#define MSVC_ROUTER_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ipc/buf.h"
#include "ipc/lifeline.h"
#include "ipc/loop.h"
#include "ipc/pattern.h"
#include "ipc/sp.h"

#include "poison.h"
#include "snapshot.h"
#include "trace.h"

struct access_log;
struct caller;
struct conn;
struct door;
struct err;
struct exchange;
struct listener;
struct note;
struct peer;
struct upstream;
struct watchlist;

/*
 * Numbers of one worker: written by it alone, read by anybody. Generated from
 * one table for the struct, the sum and /-/health.
 */
#define WORKER_COUNTERS(X)                                              \
	X(connections, "connections accepted")                          \
	X(connections_open, "connections open now")                     \
	X(requests, "requests answered")                                \
	X(problems, "answers made by the router itself")                \
	X(bad_requests, "requests refused as malformed")                \
	X(bad_responses, "links closed because of what a service sent") \
	X(links_cut, "links cut off because the peer did not read")     \
	X(in_flight, "requests in instances now")                       \
	X(held, "requests that wait for an instance now")               \
	X(requeues, "requests sent again that no handler had begun")    \
	X(retries, "requests sent again that a handler had begun")      \
	X(stalls, "requests taken back from an instance that stood")    \
	X(hangs, "instances that a request has hung")                   \
	X(ejections, "instances ejected for their answers")             \
	X(shed, "requests refused for want of room")                    \
	X(quarantined, "requests refused as quarantined")               \
	X(fallbacks, "answers by a fallback")                           \
	X(deadlines, "requests whose deadline passed")                  \
	X(cancels, "requests cancelled in flight")                      \
	X(accept_failures, "accepts that failed for want of resources")

struct worker_counters {
#define X(name, help) _Atomic uint64_t name;
	WORKER_COUNTERS(X)
#undef X
};

/* A counter has one writer, so this needs no locked instruction. */
static inline void
worker_count_by(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_store_explicit(counter,
	    atomic_load_explicit(counter, memory_order_relaxed) + by,
	    memory_order_relaxed);
}

static inline void
worker_count(_Atomic uint64_t *counter)
{
	worker_count_by(counter, 1);
}

/* One less of what a gauge counts. */
static inline void
worker_uncount(_Atomic uint64_t *counter)
{
	worker_count_by(counter, UINT64_MAX);
}

/* Since the last time, of one worker; waits in microseconds. */
struct worker_load {
	uint64_t requests;       /* that came */
	uint64_t inflight, held; /* now */
	int64_t wait_us;         /* the longest */
};

struct worker_stats {
	uint64_t requests, failures, latency_us;
};

/* One generation of an instance. */
struct worker_key {
	const char *service; /* borrowed */
	uint64_t index, generation;
};

/* A request that was in flight on a link that is lost. */
struct worker_casualty {
	struct worker_key key;
	struct poison_print print; /* valid when is_taken */
	bool is_taken;             /* by a handler, and not answered */
	/* What the supervisor may be told: packets of ipc/lifeline.h. */
	const struct buf *casualty;
	const struct buf *quarantine; /* empty unless is_taken */
};

/* What the control thread offers; called in the worker's thread. */
struct worker_host {
	void *arg;
	atomic_size_t *connections; /* over all workers */
	size_t worker_count;        /* set before the first one runs */
	/* The link to an instance is up or gone. */
	void (*linked)(void *arg, const char *service, uint64_t index,
	    uint64_t generation, bool is_up);
	/* A PUB or SUB peer has connected; takes the fd. */
	void (*bus)(void *arg, int fd, enum sp_transport transport,
	    unsigned peer_protocol, const uint8_t *initial, size_t len,
	    const char *label);
	/* The last connection is closed after a stop. */
	void (*done)(void *arg);
	/* Of an instance that is dead or drains: no link is left. */
	void (*gone)(void *arg, const struct worker_key *key, bool is_dead);
	void (*hung)(void *arg, const struct worker_key *key, const char *what,
	    int64_t age_us);
	/* Since both generations of the index are ready, of this worker. */
	void (*stats)(void *arg, unsigned worker, const struct worker_key *key,
	    const struct worker_stats *stats);
	void (*casualty)(void *arg, const struct worker_casualty *casualty);
	/* A suspect was answered well. */
	void (*cleared)(void *arg, const char *service,
	    const struct poison_print *print);
	/* How busy a service is; again in period_ms at the earliest. */
	void (*load)(void *arg, unsigned worker, const char *service,
	    uint64_t period_ms, const struct worker_load *load);
	/* There is a request for a service that sleeps. */
	void (*wanted)(void *arg, const char *service);
};

/* The picture with what belongs to it here; lives while a request needs it. */
struct view {
	struct snapshot *snapshot;
	struct upstream **upstreams; /* by service index */
	unsigned refs;
};

enum {
	WORKER_SCRATCH = 64 * 1024,
	WORKER_SPARE_MAX = 64,
	WORKER_SPARE_BYTES = 64 * 1024
};

struct worker {
	struct loop *loop;
	const struct worker_host *host;
	unsigned number;
	pthread_t thread;
	struct view *view;           /* NULL before the first picture */
	struct upstream **upstreams; /* sorted by name */
	size_t upstream_count, upstream_cap;
	struct door **doors;
	size_t door_count;
	TAILQ_HEAD(, conn) conns;
	TAILQ_HEAD(, conn) buried; /* freed at the end of the turn */
	TAILQ_HEAD(, caller) callers;
	TAILQ_HEAD(, peer) peers;
	struct loop_task burial;
	struct access_log *access;
	struct trace_random random;
	struct watchlist *watchlist; /* NULL: empty */
	struct worker_counters counters;
	uint8_t *scratch;    /* WORKER_SCRATCH bytes to read into */
	struct buf op, text; /* scratch for one call */
	struct buf body;     /* the MessagePack form of body_owner's body */
	struct pattern_match match; /* and its path parameters */
	struct exchange *body_owner;
	struct buf spare[WORKER_SPARE_MAX]; /* out buffers not in use */
	size_t spare_count;
	int64_t date_us; /* loop time up to which date holds */
	char date[32];
	bool is_stopping; /* no new connections */
	bool is_over;     /* no new links either */
};

/* Make a worker with its own loop; its thread is not running yet. */
struct worker *worker_new(unsigned number, const struct worker_host *host,
    struct err *err_r);
int worker_start(struct worker *worker, struct err *err_r);

/* After worker_post_stop(): wait for the thread's end and free everything. */
void worker_free(struct worker **workerp);

/*
 * Letters, from any thread. The picture and the listeners replace what was
 * there; the note is shared. stop: finish what is in flight and call done();
 * is_forced: now. Out of memory ends the process: a worker that has missed a
 * letter would be wrong for ever.
 */
void worker_post_apply(struct worker *worker, struct snapshot *snapshot,
    struct listener **listeners, size_t count);
void worker_post_note(struct worker *worker, struct note *note);
void worker_post_kick(struct worker *worker, struct note *note);
void worker_post_stop(struct worker *worker, bool is_forced);

/* The watch list is shared; NULL: nothing is suspected or quarantined. */
void worker_post_watchlist(struct worker *worker, struct watchlist *watchlist);

/* What the death of a generation means for its requests is known. */
void worker_post_resolved(struct worker *worker, struct note *note);

void worker_post_fault(struct worker *worker,
    const struct lifeline_fault *fault);

/* For the files of the worker. */
struct view *view_ref(struct view *view);
void view_unref(struct view **viewp);
struct upstream *worker_upstream(struct worker *worker, const char *name);

/* "Sun, 06 Nov 1994 08:49:37 GMT" of this second. */
const char *worker_date(struct worker *worker);

/* Swap an empty buf for one with memory, and give it back once empty. */
void worker_lend(struct worker *worker, struct buf *buf);
void worker_regain(struct worker *worker, struct buf *buf);

/* A connection is gone: accept again, or be done. */
void worker_left(struct worker *worker);

#endif
