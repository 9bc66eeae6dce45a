#include "wire.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "err.h"
#include "log.h"
#include "loop.h"
#include "passfd.h"
#include "wire_ops.h"

enum {
	/* One read takes up to this much, on the stack: idle wires hold none.
	 */
	WIRE_READ_MAX = 64 * 1024,
	/* An emptied out buffer larger than this is given back. */
	WIRE_OUT_KEEP = 64 * 1024
};

/* A wire on a stream socket of our own. */
struct sock {
	struct wire wire; /* must be first */
	struct loop_io io;
	struct loop_task task; /* flush, and parse what waits in in */
	int fd;                /* owned */
	enum sp_transport transport;
	enum sp_protocol protocol;
	struct buf in;    /* a message not yet complete, or the backlog */
	bool has_backlog; /* in may hold whole messages: parse before read */
	bool is_write_blocked; /* waiting for EPOLLOUT */
	bool is_drain_due;     /* something was written since drained() */
	bool is_hung;    /* paused, and out of the loop: the peer is gone */
	int write_errno; /* writing failed; the read side tells the end */
	struct passfd passfd; /* comes only while it is wanted */
	bool *gone;           /* set by free while a callback runs */
};

static struct sock *
sock_of(struct wire *wire)
{
	return loop_owner(wire, struct sock, wire);
}

static void
sock_watch(struct sock *sock)
{
	uint32_t events = 0;

	if (sock->is_hung || sock->wire.is_over)
		return;
	if (!sock->wire.is_paused)
		events |= EPOLLIN;
	if (sock->is_write_blocked)
		events |= EPOLLOUT;
	/* Changing the set of a watched descriptor does not fail. */
	if (events != sock->io.events)
		(void)loop_io_set(sock->wire.loop, &sock->io, events);
}

/* Hand the closed messages to the kernel. Calls nobody back. */
static void
sock_write(struct sock *sock)
{
	struct wire *wire = &sock->wire;
	ssize_t count;

	if (wire->ready == 0 || sock->is_write_blocked ||
	    sock->write_errno != 0)
		return;
	do {
		count = passfd_send(&sock->passfd, sock->fd, wire->written,
		    buf_front(&wire->out), wire->ready);
	} while (count < 0 && errno == EINTR);
	if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
		/* EPOLLOUT brings us back to read what came before the end. */
		sock->write_errno = errno;
		sock->is_write_blocked = true;
		return;
	}
	if (count > 0) {
		wire->written += (uint64_t)count;
		wire->ready -= (size_t)count;
		buf_consume(&wire->out, (size_t)count);
	}
	sock->is_write_blocked = wire->ready > 0;
}

/* Returns 0, or -1 when the wire is over and may be gone. */
static int
sock_flush(struct sock *sock)
{
	struct wire *wire = &sock->wire;
	bool *gone = sock->gone;
	struct err err;

	sock_write(sock);
	if (wire->out.is_failed) {
		err_set(&err, "out of memory for what is to be written");
		wire_down(wire, &err);
		return -1;
	}
	if (wire->is_cut) {
		err_set(&err,
		    "cut off: the peer does not read; %zu bytes wait, the "
		    "limit is %zu",
		    wire->ready, wire->limits.queue_max);
		wire_down(wire, &err);
		return -1;
	}
	sock_watch(sock);
	if (buf_count(&wire->out) > 0 || !sock->is_drain_due)
		return 0;
	sock->is_drain_due = false;
	buf_shrink(&wire->out, WIRE_OUT_KEEP);
	if (wire->handler->drained != NULL)
		wire->handler->drained(wire->arg);
	return *gone || wire->is_over ? -1 : 0;
}

static int
sock_handshake(struct sock *sock, const uint8_t *data)
{
	unsigned protocol = sp_handshake_decode(data);
	unsigned wanted = sp_protocol_peer(sock->protocol);
	bool *gone = sock->gone;
	struct err err;

	if (protocol == wanted) {
		sock->wire.is_up = true;
		sock->wire.handler->up(sock->wire.arg);
		return *gone || sock->wire.is_over ? -1 : 0;
	}
	if (protocol == SP_NONE)
		err_set(&err, "the peer does not speak SP");
	else
		err_set(&err, "the peer is SP protocol 0x%x (%s), not %s",
		    protocol, sp_protocol_name(protocol),
		    sp_protocol_name(wanted));
	wire_down(&sock->wire, &err);
	return -1;
}

