/*
 * Any bytes as a MessagePack value, a lifeline packet, an event, and a path
 * held against patterns. What decodes must lie within the bytes, and a packet
 * that decodes must come back the same when encoded again.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/event.h"
#include "ipc/lifeline.h"
#include "ipc/mp.h"
#include "ipc/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(bool is_true)
{
	if (!is_true)
		abort();
}

static void
check_inside(const void *at, size_t len, const uint8_t *data, size_t size)
{
	const uint8_t *start = at;

	expect(start >= data && len <= size &&
	       (size_t)(start - data) <= size - len);
}

static void
check_value(const uint8_t *data, size_t size)
{
	struct mp_reader reader = { data, data + size }, found;
	const uint8_t *start = data;

	while (mp_skip(&reader) == 0) {
		expect(reader.pos > start && reader.pos <= reader.end);
		start = reader.pos;
	}
	expect(reader.pos == start);
	if (mp_map_find(data, size, "k", &found))
		expect(found.pos > data && found.pos < data + size);
}

static void
check_packet(const uint8_t *data, size_t size)
{
	struct buf first = { 0 }, second = { 0 };
	uint8_t *copy = malloc(size + 1);
	struct lifeline_msg msg, again;
	struct err err;

	expect(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	if (lifeline_decode(copy, size, &msg, &err) == 0) {
		lifeline_encode(&first, &msg);
		/* The spare byte that decoding may write to. */
		expect(buf_reserve(&first, 1) != NULL);
		expect(
		    lifeline_decode(first.data, first.len, &again, &err) == 0);
		lifeline_encode(&second, &again);
		expect(second.len == first.len);
	}
	buf_fini(&first);
	buf_fini(&second);
	free(copy);
}

static void
check_event(const uint8_t *data, size_t size)
{
	struct event event;
	struct err err;

	if (event_decode(data, size, &event, &err) < 0) {
		expect(err.text[0] != '\0');
		return;
	}
	expect(event.topic_len > 0 && event.topic_len <= EVENT_TOPIC_MAX);
	check_inside(event.topic, event.topic_len, data, size);
	check_inside(event.type, event.type_len, data, size);
	if (event.id_len > 0)
		check_inside(event.id, event.id_len, data, size);
	if (event.from_len > 0)
		check_inside(event.from, event.from_len, data, size);
	if (event.data != NULL)
		check_inside(event.data, event.data_len, data, size);
}

static void
check_path(const uint8_t *data, size_t size)
{
	static const char *const texts[] = { "/", "/a/{x}/b", "GET /{x}/a/*",
		"PUT /a/a/{y}", "/%2f/~/*", "POST /a/" };
	static struct pattern_set *set;
	struct pattern_match match;

	if (set == NULL) {
		set = pattern_set_new();
		for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
			expect(pattern_set_add(set, texts[i], NULL, NULL) == 0);
	}
	if (!pattern_set_match(set, "GET", 3, (const char *)data, size,
		&match)) {
		expect(match.is_path_known == (match.allow[0] != '\0'));
		return;
	}
	for (size_t i = 0; i < match.param_count; i++)
		check_inside(match.params[i].value, match.params[i].value_len,
		    data, size);
}

/* The bytes as text: either a pattern or a mistake with a name. */
static void
check_pattern(const uint8_t *data, size_t size)
{
	struct pattern_set *set = pattern_set_new();
	char *text = malloc(size + 1);
	struct err err = { .text = "" };

	expect(set != NULL && text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (pattern_set_add(set, text, NULL, &err) < 0)
		expect(err.text[0] != '\0');
	else
		expect(pattern_set_add(set, text, NULL, &err) < 0);
	free(text);
	pattern_set_free(&set);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	check_value(data, size);
	check_packet(data, size);
	check_event(data, size);
	check_path(data, size);
	check_pattern(data, size);
	return 0;
}
