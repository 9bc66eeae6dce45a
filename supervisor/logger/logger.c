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
#include "ipc/launch.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "ipc/loop.h"

#include "bundle.h"
#include "logset.h"
#include "logsys.h"
#include "logwriter.h"
#include "sweep.h"

/* What the supervisor is told of a stream. */
struct logger_news {
	enum lifeline_type type; /* DRAINED or MATCHED */
	uint64_t id;
};

struct logger {
	struct loop *loop;
	struct loop_io lifeline;
	struct loop_timer linger; /* runs once the supervisor is gone */
	struct logset *set;
	struct bundles *bundles;
	struct buf news; /* struct logger_news not yet reported */
	const char *run; /* borrowed from the environment; or NULL */
	int parent_fd;   /* owned: see sweep_open() */
	uint8_t packet[LIFELINE_PACKET_MAX + 1];
};

/* Returns false when the lifeline has no room now. */
static bool
logger_report(struct logger *logger, const struct logger_news *news)
{
	struct lifeline_msg msg = { .type = news->type,
		.u.drained.id = news->id };
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
	struct logger_news news;

	while (buf_count(&logger->news) >= sizeof(news)) {
		memcpy(&news, buf_front(&logger->news), sizeof(news));
		if (!logger_report(logger, &news))
			break;
		buf_consume(&logger->news, sizeof(news));
	}
	loop_io_set(logger->loop, &logger->lifeline,
	    buf_count(&logger->news) > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void
logger_tell(struct logger *logger, enum lifeline_type type, uint64_t id)
{
	struct logger_news news = { .type = type, .id = id };

	if (logger->lifeline.fd == -1)
		return;
	buf_append(&logger->news, &news, sizeof(news));
	logger_report_all(logger);
}

static void
logger_on_matched(void *arg, uint64_t id)
{
	logger_tell(arg, LIFELINE_MATCHED, id);
}

static void
logger_on_ended(void *arg, uint64_t id)
{
	struct logger *logger = arg;

	bundles_ended(logger->bundles, id);
	logger_tell(logger, LIFELINE_DRAINED, id);
	if (logger->lifeline.fd == -1 && logset_is_empty(logger->set))
		loop_stop(logger->loop);
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
	case LIFELINE_LOG_RULE:
		logset_rule(logger->set, &msg->u.log_rule);
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
	/* First: whoever is gone writes nothing any more. */
	if (logger->run != NULL && sweep_is_due(logger->parent_fd))
		(void)sweep_run(logger->run);
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
	const struct logwriter_places places = { .console = console,
		.syslog = LOGSYS_SYSLOG_PATH,
		.journal = LOGSYS_JOURNAL_PATH };
	struct logger *logger = calloc(1, sizeof(*logger));
	const struct logset_news news = { .ended = logger_on_ended,
		.matched = logger_on_matched,
		.arg = logger };

	if (logger == NULL) {
		err_set_errno(err_r, "logger");
		return NULL;
	}
	logger->loop = loop;
	logger->lifeline.fd = -1;
	logger->run = getenv(LAUNCH_ENV_RUN);
	logger->parent_fd = logger->run != NULL ? sweep_open() : -1;
	logger->lifeline.fn = logger_lifeline_ready;
	logger->linger.fn = logger_linger_over;
	logger->set = logset_new(loop, &places, &news, err_r);
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
	if (logger->parent_fd >= 0)
		close(logger->parent_fd);
	buf_fini(&logger->news);
	free(logger);
}
