#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/event.h"
#include "ipc/nngclient.h"

#include "tool.h"

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 32 hexadecimal digits that no other event has. */
static void
make_id(char id[33])
{
	uint8_t bytes[16] = { 0 };

	if (getrandom(bytes, sizeof(bytes), 0) < 0) {
		int64_t seed[2] = { now_ms(), getpid() };

		memcpy(bytes, seed, sizeof(bytes));
	}
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

int
tool_pub(const struct tool_options *options, char **argv)
{
	struct buf data = { .data = NULL }, message = { .data = NULL };
	char id[33];
	struct event event = { .topic = argv[0],
		.topic_len = strlen(argv[0]),
		.id = id,
		.id_len = sizeof(id) - 1,
		.time_ms = now_ms(),
		.from = "msvc",
		.from_len = 4 };
	enum nngclient_result result;
	struct err err;
	int code = TOOL_USAGE;

	if (event.topic_len < 1 || event.topic_len > EVENT_TOPIC_MAX) {
		tool_say("topic \"%s\": must have 1 to %d bytes", argv[0],
		    EVENT_TOPIC_MAX);
		return TOOL_USAGE;
	}
	if (tool_put_json(&data, argv[1]) < 0)
		goto out;
	make_id(id);
	event.data = buf_front(&data);
	event.data_len = buf_count(&data);
	event_encode(&message, &event);
	result = nngclient_publish(options->url, buf_front(&message),
	    buf_count(&message), options->timeout_ms, &err);
	code = result == NNGCLIENT_OK ? TOOL_OK : tool_failed(result, &err);
out:
	buf_fini(&data);
	buf_fini(&message);
	return code;
}
