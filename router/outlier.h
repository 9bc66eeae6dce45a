/*
 * outlier: an instance that fails or dawdles while the others do not.
 *
 * It is ejected for a time, then tried with one request at a time, and is in
 * again after 5 good answers in a row; each ejection in a row lasts twice as
 * long (after Envoy's outlier detection). Compared are instances of one
 * service: when all of them fail it is the service, and taking instances out
 * would help nobody. Pure.
 */
#ifndef MSVC_ROUTER_OUTLIER_H
#define MSVC_ROUTER_OUTLIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	OUTLIER_ROW = 5,           /* answers in a row that say something */
	OUTLIER_RATE_PERCENT = 20, /* failing: of OUTLIER_RATE_LEAST ... */
	OUTLIER_RATE_LEAST = 10,   /* ... requests or more */
	OUTLIER_SLOW_LEAST = 20,   /* requests that make a mean latency */
	OUTLIER_SLOWER_US = 20000, /* slow: by so much, and three times */
	OUTLIER_INTERVAL_US = 10000000, /* longest time counters run */
	OUTLIER_DECAY_US = 60000000 /* in for so long forgives an ejection */
};

enum outlier_state {
	OUTLIER_IN,
	OUTLIER_OUT,  /* no requests until until_us */
	OUTLIER_TRIAL /* one at a time */
};

enum outlier_cause {
	OUTLIER_NONE, /* never ejected */
	OUTLIER_FAILS,
	OUTLIER_SLOW
};

/* Of one instance. Zeroed is valid: in, nothing counted. */
struct outlier {
	/* Of the current interval, and since the last change of state. */
	uint32_t requests, failures;
	uint32_t bad_row; /* failures in a row */
	uint64_t latency_sum_us;
	int64_t since_us; /* when the interval began; 0: at the next judging */

	int64_t mean_us; /* latency in the interval before; 0: too few */
	enum outlier_state state;
	enum outlier_cause cause; /* of the last ejection */
	int64_t until_us;         /* OUT: when the trial begins */
	int64_t in_us;            /* IN: since when, for the decay of times */
	unsigned times;           /* ejections not yet forgiven */
	bool is_changed;          /* its state, by the last outlier_judge() */
};

struct outlier_rule {
	int64_t eject_us; /* the first ejection; then twice as long, up to */
	int64_t max_us;
};

/*
 * An answer, or none where one was due. Failures are 5xx and what the router
 * had to make a 502 or 504 of; what the client did wrong is none.
 */
void outlier_answer(struct outlier *outlier, bool is_failure,
    int64_t latency_us);

/*
 * After outlier_answer(): has something just become clear that should not wait
 * for the next regular outlier_judge()?
 */
bool outlier_should_judge(const struct outlier *outlier);

/*
 * Judge the instances of one service that could take requests; to be called
 * about once a second, when outlier_should_judge(), and when the set changes.
 *
 * An instance fails when a fifth of its 10 or more requests failed, or the
 * last 5 in a row, and the others together fail less than half as often. It
 * is slow when its mean latency over 20 or more requests is three times the
 * median of the others' means and 20 ms above it. At most half of the set is
 * not in at any time, the worst go first; when the set has shrunk so that
 * more are, those whose time is up first come back at once.
 *
 * Returns how many changed their state; those have is_changed set.
 */
size_t outlier_judge(struct outlier **set, size_t count,
    const struct outlier_rule *rule, int64_t now_us);

/* May it take a request while it has inflight ones? */
bool outlier_may_take(const struct outlier *outlier, unsigned inflight,
    int64_t now_us);

#endif