/*
 * Length of the message at data, prefix excluded. Returns 0 with *is_whole_r
 * false when its prefix is not complete; -1 when the wire is over.
 */
static int
sock_measure(struct sock *sock, const uint8_t *data, size_t len,
    bool *is_whole_r, uint64_t *message_len_r)
{
	size_t prefix_len = sp_prefix_len(sock->transport);
	struct err err;

	*is_whole_r = false;
	if (len < prefix_len)
		return 0;
	if (sp_prefix_decode(sock->transport, data, message_len_r) < 0) {
		err_set(&err,
		    "malformed: a message begins with 0x%02x, not 0x01",
		    data[0]);
		wire_malformed(&sock->wire, &err);
		return -1;
	}
	if (*message_len_r > sock->wire.limits.message_max) {
		err_set(&err,
		    "malformed: a message of %" PRIu64
		    " bytes; the limit is %zu",
		    *message_len_r, sock->wire.limits.message_max);
		wire_malformed(&sock->wire, &err);
		return -1;
	}
	*is_whole_r = len - prefix_len >= *message_len_r;
	return 0;
}

/*
 * Deliver what is whole at the front of data. Returns the number of bytes
 * used, or -1 when the wire is over and may be gone.
 */
static ssize_t
sock_parse(struct sock *sock, const uint8_t *data, size_t len)
{
	struct wire *wire = &sock->wire;
	size_t prefix_len = sp_prefix_len(sock->transport), used = 0;
	bool *gone = sock->gone;
	bool is_whole;
	uint64_t message_len;

	if (!wire->is_up) {
		if (len < SP_HANDSHAKE_LEN)
			return 0;
		if (sock_handshake(sock, data) < 0)
			return -1;
		used = SP_HANDSHAKE_LEN;
	}
	while (!wire->is_paused) {
		if (sock_measure(sock, data + used, len - used, &is_whole,
			&message_len) < 0)
			return -1;
		if (!is_whole)
			break;
		used += prefix_len + (size_t)message_len;
		wire->handler->message(wire->arg,
		    data + used - (size_t)message_len, (size_t)message_len);
		if (*gone || wire->is_over)
			return -1;
		if (wire->wants_fd)
			passfd_drop_in(&sock->passfd);
		wire->wants_fd = false;
	}
	return (ssize_t)used;
}

/* Deliver what is whole in data and keep the rest; in must be empty. */
static int
sock_take(struct sock *sock, const uint8_t *data, size_t len)
{
	ssize_t used = sock_parse(sock, data, len);
	struct err err;

	if (used < 0)
		return -1;
	if ((size_t)used == len)
		return 0;
	sock->has_backlog = sock->wire.is_paused;
	buf_append(&sock->in, data + used, len - (size_t)used);
	if (!sock->in.is_failed)
		return 0;
	err_set(&err, "out of memory for a message that arrives");
	wire_down(&sock->wire, &err);
	return -1;
}

/*
 * As sock_take() for what is in the in buffer, which a callback may free
 * together with the wire: so it is moved out of the wire's reach first.
 */
static int
sock_take_in(struct sock *sock)
{
	struct buf in = sock->in;
	int rc;

	memset(&sock->in, 0, sizeof(sock->in));
	sock->has_backlog = false;
	rc = sock_take(sock, buf_front(&in), buf_count(&in));
	buf_fini(&in);
	return rc;
}

/* What recv() returned, as 1: bytes, 0: none now, -1: the wire is over. */
static int
sock_received(struct sock *sock, ssize_t count)
{
	struct err err;

	if (count > 0)
		return 1;
	if (count < 0 && errno == EINTR)
		return 0;
	if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) &&
	    sock->write_errno == 0)
		return 0;
	if (count < 0 || sock->write_errno != 0) {
		/* A failed send() took the error that recv() would tell. */
		if (sock->write_errno != 0)
			errno = sock->write_errno;
		err_set_errno(&err, sock->wire.is_up ? "the connection broke"
						     : "the connection failed");
	} else if (!sock->wire.is_up) {
		err_set(&err, "the peer closed before the SP handshake");
	} else if (buf_count(&sock->in) > 0) {
		err_set(&err, "the peer closed in the middle of a message");
	} else {
		err_set(&err, "the peer closed");
	}
	wire_down(&sock->wire, &err);
	return -1;
}

/*
 * Go on with a message too long for the stack. Memory is taken as the bytes
 * arrive, at most doubling, so that an announced length alone costs nothing.
 */
