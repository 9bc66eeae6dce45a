/*
 * exchange: one request in flight, from whoever asked to an instance.
 *
 * It is embedded in its source, an HTTP connection (conn.c) or a call of an
 * SP peer (caller.c), which gives the request's bytes when asked, as often as
 * the request must be sent, and takes the answer. In between it waits for an
 * instance (upstream.c) or is in flight on a link (peer.c). Exactly one of
 * response, problem or, after a streamed head, last chunk or abort ends it;
 * its source may start the next one from inside that call.
 */
#ifndef MSVC_ROUTER_EXCHANGE_H
#define MSVC_ROUTER_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ipc/loop.h"

#include "poison.h"
#include "retry.h"
#include "trace.h"

struct buf;
struct exchange;
struct frame;
struct peer;
struct problem;
struct upstream;
struct worker;

/* What was asked, for fingerprints and reports. Borrowed from the source. */
struct exchange_request {
	const char *method; /* "" for an operation */
	size_t method_len;
	const char *path; /* or the operation's name */
	size_t path_len;
	const char *query; /* without "?" */
	size_t query_len;
	const uint8_t *body; /* as it came */
	size_t body_len;
	const char *route; /* its name */
	const char *request_id;
	size_t request_id_len;
	const char *trace; /* the traceparent, or NULL */
	size_t trace_len;
	const char *client;
};

struct exchange_source {
	/* Tell what was asked. */
	void (*describe)(const struct exchange *ex,
	    struct exchange_request *request_r);
	/* Append "name: value" lines; credentials are left out. */
	void (*fields)(const struct exchange *ex, struct buf *buf);
	/* Append one whole request frame with this id. */
	void (*encode)(struct exchange *ex, struct buf *buf, uint32_t id);
	/*
	 * The response; is_stream: only its head, chunks follow. Returns -1
	 * when it makes no sense and nothing of it was used; problem() or
	 * abort() follows then.
	 */
	int (*response)(struct exchange *ex, const struct frame *frame,
	    bool is_stream);
	/* A chunk of the stream; FRAME_LAST ends the exchange. */
	void (*chunk)(struct exchange *ex, const struct frame *frame);
	/* The router's own answer. */
	void (*problem)(struct exchange *ex, const struct problem *problem);
	/* The stream broke off: the source cannot answer any more. */
	void (*abort)(struct exchange *ex);
};

enum exchange_state {
	EXCHANGE_IDLE,
	EXCHANGE_DELAYED, /* until its timer says */
	EXCHANGE_WAITING, /* in the upstream's list */
	EXCHANGE_SENT,    /* in flight on a link */
	EXCHANGE_STREAM   /* in flight, the response's head was taken */
};

struct exchange {
	const struct exchange_source *source;
	struct worker *worker;
	TAILQ_ENTRY(exchange) waiting;
	struct loop_timer timer; /* moved, never dropped, between requests */
	struct upstream *upstream;
	struct peer *peer; /* while in flight */
	uint32_t id;       /* on the peer's link */
	unsigned losses;   /* times it was lost after a handler took it */
	unsigned stalls;   /* times it was taken back from one that stood */
	bool is_counted;   /* in the upstream's budget */
	bool is_faulted;   /* the fault of the upstream has had its turn */
	bool has_print, has_trace;
	char trace[TRACE_PARENT_LEN]; /* sent last, with has_trace */
	struct poison_print print;    /* its fingerprint, with has_print */
	uint64_t sent_mark; /* bytes enqueued on the link before its frame */
	enum exchange_state state;
	/* Set by the source before exchange_start(). */
	bool is_idempotent;  /* may run twice (RFC 9110 section 9.2.2) */
	size_t body_bytes;   /* that it keeps while the exchange waits */
	unsigned instance;   /* index that it was sent to; 0: none */
	int64_t deadline_us; /* loop time */
	int64_t held_us;     /* loop time since when it waits, or did */
	int64_t sent_us;     /* loop time of the last send */
	int64_t service_us;  /* from then to the response; -1: none came */
};

void exchange_init(struct exchange *ex, struct worker *worker,
    const struct exchange_source *source);

/* Cancels when in flight. */
void exchange_fini(struct exchange *ex);

/*
 * Send it to an instance of upstream, now or when one is there. problem() may
 * be called before this returns.
 */
void exchange_start(struct exchange *ex, struct upstream *upstream,
    int64_t deadline_us);

/*
 * It was in flight on a link that is gone, or was taken back; it is idle by
 * now. Sends it again, now or later, or ends it with a problem.
 */
void exchange_lose(struct exchange *ex, enum retry_loss loss, bool is_taken,
    unsigned instance, const char *why);

/* Its fingerprint, for as long as it runs. */
const struct poison_print *exchange_print(struct exchange *ex);

/* Wait until that loop time before it is sent; it must be idle. */
void exchange_delay(struct exchange *ex, int64_t until_us);

/* Nobody waits for it any more; tells the service. No callback follows. */
void exchange_cancel(struct exchange *ex);

/* The source took so many bytes of the stream: let the service send more. */
void exchange_credit(struct exchange *ex, uint64_t bytes);

#endif
