/* Ours: links on a loop, MessagePack requests and responses at both ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/link.h"
#include "ipc/loop.h"
#include "ipc/mp.h"
#include "ipc/wire.h"

#include "ipc.h"

static const struct wire_limits limits = { 1 << 20, 1 << 22 };
static struct loop *loop;
static struct link *the_link;
static struct bench_run *the_run;

static void
on_down(void *arg, const struct err *why)
{
	(void)arg;
	(void)why;
	exit(0);
}

static void
link_open(int fd, enum link_side side, const struct link_handler *handler)
{
	struct wire *wire;

	the_link = link_new(side, handler, NULL);
	wire = wire_new(loop, fd, SP_IPC, side == LINK_CALLER ? SP_REQ : SP_REP,
	    &limits, &link_wire_handler, the_link, NULL, 0, NULL);
	if (wire == NULL)
		bench_fail("wire_new");
	link_attach(the_link, wire);
}

/* The payload that came goes back. */
static void
serve_on_frame(void *arg, const struct frame *frame,
    const struct sp_header *header)
{
	struct buf *out;

	(void)arg;
	if (frame->kind != FRAME_REQUEST)
		return;
	out = link_begin(the_link, frame->id, header);
	frame_put_response(out, frame->id, 200);
	mp_put_map(out, 0);
	buf_append(out, frame->payload, frame->payload_len);
	link_end(the_link);
}

static void
serve_on_accept(struct loop_io *io, uint32_t events)
{
	static const struct link_handler handler = { NULL, serve_on_frame,
		on_down, NULL };

	(void)events;
	link_open(accept4(io->fd, NULL, NULL, SOCK_NONBLOCK), LINK_SERVICE,
	    &handler);
	loop_io_drop(loop, io);
}

static void
msvc_serve(const char *path)
{
	static struct loop_io io = { serve_on_accept, -1, 0 };
	enum sp_transport transport;
	char url[128];
	int fd;

	snprintf(url, sizeof(url), "ipc://%s", path);
	loop = loop_new(NULL);
	fd = wire_listen(url, &transport, NULL);
	if (fd < 0 || loop_io_add(loop, &io, fd, EPOLLIN, NULL) < 0)
		bench_fail("listen");
	(void)loop_run(loop, NULL);
}

static void
ask_one(unsigned slot)
{
	static const uint8_t body[BENCH_BODY_LEN];
	struct buf *out = link_begin(the_link, slot + 1, NULL);

	bench_sent(the_run, slot);
	frame_put_request(out, slot + 1, "echo.get", 8);
	mp_put_map(out, 0);
	mp_put_bin(out, body, sizeof(body));
	link_end(the_link);
}

static void
ask_on_up(void *arg)
{
	(void)arg;
	bench_start(the_run);
	for (unsigned i = 0; i < the_run->depth; i++)
		ask_one(i);
}

static void
ask_on_frame(void *arg, const struct frame *frame,
    const struct sp_header *header)
{
	(void)arg;
	(void)header;
	if (!bench_received(the_run, frame->id - 1))
		_exit(0);
	ask_one(frame->id - 1);
}

static void
msvc_ask(const char *path, struct bench_run *run)
{
	static const struct link_handler handler = { ask_on_up, ask_on_frame,
		on_down, NULL };
	enum sp_transport transport;
	char url[128];
	int fd;

	the_run = run;
	snprintf(url, sizeof(url), "ipc://%s", path);
	loop = loop_new(NULL);
	while ((fd = wire_dial(url, &transport, NULL)) < 0)
		usleep(1000);
	link_open(fd, LINK_CALLER, &handler);
	(void)loop_run(loop, NULL);
}

const struct bench_means bench_msvc = { "msvc", msvc_serve, msvc_ask };
