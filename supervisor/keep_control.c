/* keep_control: the control socket and its clients in what is handed on. */
#include <unistd.h>

#include "control_client.h"
#include "control_server.h"
#include "keep.h"
#include "supervisor.h"

static const struct keep_field client_fields[] = {
	KEEP_FIELD(KEEP_TIMER, control_client, timer),
	KEEP_FIELD(KEEP_BUF, control_client, in),
	KEEP_FIELD(KEEP_BUF, control_client, out),
	KEEP_FIELD(KEEP_BOOL, control_client, is_answered),
	KEEP_FIELD(KEEP_BOOL, control_client, is_at_end),
	KEEP_FIELD(KEEP_CHARS, control_client, goal.service),
	KEEP_FIELD(KEEP_UINT, control_client, goal.instance),
	KEEP_FIELD(KEEP_BOOL, control_client, goal.is_forced),
	KEEP_FIELD(KEEP_INT, control_client, goal.asked_us),
	KEEP_FIELD(KEEP_UINT, control_client, goal.counts.added),
	KEEP_FIELD(KEEP_UINT, control_client, goal.counts.removed),
	KEEP_FIELD(KEEP_UINT, control_client, goal.counts.restarted),
	KEEP_FIELD(KEEP_UINT, control_client, goal.counts.applied),
	KEEP_FIELD(KEEP_UINT, control_client, goal.counts.kept),
};

/* What waits for a number of instances waits for all that are on the way. */
static enum control_command
client_pending(const struct control_client *client)
{
	return client->pending == CONTROL_SCALE ? CONTROL_WAIT
						: client->pending;
}

/* Commands by their names: their numbers are a program's own. */
void
keep_save_control(const struct supervise *sup, struct keep_out *out)
{
	const struct control_server *server = &sup->control;
	const struct control_client *client;

	mp_put_array(&out->bytes, (uint32_t)(1 + 3 * server->client_count));
	keep_put_fd(out, server->sock);
	TAILQ_FOREACH (client, &server->clients, link) {
		keep_put_fd(out, client->io.fd);
		mp_put_cstr(&out->bytes,
		    control_command_name(client_pending(client)));
		keep_put(out, client_fields, KEEP_COUNT(client_fields), client);
	}
}

static int
client_load(struct supervise *sup, struct keep_in *in, struct mp_reader *reader)
{
	struct control_client *client;
	const char *name;
	size_t len;
	int fd;

	if (keep_get_fd(in, reader, &fd) < 0 || fd < 0 ||
	    mp_get_str(reader, &name, &len) < 0)
		return keep_bad(in, "control client");
	client = control_server_add(&sup->control, fd);
	if (client == NULL)
		return keep_bad(in, "control client");
	client->pending = control_command_find(name, len);
	if (keep_get(in, reader, client_fields, KEEP_COUNT(client_fields),
		client) < 0)
		return -1;
	/* What it is told when there is something to write, or to read. */
	loop_io_set(sup->loop, &client->io,
	    (client->is_at_end ? 0U : EPOLLIN) |
		(buf_count(&client->out) > 0 ? EPOLLOUT : 0U));
	return 0;
}

int
keep_load_control(struct supervise *sup, struct keep_in *in,
    struct mp_reader *reader)
{
	uint32_t count;
	int sock;

	if (keep_get_array(in, reader, &count) < 0 || count % 3 != 1 ||
	    keep_get_fd(in, reader, &sock) < 0)
		return keep_bad(in, "control");
	if (control_server_init(&sup->control, sup, sock, &in->err) < 0)
		return -1;
	for (; count > 1; count -= 3) {
		if (client_load(sup, in, reader) < 0)
			return -1;
	}
	return 0;
}
