#include "core.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/log.h"

enum {
	ACCEPT_PER_TURN = 16,
	ACCEPT_PAUSE_US = 200000
};

static const struct wire_limits limits = {
	.message_max = CORE_MESSAGE_MAX,
	.queue_max = CORE_QUEUE_MAX,
};

static void
conn_free(struct conn *conn)
{
	link_free(&conn->peer);
	free(conn);
}

static void
conn_close(struct conn *conn)
{
	struct svc *svc = conn->svc;

	LIST_REMOVE(conn, link);
	svc->conn_count--;
	request_conn_gone(conn);
	conn_free(conn);
	/* It may be the last thing that a stop waits for. */
	if (loop_timer_is_set(&svc->drain_timer))
		loop_timer_set(svc->loop, &svc->drain_timer,
		    loop_now_us(svc->loop));
}

static void
on_up(void *arg)
{
	(void)arg;
}

static void
on_frame(void *arg, const struct frame *frame, const struct sp_header *header)
{
	struct conn *conn = arg;
	struct svc_request *req;

	switch (frame->kind) {
	case FRAME_REQUEST:
		request_take(conn, frame, header);
		break;
	case FRAME_CANCEL:
		request_cancel(conn, frame->id);
		break;
	case FRAME_CREDIT:
		req = request_find(conn, frame->id);
		if (req != NULL)
			stream_credit(req, frame->credit);
		break;
	default:
		break;
	}
}

static void
on_down(void *arg, const struct err *why)
{
	log_debug("a caller is gone: %s", why->text);
	conn_close(arg);
}

static void
on_drained(void *arg)
{
	stream_drained(arg);
}

static const struct link_handler handler = {
	.up = on_up,
	.frame = on_frame,
	.down = on_down,
	.drained = on_drained,
};

/* Takes fd. Returns 0, or -1 with fd closed. */
static int
conn_open(struct svc *svc, int fd, struct err *err_r)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	struct wire *wire = NULL;

	if (conn != NULL) {
		conn->svc = svc;
		conn->peer = link_new(LINK_SERVICE, &handler, conn);
	}
	if (conn == NULL || conn->peer == NULL)
		err_set(err_r, "out of memory");
	else
		wire = wire_new(svc->loop, fd, svc->listen_transport, SP_REP,
		    &limits, &link_wire_handler, conn->peer, NULL, 0, err_r);
	if (wire == NULL) {
		close(fd);
		if (conn != NULL)
			conn_free(conn);
		return -1;
	}
	link_want_ledger(conn->peer, svc->listen_transport == SP_IPC);
	link_attach(conn->peer, wire);
	LIST_INSERT_HEAD(&svc->conns, conn, link);
	svc->conn_count++;
	return 0;
}

/* Out of descriptors or over the bound: let the backlog wait a little. */
static void
accept_later(struct svc *svc)
{
	loop_io_drop(svc->loop, &svc->listen_io);
	loop_timer_set(svc->loop, &svc->listen_timer,
	    loop_now_us(svc->loop) + ACCEPT_PAUSE_US);
}

static void
on_acceptable(struct loop_io *io, uint32_t events)
{
	struct svc *svc = loop_owner(io, struct svc, listen_io);
	struct err err;
	int fd;

	(void)events;
	for (int i = 0; i < ACCEPT_PER_TURN; i++) {
		if (svc->conn_count >= CORE_CONN_MAX) {
			log_warnx("%d callers are connected, more must wait",
			    CORE_CONN_MAX);
			accept_later(svc);
			return;
		}
		fd = accept4(svc->listen_fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
			log_warn("cannot accept a caller, trying again");
			accept_later(svc);
		}
		if (fd < 0)
			return;
		if (conn_open(svc, fd, &err) != 0)
			log_warnx("cannot take a caller: %s", err.text);
	}
}

static void
accept_again(struct loop_timer *timer)
{
	struct svc *svc = loop_owner(timer, struct svc, listen_timer);

	(void)loop_io_add(svc->loop, &svc->listen_io, svc->listen_fd, EPOLLIN,
	    NULL);
}

int
conn_listen(struct svc *svc, const char *url, struct err *err_r)
{
	svc->listen_fd = wire_listen(url, &svc->listen_transport, err_r);
	if (svc->listen_fd < 0)
		return -1;
	svc->listen_io.fn = on_acceptable;
	svc->listen_timer.fn = accept_again;
	return loop_io_add(svc->loop, &svc->listen_io, svc->listen_fd, EPOLLIN,
	    err_r);
}

void
conn_unlisten(struct svc *svc)
{
	if (svc->listen_fd < 0)
		return;
	loop_timer_drop(svc->loop, &svc->listen_timer);
	if (svc->listen_io.fd >= 0)
		loop_io_drop(svc->loop, &svc->listen_io);
	close(svc->listen_fd);
	svc->listen_fd = -1;
}

void
conn_close_all(struct svc *svc)
{
	struct conn *conn;

	while ((conn = LIST_FIRST(&svc->conns)) != NULL)
		conn_close(conn);
}

size_t
conn_queued(const struct svc *svc)
{
	const struct conn *conn;
	size_t queued = 0;

	LIST_FOREACH (conn, &svc->conns, link)
		queued += link_queued(conn->peer);
	return queued;
}

bool
conn_has_router(const struct svc *svc)
{
	const struct conn *conn;

	LIST_FOREACH (conn, &svc->conns, link)
		if (link_has_hello(conn->peer))
			return true;
	return false;
}
