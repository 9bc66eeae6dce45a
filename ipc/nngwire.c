#include "nngwire.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>

#include "err.h"
#include "log.h"
#include "loop.h"
#include "wire_ops.h"

enum {
	RECONNECT_MIN_MS = 100,
	RECONNECT_MAX_MS = 5000,
	PREFIX_LEN = 8, /* in the out buffer: the length of a message */
	OUT_KEEP = 64 * 1024
};

/*
 * What one of nng's threads says to the loop. It is the thread's until it is
 * posted and the loop's from when it arrives until nng gets its aio again, so
 * that nobody else may look into it: at any other moment nng may be writing.
 */
struct letter {
	struct loop_mail mail;
	nng_msg *msg; /* received; owned */
	int error;    /* nng's */
};

/*
 * All fields but the letters and the atomic ones are the loop's. Each letter
 * under way holds a reference, so that one which arrives after wire_free()
 * finds the memory still there.
 */
struct nngwire {
	struct wire wire; /* must be first */
	atomic_uint refs; /* the owner's, and one a letter */
	bool is_freed;
	nng_socket socket;
	nng_aio *recv_aio, *send_aio; /* owned */
	struct letter received, sent;
	nng_msg *held; /* owned; arrived, but the wire is paused */
	struct loop_mail pipe_mail;
	atomic_uint ups, downs; /* pipes that came and went */
	atomic_bool is_pipe_posted;
	struct loop_task task;
	bool is_sending, is_drain_due;
};

static struct nngwire *
nngwire_of(struct wire *wire)
{
	return loop_owner(wire, struct nngwire, wire);
}

static void
nngwire_unref(struct nngwire *self)
{
	if (atomic_fetch_sub(&self->refs, 1) != 1)
		return;
	nng_msg_free(self->received.msg);
	nng_msg_free(self->held);
	buf_fini(&self->wire.out);
	free(self);
}

static void
nngwire_post(struct nngwire *self, struct loop_mail *mail)
{
	atomic_fetch_add(&self->refs, 1);
	loop_post(self->wire.loop, mail);
}

/*
 * In nng's threads.
 */

static void
recv_on_done(void *arg)
{
	struct nngwire *self = arg;

	self->received.error = nng_aio_result(self->recv_aio);
	if (self->received.error == 0)
		self->received.msg = nng_aio_get_msg(self->recv_aio);
	nngwire_post(self, &self->received.mail);
}

static void
send_on_done(void *arg)
{
	struct nngwire *self = arg;

	self->sent.error = nng_aio_result(self->send_aio);
	if (self->sent.error != 0)
		nng_msg_free(nng_aio_get_msg(self->send_aio));
	nngwire_post(self, &self->sent.mail);
}

static void
pipe_on_event(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct nngwire *self = arg;

	(void)pipe;
	atomic_fetch_add(event == NNG_PIPE_EV_ADD_POST ? &self->ups
						       : &self->downs,
	    1);
	if (!atomic_exchange(&self->is_pipe_posted, true))
		nngwire_post(self, &self->pipe_mail);
}

/*
 * In the loop's thread.
 */

static bool
nngwire_is_done(const struct nngwire *self)
{
	return self->is_freed || self->wire.is_over;
}

/* Hand the next message to nng, which has at most one that no pipe took. */
static void
nngwire_send(struct nngwire *self)
{
	struct wire *wire = &self->wire;
	uint64_t len;
	nng_msg *msg;

	if (!wire->is_up || self->is_sending || wire->ready == 0)
		return;
	(void)sp_prefix_decode(SP_TCP, buf_front(&wire->out), &len);
	if (nng_msg_alloc(&msg, (size_t)len) != 0) {
		wire->out.is_failed = true; /* told by the task */
		loop_task_add(wire->loop, &self->task);
		return;
	}
	memcpy(nng_msg_body(msg), buf_front(&wire->out) + PREFIX_LEN,
	    (size_t)len);
	buf_consume(&wire->out, PREFIX_LEN + (size_t)len);
	wire->ready -= PREFIX_LEN + (size_t)len;
	wire->written += PREFIX_LEN + len;
	self->is_sending = true;
	nng_aio_set_msg(self->send_aio, msg);
	nng_send_aio(self->socket, self->send_aio);
}

