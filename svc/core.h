/*
 * core: what the files of libmsvc share. Not installed.
 *
 *   svc.c      make, configure, run, drain, stop
 *   conn.c     callers' connections: accept, link, frames in
 *   request.c  the life of a request, from its frame to the pool
 *   dispatch.c the queue of requests, and which handler gets which
 *   access.c   what a handler may ask about a request
 *   reply.c    answers; stream.c answers in pieces
 *   data.c     values that go out; payload.c values that came in
 *   helper.c   command line and log lines of services
 *   dialer.c   a connection to the router that comes back by itself
 *   call.c     calls to others; caller.c their connection, answer.c their
 *              answers; bus.c events
 *   notify.c   sd_notify(3); watch.c timers and descriptors of services
 *
 * A value of libmsvc's API (struct svc_value) is a struct value of ipc/ under
 * another name, so that no type of ipc/ is visible to services.
 */
#ifndef MSVC_SVC_CORE_H
#define MSVC_SVC_CORE_H

#include <signal.h>
#include <stdarg.h>
#include <sys/queue.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/link.h"
#include "ipc/loop.h"
#include "ipc/pattern.h"
#include "ipc/value.h"
#include "ipc/wire.h"

#include "svc.h"

enum {
	CORE_MESSAGE_MAX = 64 * 1024 * 1024,
	/* Of an answer or call; the rest is for its frame and header. */
	CORE_CONTENT_MAX = CORE_MESSAGE_MAX - 4096,
	CORE_QUEUE_MAX = 256 * 1024 * 1024, /* unwritten, to one caller */
	CORE_CONN_MAX = 1024,
	CORE_REQUEST_MAX = 32768, /* alive, all callers */
	CORE_REQUEST_BYTES_MAX = 256 * 1024 * 1024,
	CORE_REQUEST_SPARE_MAX = 256, /* kept for reuse */
	CORE_BUF_KEEP = 16 * 1024,    /* of a buffer in one */
	CORE_BUCKET_COUNT = 1024,     /* a power of 2 */
	CORE_CALL_MAX = 4096,
	CORE_CALL_TIMEOUT_MS = 10000,
	CORE_ANSWER_MAX = 64 * 1024 * 1024, /* of a streamed answer */
	CORE_EVENT_SIZE_MAX = 1024 * 1024,  /* what the router takes */
	CORE_EVENT_MAX = 1024,
	CORE_EVENT_BYTES_MAX = 4 * 1024 * 1024,
	CORE_SLICE_US = 2000, /* of handlers before sockets are looked at */
	CORE_STREAM_CHUNK = 32 * 1024,
	CORE_STREAM_QUEUE_MAX = 4 * 1024 * 1024,
	CORE_STREAM_WHOLE_MAX = 16 * 1024 * 1024,
	CORE_DRAIN_MS = 5000,
	CORE_QUIET_MS = 50, /* of the callers, before a stop ends */
	CORE_ROUTER_QUIET_MS =
	    1000 /* of a router that should close its links */
};

struct svc_handler {
	SLIST_ENTRY(svc_handler) link;
	char *what; /* owned */
	svc_request_fn *fn;
	void *arg;
};

/* One connection of a caller. */
struct conn {
	LIST_ENTRY(conn) link;
	struct svc *svc;
	struct link *peer;
};

/* Lazily unpacked value and what it lives in. */
struct payload {
	uint8_t *bytes; /* borrowed, writable, one spare byte behind len */
	size_t len;
	struct value_zone *zone;
	struct buf text; /* MessagePack made from JSON */
	const struct value *value;
	bool is_done;
};

enum request_state {
	REQUEST_QUEUED,
	REQUEST_RUNNING,  /* its handler is on the stack */
	REQUEST_DEFERRED, /* the handler returned, the answer comes later */
	REQUEST_DONE      /* will be recycled at the end of the turn */
};

struct svc_request {
	TAILQ_ENTRY(svc_request) queue;
	LIST_ENTRY(svc_request) bucket;
	struct svc *svc;
	struct conn *conn; /* NULL when the caller's connection is gone */
	uint32_t id;
	struct sp_header header;
	enum request_state state;
	bool is_answered;
	bool is_deferred;
	bool is_cancelled;
	bool is_in_ledger; /* the handler runs only when it can be taken */
	bool is_taken;     /* and it was */
	bool is_structured;
	unsigned calls; /* pending calls on its behalf */
	int64_t due_us; /* 0: no deadline */

