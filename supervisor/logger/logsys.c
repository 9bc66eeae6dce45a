#include "logsys.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/log.h"
#include "ipc/loop.h"
#include "logrec.h"

enum {
	LOGSYS_PRIORITY = 6,                 /* LOG_INFO */
	LOGSYS_PRI = 3 * 8 + LOGSYS_PRIORITY /* LOG_DAEMON */
};

struct logsys {
	struct loop *loop;
	enum logsys_kind kind;
	struct sockaddr_un address;
	int sock;          /* -1 while there is no daemon */
	struct loop_io io; /* added while the queue waits */
	int64_t retry_us;  /* no connect before */
	struct loop_timer wake;
	struct buf queue;  /* of a size_t and so many bytes each */
	struct buf packet; /* the one that is being made */
	uint64_t dropped;  /* lines since the last note */
};

void
logsys_put_syslog(struct buf *out, const char *label, int64_t wall_ms,
    const uint8_t *text, size_t len)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	char time[32];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(time, sizeof(time), "%b %e %H:%M:%S", &tm);
	buf_printf(out, "<%d>%s %s: ", LOGSYS_PRI, time, label);
	logrec_put_safe(out, (const char *)text, len);
}

void
logsys_put_journal(struct buf *out, const char *label, const uint8_t *text,
    size_t len)
{
	size_t name_len = logrec_service_len(label, strlen(label));
	int name = (int)name_len;

	buf_printf(out, "PRIORITY=%d\nSYSLOG_IDENTIFIER=%.*s\n",
	    LOGSYS_PRIORITY, name, label);
	buf_printf(out, "MSVC_SERVICE=%.*s\n", name, label);
	if (label[name_len] == '/')
		buf_printf(out, "MSVC_INSTANCE=%s\n", label + name_len + 1);
	buf_append_str(out, "MESSAGE\n");
	for (unsigned shift = 0; shift < 64; shift += 8)
		buf_append_byte(out, (uint8_t)((uint64_t)len >> shift));
	buf_append(out, text, len);
	buf_append_byte(out, '\n');
}

/* Lines are lost from now on. */
static void
logsys_drop(struct logsys *sys, const char *why)
{
	if (sys->dropped++ == 0)
		log_warnx("%s: %s, dropping lines", sys->address.sun_path, why);
}

static void
logsys_close(struct logsys *sys)
{
	if (sys->io.fd != -1)
		loop_io_drop(sys->loop, &sys->io);
	if (sys->sock != -1)
		close(sys->sock);
	sys->sock = -1;
}

static bool
logsys_connect_now(struct logsys *sys)
{
	const int type = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

	sys->retry_us = loop_now_us(sys->loop) + LOGSYS_RETRY_US;
	sys->sock = socket(AF_UNIX, type, 0);
	if (sys->sock != -1 &&
	    connect(sys->sock, (const struct sockaddr *)&sys->address,
		sizeof(sys->address)) == 0)
		return true;
	logsys_close(sys);
	return false;
}

/* Returns whether there is a daemon. */
static bool
logsys_connect(struct logsys *sys)
{
	return sys->sock != -1 || (loop_now_us(sys->loop) >= sys->retry_us &&
				      logsys_connect_now(sys));
}

/* Returns 1 when it was sent or cannot ever be, 0 when it has to wait. */
static int
logsys_send(struct logsys *sys, const void *bytes, size_t len)
{
	bool is_anew = false;
	int error;

	for (;;) {
		if (send(sys->sock, bytes, len, MSG_NOSIGNAL) >= 0)
			return 1;
		error = errno;
		if (error == EINTR)
			continue;
		if (error == EAGAIN || error == ENOBUFS)
			return 0;
		if (error != EMSGSIZE)
			logsys_close(sys);
		/* One that was restarted is to be had at once. */
		if (error == EMSGSIZE || is_anew || !logsys_connect_now(sys))
			break;
		is_anew = true;
	}
	logsys_drop(sys, strerror(error));
	return 1;
}

static void
logsys_put(struct logsys *sys, const char *label, int64_t wall_ms,
    const uint8_t *text, size_t len)
{
	buf_clear(&sys->packet);
	if (sys->kind == LOGSYS_SYSLOG)
		logsys_put_syslog(&sys->packet, label, wall_ms, text, len);
	else
		logsys_put_journal(&sys->packet, label, text, len);
}

/* After a loss, the first that gets through tells of it. */
static void
logsys_tell(struct logsys *sys)
{
	uint64_t dropped = sys->dropped;
	struct timespec now;
	char text[64];

	if (dropped == 0)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(text, sizeof(text), "warn %llu lines dropped",
	    (unsigned long long)dropped);
	logsys_put(sys, "msvc-logger", (int64_t)now.tv_sec * 1000,
	    (const uint8_t *)text, strlen(text));
	if (sys->packet.is_failed ||
	    logsys_send(sys, buf_front(&sys->packet),
		buf_count(&sys->packet)) == 0 ||
	    sys->sock == -1)
		return;
	log_warnx("%s: written again, %llu lines were dropped",
	    sys->address.sun_path, (unsigned long long)dropped);
	sys->dropped = 0;
}

