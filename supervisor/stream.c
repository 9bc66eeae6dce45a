#include "stream.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "feed.h"
#include "ipc/err.h"
#include "ipc/log.h"
#include "keep.h"
#include "supervisor.h"

struct stream {
	LIST_ENTRY(stream) link;  /* in streams->buckets */
	LIST_ENTRY(stream) owned; /* in the owner's list, newest first */
	uint64_t id;
	bool is_owned;
	int read_fd; /* owned */
	bool is_matched;
	const char *label, *pattern; /* behind the name in text */
	char text[];                 /* name, NUL, label, NUL, pattern, NUL */
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
	msg.u.stream.pattern = stream->is_matched ? "" : stream->pattern;
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
stream_new(const char *name, const char *label, const char *pattern,
    struct err *err_r)
{
	size_t name_len = strlen(name) + 1, label_len = strlen(label) + 1,
	       pattern_len = strlen(pattern) + 1;
	struct stream *stream;

	stream = malloc(sizeof(*stream) + name_len + label_len + pattern_len);
	if (stream == NULL) {
		err_set_errno(err_r, "output pipe");
		return NULL;
	}
	memset(stream, 0, sizeof(*stream));
	memcpy(stream->text, name, name_len);
	memcpy(stream->text + name_len, label, label_len);
	memcpy(stream->text + name_len + label_len, pattern, pattern_len);
	stream->label = stream->text + name_len;
	stream->pattern = stream->label + label_len;
	return stream;
}

int
streams_open(struct streams *streams, const char *name, const char *label,
    const char *pattern, struct stream_list *owner, struct err *err_r)
{
	struct stream *stream;
	int ends[2];

	stream = stream_new(name, label, pattern != NULL ? pattern : "", err_r);
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

static struct stream *
stream_find(const struct streams *streams, uint64_t id)
{
	struct stream *stream;

	LIST_FOREACH (stream, &streams->buckets[id % STREAM_BUCKETS], link) {
		if (stream->id == id)
			return stream;
	}
	return NULL;
}

void
streams_matched(struct streams *streams, uint64_t id)
{
	struct stream *stream = stream_find(streams, id);

	if (stream != NULL)
		stream->is_matched = true;
}

void
streams_drained(struct streams *streams, uint64_t id)
{
	struct stream *stream = stream_find(streams, id);

	if (stream != NULL)
		stream_free(stream);
}

static const struct keep_field stream_fields[] = {
	KEEP_FIELD(KEEP_UINT, stream, id),
	KEEP_FIELD(KEEP_FD, stream, read_fd),
	KEEP_FIELD(KEEP_BOOL, stream, is_matched),
};

void
keep_save_streams(const struct supervise *sup, struct keep_out *out)
{
	const struct streams *streams = &sup->streams;
	const struct stream *stream;
	uint32_t count = 0;

	for (size_t i = 0; i < STREAM_BUCKETS; i++)
		LIST_FOREACH (stream, &streams->buckets[i], link)
			count++;
	mp_put_array(&out->bytes, 1 + 4 * count);
	mp_put_uint(&out->bytes, streams->last_id);
	for (size_t i = 0; i < STREAM_BUCKETS; i++) {
		LIST_FOREACH (stream, &streams->buckets[i], link) {
			mp_put_cstr(&out->bytes, stream->text);
			mp_put_cstr(&out->bytes, stream->label);
			mp_put_cstr(&out->bytes, stream->pattern);
			keep_put(out, stream_fields, KEEP_COUNT(stream_fields),
			    stream);
		}
	}
}

static int
stream_load(struct streams *streams, struct keep_in *in,
    struct mp_reader *reader)
{
	char *name = NULL, *label = NULL, *pattern = NULL;
	struct stream *stream = NULL;
	int rc = -1;

	if (keep_get_text(in, reader, &name) < 0 ||
	    keep_get_text(in, reader, &label) < 0 ||
	    keep_get_text(in, reader, &pattern) < 0)
		goto out;
	if (name != NULL && label != NULL && pattern != NULL)
		stream = stream_new(name, label, pattern, &in->err);
	if (stream == NULL)
		goto out;
	rc = keep_get(in, reader, stream_fields, KEEP_COUNT(stream_fields),
	    stream);
	LIST_INSERT_HEAD(&streams->buckets[stream->id % STREAM_BUCKETS], stream,
	    link);
out:
	free(name);
	free(label);
	free(pattern);
	return rc < 0 ? keep_bad(in, "stream") : 0;
}

int
keep_load_streams(struct supervise *sup, struct keep_in *in,
    struct mp_reader *reader)
{
	uint32_t count;

	if (keep_get_array(in, reader, &count) < 0 || count % 4 != 1 ||
	    keep_get_uint(in, reader, &sup->streams.last_id) < 0)
		return keep_bad(in, "streams");
	for (; count > 1; count -= 4) {
		if (stream_load(&sup->streams, in, reader) < 0)
			return -1;
	}
	return 0;
}

void
streams_save_owned(const struct stream_list *owner, struct keep_out *out)
{
	const struct stream *stream;
	uint32_t count = 0;

	LIST_FOREACH (stream, owner, owned)
		count++;
	mp_put_array(&out->bytes, count);
	LIST_FOREACH (stream, owner, owned)
		mp_put_uint(&out->bytes, stream->id);
}

int
streams_load_owned(struct streams *streams, struct stream_list *owner,
    struct keep_in *in, struct mp_reader *reader)
{
	struct stream *stream, *last = NULL;
	uint32_t count;
	uint64_t id;

	if (keep_get_array(in, reader, &count) < 0)
		return -1;
	for (; count > 0; count--) {
		if (keep_get_uint(in, reader, &id) < 0)
			return -1;
		LIST_FOREACH (stream, &streams->buckets[id % STREAM_BUCKETS],
		    link) {
			if (stream->id == id && !stream->is_owned)
				break;
		}
		if (stream == NULL)
			continue;
		stream->is_owned = true;
		if (last == NULL)
			LIST_INSERT_HEAD(owner, stream, owned);
		else
			LIST_INSERT_AFTER(last, stream, owned);
		last = stream;
	}
	return 0;
}