	struct buf bytes; /* copies of op, meta, payload; each with NUL */
	const char *op, *method, *path, *query; /* in bytes */
	size_t path_len;
	struct payload meta, payload;
	const uint8_t *raw; /* payload that is a bin */
	size_t raw_len;
	struct pattern_match match;
	char *params[PATTERN_PARAM_MAX]; /* in decoded; NULL if not usable */
	struct buf decoded;
	bool is_decoded;
	struct buf query_pairs; /* name NUL value NUL ... */
	bool is_query_split;

	svc_request_fn *cancel_fn;
	void *cancel_arg;
	struct loop_timer due_timer; /* with cancel_fn: for due_us */

	struct buf headers; /* of the answer: encoded keys and values */
	unsigned header_count;

	bool is_stream;
	bool is_whole; /* the peer knows no streams: sent in one at the end */
	bool is_too_large; /* is_whole, but more than is kept */
	bool is_stuck;     /* waits for the link's queue, not for credit */
	uint64_t stream_seq, stream_credit;
	unsigned stream_status;  /* is_whole: for the end */
	struct buf stream, type; /* is_whole: body and content type */
	svc_request_fn *room_fn;
	void *room_arg;
};
TAILQ_HEAD(request_queue, svc_request);
LIST_HEAD(request_bucket, svc_request);

/* A connection to the router that is made again whenever it is lost. */
struct dialer {
	struct loop *loop;
	const char *what; /* for logs: "calls" */
	const char *url;  /* borrowed */
	/* Returns 0, or -1 with err: then it is tried again. Takes fd. */
	int (*open)(struct dialer *dialer, int fd, enum sp_transport transport,
	    struct err *err_r);
	struct loop_timer timer;
	int64_t delay_ms;
	bool is_started;
	bool is_told; /* the present outage was logged */
};

/* what is for logs; url NULL: dialer_start() will tell that it is not set. */
void dialer_init(struct dialer *dialer, struct loop *loop, const char *what,
    const char *url,
    int (*open)(struct dialer *, int, enum sp_transport, struct err *));

/* Dial; a started one stays as it is. Returns false without a URL. */
bool dialer_start(struct dialer *dialer);

/* The connection is up: the next outage starts with a short delay again. */
void dialer_up(struct dialer *dialer);

/* It was lost, why says it: try again after the delay. */
void dialer_lost(struct dialer *dialer, const struct err *why);
void dialer_fini(struct dialer *dialer);

struct call;
TAILQ_HEAD(call_list, call);

struct caller {
	struct dialer dialer;
	struct link *peer; /* NULL while not connected */
	struct call *slots[CORE_CALL_MAX];
	struct call_list lists[3]; /* by enum call_state of call.h */
	struct loop_timer fail_timer;
	size_t count;
	uint32_t next_id;
};

struct bus_out;
struct bus_sub;

struct bus {
	struct dialer pub_dialer, sub_dialer;
	struct wire *pub, *sub;    /* NULL while not connected */
	TAILQ_HEAD(, bus_out) out; /* what the wire has not got yet */
	size_t out_count, out_bytes;
	uint64_t dropped, next_id;
	int64_t start_ms; /* makes ids differ from those of a former start */
	SLIST_HEAD(, bus_sub) subs;
	struct payload data; /* of the event that is being told */
};

struct svc_hook {
	svc_hook_fn *fn;
	void *arg;
};

struct svc_timer {
	LIST_ENTRY(svc_timer) link;
	struct loop *loop;
	struct loop_timer timer;
	svc_timer_fn *fn;
	void *arg;
};

struct svc_watch {
	LIST_ENTRY(svc_watch) link;
	struct loop *loop;
	struct loop_io io;
	svc_watch_fn *fn;
	void *arg;
};

struct svc {
	struct loop *loop;
	const char *name, *instance; /* of the environment */
	struct err mistake;          /* the first one of svc_handle() */
	struct svc_hook on_start, on_stop;

	struct pattern_set *patterns;
	SLIST_HEAD(, svc_handler) handlers;

	int listen_fd;
	enum sp_transport listen_transport;
	struct loop_io listen_io;
	struct loop_timer listen_timer;
	LIST_HEAD(, conn) conns;
	size_t conn_count;

