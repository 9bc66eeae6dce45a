#include "control_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_scale.h"
#include "control_server.h"
#include "ipc/mp.h"
#include "ipc/mp_text.h"
#include "supervisor.h"

enum {
	CONTROL_ERROR_MAX = 1024 * 1024
};

void
control_client_free(struct control_client **clientp)
{
	struct control_client *client = *clientp;
	struct loop *loop = client->server->sup->loop;
	int fd = client->io.fd;

	*clientp = NULL;
	loop_io_drop(loop, &client->io);
	loop_timer_drop(loop, &client->timer);
	if (fd >= 0)
		close(fd);
	TAILQ_REMOVE(&client->server->clients, client, link);
	client->server->client_count--;
	buf_fini(&client->in);
	buf_fini(&client->out);
	control_scale_free(&client->scale);
	free(client);
}

/* An end that was read once would be told again and again. */
static void
control_client_listen(struct control_client *client, uint32_t events)
{
	if (!client->is_at_end)
		events |= EPOLLIN;
	loop_io_set(client->server->sup->loop, &client->io, events);
}

void
control_client_flush(struct control_client *client)
{
	struct buf *out = &client->out;
	ssize_t len;

	while (buf_count(out) > 0 && !out->is_failed) {
		len = send(client->io.fd, buf_front(out), buf_count(out),
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == EAGAIN &&
		    buf_count(out) <= CONTROL_OUT_MAX) {
			control_client_listen(client, EPOLLOUT);
			return;
		}
		if (len < 0) {
			control_client_free(&client);
			return;
		}
		buf_consume(out, (size_t)len);
	}
	if (client->is_answered || out->is_failed) {
		control_client_free(&client);
		return;
	}
	control_client_listen(client, 0);
}

size_t
control_begin(struct control_client *client)
{
	static const uint32_t prefix;

	/* Nothing is consumed between begin and end: offsets stay. */
	buf_append(&client->out, &prefix, sizeof(prefix));
	return buf_count(&client->out);
}

void
control_end(struct control_client *client, size_t start)
{
	struct buf *out = &client->out;
	uint32_t prefix;

	if (out->is_failed)
		return;
	prefix = htonl((uint32_t)(buf_count(out) - start));
	memcpy(out->data + out->head + start - sizeof(prefix), &prefix,
	    sizeof(prefix));
}

void
control_answered(struct control_client *client)
{
	struct loop *loop = client->server->sup->loop;

	client->is_answered = true;
	client->pending = CONTROL_COMMAND_COUNT;
	loop_timer_set(loop, &client->timer,
	    loop_now_us(loop) + CONTROL_SILENCE_MS * 1000LL);
	control_client_flush(client);
}

void
control_answer_ok(struct control_client *client)
{
	size_t start = control_begin(client);

	mp_put_map(&client->out, 1);
	mp_put_cstr(&client->out, "ok");
	mp_put_bool(&client->out, true);
	control_end(client, start);
	control_answered(client);
}

void
control_answer_error(struct control_client *client, const char *text,
    size_t len)
{
	size_t start = control_begin(client);

	while (len > 0 && text[len - 1] == '\n')
		len--;
	mp_put_map(&client->out, 2);
	mp_put_cstr(&client->out, "ok");
	mp_put_bool(&client->out, false);
	mp_put_cstr(&client->out, "error");
	/* It may quote a file, whose bytes may be anything. */
	mp_put_text(&client->out, text, len, CONTROL_ERROR_MAX);
	control_end(client, start);
	control_answered(client);
}

void
control_answer_errorf(struct control_client *client, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	control_answer_error(client, text, strlen(text));
}