static void
logsys_flush(struct logsys *sys)
{
	size_t len;

	while (buf_count(&sys->queue) > 0 && sys->sock != -1) {
		memcpy(&len, buf_front(&sys->queue), sizeof(len));
		if (logsys_send(sys, buf_front(&sys->queue) + sizeof(len),
			len) == 0)
			return;
		buf_consume(&sys->queue, sizeof(len) + len);
	}
	if (sys->sock != -1)
		logsys_tell(sys);
}

static void
logsys_watch(struct logsys *sys)
{
	bool is_waiting = buf_count(&sys->queue) > 0 && sys->sock != -1;

	if (is_waiting && sys->io.fd == -1)
		(void)loop_io_add(sys->loop, &sys->io, sys->sock, EPOLLOUT,
		    NULL);
	else if (!is_waiting && sys->io.fd != -1)
		loop_io_drop(sys->loop, &sys->io);
	/* Without a daemon, what waits must not wait for another line. */
	if (sys->sock == -1 && !loop_timer_is_set(&sys->wake) &&
	    (sys->dropped > 0 || buf_count(&sys->queue) > 0))
		loop_timer_set(sys->loop, &sys->wake,
		    loop_now_us(sys->loop) + LOGSYS_WAKE_US);
}

static void
logsys_on_wake(struct loop_timer *timer)
{
	struct logsys *sys = loop_owner(timer, struct logsys, wake);

	if (logsys_connect(sys))
		logsys_flush(sys);
	logsys_watch(sys);
}

static void
logsys_ready(struct loop_io *io, uint32_t events)
{
	struct logsys *sys = loop_owner(io, struct logsys, io);

	(void)events;
	logsys_flush(sys);
	logsys_watch(sys);
}

/* The queue keeps the order: what comes later waits behind it. */
static void
logsys_enqueue(struct logsys *sys)
{
	size_t len = buf_count(&sys->packet);

	if (buf_count(&sys->queue) + len > LOGSYS_QUEUE_MAX) {
		logsys_drop(sys, "has no room");
		return;
	}
	if (buf_reserve(&sys->queue, sizeof(len) + len) == NULL) {
		buf_clear(&sys->queue);
		logsys_drop(sys, "out of memory");
		return;
	}
	buf_append(&sys->queue, &len, sizeof(len));
	buf_append(&sys->queue, buf_front(&sys->packet), len);
}

void
logsys_write(struct logsys *sys, const char *label, int64_t wall_ms,
    const uint8_t *text, size_t len)
{
	if (!logsys_connect(sys)) {
		logsys_drop(sys, "is not there");
		logsys_watch(sys);
		return;
	}
	if (buf_count(&sys->queue) > 0 || sys->dropped > 0)
		logsys_flush(sys);
	logsys_put(sys, label, wall_ms, text, len);
	if (sys->sock == -1)
		logsys_drop(sys, "is not there");
	else if (sys->packet.is_failed)
		logsys_drop(sys, "out of memory");
	else if (buf_count(&sys->queue) > 0 ||
		 logsys_send(sys, buf_front(&sys->packet),
		     buf_count(&sys->packet)) == 0)
		logsys_enqueue(sys);
	logsys_watch(sys);
}

struct logsys *
logsys_new(struct loop *loop, enum logsys_kind kind, const char *path,
    struct err *err_r)
{
	struct logsys *sys = calloc(1, sizeof(*sys));

	if (sys == NULL || strlen(path) >= sizeof(sys->address.sun_path)) {
		err_set(err_r, "%s: %s", path,
		    sys == NULL ? "out of memory" : "path too long");
		free(sys);
		return NULL;
	}
	sys->loop = loop;
	sys->kind = kind;
	sys->sock = -1;
	sys->io.fd = -1;
	sys->io.fn = logsys_ready;
	sys->wake.fn = logsys_on_wake;
	sys->address.sun_family = AF_UNIX;
	memcpy(sys->address.sun_path, path, strlen(path));
	return sys;
}

void
logsys_free(struct logsys **sysp)
{
	struct logsys *sys = *sysp;

	if (sys == NULL)
		return;
	*sysp = NULL;
	if (sys->sock != -1)
		logsys_flush(sys);
	logsys_close(sys);
	loop_timer_drop(sys->loop, &sys->wake);
	buf_fini(&sys->queue);
	buf_fini(&sys->packet);
	free(sys);
}
