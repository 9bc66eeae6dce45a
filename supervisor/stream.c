#include "stream.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "feed.h"
#include "ipc/err.h"
#include "ipc/log.h"

struct stream {
	LIST_ENTRY(stream) link;  /* in streams->buckets */
	LIST_ENTRY(stream) owned; /* in the owner's list, newest first */
	uint64_t id;
	bool is_owned;
	int read_fd;       /* owned */
	const char *label; /* behind the name in text */
	char text[];       /* name, NUL, label, NUL */
};

void
streams_init(struct streams *streams, struct feed *logger)
{
	memset(streams, 0, sizeof(*streams));
	streams->logger = logger;
}

static void
stream_free(struct stream *stream)
{
	LIST_REMOVE(stream, link);
	if (stream->is_owned)
		LIST_REMOVE(stream, owned);
	close(stream->read_fd);
	free(stream);
}

void
streams_fini(struct streams *streams)
{
	for (size_t i = 0; i < STREAM_BUCKETS; i++) {
		while (!LIST_EMPTY(&streams->buckets[i]))
			stream_free(LIST_FIRST(&streams->buckets[i]));
	}
}

static void
stream_send(const struct streams *streams, const struct stream *stream)
{
	struct lifeline_msg msg = { .type = LIFELINE_STREAM };

	msg.u.stream.id = stream->id;
	msg.u.stream.name = stream->text;
	msg.u.stream.label = stream->label;
	feed_send(streams->logger, &msg, stream->read_fd);
}

/* Let the oldest of too many undrained streams go. */
static void
stream_trim(struct stream_list *owner)
{
	struct stream *stream, *oldest = NULL;
	unsigned count = 0;

	LIST_FOREACH (stream, owner, owned) {
		oldest = stream;
		count++;
	}
	if (count <= STREAM_OLD_MAX)
		return;
	log_warnx("%s: %u ended processes have left their output open to "
		  "others, the oldest is no longer kept for a new logger",
	    oldest->label, count - 1);
	stream_free(oldest);
}

static struct stream *
stream_new(const char *name, const char *label, struct err *err_r)
{
	size_t name_len = strlen(name) + 1, label_len = strlen(label) + 1;
	struct stream *stream;

	stream = malloc(sizeof(*stream) + name_len + label_len);
	if (stream == NULL) {
		err_set_errno(err_r, "output pipe");
		return NULL;
	}
	memset(stream, 0, sizeof(*stream));
	memcpy(stream->text, name, name_len);
	memcpy(stream->text + name_len, label, label_len);
	stream->label = stream->text + name_len;
	return stream;
}

int
streams_open(struct streams *streams, const char *name, const char *label,
    struct stream_list *owner, struct err *err_r)
{
	struct stream *stream;
	int ends[2];

	stream = stream_new(name, label, err_r);
	if (stream == NULL)
		return -1;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		err_set_errno(err_r, "output pipe");
		free(stream);
		return -1;
	}
	/* Only the reading side: a child expects writes that block. */
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
	stream->read_fd = ends[0];
	stream->id = ++streams->last_id;
	LIST_INSERT_HEAD(&streams->buckets[stream->id % STREAM_BUCKETS], stream,
	    link);
	if (owner != NULL) {
		stream->is_owned = true;
		LIST_INSERT_HEAD(owner, stream, owned);
		stream_trim(owner);
	}
	stream_send(streams, stream);
	return ends[1];
}

void
streams_disown(struct stream_list *owner)
{
	struct stream *stream;

	while ((stream = LIST_FIRST(owner)) != NULL) {
		LIST_REMOVE(stream, owned);
		stream->is_owned = false;
	}
}

void
streams_send_all(struct streams *streams)
{
	const struct stream *stream;

	for (size_t i = 0; i < STREAM_BUCKETS; i++) {
		LIST_FOREACH (stream, &streams->buckets[i], link)
			stream_send(streams, stream);
	}
}

void
streams_drained(struct streams *streams, uint64_t id)
{
	struct stream *stream;

	LIST_FOREACH (stream, &streams->buckets[id % STREAM_BUCKETS], link) {
		if (stream->id == id) {
			stream_free(stream);
			return;
		}
	}
}
