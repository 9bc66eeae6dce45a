#include "control_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "control_client.h"
#include "control_scale.h"
#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/log.h"
#include "ipc/mp.h"
#include "supervisor.h"

enum {
	CONTROL_CLIENT_MAX = 256,
	CONTROL_FINISH_MS = 1000,
	CONTROL_PAUSE_MS = 100,
	CONTROL_GRACE_MS = 200, /* to ask, while others wait for room */
	CONTROL_READ_MS = 1000, /* to read the answer, likewise */
};

static void
control_do_status(struct control_client *client)
{
	size_t start = control_begin(client);

	mp_put_map(&client->out, 2);
	mp_put_cstr(&client->out, "ok");
	mp_put_bool(&client->out, true);
	mp_put_cstr(&client->out, "status");
	status_put(client->server->sup, &client->out);
	control_end(client, start);
	control_answered(client);
}

void
control_server_step(struct control_server *server)
{
	struct control_client *client, *next;

	for (client = TAILQ_FIRST(&server->clients); client != NULL;
	     client = next) {
		next = TAILQ_NEXT(client, link);
		control_client_step(client);
	}
}

static void
control_dispatch(struct control_client *client, enum control_command command,
    const uint8_t *bytes, size_t len)
{
	switch (command) {
	case CONTROL_STATUS:
		control_do_status(client);
		break;
	case CONTROL_RELOAD:
		control_do_reload(client);
		break;
	case CONTROL_PLAN:
		control_do_plan(client);
		break;
	case CONTROL_SCALE:
		control_do_scale(client, bytes, len);
		break;
	case CONTROL_SIGNAL:
		control_do_signal(client, bytes, len);
		break;
	case CONTROL_REEXEC:
		control_do_reexec(client, bytes, len);
		break;
	case CONTROL_WAIT:
		client->pending = CONTROL_WAIT;
		supervise_changed(client->server->sup);
		break;
	case CONTROL_START:
	case CONTROL_STOP:
	case CONTROL_RESTART:
	case CONTROL_DRAIN:
	case CONTROL_UNDRAIN:
		control_do_service(client, command);
		break;
	case CONTROL_QUARANTINE:
	case CONTROL_FAULT:
		control_do_failure(client, command, bytes, len);
		break;
	default:
		control_answer_errorf(client, "unknown command");
		break;
	}
}

/* One whole request; any bytes. */
static void
control_request_parse(struct control_client *client, const uint8_t *bytes,
    size_t len)
{
	struct control_goal *goal = &client->goal;
	enum control_command command = CONTROL_COMMAND_COUNT;
	struct mp_reader value;
	uint64_t instance = 0;
	const char *text;
	size_t text_len;

	if (mp_map_find(bytes, len, "cmd", &value) &&
	    mp_get_str(&value, &text, &text_len) == 0)
		command = control_command_find(text, text_len);
	if (mp_map_find(bytes, len, "service", &value)) {
		/* What is no name must not stand for all services. */
		if (mp_get_str(&value, &text, &text_len) < 0 || text_len == 0 ||
		    text_len >= sizeof(goal->service) ||
		    memchr(text, '\0', text_len) != NULL) {
			control_answer_errorf(client, "no such service");
			return;
		}
		memcpy(goal->service, text, text_len);
	}
	if (mp_map_find(bytes, len, "instance", &value) &&
	    mp_get_uint(&value, &instance) == 0)
		goal->instance =
		    instance > UINT32_MAX ? UINT32_MAX : (unsigned)instance;
	if (mp_map_find(bytes, len, "args", &value) &&
	    mp_map_find(value.pos, (size_t)(value.end - value.pos), "force",
		&value))
		(void)mp_get_bool(&value, &goal->is_forced);
	control_dispatch(client, command, bytes, len);
}

/* Is a whole request there? Frees a client that sends anything else. */
static void
control_client_parse(struct control_client *client)
{
	struct loop *loop = client->server->sup->loop;
	uint32_t prefix;

	if (buf_count(&client->in) < sizeof(prefix))
		return;
	memcpy(&prefix, buf_front(&client->in), sizeof(prefix));
	prefix = ntohl(prefix);
	if (prefix > CONTROL_REQUEST_MAX) {
		log_warnx("control: a request of %lu bytes is too long, "
			  "connection closed",
		    (unsigned long)prefix);
		control_client_free(&client);
		return;
	}
	if (buf_count(&client->in) < sizeof(prefix) + prefix)
		return;
	loop_timer_drop(loop, &client->timer);
	buf_consume(&client->in, sizeof(prefix));
	/* Only the first request counts; bytes behind it are dropped. */
	control_request_parse(client, buf_front(&client->in), prefix);
}

/* Returns false when the client is gone. */
static bool
control_client_read(struct control_client *client)
{
	bool has_request =
	    client->is_answered || client->pending != CONTROL_COMMAND_COUNT;
	uint8_t *bytes = buf_reserve(&client->in, 4096);
	ssize_t len;

	len = bytes != NULL ? recv(client->io.fd, bytes, 4096, 0) : 0;
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (len == 0 && bytes != NULL && has_request) {
		client->is_at_end = true;
		control_client_flush(client);
		return false;
	}
	if (len <= 0) {
		control_client_free(&client);
		return false;
	}
	if (has_request)
		return true;
	client->in.len += (size_t)len;
	control_client_parse(client);
	return false;
}

static void
control_client_on_io(struct loop_io *io, uint32_t events)
{
	struct control_client *client =
	    loop_owner(io, struct control_client, io);

	/* Told even to one that is at its end: now it does not listen. */
	if (client->is_at_end && (events & (EPOLLHUP | EPOLLERR)) != 0) {
		control_client_free(&client);
		return;
	}
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 &&
	    !control_client_read(client))
		return;
	if ((events & EPOLLOUT) != 0)
		control_client_flush(client);
}

