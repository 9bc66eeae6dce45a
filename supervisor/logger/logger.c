#include "logger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "ipc/loop.h"

#include "bundle.h"
#include "logset.h"

struct logger {
	struct loop *loop;
	struct loop_io lifeline;
	struct loop_timer linger; /* runs once the supervisor is gone */
	struct logset *set;
	struct bundles *bundles;
	struct buf ended; /* ids (uint64_t) of streams not yet reported */
	uint8_t packet[LIFELINE_PACKET_MAX + 1];
};

/* Returns false when the lifeline has no room now. */
static bool
logger_report(struct logger *logger, uint64_t id)
{
	struct lifeline_msg msg = { .type = LIFELINE_DRAINED,
		.u.drained.id = id };
	struct buf buf = { 0 };
	int rc = 0;

	lifeline_encode(&buf, &msg);
	if (!buf.is_failed)
		rc = lifeline_send(logger->lifeline.fd, buf_front(&buf),
		    buf_count(&buf), -1);
	buf_fini(&buf);
	return rc != 1;
}

static void
logger_report_all(struct logger *logger)
{
	uint64_t id;

	while (buf_count(&logger->ended) >= sizeof(id)) {
		memcpy(&id, buf_front(&logger->ended), sizeof(id));
		if (!logger_report(logger, id))
			break;
		buf_consume(&logger->ended, sizeof(id));
	}
	loop_io_set(logger->loop, &logger->lifeline,
	    buf_count(&logger->ended) > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void
logger_on_ended(void *arg, uint64_t id)
{
	struct logger *logger = arg;

	bundles_ended(logger->bundles, id);
	if (logger->lifeline.fd == -1) {
		if (logset_is_empty(logger->set))
			loop_stop(logger->loop);
		return;
	}
	buf_append(&logger->ended, &id, sizeof(id));
	logger_report_all(logger);
}

/* Takes fd, which is -1 when the packet had none. */
static void
logger_on_stream(struct logger *logger, const struct lifeline_stream *msg,
    int fd)
{
	struct err err = { "" };

	if (fd == -1) {
		log_errorx("stream %s: came without a pipe", msg->label);
		return;
	}
	if (logset_add(logger->set, msg, fd, &err) == 0)
		return;
	log_errorx("stream %s: %s; its lines stay in the pipe", msg->label,
	    err.text);
	close(fd);
}

static void
logger_finish(struct logger *logger)
{
	logset_flush(logger->set);
	loop_stop(logger->loop);
}

static void
logger_linger_over(struct loop_timer *timer)
{
	logger_finish(loop_owner(timer, struct logger, linger));
}

static void
logger_dispatch(struct logger *logger, const struct lifeline_msg *msg, int fd)
{
	switch (msg->type) {
	case LIFELINE_STREAM:
		logger_on_stream(logger, &msg->u.stream, fd);
		return;
	case LIFELINE_LOG:
		logset_configure(logger->set, &msg->u.log);
		break;
	case LIFELINE_REOPEN:
		logset_reopen(logger->set);
		break;
	case LIFELINE_CRASH:
		bundles_add(logger->bundles, &msg->u.crash);
		break;
	case LIFELINE_STOP:
		/* All that shall be logged is in the pipes already. */
		logger_finish(logger);
		break;
	default:
		log_warnx("lifeline: message %d is not for a logger",
		    (int)msg->type);
		break;
	}
	if (fd != -1)
		close(fd);
}

/*
 * Our own messages come to us by one of the pipes that we read, which does
 * not end while we hold its other side.
 */
static void
logger_leave_stderr(void)
{
	struct stat st;
	int null;

	if (fstat(STDERR_FILENO, &st) == -1 || !S_ISFIFO(st.st_mode))
		return;
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null == -1)
		return;
	dup2(null, STDERR_FILENO);
	close(null);
}

/* Its children die with the supervisor: their last words are worth a moment. */
static void
logger_lifeline_over(struct logger *logger)
{
	loop_io_drop(logger->loop, &logger->lifeline);
	logger_leave_stderr();
	if (logset_is_empty(logger->set))
		loop_stop(logger->loop);
	else
		loop_timer_set(logger->loop, &logger->linger,
		    loop_now_us(logger->loop) + LOGGER_LINGER_US);
}

static void
logger_lifeline_ready(struct loop_io *io, uint32_t events)
{
	struct logger *logger = loop_owner(io, struct logger, lifeline);
	struct lifeline_msg msg;
	struct err err = { "" };
	long len;
	int fd;

	if ((events & EPOLLOUT) != 0)
		logger_report_all(logger);
	for (;;) {
		fd = -1;
		len = lifeline_recv(io->fd, logger->packet,
		    sizeof(logger->packet), &fd);
		if (len == -1 && errno == EINTR)
			continue;
		if (len == -1 && errno == EAGAIN)
			return;
		if (len <= 0) {
			logger_lifeline_over(logger);
			return;
		}
		if (lifeline_decode(logger->packet, (size_t)len, &msg, &err) ==
		    0) {
			logger_dispatch(logger, &msg, fd);
			continue;
		}
		log_errorx("lifeline: %s; ignored", err.text);
		if (fd != -1)
			close(fd);
	}
}

struct logger *
logger_new(struct loop *loop, int lifeline, int console, struct err *err_r)
{
	struct logger *logger = calloc(1, sizeof(*logger));

	if (logger == NULL) {
		err_set_errno(err_r, "logger");
		return NULL;
	}
	logger->loop = loop;
	logger->lifeline.fd = -1;
	logger->lifeline.fn = logger_lifeline_ready;
	logger->linger.fn = logger_linger_over;
	logger->set = logset_new(loop, console, logger_on_ended, logger, err_r);
	if (logger->set != NULL)
		logger->bundles = bundles_new(loop, logger->set, err_r);
	if (logger->bundles == NULL || loop_io_add(loop, &logger->lifeline,
					   lifeline, EPOLLIN, err_r) == -1)
		logger_free(&logger);
	return logger;
}

void
logger_free(struct logger **loggerp)
{
	struct logger *logger = *loggerp;

	if (logger == NULL)
		return;
	*loggerp = NULL;
	/* While the log files can still be found. */
	bundles_free(&logger->bundles);
	logset_free(&logger->set);
	loop_io_drop(logger->loop, &logger->lifeline);
	loop_timer_drop(logger->loop, &logger->linger);
	buf_fini(&logger->ended);
	free(logger);
}
