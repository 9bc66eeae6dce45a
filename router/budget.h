/*
 * budget: how many retries of taken requests a service may cost.
 *
 * Retries are a share of the requests of the last 10 s, so that an outage is
 * not answered with a multiple of its load (Finagle's RetryBudget, with a
 * window instead of its leaky bucket). Services with little traffic have a
 * floor of 3 retries within any second. Pure.
 */
#ifndef MSVC_ROUTER_BUDGET_H
#define MSVC_ROUTER_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

enum {
	BUDGET_BUCKETS = 10, /* of one second each */
	BUDGET_FLOOR = 3     /* retries within any second */
};

struct budget {
	unsigned percent;
	int64_t until_us; /* end of the newest bucket; 0: none yet */
	unsigned newest;  /* its index */
	uint32_t requests[BUDGET_BUCKETS], retries[BUDGET_BUCKETS];
	int64_t floor_us[BUDGET_FLOOR]; /* times of the last retries */
	unsigned floor_next;            /* the oldest of them */
};

/* percent of the requests may be retries; 0: none at all, nor the floor. */
void budget_init(struct budget *budget, unsigned percent);

/* A request has come in; retries of it are not counted again. */
void budget_count(struct budget *budget, int64_t now_us);

/* May a retry be made? When true it is counted as made. */
bool budget_take(struct budget *budget, int64_t now_us);

#endif