static void
control_client_on_timer(struct loop_timer *timer)
{
	struct control_client *client =
	    loop_owner(timer, struct control_client, timer);

	control_client_free(&client);
}

/* The socket's mode keeps others out; this also holds when it was changed. */
static bool
control_is_allowed(int fd)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	return cred.uid == 0 || cred.uid == geteuid();
}

/* Has one that waits for nothing had its time to ask, or to read? */
static bool
control_is_slow(const struct control_client *client, int64_t now_us)
{
	int64_t grace_ms =
	    client->is_answered ? CONTROL_READ_MS : CONTROL_GRACE_MS;

	return client->timer.due_us - now_us <=
	       (CONTROL_SILENCE_MS - grace_ms) * 1000;
}

/*
 * The oldest one that has not asked anything, or does not read the answer, has
 * to go, so that nobody keeps an operator out. Returns false when there is no
 * room now, but will be.
 */
static bool
control_server_make_room(struct control_server *server)
{
	int64_t now_us = loop_now_us(server->sup->loop);
	struct control_client *client;
	bool is_any = false;

	if (server->client_count < CONTROL_CLIENT_MAX)
		return true;
	for (client = TAILQ_FIRST(&server->clients); client != NULL;
	     client = TAILQ_NEXT(client, link)) {
		if (client->pending != CONTROL_COMMAND_COUNT)
			continue;
		is_any = true;
		if (!control_is_slow(client, now_us))
			continue;
		control_client_free(&client);
		return true;
	}
	return !is_any;
}

struct control_client *
control_server_add(struct control_server *server, int fd)
{
	struct control_client *client;

	client = calloc(1, sizeof(*client));
	if (client == NULL) {
		close(fd);
		return NULL;
	}
	client->server = server;
	client->pending = CONTROL_COMMAND_COUNT;
	client->io = (struct loop_io){ control_client_on_io, -1, 0 };
	client->timer.fn = control_client_on_timer;
	TAILQ_INSERT_TAIL(&server->clients, client, link);
	server->client_count++;
	if (loop_io_add(server->sup->loop, &client->io, fd, EPOLLIN, NULL) <
	    0) {
		close(fd);
		control_client_free(&client);
	}
	return client;
}

static void
control_server_accept(struct control_server *server, int fd)
{
	struct loop *loop = server->sup->loop;
	struct control_client *client;

	/* All wait for something, for as long as it takes. */
	if (!control_is_allowed(fd) ||
	    server->client_count >= CONTROL_CLIENT_MAX) {
		close(fd);
		return;
	}
	client = control_server_add(server, fd);
	if (client != NULL)
		loop_timer_set(loop, &client->timer,
		    loop_now_us(loop) + CONTROL_SILENCE_MS * 1000LL);
}

/* Those in the backlog wait a while. */
static void
control_server_pause(struct control_server *server)
{
	struct loop *loop = server->sup->loop;

	loop_io_set(loop, &server->io, 0);
	loop_timer_set(loop, &server->pause,
	    loop_now_us(loop) + CONTROL_PAUSE_MS * 1000LL);
}

static void
control_server_on_io(struct loop_io *io, uint32_t events)
{
	struct control_server *server =
	    loop_owner(io, struct control_server, io);
	int fd = -1;

	(void)events;
	for (int i = 0; i < CONTROL_CLIENT_MAX; i++) {
		if (!control_server_make_room(server)) {
			control_server_pause(server);
			return;
		}
		fd = accept4(server->sock, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			break;
		control_server_accept(server, fd);
	}
	if (fd >= 0 || errno == EAGAIN || errno == EINTR ||
	    errno == ECONNABORTED)
		return;
	/* There are no descriptors to spare. */
	control_server_pause(server);
}

static void
control_server_on_pause(struct loop_timer *timer)
{
	struct control_server *server =
	    loop_owner(timer, struct control_server, pause);

	loop_io_set(server->sup->loop, &server->io, EPOLLIN);
}

int
control_server_init(struct control_server *server, struct supervise *sup,
    int sock, struct err *err_r)
{
	*server = (struct control_server){
		.sup = sup,
		.io = { control_server_on_io, -1, 0 },
		.pause = { .fn = control_server_on_pause },
		.sock = sock,
	};
	TAILQ_INIT(&server->clients);
	return loop_io_add(sup->loop, &server->io, sock, EPOLLIN, err_r);
}

void
control_server_fini(struct control_server *server)
{
	struct control_client *client;

	if (server->sup == NULL)
		return;
	while ((client = TAILQ_FIRST(&server->clients)) != NULL)
		control_client_free(&client);
	loop_io_drop(server->sup->loop, &server->io);
	loop_timer_drop(server->sup->loop, &server->pause);
	if (server->sock >= 0)
		close(server->sock);
	server->sock = -1;
}

void
control_server_finish(struct control_server *server)
{
	struct control_client *client, *next;
	int64_t until = time(NULL) + CONTROL_FINISH_MS / 1000;

	for (client = TAILQ_FIRST(&server->clients); client != NULL;
	     client = next) {
		next = TAILQ_NEXT(client, link);
		if (client->pending == CONTROL_STOP)
			control_answer_ok(client);
	}
	/* A last bounded stay for large answers that are still going out. */
	while ((client = TAILQ_FIRST(&server->clients)) != NULL) {
		struct pollfd out = { client->io.fd, POLLOUT, 0 };

		if (!client->is_answered || time(NULL) > until ||
		    poll(&out, 1, CONTROL_FINISH_MS) <= 0)
			control_client_free(&client);
		else
			control_client_flush(client);
	}
}
