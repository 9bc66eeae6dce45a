/*
 * backoff: how long to wait before the next start, and when to give up.
 *
 * The first failure in a row restarts at once (0 ms), since most crashes are
 * single ones; the second waits delay_ms, and each further one twice as long
 * up to delay_max_ms. Or a list tells each of the waits, the first one too, and
 * the last one is that of all further failures. After BACKOFF_LONG_ROW of them
 * no wait is under BACKOFF_LEAST_MS, whatever is configured: a crash loop must
 * not take a core. Jitter of up to 10 % is added, so that services that fail
 * together do not return together. A row ends when the instance was ready for
 * longer than both settled_ms and its last delay.
 *
 * The limit is a sliding window: one more restart than limit within period_ms
 * and the instance is given up. Its clock stands still during the waits, so
 * that long ones do not keep the limit from being reached. Pure: time and
 * randomness are arguments.
 */
#ifndef MSVC_SUPERVISOR_BACKOFF_H
#define MSVC_SUPERVISOR_BACKOFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	BACKOFF_LONG_ROW = 10,
	BACKOFF_LEAST_MS = 100
};

struct backoff_rule {
	int64_t delay_ms, delay_max_ms;
	const int64_t *list_ms; /* borrowed; in place of those two */
	size_t list_count;      /* 0: no list */
	int64_t settled_ms;
	unsigned limit; /* 0: never give up */
	int64_t period_ms;
};

/* Zeroed is valid: no failure yet. */
struct backoff {
	int64_t *restarts;     /* owned ring: times in ms, oldest first */
	unsigned ring_size;    /* items of restarts */
	unsigned ring_head;    /* index of the oldest */
	unsigned ring_count;   /* used items */
	unsigned failures;     /* in a row */
	int64_t last_delay_ms; /* without jitter */
	int64_t waited_ms;     /* sum of all delays */
};

void backoff_fini(struct backoff *backoff);

/* Forget the row and the window: an operator starts the instance again. */
void backoff_reset(struct backoff *backoff);

/*
 * An instance has ended and is to be restarted.
 *
 * now_ms    monotonic
 * ready_ms  how long it had been ready; 0 when it never was
 * random    any number, of which the jitter is made
 * delay_r   set to the milliseconds to wait when true is returned
 *
 * Returns false when the limit is reached. Out of memory counts nothing
 * towards the limit: living on is the better mistake.
 */
bool backoff_next(struct backoff *backoff, const struct backoff_rule *rule,
    int64_t now_ms, int64_t ready_ms, uint32_t random, int64_t *delay_r);

#endif
