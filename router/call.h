/*
 * call: one request of an SP caller, and the caller's insides that it needs.
 */
#ifndef MSVC_ROUTER_CALL_H
#define MSVC_ROUTER_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ipc/buf.h"
#include "ipc/loop.h"
#include "ipc/sp.h"

#include "conn.h"
#include "exchange.h"
#include "trace.h"

struct caller;
struct fallback;
struct frame;
struct link;
struct problem;
struct snapshot_route;
struct view;
struct worker;

struct call {
	struct exchange ex;
	struct caller *caller;
	TAILQ_ENTRY(call) link; /* flight or idle of the caller */
	uint32_t id;            /* the caller's */
	struct sp_header header;
	struct buf data; /* op, meta and payload, copied: it may wait */
	size_t op_len, meta_len;
	const struct snapshot_route *route; /* NULL: "service.operation" */
	struct view *view;
	struct fallback *fallback;  /* while another service answers */
	const struct problem *told; /* the failure, for the access line */
	uint64_t limit_ms;      /* what the caller allows; 0: it sets none */
	const char *request_id; /* made_id, or inside data */
	size_t request_id_len;
	int64_t start_us;
	uint64_t bytes;  /* of the answer */
	unsigned status; /* of a streamed answer */
	char made_id[TRACE_ID_LEN];
};

struct caller {
	struct worker *worker;
	struct link *link;
	TAILQ_ENTRY(caller) link_all;
	TAILQ_HEAD(, call) flight, idle;
	size_t flight_count;
	struct loop_task task; /* frees it at the end of the turn */
	bool is_paused;
	bool is_local; /* on the unix socket: it may know all */
	char client[CONN_CLIENT_MAX];
};

extern const struct exchange_source call_source;

/* Route and start it; it may be answered before this returns. */
void call_start(struct call *call, const struct frame *frame,
    const struct sp_header *header);

/* The caller does not want it any more. */
void call_cancel(struct call *call);

void call_log(struct call *call, unsigned status);

/* "GET /users?x" in its parts; without a space all of it is the path. */
struct call_parts {
	const char *method, *path, *query;
	size_t method_len, path_len, query_len;
};
struct call_parts call_split(const struct call *call);

/*
 * call_answer.c: the outcome, as in struct exchange_source; end the call with
 * that answer; and end it with an answer that was written.
 */
int call_on_response(struct exchange *ex, const struct frame *frame,
    bool is_stream);
void call_on_chunk(struct exchange *ex, const struct frame *frame);
void call_on_problem(struct exchange *ex, const struct problem *problem);
void call_on_abort(struct exchange *ex);
void call_answer_problem(struct call *call, const struct problem *problem);
void call_answer_frame(struct call *call, const struct frame *frame);
void call_finish(struct call *call, unsigned status);

/* call_fallback.c: as conn_fall_back() (conn.h). */
bool call_fall_back(struct call *call, unsigned failure,
    const struct problem *problem, const struct frame *frame);

/* The call is over: keep it for the next one. In caller.c. */
void caller_give_back(struct call *call);

#endif
