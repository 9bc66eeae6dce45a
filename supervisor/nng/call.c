#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/frame.h"
#include "ipc/mp.h"
#include "ipc/nngclient.h"

#include "tool.h"

enum {
	CALL_ID = 1,
	STATUS_ERROR = 400
};

static int
put_request(struct buf *out, const struct tool_options *options, char **argv)
{
	frame_put_request(out, CALL_ID, argv[0], strlen(argv[0]));
	mp_put_map(out, 1);
	mp_put_cstr(out, ":deadline-ms");
	mp_put_int(out, options->timeout_ms);
	return tool_put_json(out, argv[1]);
}

/* Does the meta say that the payload's bytes are JSON text? */
static bool
is_json_text(const struct frame *frame)
{
	static const char json[] = "application/json";
	struct mp_reader value;
	const char *type;
	size_t len;

	return mp_map_find(frame->meta, frame->meta_len, "content-type",
		   &value) &&
	       mp_get_str(&value, &type, &len) == 0 &&
	       len >= sizeof(json) - 1 &&
	       strncasecmp(type, json, sizeof(json) - 1) == 0;
}

/* A bin goes out as it is, its line ended if it is JSON; the rest as JSON. */
static int
print_payload(const struct frame *frame, bool is_indented)
{
	struct mp_reader reader = { frame->payload,
		frame->payload + frame->payload_len };
	const uint8_t *data;
	size_t len;

	if (mp_get_bin(&reader, &data, &len) == 0) {
		tool_printed();
		fwrite(data, 1, len, stdout);
		if (is_json_text(frame) && (len == 0 || data[len - 1] != '\n'))
			putchar('\n');
		return 0;
	}
	return tool_print_json(frame->payload, frame->payload_len, is_indented);
}

static int
print_reply(const struct buf *reply, const struct tool_options *options,
    const char *op)
{
	struct mp_reader reader = { buf_front(reply),
		buf_front(reply) + buf_count(reply) };
	struct frame frame;
	struct err err;

	if (frame_decode(&reader, &frame, &err) < 0) {
		tool_say("%s: %s", op, err.text);
		return TOOL_FAILED;
	}
	if (frame.kind != FRAME_RESPONSE || frame.id != CALL_ID) {
		tool_say("%s: the reply is no response to it", op);
		return TOOL_FAILED;
	}
	if (frame.status < STATUS_ERROR)
		return print_payload(&frame, !options->is_json) < 0
			   ? TOOL_FAILED
			   : TOOL_OK;
	tool_say("%s: status %u", op, frame.status);
	/* What explains the failure is no result: off standard output. */
	if (dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
		(void)print_payload(&frame, !options->is_json);
	return TOOL_FAILED;
}

int
tool_call(const struct tool_options *options, char **argv)
{
	struct buf request = { .data = NULL }, reply = { .data = NULL };
	enum nngclient_result result;
	struct err err;
	int code = TOOL_USAGE;

	if (put_request(&request, options, argv) < 0)
		goto out;
	result = nngclient_call(options->url, buf_front(&request),
	    buf_count(&request), options->timeout_ms, &reply, &err);
	code = result == NNGCLIENT_OK ? print_reply(&reply, options, argv[0])
				      : tool_failed(result, &err);
out:
	buf_fini(&request);
	buf_fini(&reply);
	return code;
}
