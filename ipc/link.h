/*
 * link: frames on a wire; HELLO, batching, and peers that know neither.
 *
 * A link is made on a fresh wire and owns it. The service side says HELLO
 * first, right behind its handshake; the caller side answers only when it got
 * one: a plain nng REP socket would hand an unasked HELLO to its program as a
 * request, while a plain nng REQ socket drops a reply it did not ask for. A
 * caller is told that the link is up when the turn that read the handshake
 * ends, so that its HELLO is in front of its first request. Once both have
 * said it, all frames of a loop turn travel in one SP message (up to
 * max_batch frames or 256 KiB). Before, and with plain peers, each frame is a
 * message of its own whose SP request id is the frame's id. A message with
 * more than LINK_BATCH_MAX frames is malformed, so that no peer holds up a
 * turn.
 *
 * A service that announces it gets a ledger (ledger.h) with the caller's HELLO,
 * when the wire can carry its descriptor; where that fails there is none.
 *
 * A response with streamed body: a response frame whose meta has ":stream" = 1
 * and a nil payload, followed by chunks. The service may have at most the
 * peer's HELLO window of bytes in chunks per id beyond the credit it was given;
 * plain peers never stream.
 */
#ifndef MSVC_IPC_LINK_H
#define MSVC_IPC_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "sp.h"

struct buf;
struct err;
struct ledger;
struct link;
struct loop;
struct wire;
struct wire_handler;

enum link_side {
	LINK_CALLER,
	LINK_SERVICE
};

enum {
	LINK_BATCH_MAX = 256,
	LINK_WINDOW = 256 * 1024
};

struct link_handler {
	void (*up)(void *arg); /* optional */
	/*
	 * One frame other than HELLO and unknown kinds. On the service side
	 * header is what link_begin() needs to answer a plain peer (copy it);
	 * on the caller side it is NULL. Borrowed until return. A caller gets
	 * only responses, chunks; a service only requests, cancels, credits;
	 * anything else closes the link as malformed.
	 */
	void (*frame)(void *arg, const struct frame *frame,
	    const struct sp_header *header);
	/* Over; the owner must link_free(), there or later. Called once. */
	void (*down)(void *arg, const struct err *why);
	/* Optional: the out buffer has become empty. */
	void (*drained)(void *arg);
};

/*
 * Make a link (NULL: out of memory) whose wire is still to come: pass
 * link_wire_handler() and the link itself as handler and arg to wire_new() or
 * nngwire_new(), then link_attach(). handler and arg are borrowed for the
 * link's life.
 */
struct link *link_new(enum link_side side, const struct link_handler *handler,
    void *arg);
extern const struct wire_handler link_wire_handler;
void link_attach(struct link *link, struct wire *wire); /* takes the wire */
void link_free(struct link **linkp);

/*
 * Before link_attach(): shall there be a ledger? A service that wants one
 * announces it and looks up each request in it; by default it does not. A
 * caller makes one for a service that announced it, and must offer each request
 * in it; by default it does.
 */
void link_want_ledger(struct link *link, bool is_wanted);

/*
 * The ledger that both sides of this link have, from HELLO on; NULL: none.
 * Borrowed until link_free(), so that a caller can still ask after down().
 */
struct ledger *link_ledger(const struct link *link);

/*
 * Open a frame: the caller appends exactly one frame with this id with
 * frame_put_*, then calls link_end(). header is the request's on the service
 * side, NULL on the caller side.
 */
struct buf *link_begin(struct link *link, uint32_t id,
    const struct sp_header *header);
void link_end(struct link *link);

bool link_is_up(const struct link *link);
bool link_has_hello(const struct link *link);  /* the peer speaks HELLO */
uint64_t link_window(const struct link *link); /* the peer's, bytes */
size_t link_queued(const struct link *link);   /* unwritten bytes */

/* From down() on: the peer did not read, or sent what makes no sense. */
bool link_is_cut(const struct link *link);
bool link_is_malformed(const struct link *link);

/*
 * As wire_enqueued() and wire_written(), also after down(): a frame begun at
 * link_enqueued() == N never left this process while link_written() <= N.
 */
uint64_t link_enqueued(const struct link *link);
uint64_t link_written(const struct link *link);

/*
 * Stop or go on reading, for backpressure. Frames of the message in hand still
 * come, at most LINK_BATCH_MAX of them.
 */
void link_pause(struct link *link);
void link_resume(struct link *link);

#endif
