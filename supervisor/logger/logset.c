#include "logset.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "ipc/loop.h"

#include "logline.h"
#include "logpipe.h"
#include "logwriter.h"
#include "regex.h"

/* One pipe of a child. */
struct logset_stream {
	TAILQ_ENTRY(logset_stream) link;
	struct logset *set;
	struct loop_io io;
	struct logdest *dest;
	struct regex *pattern; /* NULL: none, or it has matched */
	unsigned slow;         /* lines for which the pattern took too long */
	char *label;
	unsigned colour;
	uint64_t id;
};

struct logset {
	struct loop *loop;
	struct logset_news news;
	TAILQ_HEAD(, logset_stream) streams;
	struct loop_timer look; /* at the pipes that hold half a line */
	int64_t look_us;        /* until then */
	struct logwriter *writer;
	struct logpipe_view *view;
};

/* It is told of once, before the line is anywhere to be read. */
static void
logset_stream_look_for(struct logset_stream *stream, const uint8_t *text,
    size_t len)
{
	struct logset *set = stream->set;
	int rc = regex_search(stream->pattern, (const char *)text, len);

	if (rc == 0 || (rc == -1 && ++stream->slow < LOGSET_SLOW_MAX))
		return;
	regex_free(&stream->pattern);
	if (rc == 1)
		set->news.matched(set->news.arg, stream->id);
	else
		log_errorx("stream %s: its pattern takes too long, looking for "
			   "it no more",
		    stream->label);
}

static void
logset_stream_line(void *arg, const uint8_t *text, size_t len, bool is_cut)
{
	struct logset_stream *stream = arg;

	if (stream->pattern != NULL)
		logset_stream_look_for(stream, text, len);
	logwriter_line(stream->set->writer, stream->dest, stream->label,
	    stream->colour, text, len, is_cut);
}

static void
logset_stream_commit(void *arg)
{
	struct logset_stream *stream = arg;

	logwriter_commit(stream->set->writer, stream->dest);
}

static const struct logpipe_sink logset_stream_sink = {
	.line = logset_stream_line,
	.commit = logset_stream_commit,
};

static enum logpipe_result
logset_stream_pump(struct logset_stream *stream, bool is_last)
{
	struct logset *set = stream->set;

	logwriter_begin(set->writer);
	return logpipe_pump(set->view, stream->io.fd, is_last,
	    &logset_stream_sink, stream);
}

static void
logset_stream_free(struct logset_stream *stream)
{
	struct logset *set = stream->set;
	int fd = stream->io.fd;

	TAILQ_REMOVE(&set->streams, stream, link);
	loop_io_drop(set->loop, &stream->io);
	close(fd);
	logwriter_release(set->writer, stream->dest);
	regex_free(&stream->pattern);
	free(stream->label);
	free(stream);
}

static void
logset_stream_end(struct logset_stream *stream)
{
	struct logset *set = stream->set;
	uint64_t id = stream->id;

	logset_stream_free(stream);
	set->news.ended(set->news.arg, id);
}

static void
logset_look_in(struct logset *set, int64_t delay_us)
{
	set->look_us = delay_us;
	loop_timer_set(set->loop, &set->look,
	    loop_now_us(set->loop) + delay_us);
}

/*
 * One pump a turn, so that a stream that never ends leaves room for others.
 * Half a line stays in the pipe: edge-triggered, we hear of the next write
 * only; otherwise epoll would report the same bytes for ever. But not of a
 * write that fills the pipe and waits: Linux then wakes a reader only if the
 * pipe was empty before. So we look from time to time, too.
 */
static void
logset_stream_take(struct logset_stream *stream, bool is_last, bool is_event)
{
	struct logset *set = stream->set;
	struct loop_io *io = &stream->io;

	switch (logset_stream_pump(stream, is_last)) {
	case LOGPIPE_MORE:
		if (io->events != EPOLLIN)
			loop_io_set(set->loop, io, EPOLLIN);
		break;
	case LOGPIPE_PARTIAL:
		if (io->events == EPOLLIN)
			loop_io_set(set->loop, io, EPOLLIN | EPOLLET);
		if (is_event)
			logset_look_in(set, LOGSET_LOOK_MIN_US);
		break;
	case LOGPIPE_END:
		logset_stream_end(stream);
		break;
	}
}

static void
logset_stream_ready(struct loop_io *io, uint32_t events)
{
	logset_stream_take(loop_owner(io, struct logset_stream, io),
	    (events & (EPOLLHUP | EPOLLERR)) != 0, true);
}