static int
sock_read_long(struct sock *sock)
{
	struct buf *in = &sock->in;
	size_t have = buf_count(in), left;
	uint64_t message_len;
	bool is_whole;
	ssize_t count;
	uint8_t *at;
	struct err err;
	int rc;

	if (sock_measure(sock, buf_front(in), have, &is_whole, &message_len) <
	    0)
		return -1;
	left = sp_prefix_len(sock->transport) + (size_t)message_len - have;
	if (left > have)
		left = have;
	at = buf_reserve(in, left);
	if (at == NULL) {
		err_set(&err, "out of memory for a message that arrives");
		wire_down(&sock->wire, &err);
		return -1;
	}
	count = recv(sock->fd, at, left, MSG_DONTWAIT);
	rc = sock_received(sock, count);
	if (rc <= 0)
		return rc;
	in->len += (size_t)count;
	if (buf_count(in) < sp_prefix_len(sock->transport) + message_len)
		return 0;
	return sock_take_in(sock);
}

/* One read: whatever else waits in the kernel gets its turn after others. */
static int
sock_read(struct sock *sock)
{
	uint8_t data[WIRE_READ_MAX];
	size_t have;
	ssize_t count;
	int rc;

	if (sock->has_backlog && sock_take_in(sock) < 0)
		return -1;
	have = buf_count(&sock->in);
	if (sock->has_backlog || sock->wire.is_paused)
		return 0;
	if (have >= sizeof(data) / 2)
		return sock_read_long(sock);
	if (have > 0)
		memcpy(data, buf_front(&sock->in), have);
	if (sock->wire.wants_fd && sock->transport == SP_IPC)
		count = passfd_recv(&sock->passfd, sock->fd, data + have,
		    sizeof(data) - have);
	else
		count = recv(sock->fd, data + have, sizeof(data) - have,
		    MSG_DONTWAIT);
	rc = sock_received(sock, count);
	if (rc <= 0)
		return rc;
	buf_fini(&sock->in);
	return sock_take(sock, data, have + (size_t)count);
}

static int
sock_events(struct sock *sock, uint32_t events)
{
	if ((events & EPOLLOUT) != 0 && sock->is_write_blocked &&
	    sock->write_errno == 0) {
		sock->is_write_blocked = false;
		if (sock_flush(sock) < 0)
			return -1;
	}
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 &&
	    sock->write_errno == 0)
		return 0;
	if (!sock->wire.is_paused)
		return sock_read(sock);
	/*
	 * epoll reports a lost peer whether or not it is asked to; what is
	 * still to be read waits for resume, so step out until then.
	 */
	if ((events & (EPOLLHUP | EPOLLERR)) != 0 || sock->write_errno != 0) {
		sock->is_hung = true;
		loop_io_drop(sock->wire.loop, &sock->io);
	}
	return 0;
}

static void
sock_on_io(struct loop_io *io, uint32_t events)
{
	struct sock *sock = loop_owner(io, struct sock, io);
	bool is_gone = false;

	if (sock->wire.is_over)
		return;
	sock->gone = &is_gone;
	(void)sock_events(sock, events);
	if (is_gone)
		return;
	sock->gone = NULL;
	if (sock->wire.is_over)
		loop_io_drop(sock->wire.loop, &sock->io);
}

static void
sock_on_task(struct loop_task *task)
{
	struct sock *sock = loop_owner(task, struct sock, task);
	bool is_gone = false;

	if (sock->wire.is_over)
		return;
	sock->gone = &is_gone;
	if (sock_flush(sock) == 0 && sock->has_backlog && !sock->wire.is_paused)
		(void)sock_take_in(sock);
	if (is_gone)
		return;
	sock->gone = NULL;
	if (sock->wire.is_over)
		loop_io_drop(sock->wire.loop, &sock->io);
}

static void
sock_free(struct wire *wire)
{
	struct sock *sock = sock_of(wire);

	if (sock->gone != NULL)
		*sock->gone = true;
	loop_io_drop(wire->loop, &sock->io);
	loop_task_drop(wire->loop, &sock->task);
	close(sock->fd);
	passfd_fini(&sock->passfd);
	buf_fini(&sock->in);
	buf_fini(&wire->out);
	free(sock);
}

