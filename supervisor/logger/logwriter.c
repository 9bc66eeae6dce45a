#include "logwriter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "ipc/loop.h"

#include "console.h"
#include "lastlines.h"
#include "lastring.h"
#include "logfile.h"
#include "logline.h"
#include "lograte.h"
#include "logrotate.h"
#include "logsys.h"
#include "logzip.h"

struct logdest {
	TAILQ_ENTRY(logdest) link;
	struct logfile *log;
	unsigned stream_count;
	bool has_rule; /* another than the default */
	enum lifeline_log_target target;
	struct lograte rate;
	struct lastrings rings; /* of what goes into no file */
};

struct logwriter {
	struct loop *loop;
	struct logwriter_places places;
	struct loop_timer retry; /* writes what a full disk made us drop */
	struct loop_timer tell;  /* of lines that the rate made us drop */
	TAILQ_HEAD(, logdest) dests;
	struct logfile_settings settings;
	char *dir; /* settings.dir points to it */
	struct logzip *zip;
	struct console *console;         /* NULL: no echo */
	struct logsys *syslog, *journal; /* made when the first line needs it */
	struct buf out;                  /* lines of one commit, for the file */
	struct buf echo;                 /* the same for the console */
	int64_t wall_ms;
	char time[LOGLINE_TIME_SIZE];
	bool is_colour, is_compressed;
};

static struct logdest *
logwriter_find(const struct logwriter *writer, const char *name)
{
	struct logdest *dest;

	TAILQ_FOREACH (dest, &writer->dests, link) {
		if (strcmp(logfile_name(dest->log), name) == 0)
			return dest;
	}
	return NULL;
}

static struct logdest *
logwriter_add(struct logwriter *writer, const char *name)
{
	struct logdest *dest = calloc(1, sizeof(*dest));

	if (dest == NULL)
		return NULL;
	dest->log = logfile_new(name);
	if (dest->log == NULL) {
		free(dest);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&writer->dests, dest, link);
	/* The last logger may have left some of them plain. */
	if (writer->is_compressed && writer->dir[0] != '\0')
		logzip_add(writer->zip, writer->dir, name);
	return dest;
}

static void
logdest_free(struct logwriter *writer, struct logdest *dest)
{
	TAILQ_REMOVE(&writer->dests, dest, link);
	lastrings_fini(&dest->rings);
	logfile_free(&dest->log);
	free(dest);
}

struct logdest *
logwriter_hold(struct logwriter *writer, const char *name)
{
	struct logdest *dest = logwriter_find(writer, name);

	if (dest == NULL)
		dest = logwriter_add(writer, name);
	if (dest != NULL)
		dest->stream_count++;
	return dest;
}

/* One that has lost lines stays until it could tell of them. */
static bool
logdest_is_used(const struct logdest *dest)
{
	return dest->stream_count > 0 || dest->has_rule ||
	       logfile_dropped(dest->log) > 0;
}

static void
logwriter_drop_unused(struct logwriter *writer)
{
	struct logdest *dest, *next;

	for (dest = TAILQ_FIRST(&writer->dests); dest != NULL; dest = next) {
		next = TAILQ_NEXT(dest, link);
		if (!logdest_is_used(dest))
			logdest_free(writer, dest);
	}
}

void
logwriter_release(struct logwriter *writer, struct logdest *dest)
{
	dest->stream_count--;
	if (!logdest_is_used(dest))
		logdest_free(writer, dest);
}

void
logwriter_reopen(struct logwriter *writer)
{
	struct logdest *dest;

	TAILQ_FOREACH (dest, &writer->dests, link)
		logfile_close(dest->log);
}

static void
logwriter_read_clock(struct logwriter *writer)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	writer->wall_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	logline_time(writer->wall_ms, writer->time);
}

void
logwriter_begin(struct logwriter *writer)
{
	logwriter_read_clock(writer);
	buf_clear(&writer->out);
	buf_clear(&writer->echo);
}

/* To a daemon of the machine; which is connected when it is needed first. */
static void
logwriter_send(struct logwriter *writer, enum lifeline_log_target target,
    const char *label, const uint8_t *text, size_t len)
{
	bool is_syslog = target == LOG_TARGET_SYSLOG;
	struct logsys **sysp = is_syslog ? &writer->syslog : &writer->journal;
	struct err err = { "" };

	if (*sysp == NULL)
		*sysp = logsys_new(writer->loop,
		    is_syslog ? LOGSYS_SYSLOG : LOGSYS_JOURNAL,
		    is_syslog ? writer->places.syslog : writer->places.journal,
		    &err);
	if (*sysp != NULL)
		logsys_write(*sysp, label, writer->wall_ms, text, len);
	else
		log_errorx("%s", err.text);
}

