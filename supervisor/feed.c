#include "feed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/err.h"
#include "keep.h"

struct feed_packet {
	TAILQ_ENTRY(feed_packet) link;
	int fd; /* owned; -1: none */
	size_t len;
	uint8_t bytes[];
};

static void
feed_packet_free(struct feed *feed, struct feed_packet *packet)
{
	TAILQ_REMOVE(&feed->queue, packet, link);
	feed->queued -= sizeof(*packet) + packet->len;
	if (packet->fd >= 0)
		close(packet->fd);
	free(packet);
}

void
feed_forget(struct feed *feed)
{
	while (!TAILQ_EMPTY(&feed->queue))
		feed_packet_free(feed, TAILQ_FIRST(&feed->queue));
}

void
feed_close(struct feed *feed)
{
	if (feed->sock < 0)
		return;
	loop_io_drop(feed->loop, &feed->io);
	loop_task_drop(feed->loop, &feed->failed);
	close(feed->sock);
	feed->sock = -1;
	feed_forget(feed);
}

bool
feed_is_open(const struct feed *feed)
{
	return feed->sock >= 0;
}

/* The caller may be in the middle of its own work: tell it later. */
static void
feed_fail(struct feed *feed, const char *why)
{
	feed->why = why;
	loop_io_set(feed->loop, &feed->io, 0);
	loop_task_add(feed->loop, &feed->failed);
}

static void
feed_failed(struct loop_task *task)
{
	struct feed *feed = loop_owner(task, struct feed, failed);

	feed_close(feed);
	feed->handler.broken(feed->handler.arg, feed->why);
}

static void
feed_flush(struct feed *feed)
{
	struct feed_packet *packet;
	int rc;

	while ((packet = TAILQ_FIRST(&feed->queue)) != NULL) {
		rc = lifeline_send(feed->sock, packet->bytes, packet->len,
		    packet->fd);
		if (rc > 0)
			return;
		if (rc < 0) {
			feed_fail(feed, strerror(errno));
			return;
		}
		feed_packet_free(feed, packet);
	}
	loop_io_set(feed->loop, &feed->io, EPOLLIN);
}

static void
feed_enqueue(struct feed *feed, const struct buf *bytes, int fd)
{
	size_t len = buf_count(bytes);
	struct feed_packet *packet;

	if (feed->queued + len > FEED_QUEUE_MAX) {
		feed_fail(feed, "does not read its lifeline");
		return;
	}
	packet = malloc(sizeof(*packet) + len);
	if (packet != NULL)
		packet->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (packet == NULL || (fd >= 0 && packet->fd < 0)) {
		free(packet);
		feed_fail(feed, strerror(errno));
		return;
	}
	packet->len = len;
	memcpy(packet->bytes, buf_front(bytes), len);
	TAILQ_INSERT_TAIL(&feed->queue, packet, link);
	feed->queued += sizeof(*packet) + len;
	loop_io_set(feed->loop, &feed->io, EPOLLIN | EPOLLOUT);
}

void
feed_send(struct feed *feed, const struct lifeline_msg *msg, int fd)
{
	int rc = 1;

	if (feed->sock < 0 || feed->failed.is_queued)
		return;
	buf_clear(&feed->scratch);
	lifeline_encode(&feed->scratch, msg);
	if (feed->scratch.is_failed) {
		feed_fail(feed, "out of memory");
		return;
	}
	if (buf_count(&feed->scratch) > LIFELINE_PACKET_MAX) {
		feed_fail(feed, "message too large");
		return;
	}
	if (TAILQ_EMPTY(&feed->queue))
		rc = lifeline_send(feed->sock, buf_front(&feed->scratch),
		    buf_count(&feed->scratch), fd);
	if (rc > 0)
		feed_enqueue(feed, &feed->scratch, fd);
	else if (rc < 0)
		feed_fail(feed, strerror(errno));
}

