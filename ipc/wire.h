/*
 * wire: one SP connection that carries whole messages, on an event loop.
 *
 * Two kinds behind one interface: our own codec on a connected stream socket
 * (here), and libnng for url = services (nngwire.h). The handshake is sent at
 * once; up() is called when the peer's has arrived and fits.
 *
 * Writing: wire_begin() opens a message in the out buffer, the caller appends
 * its body, wire_end() closes it. The socket is written at the end of the
 * loop's turn, so all messages of a turn leave with one system call. A peer
 * that lets more than queue_max bytes pile up is cut off: down() with that
 * reason. All calls and callbacks are on the loop's thread.
 *
 * A file descriptor can travel along (unix(7), SCM_RIGHTS), on our own codec
 * over ipc:// only. Only a receiver that wants one gets it, and only up to the
 * first message: what else comes is closed unseen.
 */
#ifndef MSVC_IPC_WIRE_H
#define MSVC_IPC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sp.h"

struct buf;
struct err;
struct loop;
struct wire;

struct wire_handler {
	/* Handshake done; messages may be sent (also before, they wait). */
	void (*up)(void *arg);
	/* One message; data is borrowed until return. */
	void (*message)(void *arg, const uint8_t *data, size_t len);
	/*
	 * The connection is over, why says it: peer closed, malformed, cut
	 * off. Called once, never from inside wire_begin/end/new; the owner
	 * must wire_free(), there or later.
	 */
	void (*down)(void *arg, const struct err *why);
	/* Optional: the out buffer has become empty. */
	void (*drained)(void *arg);
};

struct wire_limits {
	size_t message_max; /* bytes of one incoming message; larger is cut */
	/* Unwritten bytes beside the longest message; more is cut off. */
	size_t queue_max;
};

/*
 * fd        a connected (or connecting) non-blocking stream socket; owned by
 *           the wire from success on
 * protocol  what we are; the peer must be sp_protocol_peer() of it
 * initial   bytes already read from fd, or NULL
 */
struct wire *wire_new(struct loop *loop, int fd, enum sp_transport transport,
    enum sp_protocol protocol, const struct wire_limits *limits,
    const struct wire_handler *handler, void *arg, const void *initial,
    size_t initial_len, struct err *err_r);

/* Closes the connection at once; unwritten bytes are lost. No down() call. */
void wire_free(struct wire **wirep);

/*
 * Open a message: the caller appends its bytes (for REQ/REP the header first)
 * to the buffer, then calls wire_end(). One may stay open over several events
 * of a turn; what came before it can be written meanwhile. On a wire that is
 * down or cut off the message is dropped in wire_end().
 */
struct buf *wire_begin(struct wire *wire);
void wire_end(struct wire *wire);

/*
 * Send fd along with the first byte of the message that is begun next; at most
 * one at a time. Takes fd and returns 0; or returns -1, with fd still the
 * caller's, when this kind of wire carries none. The kernel may refuse to carry
 * it all the same (too many are under way): then the message comes without.
 */
int wire_attach_fd(struct wire *wire, int fd);

/*
 * Before the first turn: take a descriptor that comes with the first message or
 * before it. To close one can take as long as its sender likes (a file system
 * may be one of its own), so do not want one of a peer that is not trusted.
 */
void wire_want_fd(struct wire *wire);

/*
 * The descriptor that was wanted, close-on-exec and the caller's from now on;
 * -1 when none came. One that was not taken when message() returns from the
 * first message is closed, as are all beside the first.
 */
int wire_take_fd(struct wire *wire);

/* Bytes in the out buffer that the kernel has not taken yet. */
size_t wire_queued(const struct wire *wire);

/*
 * Bytes ever put into the out buffer, and bytes the kernel (or libnng) ever
 * took. A message that began at wire_enqueued() == N, read before wire_begin(),
 * has not left this process, not even in part, while wire_written() <= N.
 */
uint64_t wire_enqueued(const struct wire *wire);
uint64_t wire_written(const struct wire *wire);
bool wire_is_up(const struct wire *wire);

/* Why it is down, for programs: the peer did not read, or broke SP's rules. */
bool wire_is_cut(const struct wire *wire);
bool wire_is_malformed(const struct wire *wire);

struct loop *wire_loop(const struct wire *wire); /* borrowed */

/* Stop or go on reading, for backpressure. */
void wire_pause(struct wire *wire);
void wire_resume(struct wire *wire);

/*
 * Connect to "ipc://PATH" (path at most 107 bytes) or "tcp://HOST:PORT" with a
 * numeric host ("tcp://[::1]:80" for IPv6). Returns a non-blocking socket,
 * perhaps still connecting, or -1 with errno as connect() left it (ENOENT,
 * ECONNREFUSED, EAGAIN when the listener's queue is full) or EINVAL.
 */
int wire_dial(const char *url, enum sp_transport *transport_r,
    struct err *err_r);

/*
 * Bind and listen on such a URL; an existing socket file is replaced. Returns
 * a non-blocking socket, or -1 with errno set.
 */
int wire_listen(const char *url, enum sp_transport *transport_r,
    struct err *err_r);

#endif