/* A line that is written, whatever the rate; lines of the logger too. */
static void
logwriter_put(struct logwriter *writer, const struct logdest *dest,
    const char *label, unsigned colour, const uint8_t *text, size_t len,
    bool is_cut)
{
	bool is_json = writer->settings.is_json;

	if (dest->target == LOG_TARGET_FILE && is_json)
		logline_put_json(&writer->out, writer->time, label, text, len,
		    is_cut);
	else if (dest->target == LOG_TARGET_FILE)
		logline_put(&writer->out, writer->time, label, 0, text, len,
		    is_cut);
	else if (dest->target == LOG_TARGET_SYSLOG ||
		 dest->target == LOG_TARGET_JOURNALD)
		logwriter_send(writer, dest->target, label, text, len);
	if (writer->console == NULL || dest->target == LOG_TARGET_OFF)
		return;
	if (dest->target == LOG_TARGET_INHERIT && is_json)
		logline_put_json(&writer->echo, writer->time, label, text, len,
		    is_cut);
	else
		logline_put(&writer->echo, writer->time, label,
		    writer->is_colour ? colour : 0, text, len, is_cut);
}

/* Wake up when the first log has something to tell. */
static void
logwriter_plan_tell(struct logwriter *writer, const struct logdest *dest)
{
	int64_t due_us = lograte_due_us(&dest->rate);

	if (due_us != INT64_MAX &&
	    (!loop_timer_is_set(&writer->tell) || writer->tell.due_us > due_us))
		loop_timer_set(writer->loop, &writer->tell, due_us);
}

static bool
logwriter_is_over_rate(struct logwriter *writer, struct logdest *dest)
{
	bool is_first;

	if (lograte_pass(&dest->rate, loop_now_us(writer->loop), &is_first))
		return false;
	if (is_first)
		log_warnx("%s: more than %llu lines in %llu ms, dropping what "
			  "log_rate does not allow",
		    logfile_name(dest->log), (unsigned long long)dest->rate.max,
		    (unsigned long long)dest->rate.period_us / 1000);
	logwriter_plan_tell(writer, dest);
	return true;
}

void
logwriter_line(struct logwriter *writer, struct logdest *dest,
    const char *label, unsigned colour, const uint8_t *text, size_t len,
    bool is_cut)
{
	if (logwriter_is_over_rate(writer, dest))
		return;
	if (dest->target != LOG_TARGET_FILE)
		lastrings_add(&dest->rings, label, writer->time, text, len);
	logwriter_put(writer, dest, label, colour, text, len, is_cut);
}

static void
logwriter_write_file(struct logwriter *writer, struct logdest *dest)
{
	int64_t now_us = loop_now_us(writer->loop);

	logfile_write(dest->log, &writer->settings, buf_front(&writer->out),
	    buf_count(&writer->out), now_us, writer->wall_ms);
	if (logfile_dropped(dest->log) > 0 &&
	    !loop_timer_is_set(&writer->retry))
		loop_timer_set(writer->loop, &writer->retry,
		    now_us + LOGFILE_RETRY_US);
	if (logfile_take_rotated(dest->log) && writer->is_compressed)
		logzip_add(writer->zip, writer->dir, logfile_name(dest->log));
}

void
logwriter_commit(struct logwriter *writer, struct logdest *dest)
{
	if (writer->out.is_failed || writer->echo.is_failed)
		log_errorx("%s: out of memory, lines dropped",
		    logfile_name(dest->log));
	if (dest->target == LOG_TARGET_FILE && buf_count(&writer->out) > 0)
		logwriter_write_file(writer, dest);
	if (writer->console != NULL && buf_count(&writer->echo) > 0)
		console_write(writer->console, buf_front(&writer->echo),
		    buf_count(&writer->echo));
}

/* A quiet service gets its "lines dropped" without waiting for a line. */
static void
logwriter_on_retry(struct loop_timer *timer)
{
	struct logwriter *writer = loop_owner(timer, struct logwriter, retry);
	struct logdest *dest;

	logwriter_begin(writer);
	TAILQ_FOREACH (dest, &writer->dests, link) {
		if (logfile_dropped(dest->log) > 0)
			logwriter_write_file(writer, dest);
	}
	logwriter_drop_unused(writer);
}

/* A line of our own in a log. */
static void
logwriter_put_note(struct logwriter *writer, struct logdest *dest,
    const char *text)
{
	logwriter_begin(writer);
	logwriter_put(writer, dest, "msvc-logger", 0, (const uint8_t *)text,
	    strlen(text), false);
	logwriter_commit(writer, dest);
}

/* Tell of what was dropped in the periods that are over at now_us. */
static void
logwriter_tell(struct logwriter *writer, int64_t now_us)
{
	struct logdest *dest;
	uint64_t count;
	char text[64];

	TAILQ_FOREACH (dest, &writer->dests, link) {
		count = lograte_take(&dest->rate, now_us);
		if (count > 0) {
			snprintf(text, sizeof(text),
			    "warn %llu lines dropped by log_rate",
			    (unsigned long long)count);
			logwriter_put_note(writer, dest, text);
		}
		logwriter_plan_tell(writer, dest);
	}
}

static void
logwriter_on_tell(struct loop_timer *timer)
{
	struct logwriter *writer = loop_owner(timer, struct logwriter, tell);

	logwriter_tell(writer, loop_now_us(writer->loop));
}

