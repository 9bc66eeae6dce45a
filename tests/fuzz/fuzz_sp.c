/*
 * Any bytes from a peer: through the SP codec and the frame decoder, then to a
 * link at the other end of a socket. What decodes must lie within the bytes;
 * a link answers, and goes down at most once. The first byte of the input
 * chooses the side, whether the handshake is given, where the stream is cut
 * into writes, and what the callbacks do.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/frame.h"
#include "ipc/link.h"
#include "ipc/loop.h"
#include "ipc/mp.h"
#include "ipc/sp.h"
#include "ipc/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	OPT_SERVICE = 1,
	OPT_HANDSHAKE = 2,
	OPT_FREE_EARLY = 4,
	OPT_PAUSE = 8,
	OPT_HEADED = 16, /* all bytes are the body of one message */
	STEP_SHIFT = 5
};

struct end {
	struct link *link;
	unsigned options, downs;
	bool is_service;
};

static void
expect(bool is_true)
{
	if (!is_true)
		abort();
}

static void
check_inside(const void *at, size_t len, const uint8_t *data, size_t size)
{
	const uint8_t *start = at;

	expect(start >= data && len <= size &&
	       (size_t)(start - data) <= size - len);
}

static void
check_codec(const uint8_t *data, size_t size)
{
	struct mp_reader reader = { data, data + size };
	struct sp_header header;
	struct frame frame;
	struct err err;
	int len = sp_header_split(data, size, &header);

	expect(len <= (int)size && len <= SP_HEADER_MAX);
	while (reader.pos < reader.end &&
	       frame_decode(&reader, &frame, &err) == 0) {
		expect(reader.pos <= reader.end);
		expect(frame.id <= FRAME_ID_MAX);
		if (frame.kind != FRAME_REQUEST && frame.kind != FRAME_RESPONSE)
			continue;
		check_inside(frame.meta, frame.meta_len, data, size);
		check_inside(frame.payload, frame.payload_len, data, size);
		if (frame.kind == FRAME_REQUEST)
			check_inside(frame.op, frame.op_len, data, size);
	}
}

static void
on_frame(void *arg, const struct frame *frame, const struct sp_header *header)
{
	struct end *end = arg;
	struct buf *out;

	expect(end->downs == 0);
	if ((end->options & OPT_FREE_EARLY) != 0) {
		link_free(&end->link);
		return;
	}
	if ((end->options & OPT_PAUSE) != 0)
		link_pause(end->link);
	if (frame->kind != FRAME_REQUEST)
		return;
	out = link_begin(end->link, frame->id, header);
	frame_put_response(out, frame->id, 200);
	buf_append(out, frame->meta, frame->meta_len);
	buf_append(out, frame->payload, frame->payload_len);
	link_end(end->link);
}

static void
on_down(void *arg, const struct err *why)
{
	struct end *end = arg;

	expect(++end->downs == 1 && why->text[0] != '\0');
	if ((end->options & OPT_FREE_EARLY) != 0)
		link_free(&end->link);
}

static void
feed(struct loop *loop, struct end *end, int fd, const uint8_t *data,
    size_t size)
{
	size_t step = (size_t)1 << (2 * (end->options >> STEP_SHIFT));
	uint8_t trash[4096];

	for (size_t at = 0, len; at < size; at += len) {
		len = size - at < step ? size - at : step;
		if (send(fd, data + at, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return;
		(void)loop_turn(loop, 0, NULL);
		if (end->link != NULL)
			link_resume(end->link);
		(void)recv(fd, trash, sizeof(trash), MSG_DONTWAIT);
	}
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 3; i++) {
		(void)loop_turn(loop, 0, NULL);
		if (end->link != NULL)
			link_resume(end->link);
	}
}

static void
check_link(const uint8_t *data, size_t size, unsigned options)
{
	static const struct link_handler handler = { NULL, on_frame, on_down,
		NULL };
	static const struct wire_limits limits = { 4096, 8192 };
	static struct loop *loop;
	struct end end = { .options = options,
		.is_service = (options & OPT_SERVICE) != 0 };
	uint8_t head[SP_HANDSHAKE_LEN + SP_PREFIX_MAX];
	int fds[2];

	if (loop == NULL)
		loop = loop_new(NULL);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		return;
	end.link = link_new(end.is_service ? LINK_SERVICE : LINK_CALLER,
	    &handler, &end);
	link_attach(end.link,
	    wire_new(loop, fds[0], SP_IPC, end.is_service ? SP_REP : SP_REQ,
		&limits, &link_wire_handler, end.link, NULL, 0, NULL));
	sp_handshake_encode(end.is_service ? SP_REQ : SP_REP, head);
	sp_prefix_encode(SP_IPC, size, head + SP_HANDSHAKE_LEN);
	if ((options & OPT_HEADED) != 0)
		expect(write(fds[1], head, sizeof(head)) > 0);
	else if ((options & OPT_HANDSHAKE) != 0)
		expect(write(fds[1], head, SP_HANDSHAKE_LEN) > 0);
	feed(loop, &end, fds[1], data, size);
	link_free(&end.link);
	close(fds[1]);
	(void)loop_turn(loop, 0, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	check_codec(data + 1, size - 1);
	check_link(data + 1, size - 1, data[0]);
	return 0;
}
