#include "event.h"

#include <stdbool.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "mp.h"
#include "utf8.h"

void
event_encode(struct buf *buf, const struct event *event)
{
	bool is_typed = event->type != NULL && event->type_len > 0;

	buf_append(buf, event->topic, event->topic_len);
	buf_append_byte(buf, '\0');
	mp_put_map(buf, 5);
	mp_put_str(buf, "id", 2);
	mp_put_str(buf, event->id, event->id_len);
	mp_put_str(buf, "time", 4);
	mp_put_int(buf, event->time_ms);
	mp_put_str(buf, "from", 4);
	mp_put_str(buf, event->from, event->from_len);
	mp_put_str(buf, "type", 4);
	mp_put_str(buf, is_typed ? event->type : event->topic,
	    is_typed ? event->type_len : event->topic_len);
	mp_put_str(buf, "data", 4);
	if (event->data != NULL && event->data_len > 0)
		buf_append(buf, event->data, event->data_len);
	else
		mp_put_nil(buf);
}

int
event_topic_len(const uint8_t *bytes, size_t len)
{
	/* A topic that is too long is none; no need to look on. */
	size_t max = len < EVENT_TOPIC_MAX + 1 ? len : EVENT_TOPIC_MAX + 1;
	const uint8_t *nul = max == 0 ? NULL : memchr(bytes, '\0', max);

	return nul == NULL ? -1 : (int)(nul - bytes);
}

static bool
event_is_utf8(const uint8_t *text, size_t len)
{
	for (size_t at = 0, step; at < len; at += step) {
		step = utf8_sequence(text + at, len - at);
		if (step == 0)
			return false;
	}
	return true;
}

static bool
event_is_key(const char *key, size_t len, const char *name)
{
	return len == strlen(name) && memcmp(key, name, len) == 0;
}

/* Unknown keys are for later versions. */
static int
event_decode_pair(struct mp_reader *reader, struct event *event)
{
	const uint8_t *start;
	const char *key;
	size_t len;

	if (mp_get_str(reader, &key, &len) < 0)
		return -1;
	if (event_is_key(key, len, "id"))
		return mp_get_str(reader, &event->id, &event->id_len);
	if (event_is_key(key, len, "time"))
		return mp_get_int(reader, &event->time_ms);
	if (event_is_key(key, len, "from"))
		return mp_get_str(reader, &event->from, &event->from_len);
	if (event_is_key(key, len, "type"))
		return mp_get_str(reader, &event->type, &event->type_len);
	start = reader->pos;
	if (mp_skip(reader) < 0)
		return -1;
	if (event_is_key(key, len, "data")) {
		event->data = start;
		event->data_len = (size_t)(reader->pos - start);
	}
	return 0;
}

int
event_decode(const uint8_t *bytes, size_t len, struct event *event_r,
    struct err *err_r)
{
	int topic_len = event_topic_len(bytes, len);
	struct event event = { .id = "", .from = "" };
	struct mp_reader reader;
	uint32_t count;

	if (topic_len <= 0 || !event_is_utf8(bytes, (size_t)topic_len)) {
		err_set(err_r,
		    "event: no topic of 1 to %d bytes of UTF-8 and a NUL",
		    EVENT_TOPIC_MAX);
		return -1;
	}
	event.topic = event.type = (const char *)bytes;
	event.topic_len = event.type_len = (size_t)topic_len;
	reader = (struct mp_reader){ bytes + topic_len + 1, bytes + len };
	if (mp_get_map(&reader, &count) < 0) {
		err_set(err_r, "event \"%s\": no map behind the topic",
		    event.topic);
		return -1;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (event_decode_pair(&reader, &event) < 0) {
			err_set(err_r, "event \"%s\": bad entry %u of its map",
			    event.topic, (unsigned)(i + 1));
			return -1;
		}
	}
	if (reader.pos != reader.end) {
		err_set(err_r, "event \"%s\": %zu bytes behind its map",
		    event.topic, (size_t)(reader.end - reader.pos));
		return -1;
	}
	*event_r = event;
	return 0;
}
