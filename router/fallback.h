/*
 * fallback: what a route answers with in place of a failure.
 *
 * That is a body, or the answer of another service, to which the request goes
 * as a new exchange. Meanwhile the failure is kept, for when that service
 * fails as well; its own fallbacks are not asked for, so there are no chains.
 * HTTP requests (conn_fallback.c) and calls of SP peers (call_fallback.c) fall
 * back alike. All calls are for the worker's thread.
 */
#ifndef MSVC_ROUTER_FALLBACK_H
#define MSVC_ROUTER_FALLBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/buf.h"
#include "ipc/frame.h"

#include "problem.h"

struct exchange;
struct snapshot_route;
struct view;

/* The field, or the key of meta, that names the failure in the answer. */
#define FALLBACK_FIELD "X-Msvc-Fallback"
#define FALLBACK_META  "x-msvc-fallback"

struct fallback {
	unsigned failure;       /* enum lifeline_failure */
	bool is_problem;        /* of the router, else the service's answer */
	struct problem problem; /* what it borrows outlives the request */
	struct frame frame;     /* its meta and payload are in bytes */
	struct buf bytes;
	unsigned instance; /* of the exchange that failed */
	int64_t service_us;
};

/* "down", "timeout" or "5xx". */
const char *fallback_name(unsigned failure);

/* The kind of failure that an exchange's problem is; 0: none of them. */
unsigned fallback_failure(const struct problem *problem);

/*
 * Keep a failure of this exchange: the problem, or, when that is NULL, a copy
 * of the frame. NULL when out of memory.
 */
struct fallback *fallback_new(unsigned failure, const struct problem *problem,
    const struct frame *frame, const struct exchange *ex);
void fallback_free(struct fallback **fallbackp);

/*
 * Until when the fallback service of the route may answer. The deadline stays;
 * when it has passed, that service gets its own timeout, but no more than what
 * is left of the client's limit (0: it set none) since start_us. Returns loop
 * time, or -1 when the client does not wait any longer. Pure.
 */
int64_t fallback_until(const struct exchange *ex,
    const struct snapshot_route *route, uint64_t limit_ms, int64_t start_us,
    int64_t now_us);

/*
 * Send the request to the fallback service of the route. The exchange may have
 * ended before this returns.
 */
void fallback_ask(struct exchange *ex, const struct snapshot_route *route,
    const struct view *view, int64_t until_us);

#endif
