/*
 * The buffer between a worker and the access pipe, apart from access.c so
 * that the format stays free of system calls.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "ipc/loop.h"

#include "access.h"

enum {
	FLUSH_BYTES = 4096,
	FLUSH_DELAY_US = 200 * 1000,
	TELL_EVERY_US = 1000 * 1000
};

struct access_log {
	struct loop *loop;
	int fd;
	struct buf buf;
	struct loop_timer timer;
	struct loop_task task;
	uint64_t dropped; /* lines, not yet told */
	int64_t told_us;
	int64_t clock_us;  /* loop time at which offset_us was taken */
	int64_t offset_us; /* wall clock minus loop time */
};

/* Length of the whole lines within the first ACCESS_LINE_MAX bytes. */
static size_t
whole_lines(const struct buf *buf)
{
	const char *start = (const char *)buf->data + buf->head, *end;
	size_t len = buf_count(buf);

	if (buf->data == NULL || len <= ACCESS_LINE_MAX)
		return len;
	end = memrchr(start, '\n', ACCESS_LINE_MAX);
	return end == NULL ? len : (size_t)(end - start) + 1;
}

static void
count_dropped(struct access_log *log)
{
	const uint8_t *at = buf_front(&log->buf);
	const uint8_t *end = at + buf_count(&log->buf);

	while (
	    at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		log->dropped++;
		at++;
	}
	buf_clear(&log->buf);
}

static void
tell_dropped(struct access_log *log)
{
	int64_t now = loop_now_us(log->loop);

	if (log->dropped == 0 || now - log->told_us < TELL_EVERY_US)
		return;
	log_warnx("access log: the pipe was full, dropped %llu lines",
	    (unsigned long long)log->dropped);
	log->dropped = 0;
	log->told_us = now;
}

static void
flush(struct access_log *log)
{
	while (buf_count(&log->buf) != 0) {
		size_t len = whole_lines(&log->buf);
		ssize_t n = write(log->fd, buf_front(&log->buf), len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			count_dropped(log);
			break;
		}
		buf_consume(&log->buf, (size_t)n);
	}
	tell_dropped(log);
	if (log->dropped != 0)
		loop_timer_set(log->loop, &log->timer,
		    loop_now_us(log->loop) + TELL_EVERY_US);
}

static void
on_timer(struct loop_timer *timer)
{
	flush(loop_owner(timer, struct access_log, timer));
}

static void
on_task(struct loop_task *task)
{
	flush(loop_owner(task, struct access_log, task));
}

struct access_log *
access_log_new(struct loop *loop, int fd)
{
	struct access_log *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return NULL;
	log->loop = loop;
	log->fd = fd;
	log->timer.fn = on_timer;
	log->task.fn = on_task;
	log->told_us = -TELL_EVERY_US;
	log->clock_us = -TELL_EVERY_US;
	return log;
}

void
access_log_free(struct access_log **logp)
{
	struct access_log *log = *logp;

	if (log == NULL)
		return;
	*logp = NULL;
	flush(log);
	loop_timer_drop(log->loop, &log->timer);
	loop_task_drop(log->loop, &log->task);
	buf_fini(&log->buf);
	free(log);
}

int64_t
access_log_now_us(struct access_log *log)
{
	int64_t now = loop_now_us(log->loop);

	/* The wall clock may be set at any time; a second is soon enough. */
	if (now - log->clock_us >= TELL_EVERY_US) {
		struct timespec wall;

		clock_gettime(CLOCK_REALTIME, &wall);
		log->offset_us =
		    (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000 - now;
		log->clock_us = now;
	}
	return now + log->offset_us;
}

void
access_log_put(struct access_log *log, unsigned kind, struct access_line *line)
{
	if (kind == ACCESS_OFF)
		return;
	line->time_us = access_log_now_us(log);
	if (kind == ACCESS_JSON)
		access_put_json(&log->buf, line);
	else
		access_put_text(&log->buf, line);
	if (log->buf.is_failed)
		buf_clear(&log->buf);
	if (buf_count(&log->buf) >= FLUSH_BYTES)
		loop_task_add(log->loop, &log->task);
	else if (!loop_timer_is_set(&log->timer))
		loop_timer_set(log->loop, &log->timer,
		    loop_now_us(log->loop) + FLUSH_DELAY_US);
}