static struct buf *
sock_begin(struct wire *wire)
{
	static const uint8_t prefix[SP_PREFIX_MAX];

	if (wire->ready != buf_count(&wire->out) && !wire->out.is_failed)
		bug("wire_begin() while a message is open");
	buf_append(&wire->out, prefix, sp_prefix_len(sock_of(wire)->transport));
	return &wire->out;
}

static void
sock_end(struct wire *wire)
{
	struct sock *sock = sock_of(wire);
	size_t prefix_len = sp_prefix_len(sock->transport);
	size_t len;

	if (wire_is_full(wire))
		sock_write(sock);
	if (wire_is_full(wire))
		wire->is_cut = true;
	loop_task_add(wire->loop, &sock->task);
	if (wire->is_cut || wire->is_over || wire->out.is_failed ||
	    sock->write_errno != 0) {
		wire_drop_open(wire);
		return;
	}
	len = buf_count(&wire->out) - wire->ready - prefix_len;
	sp_prefix_encode(sock->transport, len,
	    wire->out.data + wire->out.head + wire->ready);
	wire_close(wire);
	sock->is_drain_due = true;
}

static void
sock_pause(struct wire *wire)
{
	wire->is_paused = true;
	sock_watch(sock_of(wire));
}

static void
sock_resume(struct wire *wire)
{
	struct sock *sock = sock_of(wire);

	wire->is_paused = false;
	if (sock->has_backlog)
		loop_task_add(wire->loop, &sock->task);
	if (sock->is_hung) {
		sock->is_hung = false;
		if (loop_io_add(wire->loop, &sock->io, sock->fd, EPOLLIN,
			NULL) < 0)
			sock->is_hung = true;
	}
	sock_watch(sock);
}

static int
sock_attach_fd(struct wire *wire, int fd)
{
	struct sock *sock = sock_of(wire);

	if (wire->ready != buf_count(&wire->out) && !wire->out.is_failed)
		bug("wire_attach_fd() while a message is open");
	if (sock->transport != SP_IPC || sock->passfd.out >= 0)
		return -1;
	sock->passfd.out = fd;
	sock->passfd.out_at = wire->written + buf_count(&wire->out);
	return 0;
}

static int
sock_take_fd(struct wire *wire)
{
	return passfd_take(&sock_of(wire)->passfd);
}

static const struct wire_ops sock_ops = {
	.free = sock_free,
	.begin = sock_begin,
	.end = sock_end,
	.pause = sock_pause,
	.resume = sock_resume,
	.attach_fd = sock_attach_fd,
	.take_fd = sock_take_fd,
};

/* Put our handshake and what was read before where they belong. */
static int
sock_prepare(struct sock *sock, const void *initial, size_t initial_len)
{
	uint8_t handshake[SP_HANDSHAKE_LEN];

	sp_handshake_encode(sock->protocol, handshake);
	buf_append(&sock->wire.out, handshake, sizeof(handshake));
	sock->wire.ready = sizeof(handshake);
	buf_append(&sock->in, initial, initial_len);
	return sock->wire.out.is_failed || sock->in.is_failed ? -1 : 0;
}

struct wire *
wire_new(struct loop *loop, int fd, enum sp_transport transport,
    enum sp_protocol protocol, const struct wire_limits *limits,
    const struct wire_handler *handler, void *arg, const void *initial,
    size_t initial_len, struct err *err_r)
{
	struct sock *sock = calloc(1, sizeof(*sock));

	if (sock == NULL) {
		err_set(err_r, "out of memory for a connection");
		return NULL;
	}
	sock->wire = (struct wire){ .ops = &sock_ops,
		.loop = loop,
		.handler = handler,
		.arg = arg,
		.limits = *limits };
	sock->fd = fd;
	passfd_init(&sock->passfd);
	sock->transport = transport;
	sock->protocol = protocol;
	sock->io.fn = sock_on_io;
	sock->io.fd = -1;
	sock->task.fn = sock_on_task;
	if (sock_prepare(sock, initial, initial_len) < 0) {
		err_set(err_r, "out of memory for a connection");
		goto fail;
	}
	if (loop_io_add(loop, &sock->io, fd, EPOLLIN, err_r) < 0)
		goto fail;
	if (transport == SP_TCP)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 },
		    sizeof(int));
	/* The handshake leaves with what is begun in this turn. */
	sock->has_backlog = initial_len > 0;
	loop_task_add(loop, &sock->task);
	sock_watch(sock);
	return &sock->wire;
fail:
	buf_fini(&sock->in);
	buf_fini(&sock->wire.out);
	free(sock);
	return NULL;
}
