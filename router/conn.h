/*
 * conn: one connection of a client, from accept to close.
 *
 * Its first byte tells what it is: 0x00 begins an SP handshake, and the
 * connection is handed to caller.c or the bus; anything else is HTTP. Requests
 * of one connection are handled one at a time, so that pipelined ones are
 * answered in order; what follows waits in the in buffer, and beyond a bound
 * in the kernel. An idle connection soon holds no buffer.
 *
 * A client may end its sending half behind a request and still read the
 * answer (RFC 9112 section 9.6). One that has gone looks the same to TCP until
 * it is sent something, so a request that is in flight for longer gets an
 * interim "100 Continue", which every HTTP/1.1 client ignores: to a closed
 * socket it brings a reset back, and that cancels the request.
 *
 * conn.c owns life, bytes and timeouts; conn_request.c turns a request into
 * an exchange; conn_answer.c turns its outcome into a response, which may be
 * another one that conn_fallback.c finds.
 */
#ifndef MSVC_ROUTER_CONN_H
#define MSVC_ROUTER_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ipc/buf.h"
#include "ipc/loop.h"

#include "exchange.h"
#include "trace.h"

struct fallback;
struct http_parser;
struct listener;
struct problem;
struct snapshot_route;
struct view;
struct worker;

enum {
	CONN_CLIENT_MAX = 46,         /* INET6_ADDRSTRLEN */
	CONN_IN_MAX = 64 * 1024,      /* bytes held behind a request */
	CONN_OUT_MAX = 256 * 1024,    /* unsent: no next request */
	CONN_LINGER_US = 2000 * 1000, /* for a client to read the refusal */
	CONN_PROBE_MS = 500,          /* in flight behind a half-close */
	CONN_TRIM_MS = 1000,          /* idle, before buffers are given back */
	CONN_LINGER_MAX = 16 * 1024 * 1024,
	CONN_REFUSED_BODY_MAX = 64 * 1024, /* read before a 404 goes out */
	CONN_STATUS_LEFT = 499             /* access log: the client left */
};

enum conn_phase {
	CONN_SNIFF,  /* HTTP or SP is not decided yet */
	CONN_IDLE,   /* between two requests */
	CONN_HEAD,   /* the head has begun */
	CONN_BODY,   /* the head is complete */
	CONN_BUSY,   /* the request is in flight */
	CONN_STREAM, /* a streamed response is under way */
	CONN_FLUSH,  /* close when all is written */
	CONN_LINGER, /* written and shut down; dropping what still comes */
	CONN_CLOSED  /* to be freed at the end of the turn */
};

struct conn {
	struct worker *worker;
	TAILQ_ENTRY(conn) link;
	struct loop_io io;
	struct loop_timer timer;    /* of the phase; moved, never dropped */
	struct loop_task task;      /* at the end of the turn: go on, write */
	struct http_parser *parser; /* NULL before it is known to be HTTP */
	struct buf in, out;
	struct exchange ex;
	const struct snapshot_route *route; /* of the request, owned by ... */
	struct view *view;                  /* ... this */
	struct fallback *fallback;          /* while another service answers */
	const struct problem *told; /* the failure, for the access line */
	const char *request_id;     /* made_id, or inside the parser */
	size_t request_id_len;
	int64_t start_us;    /* loop time at which the request was complete */
	uint64_t limit_ms;   /* X-Request-Timeout; 0: the client sets none */
	uint64_t body_bytes; /* of the response so far */
	uint64_t uncredited; /* of the stream, written for the client */
	size_t lingered;     /* bytes dropped */
	unsigned status;     /* of the response under way */
	enum conn_phase phase;
	bool is_tcp, is_sp_allowed, is_http_allowed;
	bool is_blocked;  /* the socket took less than we had */
	bool is_routed;   /* this request's head was looked at */
	bool must_linger; /* unread bytes of the request may be on the way */
	bool keep_alive;  /* of the response under way */
	bool has_ended;   /* the client will send nothing more */
	bool is_trimmed;  /* idle, and the parser holds no buffer */
	char made_id[TRACE_ID_LEN];
	char client[CONN_CLIENT_MAX];
};

/* Take an accepted connection, already counted; fd is closed on failure. */
void conn_open(struct worker *worker, int fd, const struct listener *listener,
    const char *client);

/* Cancel what is in flight and close; freed at the end of the turn. */
void conn_close(struct conn *conn);
void conn_bury(struct worker *worker);

/* The worker stops: close the idle ones, let the others finish. */
void conn_drain(struct worker *worker);

/*
 * For the other files of conn.
 */

/* Feed HTTP bytes to the parser; returns how many it took before a request
 * was complete that must be answered first. */
size_t conn_feed(struct conn *conn, const uint8_t *bytes, size_t len);

void conn_set_phase(struct conn *conn, enum conn_phase phase);

/* Whenever it closes, the client sees a reset, and no end of a body. */
void conn_reset_on_close(struct conn *conn);

/* Something is to be written, or pending input may go on. */
void conn_touch(struct conn *conn);

/* conn_request.c: a head or a whole request has been parsed. */
void conn_on_head(struct conn *conn);
void conn_on_request(struct conn *conn);
extern const struct exchange_source conn_source;

/* conn_answer.c */
void conn_answer_problem(struct conn *conn, const struct problem *problem);
void conn_answer_frame(struct conn *conn, const struct frame *frame);
void conn_answer_body(struct conn *conn, unsigned failure,
    const struct problem *problem); /* NULL: the service's own */
void conn_refuse(struct conn *conn, unsigned status, const char *cause,
    const char *reason);
int conn_on_response(struct exchange *ex, const struct frame *frame,
    bool is_stream);
void conn_on_chunk(struct exchange *ex, const struct frame *frame);
void conn_on_problem(struct exchange *ex, const struct problem *problem);
void conn_on_abort(struct exchange *ex);

/*
 * conn_fallback.c: answer the request under way in another way, now or later.
 * failure is one of enum lifeline_failure, or 0; problem or frame is what it
 * is about, the other one NULL. Returns false when the failure is to be told.
 */
bool conn_fall_back(struct conn *conn, unsigned failure,
    const struct problem *problem, const struct frame *frame);

/* The access line of the request under way; resets it. */
void conn_log(struct conn *conn, unsigned status);

#endif