/* At all that hold half a line, and again, less often, while any does. */
static void
logset_on_look(struct loop_timer *timer)
{
	struct logset *set = loop_owner(timer, struct logset, look);
	struct logset_stream *stream, *next;
	bool is_any = false;

	for (stream = TAILQ_FIRST(&set->streams); stream != NULL;
	     stream = next) {
		next = TAILQ_NEXT(stream, link);
		if ((stream->io.events & EPOLLET) == 0)
			continue;
		is_any = true;
		logset_stream_take(stream, false, false);
	}
	if (is_any)
		logset_look_in(set, set->look_us < LOGSET_LOOK_MAX_US
					? 2 * set->look_us
					: set->look_us);
}

static bool
logset_is_file_name(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

static void
logset_stream_set_pattern(struct logset_stream *stream, const char *pattern)
{
	struct err err = { "" };

	if (pattern[0] == '\0')
		return;
	stream->pattern = regex_new(pattern, false, &err);
	if (stream->pattern == NULL)
		log_errorx("stream %s: pattern \"%s\": %s", stream->label,
		    pattern, err.text);
}

static int
logset_stream_add(struct logset *set, const struct lifeline_stream *msg, int fd,
    struct err *err_r)
{
	struct logset_stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL || (stream->label = strdup(msg->label)) == NULL ||
	    (stream->dest = logwriter_hold(set->writer, msg->name)) == NULL) {
		err_set_errno(err_r, "stream %s", msg->name);
		goto fail;
	}
	stream->set = set;
	stream->id = msg->id;
	stream->colour = logline_colour(msg->label);
	stream->io.fd = -1;
	stream->io.fn = logset_stream_ready;
	if (loop_io_add(set->loop, &stream->io, fd, EPOLLIN, err_r) == -1) {
		logwriter_release(set->writer, stream->dest);
		goto fail;
	}
	logset_stream_set_pattern(stream, msg->pattern);
	TAILQ_INSERT_TAIL(&set->streams, stream, link);
	return 0;
fail:
	if (stream != NULL)
		free(stream->label);
	free(stream);
	return -1;
}

int
logset_add(struct logset *set, const struct lifeline_stream *msg, int fd,
    struct err *err_r)
{
	if (!logset_is_file_name(msg->name)) {
		err_set(err_r, "\"%s\" is no name for a log file", msg->name);
		return -1;
	}
	return logset_stream_add(set, msg, fd, err_r);
}

void
logset_configure(struct logset *set, const struct lifeline_log *msg)
{
	logwriter_configure(set->writer, msg);
}

void
logset_rule(struct logset *set, const struct lifeline_log_rule *msg)
{
	if (logset_is_file_name(msg->name))
		logwriter_rule(set->writer, msg);
}

void
logset_reopen(struct logset *set)
{
	logwriter_reopen(set->writer);
}

void
logset_put_last(const struct logset *set, const char *name, const char *label,
    struct buf *out)
{
	logwriter_put_last(set->writer, name, label, out);
}

bool
logset_is_empty(const struct logset *set)
{
	return TAILQ_EMPTY(&set->streams);
}

bool
logset_has(const struct logset *set, uint64_t id)
{
	const struct logset_stream *stream;

	TAILQ_FOREACH (stream, &set->streams, link) {
		if (stream->id == id)
			return true;
	}
	return false;
}

void
logset_flush(struct logset *set)
{
	struct logset_stream *stream;
	int turns;

	TAILQ_FOREACH (stream, &set->streams, link) {
		/* A writer that never stops gets so many pipes full. */
		for (turns = 0; turns < LOGSET_LAST_TURNS; turns++) {
			if (logset_stream_pump(stream, false) != LOGPIPE_MORE)
				break;
		}
		logset_stream_pump(stream, true);
	}
}

struct logset *
logset_new(struct loop *loop, const struct logwriter_places *places,
    const struct logset_news *news, struct err *err_r)
{
	struct logset *set = calloc(1, sizeof(*set));

	if (set == NULL) {
		err_set_errno(err_r, "logger");
		return NULL;
	}
	TAILQ_INIT(&set->streams);
	set->loop = loop;
	set->news = *news;
	set->look.fn = logset_on_look;
	set->writer = logwriter_new(loop, places, err_r);
	if (set->writer != NULL)
		set->view = logpipe_view_new(err_r);
	if (set->view == NULL)
		logset_free(&set);
	return set;
}

void
logset_free(struct logset **setp)
{
	struct logset *set = *setp;
	struct logset_stream *stream;

	if (set == NULL)
		return;
	*setp = NULL;
	loop_timer_drop(set->loop, &set->look);
	while ((stream = TAILQ_FIRST(&set->streams)) != NULL)
		logset_stream_free(stream);
	logwriter_free(&set->writer);
	logpipe_view_free(&set->view);
	free(set);
}