static void
nngwire_go_up(struct nngwire *self)
{
	if (self->wire.is_up || nngwire_is_done(self))
		return;
	self->wire.is_up = true;
	self->wire.handler->up(self->wire.arg);
	if (!nngwire_is_done(self))
		nngwire_send(self);
}

/* Hand out the message that is held, and only then ask nng for the next. */
static void
nngwire_deliver(struct nngwire *self)
{
	nng_msg *msg = self->held;

	/* A pipe may hand us its first message before it reports itself. */
	nngwire_go_up(self);
	if (nngwire_is_done(self) || self->wire.is_paused)
		return;
	self->held = NULL;
	if (nng_msg_insert(msg, nng_msg_header(msg), nng_msg_header_len(msg)) ==
	    0)
		self->wire.handler->message(self->wire.arg, nng_msg_body(msg),
		    nng_msg_len(msg));
	nng_msg_free(msg);
	if (!nngwire_is_done(self))
		nng_recv_aio(self->socket, self->recv_aio);
}

static void
recv_on_mail(struct loop_mail *mail)
{
	struct nngwire *self = loop_owner(mail, struct nngwire, received.mail);

	self->held = self->received.msg;
	self->received.msg = NULL;
	if (!nngwire_is_done(self)) {
		if (self->held != NULL)
			nngwire_deliver(self);
		else if (self->received.error != NNG_ECLOSED)
			nng_recv_aio(self->socket, self->recv_aio);
	}
	nngwire_unref(self);
}

static void
send_on_mail(struct loop_mail *mail)
{
	struct nngwire *self = loop_owner(mail, struct nngwire, sent.mail);
	struct wire *wire = &self->wire;
	struct err err;

	self->is_sending = false;
	if (!nngwire_is_done(self) && self->sent.error != 0) {
		err_set(&err, "%s", nng_strerror(self->sent.error));
		wire_down(wire, &err);
	}
	if (!nngwire_is_done(self)) {
		nngwire_send(self);
		if (!self->is_sending && self->is_drain_due &&
		    buf_count(&wire->out) == 0) {
			self->is_drain_due = false;
			buf_shrink(&wire->out, OUT_KEEP);
			if (wire->handler->drained != NULL)
				wire->handler->drained(wire->arg);
		}
	}
	nngwire_unref(self);
}

static void
pipe_on_mail(struct loop_mail *mail)
{
	struct nngwire *self = loop_owner(mail, struct nngwire, pipe_mail);
	struct err err;

	atomic_store(&self->is_pipe_posted, false);
	if (atomic_load(&self->ups) > 0)
		nngwire_go_up(self);
	if (atomic_load(&self->downs) > 0 && !self->is_freed) {
		err_set(&err, "the connection was lost");
		wire_down(&self->wire, &err);
	}
	nngwire_unref(self);
}

static void
nngwire_on_task(struct loop_task *task)
{
	struct nngwire *self = loop_owner(task, struct nngwire, task);
	struct wire *wire = &self->wire;
	struct err err;

	if (wire->is_over)
		return;
	if (wire->is_cut || wire->out.is_failed) {
		if (wire->is_cut)
			err_set(&err,
			    "cut off: the peer does not read; %zu bytes "
			    "wait, the limit is %zu",
			    wire->ready, wire->limits.queue_max);
		else
			err_set(&err,
			    "out of memory for what is to be written");
		wire_down(wire, &err);
		return;
	}
	/* Delivering may end in wire_free(), which drops a reference. */
	atomic_fetch_add(&self->refs, 1);
	nngwire_send(self);
	if (self->held != NULL)
		nngwire_deliver(self);
	nngwire_unref(self);
}

static struct buf *
nngwire_begin(struct wire *wire)
{
	static const uint8_t prefix[PREFIX_LEN];

	if (wire->ready != buf_count(&wire->out) && !wire->out.is_failed)
		bug("wire_begin() while a message is open");
	buf_append(&wire->out, prefix, sizeof(prefix));
	return &wire->out;
}

