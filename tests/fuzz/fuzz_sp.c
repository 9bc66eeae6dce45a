/*
 * Any bytes from a peer: through the SP codec and the frame decoder, then to a
 * link at the other end of a socket. What decodes must lie within the bytes;
 * a link answers, and goes down at most once. The first byte of the input
 * chooses the side, whether the handshake is given, where the stream is cut
 * into writes, and what the callbacks do; its length, which descriptor goes
 * with each write, of which none may stay open.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/frame.h"
#include "ipc/ledger.h"
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
	STEP_SHIFT = 5,
	FREE_FDS = 8 /* more than are ever open at once */
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
	(void)ledger_state(link_ledger(end->link), frame->id);
	(void)ledger_revoke(link_ledger(end->link), frame->id);
	if (frame->kind != FRAME_REQUEST)
		return;
	(void)ledger_take(link_ledger(end->link), frame->id);
	ledger_done(link_ledger(end->link), frame->id);
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

/* None, a ledger, and two that are none: each lives as long as the fuzzer. */
static int
pick_fd(size_t size)
{
	static int fds[4] = { -1, -1, -1, -1 };
	struct ledger *ledger;

	if (fds[1] < 0) {
		ledger = ledger_new(&fds[1], NULL);
		expect(ledger != NULL);
		ledger_offer(ledger, 0);
		ledger_free(&ledger);
		fds[2] = memfd_create("fuzz", MFD_CLOEXEC);
		fds[3] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	}
	return fds[size % 4];
}

static ssize_t
send_with(int sock, const void *data, size_t len, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(3 * sizeof(int))];
	} control = { .bytes = "" };
	struct iovec part = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
	const int thrice[3] = { fd, fd, fd };

	if (fd >= 0) {
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(thrice));
		memcpy(CMSG_DATA(&control.head), thrice, sizeof(thrice));
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
	}
	return sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
feed(struct loop *loop, struct end *end, int fd, const uint8_t *data,
    size_t size)
{
	size_t step = (size_t)1 << (2 * (end->options >> STEP_SHIFT));
	uint8_t trash[4096];

	for (size_t at = 0, len; at < size; at += len) {
		len = size - at < step ? size - at : step;
		if (send_with(fd, data + at, len, pick_fd(size)) < 0)
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
check_link(struct loop *loop, const uint8_t *data, size_t size,
    unsigned options)
{
	static const struct link_handler handler = { NULL, on_frame, on_down,
		NULL };
	static const struct wire_limits limits = { 4096, 8192 };
	struct end end = { .options = options,
		.is_service = (options & OPT_SERVICE) != 0 };
	uint8_t head[SP_HANDSHAKE_LEN + SP_PREFIX_MAX];
	int fds[2];

	expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	end.link = link_new(end.is_service ? LINK_SERVICE : LINK_CALLER,
	    &handler, &end);
	link_want_ledger(end.link, true);
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

/* The lowest ones: each that was left open is missing. */
static void
find_free_fds(int fds[FREE_FDS])
{
	for (size_t i = 0; i < FREE_FDS; i++) {
		fds[i] = dup(pick_fd(1));
		expect(fds[i] >= 0);
	}
	for (size_t i = 0; i < FREE_FDS; i++)
		close(fds[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct loop *loop;
	int before[FREE_FDS], after[FREE_FDS];

	if (loop == NULL)
		loop = loop_new(NULL);
	if (size == 0)
		return 0;
	(void)pick_fd(1);
	find_free_fds(before);
	check_codec(data + 1, size - 1);
	check_link(loop, data + 1, size - 1, data[0]);
	find_free_fds(after);
	expect(memcmp(before, after, sizeof(before)) == 0);
	return 0;
}