void
logwriter_rule(struct logwriter *writer, const struct lifeline_log_rule *msg)
{
	bool has_rule = msg->target != LOG_TARGET_FILE || msg->rate != 0;
	struct logdest *dest = logwriter_find(writer, msg->name);

	if (dest == NULL && has_rule)
		dest = logwriter_add(writer, msg->name);
	if (dest == NULL) {
		if (has_rule)
			log_error("%s: its log rule is not used", msg->name);
		return;
	}
	dest->has_rule = has_rule;
	dest->target = msg->target <= LOG_TARGET_OFF
			   ? (enum lifeline_log_target)msg->target
			   : LOG_TARGET_FILE;
	lograte_set(&dest->rate, msg->rate, msg->rate_ms);
	logwriter_plan_tell(writer, dest);
	if (dest->target == LOG_TARGET_FILE)
		lastrings_fini(&dest->rings);
	else
		logfile_close(dest->log);
	if (!logdest_is_used(dest))
		logdest_free(writer, dest);
}

/* Rules of services that are gone; those that are not are told anew. */
static void
logwriter_forget_rules(struct logwriter *writer)
{
	struct logdest *dest;

	TAILQ_FOREACH (dest, &writer->dests, link) {
		if (dest->stream_count == 0)
			dest->has_rule = false;
	}
	logwriter_drop_unused(writer);
}

static void
logwriter_set_console(struct logwriter *writer, bool is_console)
{
	struct err err = { "" };

	if (!is_console) {
		console_free(&writer->console);
		return;
	}
	if (writer->console != NULL)
		return;
	writer->console =
	    console_new(writer->loop, writer->places.console, &err);
	if (writer->console == NULL)
		log_errorx("%s; no echo on the terminal", err.text);
}

/* Rotated files that were left plain so far. */
static void
logwriter_compress_all(struct logwriter *writer)
{
	struct logdest *dest;

	TAILQ_FOREACH (dest, &writer->dests, link)
		logzip_add(writer->zip, writer->dir, logfile_name(dest->log));
}

void
logwriter_configure(struct logwriter *writer, const struct lifeline_log *msg)
{
	char *dir = strdup(msg->dir);

	if (dir == NULL) {
		log_error("new settings are not used");
		return;
	}
	if (strcmp(dir, writer->dir) != 0)
		logwriter_reopen(writer);
	free(writer->dir);
	writer->dir = dir;
	writer->settings = (struct logfile_settings){ .dir = dir,
		.max_size = msg->max_size,
		.keep = msg->keep < LOGROTATE_MAX ? (unsigned)msg->keep
						  : LOGROTATE_MAX,
		.max_age_ms = (int64_t)msg->max_age_ms,
		.is_json = msg->format == LOG_FORMAT_JSON };
	writer->is_colour = msg->is_colour;
	logwriter_forget_rules(writer);
	logwriter_set_console(writer, msg->is_console);
	if (msg->is_compressed && !writer->is_compressed && dir[0] != '\0')
		logwriter_compress_all(writer);
	writer->is_compressed = msg->is_compressed;
}

void
logwriter_put_last(const struct logwriter *writer, const char *name,
    const char *label, struct buf *out)
{
	const struct logdest *dest = logwriter_find(writer, name);

	if (dest != NULL && dest->target != LOG_TARGET_FILE)
		lastrings_put(&dest->rings, label, out);
	else
		lastlines_put(out, writer->dir, name, label);
}

struct logwriter *
logwriter_new(struct loop *loop, const struct logwriter_places *places,
    struct err *err_r)
{
	struct logwriter *writer = calloc(1, sizeof(*writer));

	if (writer == NULL || (writer->dir = strdup("")) == NULL) {
		err_set_errno(err_r, "logger");
		free(writer);
		return NULL;
	}
	TAILQ_INIT(&writer->dests);
	writer->loop = loop;
	writer->places = *places;
	writer->settings.dir = writer->dir;
	writer->retry.fn = logwriter_on_retry;
	writer->tell.fn = logwriter_on_tell;
	writer->zip = logzip_new(loop, err_r);
	if (writer->zip == NULL)
		logwriter_free(&writer);
	return writer;
}

void
logwriter_free(struct logwriter **writerp)
{
	struct logwriter *writer = *writerp;
	struct logdest *dest;

	if (writer == NULL)
		return;
	*writerp = NULL;
	logwriter_tell(writer, INT64_MAX);
	loop_timer_drop(writer->loop, &writer->retry);
	loop_timer_drop(writer->loop, &writer->tell);
	while ((dest = TAILQ_FIRST(&writer->dests)) != NULL)
		logdest_free(writer, dest);
	logzip_free(&writer->zip);
	console_free(&writer->console);
	logsys_free(&writer->syslog);
	logsys_free(&writer->journal);
	buf_fini(&writer->out);
	buf_fini(&writer->echo);
	free(writer->dir);
	free(writer);
}
