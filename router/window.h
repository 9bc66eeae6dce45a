/*
 * window: slow start of an instance or link that has just become ready.
 *
 * A new process has cold caches and connections to open. It gets 16 requests
 * in flight, and one more for each answer, which doubles them each round trip
 * (slow start, RFC 5681 section 3.1), until the window is no limit any more.
 * It never shrinks: that is the work of limit.h. Pure.
 */
#ifndef MSVC_ROUTER_WINDOW_H
#define MSVC_ROUTER_WINDOW_H

enum {
	WINDOW_FIRST = 16,
	WINDOW_MAX = 65535 /* as many as one link can have: no limit */
};

/* A zeroed window is closed: it lets nothing through. */
struct window {
	unsigned value;
};

void window_open(struct window *window);

/* An answer has come; of a closed window too late to count. */
void window_answer(struct window *window);

/*
 * Double it as a round trip would: for the owner's timer, so that answers that
 * are slow to come do not make the start a standstill.
 */
void window_widen(struct window *window);

/* How many requests may be in flight. */
unsigned window_value(const struct window *window);

#endif
