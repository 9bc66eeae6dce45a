/*
 * event: one published message: topic, NUL, MessagePack map.
 *
 * The map is {id, time, from, type, data}: id and from strings, time in
 * milliseconds since 1970, type a string (the topic unless said otherwise),
 * data any value. A plain nng SUB subscribes by prefix of the topic. Pure.
 */
#ifndef MSVC_IPC_EVENT_H
#define MSVC_IPC_EVENT_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum {
	EVENT_TOPIC_MAX = 255
};

struct event {
	const char *topic; /* UTF-8, no NUL; borrowed, not NUL-terminated */
	size_t topic_len;
	const char *id;
	size_t id_len;
	int64_t time_ms;
	const char *from;
	size_t from_len;
	const char *type;
	size_t type_len;
	const uint8_t *data; /* one encoded value; NULL when absent */
	size_t data_len;
};

/* Append topic, NUL and the map; data NULL is written as nil. */
void event_encode(struct buf *buf, const struct event *event);

/* Returns 0, or -1 when the bytes are no event. All pointers are borrowed. */
int event_decode(const uint8_t *bytes, size_t len, struct event *event_r,
    struct err *err_r);

/* Length of the topic (bytes before the first NUL), or -1 without one. */
int event_topic_len(const uint8_t *bytes, size_t len);

#endif