static void
nngwire_end(struct wire *wire)
{
	struct nngwire *self = nngwire_of(wire);
	size_t len = buf_count(&wire->out) - wire->ready - PREFIX_LEN;

	if (wire_is_full(wire))
		wire->is_cut = true;
	loop_task_add(wire->loop, &self->task);
	if (wire->is_cut || wire->is_over || wire->out.is_failed) {
		wire_drop_open(wire);
		return;
	}
	sp_prefix_encode(SP_TCP, len,
	    wire->out.data + wire->out.head + wire->ready);
	wire_close(wire);
	self->is_drain_due = true;
}

static void
nngwire_pause(struct wire *wire)
{
	wire->is_paused = true;
}

static void
nngwire_resume(struct wire *wire)
{
	struct nngwire *self = nngwire_of(wire);

	wire->is_paused = false;
	if (self->held != NULL)
		loop_task_add(wire->loop, &self->task);
}

/* Waits for nng's threads to be done with our callbacks, which never block. */
static void
nngwire_free(struct wire *wire)
{
	struct nngwire *self = nngwire_of(wire);

	self->is_freed = true;
	loop_task_drop(wire->loop, &self->task);
	if (nng_socket_id(self->socket) > 0)
		(void)nng_close(self->socket);
	if (self->recv_aio != NULL) {
		nng_aio_stop(self->recv_aio);
		nng_aio_free(self->recv_aio);
	}
	if (self->send_aio != NULL) {
		nng_aio_stop(self->send_aio);
		nng_aio_free(self->send_aio);
	}
	nngwire_unref(self);
}

static const struct wire_ops nngwire_ops = {
	.free = nngwire_free,
	.begin = nngwire_begin,
	.end = nngwire_end,
	.pause = nngwire_pause,
	.resume = nngwire_resume,
};

/* Returns 0 or nng's error number. */
static int
nngwire_open(struct nngwire *self, const char *url)
{
	nng_dialer dialer;
	int rv;

	if ((rv = nng_aio_alloc(&self->recv_aio, recv_on_done, self)) != 0 ||
	    (rv = nng_aio_alloc(&self->send_aio, send_on_done, self)) != 0 ||
	    (rv = nng_req0_open_raw(&self->socket)) != 0 ||
	    (rv = nng_socket_set_size(self->socket, NNG_OPT_RECVMAXSZ,
		 self->wire.limits.message_max)) != 0 ||
	    (rv = nng_socket_set_ms(self->socket, NNG_OPT_RECONNMINT,
		 RECONNECT_MIN_MS)) != 0 ||
	    (rv = nng_socket_set_ms(self->socket, NNG_OPT_RECONNMAXT,
		 RECONNECT_MAX_MS)) != 0 ||
	    (rv = nng_pipe_notify(self->socket, NNG_PIPE_EV_ADD_POST,
		 pipe_on_event, self)) != 0 ||
	    (rv = nng_pipe_notify(self->socket, NNG_PIPE_EV_REM_POST,
		 pipe_on_event, self)) != 0 ||
	    (rv = nng_dialer_create(&dialer, self->socket, url)) != 0)
		return rv;
	nng_recv_aio(self->socket, self->recv_aio);
	return nng_dialer_start(dialer, NNG_FLAG_NONBLOCK);
}

struct wire *
nngwire_new(struct loop *loop, const char *url,
    const struct wire_limits *limits, const struct wire_handler *handler,
    void *arg, struct err *err_r)
{
	static const nng_socket none = NNG_SOCKET_INITIALIZER;
	struct nngwire *self = calloc(1, sizeof(*self));
	struct wire *wire;
	int rv;

	if (self == NULL) {
		err_set(err_r, "out of memory for a connection");
		return NULL;
	}
	wire = &self->wire;
	*wire = (struct wire){ .ops = &nngwire_ops,
		.loop = loop,
		.handler = handler,
		.arg = arg,
		.limits = *limits };
	atomic_init(&self->refs, 1);
	self->socket = none;
	self->received.mail.fn = recv_on_mail;
	self->sent.mail.fn = send_on_mail;
	self->pipe_mail.fn = pipe_on_mail;
	self->task.fn = nngwire_on_task;
	rv = nngwire_open(self, url);
	if (rv != 0) {
		err_set(err_r, "\"%s\": %s", url, nng_strerror(rv));
		wire_free(&wire);
	}
	return wire;
}
