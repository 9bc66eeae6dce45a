/*
 * autoscale: how many instances a service with "instances = MIN..MAX" is to
 * have, and when one with idle_stop is to be stopped. Pure: no system call,
 * the time is an argument.
 *
 * One more when requests have waited scale_up_wait in two samples of a row,
 * twice as many when they have waited four times that; then not again before
 * the new ones are ready and a sample has passed that may still tell of the
 * waits before. One less when for scale_down_after no request has waited half
 * of scale_up_wait and, with a max_inflight, the others could have carried what
 * was in flight in each eighth of that time (its mean) with a quarter of their
 * places to spare. When one has to be added again soon after one was
 * taken away, taking it away was wrong: the next time takes twice as long, up
 * to 32 times. So a load that stays the same, or swings faster than
 * scale_down_after, changes nothing.
 */
#ifndef MSVC_SUPERVISOR_AUTOSCALE_H
#define MSVC_SUPERVISOR_AUTOSCALE_H

#include <stdbool.h>
#include <stdint.h>

/* Of the configuration; times in milliseconds. */
struct autoscale_rule {
	unsigned min, max;
	unsigned places; /* max_inflight; 0: not known */
	int64_t up_wait_ms, down_after_ms;
};

/* What the router says, and the state of the instances. */
struct autoscale_sample {
	uint64_t inflight, held;
	int64_t wait_us;  /* the longest of a request, in that period */
	unsigned ready;   /* instances */
	unsigned pending; /* instances that are on their way to ready */
};

/* A zeroed struct has seen nothing yet. */
struct autoscale {
	unsigned late;      /* samples in a row with waits */
	bool is_settling;   /* instances were added: their effect is to come */
	unsigned patience;  /* factor of scale_down_after; 0 is 1 */
	int64_t lowered_ms; /* when one was last taken away; 0: never */
	int64_t calm_ms; /* since when one less would do; 0: something waits */
	int64_t seen_ms; /* of the last sample */
	uint64_t inflight; /* then */
	uint64_t area;     /* inflight times milliseconds, of this part */
	int64_t part_ms;   /* since when */
};

/*
 * The number there is to be, from the present one and a sample; within the
 * rule's bounds. now_ms only ever grows, and is not 0.
 */
unsigned autoscale_sample(struct autoscale *state,
    const struct autoscale_rule *rule, unsigned scale,
    const struct autoscale_sample *sample, int64_t now_ms);

/*
 * The same when time has passed without a sample, for the router says nothing
 * while nothing changes. To be asked at autoscale_due(), and harmless before.
 */
unsigned autoscale_tick(struct autoscale *state,
    const struct autoscale_rule *rule, unsigned scale, int64_t now_ms);

/* When one may be taken away at the earliest; 0: not as things are. */
int64_t autoscale_due(const struct autoscale *state,
    const struct autoscale_rule *rule, unsigned scale);

#endif
