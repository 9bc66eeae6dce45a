#include "logset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "ipc/loop.h"

#include "console.h"
#include "logfile.h"
#include "logline.h"
#include "logpipe.h"

/* A log file with the streams that write to it. */
struct logset_file {
	TAILQ_ENTRY(logset_file) link;
	struct logfile *log;
	unsigned stream_count;
};

/* One pipe of a child. */
struct logset_stream {
	TAILQ_ENTRY(logset_stream) link;
	struct logset *set;
	struct loop_io io;
	struct logset_file *file;
	char *label;
	unsigned colour;
	uint64_t id;
};

struct logset {
	struct loop *loop;
	void (*ended)(void *arg, uint64_t id);
	void *arg;
	struct loop_timer retry; /* writes what a full disk made us drop */
	TAILQ_HEAD(, logset_stream) streams;
	TAILQ_HEAD(, logset_file) files;
	struct logfile_settings settings;
	char *dir;               /* settings.dir points to it */
	struct console *console; /* NULL: no echo */
	int console_fd;
	struct logpipe_view *view;
	struct buf out;  /* lines of one pump, for the file */
	struct buf echo; /* the same in colours, for the console */
	char time[LOGLINE_TIME_SIZE];
	bool is_colour;
};

/* Log files */

static struct logset_file *
logset_file_hold(struct logset *set, const char *name)
{
	struct logset_file *file;

	TAILQ_FOREACH (file, &set->files, link) {
		if (strcmp(logfile_name(file->log), name) == 0) {
			file->stream_count++;
			return file;
		}
	}
	file = calloc(1, sizeof(*file));
	if (file == NULL)
		return NULL;
	file->log = logfile_new(name);
	if (file->log == NULL) {
		free(file);
		return NULL;
	}
	file->stream_count = 1;
	TAILQ_INSERT_TAIL(&set->files, file, link);
	return file;
}

static void
logset_file_release(struct logset *set, struct logset_file *file)
{
	if (--file->stream_count > 0)
		return;
	TAILQ_REMOVE(&set->files, file, link);
	logfile_free(&file->log);
	free(file);
}

void
logset_reopen(struct logset *set)
{
	struct logset_file *file;

	TAILQ_FOREACH (file, &set->files, link)
		logfile_close(file->log);
}

static void
logset_file_write(struct logset *set, struct logset_file *file)
{
	logfile_write(file->log, &set->settings, buf_front(&set->out),
	    buf_count(&set->out), loop_now_us(set->loop));
	if (logfile_dropped(file->log) > 0 && !loop_timer_is_set(&set->retry))
		loop_timer_set(set->loop, &set->retry,
		    loop_now_us(set->loop) + LOGFILE_RETRY_US);
}

/* A quiet service gets its "lines dropped" without waiting for a line. */
static void
logset_retry(struct loop_timer *timer)
{
	struct logset *set = loop_owner(timer, struct logset, retry);
	struct logset_file *file;

	buf_clear(&set->out);
	TAILQ_FOREACH (file, &set->files, link) {
		if (logfile_dropped(file->log) > 0)
			logset_file_write(set, file);
	}
}

static void
logset_stream_line(void *arg, const uint8_t *text, size_t len, bool is_cut)
{
	struct logset_stream *stream = arg;
	struct logset *set = stream->set;

	logline_put(&set->out, set->time, stream->label, 0, text, len, is_cut);
	if (set->console != NULL && set->is_colour)
		logline_put(&set->echo, set->time, stream->label,
		    stream->colour, text, len, is_cut);
}

static void
logset_stream_commit(void *arg)
{
	struct logset_stream *stream = arg;
	struct logset *set = stream->set;
	struct buf *echo = set->is_colour ? &set->echo : &set->out;

	if (set->out.is_failed)
		log_errorx("%s: out of memory, lines dropped", stream->label);
	logset_file_write(set, stream->file);
	if (set->console != NULL)
		console_write(set->console, buf_front(echo), buf_count(echo));
}

static const struct logpipe_sink logset_stream_sink = {
	.line = logset_stream_line,
	.commit = logset_stream_commit,
};