	struct request_queue queue, deferred, done, spare; /* by state */
	struct request_bucket buckets[CORE_BUCKET_COUNT];
	size_t request_count, request_bytes, spare_count, stuck_count;
	struct loop_task run_task, done_task;
	struct loop_timer run_timer;
	int64_t last_request_us;
	LIST_HEAD(, svc_timer) timers;
	LIST_HEAD(, svc_watch) watches;

	struct caller caller;
	struct bus bus;

	bool is_running, is_ready_later, is_stopping;
	int exit_code;
	int signal_fd;
	struct loop_io signal_io;
	struct loop_timer drain_timer, watchdog_timer;
	int64_t drain_due_us, watchdog_us;
};

/* CLOCK_MONOTONIC now, not that of the turn. */
int64_t core_now_us(void);

/* conn.c */
int conn_listen(struct svc *svc, const char *url, struct err *err_r);
void conn_unlisten(struct svc *svc);
void conn_close_all(struct svc *svc);
size_t conn_queued(const struct svc *svc);
/* Is a caller connected that speaks HELLO, as routers do? */
bool conn_has_router(const struct svc *svc);

/* request.c: a frame came in; is there a request to cancel, to credit? */
void request_init(struct svc *svc);
void request_fini(struct svc *svc);
void request_take(struct conn *conn, const struct frame *frame,
    const struct sp_header *header);
void request_cancel(struct conn *conn, uint32_t id);
void request_conn_gone(struct conn *conn);
struct svc_request *request_find(const struct conn *conn, uint32_t id);
/* Nobody waits for it any more: the caller left, or its deadline passed. */
bool request_is_stale(const struct svc_request *req, int64_t now_us);
/*
 * May its handler run? Only for one that is not stale. False when the caller
 * took it back: then it is nobody's, and must be forgotten without a word.
 */
bool request_claim(struct svc_request *req);
/* Cancel it at its deadline, also when its caller says nothing. */
void request_watch_due(struct svc_request *req);
/* How many still have somebody waiting for their answer? */
size_t request_owed(const struct svc *svc, int64_t now_us);
/* The answer is out (or is going nowhere): recycle when nobody uses it. */
void request_answered(struct svc_request *req);
void request_release(struct svc_request *req);
/* Back to the pool; also ends the caller's interest in it. */
void request_recycle(struct svc_request *req);

/* dispatch.c */
void dispatch_init(struct svc *svc);
void dispatch_fini(struct svc *svc);
/* A callback returned: answer 500 when nobody else is going to answer. */
void dispatch_settle(struct svc_request *req);

/* reply.c */
/* May req be answered now? Tells a second answer. */
bool reply_may(struct svc_request *req);
unsigned reply_status(const struct svc_request *req, int status);
void reply_head(struct buf *buf, const struct svc_request *req, unsigned status,
    const char *content_type, bool is_stream);

/* stream.c */
void stream_credit(struct svc_request *req, uint64_t bytes);
void stream_drained(struct conn *conn);

/* payload.c */
void payload_set(struct payload *payload, uint8_t *bytes, size_t len);
/* content_type may be NULL; JSON in a bin is unpacked too. */
const struct value *payload_value(struct payload *payload,
    const char *content_type);
void payload_clear(struct payload *payload);
void payload_fini(struct payload *payload);
static inline const struct svc_value *
payload_public(const struct value *value)
{
	return (const struct svc_value *)(const void *)value;
}
static inline const struct value *
payload_private(const struct svc_value *value)
{
	return (const struct value *)(const void *)value;
}

/* data.c: close what is open. Returns the bytes, or NULL when it failed. */
const struct buf *data_finish(struct svc_data *data);

/* access.c */
void access_clear(struct svc_request *req);

/* caller.c */
void caller_init(struct svc *svc);
void caller_fini(struct svc *svc);

/* bus.c */
void bus_init(struct svc *svc);
void bus_fini(struct svc *svc);
bool bus_is_idle(const struct svc *svc);

/* watch.c */
void watch_fini(struct svc *svc);

/*
 * notify.c: wait that long for a supervisor that does not read, NOTIFY_WAIT:
 * for ever. Returns 0, also when nobody wants to be notified; or -1 with errno
 * set, EAGAIN when the time was over.
 */
enum {
	NOTIFY_WAIT = -1
};
int notify_send(const char *text, int wait_ms);

#endif
