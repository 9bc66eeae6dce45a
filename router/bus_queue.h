/*
 * bus_queue: what waits for one subscriber, bounded by dropping the oldest.
 *
 * Messages are shared: each queue that holds one has a reference, none has a
 * copy. Pure but for memory; not thread-safe.
 */
#ifndef MSVC_ROUTER_BUS_QUEUE_H
#define MSVC_ROUTER_BUS_QUEUE_H

#include <stddef.h>
#include <stdint.h>

enum {
	/* What an event costs beyond its bytes, so that tiny ones count. */
	BUS_QUEUE_OVERHEAD = 64
};

/* One message, never changed after it was made. */
struct bus_message {
	unsigned refs;
	size_t len;
	uint8_t data[];
};

/* A copy of the bytes with one reference, or NULL when out of memory. */
struct bus_message *bus_message_new(const void *data, size_t len);

/* Give one reference back; the last one frees. */
void bus_message_free(struct bus_message **messagep);

struct bus_queue {
	struct bus_message **ring; /* owned; cap is a power of two, or 0 */
	size_t head, count, cap;
	size_t bytes;     /* of all that is queued, overhead included */
	size_t bytes_max; /* one message may be larger: the newest stays */
};

void bus_queue_init(struct bus_queue *queue, size_t bytes_max);
void bus_queue_fini(struct bus_queue *queue);

/*
 * Append a message, of which the queue takes a reference of its own, and drop
 * the oldest ones that are beyond the bound. Returns how many were lost; that
 * is this one when memory is short.
 */
size_t bus_queue_add(struct bus_queue *queue, struct bus_message *message);

/* Take the oldest with its reference; NULL when empty. */
struct bus_message *bus_queue_take(struct bus_queue *queue);

#endif