/* One packet; false when there is no further one now. */
static bool
feed_receive(struct feed *feed)
{
	/* Static: one thread, and too large for a stack frame. */
	static uint8_t bytes[LIFELINE_PACKET_MAX + 1];
	struct lifeline_msg msg;
	long len;
	int fd;

	len = lifeline_recv(feed->sock, bytes, sizeof(bytes), &fd);
	if (fd >= 0)
		close(fd);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (len <= 0) {
		feed_fail(feed, "lifeline closed");
		return false;
	}
	if (lifeline_decode(bytes, (size_t)len, &msg, NULL) < 0) {
		feed_fail(feed, "malformed message on its lifeline");
		return false;
	}
	feed->handler.message(feed->handler.arg, &msg);
	return feed->sock >= 0;
}

static void
feed_on_io(struct loop_io *io, uint32_t events)
{
	struct feed *feed = loop_owner(io, struct feed, io);

	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
		for (int i = 0; i < FEED_BATCH && feed_receive(feed); i++)
			continue;
	}
	if (feed->sock >= 0 && !feed->failed.is_queued &&
	    (events & EPOLLOUT) != 0)
		feed_flush(feed);
}

void
feed_init(struct feed *feed, struct loop *loop,
    const struct feed_handler *handler)
{
	*feed = (struct feed){
		.loop = loop,
		.io = { .fn = feed_on_io, .fd = -1 },
		.failed = { .fn = feed_failed },
		.sock = -1,
		.handler = *handler,
	};
	TAILQ_INIT(&feed->queue);
}

void
feed_fini(struct feed *feed)
{
	if (feed->loop == NULL)
		return;
	feed_close(feed);
	buf_fini(&feed->scratch);
}

int
feed_open(struct feed *feed, int sock, struct err *err_r)
{
	if (loop_io_add(feed->loop, &feed->io, sock, EPOLLIN, err_r) < 0)
		return -1;
	feed->sock = sock;
	return 0;
}

void
feed_save(const struct feed *feed, struct keep_out *out)
{
	const struct feed_packet *packet;
	uint32_t count = 0;

	TAILQ_FOREACH (packet, &feed->queue, link)
		count++;
	mp_put_array(&out->bytes, 2 + 2 * count);
	keep_put_fd(out, feed->sock);
	mp_put_bool(&out->bytes, feed->failed.is_queued);
	TAILQ_FOREACH (packet, &feed->queue, link) {
		mp_put_bin(&out->bytes, packet->bytes, packet->len);
		keep_put_fd(out, packet->fd);
	}
}

static int
feed_load_packet(struct feed *feed, struct keep_in *in,
    struct mp_reader *reader)
{
	struct feed_packet *packet;
	const uint8_t *bytes;
	size_t len;

	if (keep_get_bytes(in, reader, &bytes, &len) < 0)
		return -1;
	packet = malloc(sizeof(*packet) + len);
	if (packet == NULL) {
		err_set_errno(&in->err, "lifeline");
		return -1;
	}
	packet->len = len;
	if (len > 0)
		memcpy(packet->bytes, bytes, len);
	if (keep_get_fd(in, reader, &packet->fd) < 0) {
		free(packet);
		return -1;
	}
	TAILQ_INSERT_TAIL(&feed->queue, packet, link);
	feed->queued += sizeof(*packet) + len;
	return 0;
}

int
feed_load(struct feed *feed, struct keep_in *in, struct mp_reader *reader)
{
	bool is_failed;
	uint32_t count;
	int sock;

	if (keep_get_array(in, reader, &count) < 0 || count % 2 != 0 ||
	    count < 2 || keep_get_fd(in, reader, &sock) < 0 ||
	    mp_get_bool(reader, &is_failed) < 0)
		return keep_bad(in, "lifeline");
	if (sock >= 0 && feed_open(feed, sock, &in->err) < 0) {
		close(sock);
		return -1;
	}
	for (; count > 2; count -= 2) {
		if (feed_load_packet(feed, in, reader) < 0)
			return -1;
	}
	if (!TAILQ_EMPTY(&feed->queue))
		loop_io_set(feed->loop, &feed->io, EPOLLIN | EPOLLOUT);
	if (is_failed)
		feed_fail(feed, "lifeline lost");
	return 0;
}
