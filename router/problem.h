/*
 * problem: an answer that the router makes itself (RFC 9457).
 *
 * One description, written as JSON for HTTP clients and as a MessagePack map
 * for SP callers. Pure.
 *
 * The causes, which never change their meaning, for programs depend on them:
 *
 *   400 bad-request      the HTTP is malformed or over a limit; also other
 *                        statuses, as RFC 9110 and 9112 name them
 *   400 dot-segment      the path has a segment "." or ".."
 *   400 bad-body         the body is not what its content-type says
 *   400 bad-timeout      X-Request-Timeout is no number of milliseconds
 *   404 no-route         no route has this path
 *   404 no-service       SP: the operation names no service
 *   405 method           the path has other methods; 501: CONNECT
 *   204 options          which methods the path has; not a failure
 *   408 timeout          the request did not arrive in time
 *   413 too-large        its body is over a limit
 *   502 service-died     its process ended with the request in hand
 *   502 service-crashed  so it did, and the request may be why
 *   502 service-stuck    it hung with the request in hand
 *   502 link-closed      the link to it ended; it may live
 *   502 bad-response     the service's answer makes no sense
 *   502 stream           SP: the answer needs a caller that can take streams
 *   503 starting         not ready yet, and not in time
 *   503 restarting       the same after a failure; Retry-After by the schedule
 *   503 failed           it gave up after too many restarts
 *   503 stopped          an operator stopped it, or it ended as it may
 *   503 disabled         the configuration does not want it
 *   503 unreachable      it runs, but there is no link to it
 *   503 overloaded       it has as many requests as it may have at a time
 *   503 queue-full       as many as may wait for it do
 *   503 quarantined      this very request has crashed it
 *   503 no-memory        the router is short of memory
 *   504 deadline         the answer did not come in time
 *   any fault            an operator wants it to fail
 */
#ifndef MSVC_ROUTER_PROBLEM_H
#define MSVC_ROUTER_PROBLEM_H

#include <stdbool.h>
#include <stdint.h>

struct buf;

#define PROBLEM_TYPE "application/problem+json"

struct problem {
	unsigned status;
	const char *cause;    /* one stable word for programs: "no-route" */
	char detail[256];     /* one sentence for people */
	const char *service;  /* NULL: none involved; borrowed */
	unsigned instance;    /* 0: none */
	uint64_t retry_after; /* seconds; 0: not told */
	int64_t offset;       /* byte of the body at fault; -1: not told */
	const char *allow;    /* 405 and OPTIONS: methods; or NULL; borrowed */
};

/* Fill in a problem without service, offset and Retry-After. */
void problem_set(struct problem *problem, unsigned status, const char *cause,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/*
 * Append the map {type, title, status, detail, cause, ...}. is_brief: without
 * service and instance, and without detail where that may tell of what is
 * behind the router: of status 500 and over, or of a service.
 */
void problem_put_mp(const struct problem *problem, bool is_brief,
    struct buf *buf);

/* Append the same as JSON text. */
void problem_put_json(const struct problem *problem, bool is_brief,
    struct buf *buf);

#endif
