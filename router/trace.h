/*
 * trace: request ids and W3C traceparent values, made or passed on.
 *
 * The random numbers only have to be unique, not secret: a small generator,
 * one a worker, seeded from the kernel.
 */
#ifndef MSVC_ROUTER_TRACE_H
#define MSVC_ROUTER_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TRACE_ID_LEN = 32,     /* a request id that we made */
	TRACE_ID_MAX = 128,    /* the longest that we take over */
	TRACE_PARENT_LEN = 55, /* "00-<32 hex>-<16 hex>-<2 hex>" */
};

struct trace_random {
	uint64_t state[2];
};

/* Seed from getrandom(2); from time and address when that fails. */
void trace_random_init(struct trace_random *random);
uint64_t trace_random_next(struct trace_random *random);

/* Write TRACE_ID_LEN lower-case hex digits, no NUL. */
void trace_make_id(struct trace_random *random, char *out);

/* May this X-Request-Id be taken over? Printable, no quotes, <= 128 bytes. */
bool trace_id_is_sane(const char *id, size_t len);

/*
 * Write TRACE_PARENT_LEN bytes, no NUL: the trace of a valid given value with
 * a new parent id (www.w3.org/TR/trace-context), else a new, sampled trace.
 * given may be NULL.
 */
void trace_make_parent(struct trace_random *random, const char *given,
    size_t len, char *out);

#endif