static enum logpipe_result
logset_stream_pump(struct logset_stream *stream, bool is_last)
{
	struct logset *set = stream->set;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	logline_time((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
	    set->time);
	buf_clear(&set->out);
	buf_clear(&set->echo);
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
	logset_file_release(set, stream->file);
	free(stream->label);
	free(stream);
}

static void
logset_stream_end(struct logset_stream *stream)
{
	struct logset *set = stream->set;
	uint64_t id = stream->id;

	logset_stream_free(stream);
	set->ended(set->arg, id);
}

/*
 * One pump a turn, so that a stream that never ends leaves room for others.
 * Half a line stays in the pipe: edge-triggered, we hear of the next write
 * only; otherwise epoll would report the same bytes for ever.
 */
static void
logset_stream_ready(struct loop_io *io, uint32_t events)
{
	struct logset_stream *stream = loop_owner(io, struct logset_stream, io);
	struct loop *loop = stream->set->loop;
	bool is_last = (events & (EPOLLHUP | EPOLLERR)) != 0;

	switch (logset_stream_pump(stream, is_last)) {
	case LOGPIPE_MORE:
		if (io->events != EPOLLIN)
			loop_io_set(loop, io, EPOLLIN);
		break;
	case LOGPIPE_PARTIAL:
		if (io->events == EPOLLIN)
			loop_io_set(loop, io, EPOLLIN | EPOLLET);
		break;
	case LOGPIPE_END:
		logset_stream_end(stream);
		break;
	}
}

static bool
logset_is_file_name(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

static int
logset_stream_add(struct logset *set, const struct lifeline_stream *msg, int fd,
    struct err *err_r)
{
	struct logset_stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL || (stream->label = strdup(msg->label)) == NULL ||
	    (stream->file = logset_file_hold(set, msg->name)) == NULL) {
		err_set_errno(err_r, "stream %s", msg->name);
		goto fail;
	}
	stream->set = set;
	stream->id = msg->id;
	stream->colour = logline_colour(msg->label);
	stream->io.fd = -1;
	stream->io.fn = logset_stream_ready;
	if (loop_io_add(set->loop, &stream->io, fd, EPOLLIN, err_r) == -1) {
		logset_file_release(set, stream->file);
		goto fail;
	}
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
	struct err err = { "" };
	char *dir = strdup(msg->dir);

	if (dir == NULL) {
		log_error("new settings are not used");
		return;
	}
	if (strcmp(dir, set->dir) != 0)
		logset_reopen(set);
	free(set->dir);
	set->dir = dir;
	set->settings.dir = dir;
	set->settings.max_size = msg->max_size;
	set->settings.keep =
	    msg->keep < LOGSET_KEEP_MAX ? (unsigned)msg->keep : LOGSET_KEEP_MAX;
	set->is_colour = msg->is_colour;
	if (!msg->is_console) {
		console_free(&set->console);
	} else if (set->console == NULL) {
		set->console = console_new(set->loop, set->console_fd, &err);
		if (set->console == NULL)
			log_errorx("%s; no echo on the terminal", err.text);
	}
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

const char *
logset_dir(const struct logset *set)
{
	return set->dir;
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
logset_new(struct loop *loop, int console, void (*ended)(void *, uint64_t),
    void *arg, struct err *err_r)
{
	struct logset *set = calloc(1, sizeof(*set));

	if (set == NULL || (set->dir = strdup("")) == NULL) {
		err_set_errno(err_r, "logger");
		free(set);
		return NULL;
	}
	TAILQ_INIT(&set->streams);
	TAILQ_INIT(&set->files);
	set->loop = loop;
	set->ended = ended;
	set->arg = arg;
	set->console_fd = console;
	set->settings.dir = set->dir;
	set->retry.fn = logset_retry;
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
	while ((stream = TAILQ_FIRST(&set->streams)) != NULL)
		logset_stream_free(stream);
	loop_timer_drop(set->loop, &set->retry);
	console_free(&set->console);
	logpipe_view_free(&set->view);
	buf_fini(&set->out);
	buf_fini(&set->echo);
	free(set->dir);
	free(set);
}
