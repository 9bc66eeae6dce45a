/*
 * problem: an answer that the router makes itself (RFC 9457).
 *
 * One description, written as JSON for HTTP clients and as a MessagePack map
 * for SP callers. Pure.
 */
#ifndef MSVC_ROUTER_PROBLEM_H
#define MSVC_ROUTER_PROBLEM_H

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

/* Append the map {type, title, status, detail, cause, ...}. */
void problem_put_mp(const struct problem *problem, struct buf *buf);

/* Append the same as JSON text. */
void problem_put_json(const struct problem *problem, struct buf *buf);

#endif
