/*
 * limit: how many requests in flight an instance is good for, found by itself.
 *
 * More requests than an instance works on at once only queue in it, where
 * nobody can take them back. So the limit rises while it is used and answers
 * come as fast as ever, and falls by the ratio of the latency without a queue
 * to that of now. That is the gradient of Netflix's concurrency-limits
 * (Gradient2Limit). Unlike there the latency without a queue is no long
 * average, which creeps up under lasting load, but the lowest seen; when none
 * was near it for a while, it is measured again with a quarter of the limit,
 * as Envoy's adaptive concurrency filter and BBR do. Overload told by the
 * instance lowers the limit in proportion, as DCTCP does (RFC 8257 section
 * 3.3).
 *
 * Latencies of up to twice the lowest plus 5 ms are no reason to fall: what
 * requests ask for differs, and so short a queue hurts nobody. Pure.
 */
#ifndef MSVC_ROUTER_LIMIT_H
#define MSVC_ROUTER_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

enum {
	LIMIT_WINDOW = 32,      /* answers that make a mean */
	LIMIT_WINDOW_LEAST = 8, /* as many will do after ... */
	LIMIT_PATIENCE_US = 500000,
	LIMIT_SLACK_US = 5000,
	LIMIT_FRESH_US = 5000000, /* a lowest latency holds for so long */
	LIMIT_FRESH_FIRST_US = 1000000
};

struct limit {
	unsigned value, min, max;
	unsigned probe;    /* the value while measuring the lowest; 0: not */
	int64_t lowest_us; /* mean latency without a queue; 0: not known */
	int64_t stale_us;  /* when lowest_us must be measured again */

	/* The window: what was sent and answered since the last change. */
	int64_t since_us, latency_sum_us;
	unsigned answers, drops, inflight_max;
};

/* 1 <= min <= initial <= max; other numbers are moved there. */
void limit_init(struct limit *limit, unsigned initial, unsigned min,
    unsigned max);

/*
 * A request has ended.
 *
 * latency_us  from sending it to the answer
 * inflight    how many were in flight, this one included
 * is_dropped  the instance refused it or did not answer in time: it tells of
 *             overload, and its latency of nothing
 */
void limit_sample(struct limit *limit, int64_t latency_us, unsigned inflight,
    bool is_dropped, int64_t now_us);

/* How many may be in flight now; 1 or more. */
unsigned limit_value(const struct limit *limit);

#endif
