#include "bus_queue.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	BUS_RING_MIN = 16
};

struct bus_message *
bus_message_new(const void *data, size_t len)
{
	struct bus_message *message = malloc(sizeof(*message) + len);

	if (message == NULL)
		return NULL;
	message->refs = 1;
	message->len = len;
	if (len > 0)
		memcpy(message->data, data, len);
	return message;
}

void
bus_message_free(struct bus_message **messagep)
{
	struct bus_message *message = *messagep;

	if (message == NULL)
		return;
	*messagep = NULL;
	if (--message->refs == 0)
		free(message);
}

void
bus_queue_init(struct bus_queue *queue, size_t bytes_max)
{
	*queue = (struct bus_queue){ .bytes_max = bytes_max };
}

void
bus_queue_fini(struct bus_queue *queue)
{
	struct bus_message *message;

	while ((message = bus_queue_take(queue)) != NULL)
		bus_message_free(&message);
	free(queue->ring);
	*queue = (struct bus_queue){ .bytes_max = queue->bytes_max };
}

static bool
bus_queue_grow(struct bus_queue *queue)
{
	size_t cap = queue->cap > 0 ? queue->cap * 2 : BUS_RING_MIN;
	struct bus_message **ring = malloc(cap * sizeof(struct bus_message *));

	if (ring == NULL)
		return false;
	for (size_t i = 0; i < queue->count; i++)
		ring[i] = queue->ring[(queue->head + i) & (queue->cap - 1)];
	free(queue->ring);
	queue->ring = ring;
	queue->head = 0;
	queue->cap = cap;
	return true;
}

struct bus_message *
bus_queue_take(struct bus_queue *queue)
{
	struct bus_message *message;

	if (queue->count == 0)
		return NULL;
	message = queue->ring[queue->head];
	queue->head = (queue->head + 1) & (queue->cap - 1);
	queue->count--;
	queue->bytes -= message->len + BUS_QUEUE_OVERHEAD;
	return message;
}

size_t
bus_queue_add(struct bus_queue *queue, struct bus_message *message)
{
	size_t cost = message->len + BUS_QUEUE_OVERHEAD;
	size_t lost = 0;

	while (queue->count > 0 && queue->bytes + cost > queue->bytes_max) {
		struct bus_message *oldest = bus_queue_take(queue);

		bus_message_free(&oldest);
		lost++;
	}
	if (queue->count == queue->cap && !bus_queue_grow(queue))
		return lost + 1;
	queue->ring[(queue->head + queue->count) & (queue->cap - 1)] = message;
	queue->count++;
	queue->bytes += cost;
	message->refs++;
	return lost;
}
