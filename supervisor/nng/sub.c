#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/event.h"
#include "ipc/mp.h"
#include "ipc/nngclient.h"

#include "tool.h"

struct sub {
	long left; /* events still to print; below 0: no limit */
};

static void
on_signal(int signal_number)
{
	(void)signal_number;
	_exit(TOOL_OK); /* each line was flushed */
}

static void
put_event(struct buf *out, const struct event *event)
{
	mp_put_map(out, 6);
	mp_put_cstr(out, "topic");
	mp_put_str(out, event->topic, event->topic_len);
	mp_put_cstr(out, "id");
	mp_put_str(out, event->id, event->id_len);
	mp_put_cstr(out, "time");
	mp_put_int(out, event->time_ms);
	mp_put_cstr(out, "from");
	mp_put_str(out, event->from, event->from_len);
	mp_put_cstr(out, "type");
	mp_put_str(out, event->type, event->type_len);
	mp_put_cstr(out, "data");
	if (event->data == NULL)
		mp_put_nil(out);
	else
		buf_append(out, event->data, event->data_len);
}

/* What is no event is told and passed over: others may follow. */
static int
on_message(void *arg, const uint8_t *data, size_t len)
{
	struct sub *sub = arg;
	struct buf value = { .data = NULL };
	struct event event;
	struct err err;

	if (event_decode(data, len, &event, &err) < 0) {
		tool_say("%s", err.text);
		return 0;
	}
	put_event(&value, &event);
	(void)tool_print_json(buf_front(&value), buf_count(&value), false);
	buf_fini(&value);
	if (fflush(stdout) != 0)
		return 1; /* nobody reads on */
	if (sub->left > 0)
		sub->left--;
	return sub->left == 0;
}

int
tool_sub(const struct tool_options *options, char **argv)
{
	struct sub sub = { options->count > 0 ? options->count : -1 };
	struct sigaction action = { .sa_handler = on_signal };
	enum nngclient_result result;
	struct err err;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	result =
	    nngclient_subscribe(options->url, argv[0], on_message, &sub, &err);
	return result == NNGCLIENT_OK ? TOOL_OK : tool_failed(result, &err);
}
