/*
 * logsys: lines to the machine's own log, syslog(3)'s daemon or journald.
 *
 * Each line is one datagram. One that the daemon has no room for waits, up to
 * LOGSYS_QUEUE_MAX bytes of them; beyond, and while there is no daemon, lines
 * are dropped and counted. The loss is logged when it begins and told, with
 * the number, when it is over. Nothing here ever blocks.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_LOGSYS_H
#define MSVC_SUPERVISOR_LOGGER_LOGSYS_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct logsys;
struct loop;

#define LOGSYS_SYSLOG_PATH  "/dev/log"
#define LOGSYS_JOURNAL_PATH "/run/systemd/journal/socket"

enum {
	LOGSYS_QUEUE_MAX = 1024 * 1024,
	LOGSYS_RETRY_US = 200 * 1000, /* between two tries to connect */
	LOGSYS_WAKE_US = 1000 * 1000  /* the same while no line comes */
};

enum logsys_kind {
	LOGSYS_SYSLOG,
	LOGSYS_JOURNAL
};

/* path is that of the daemon's socket; copied. NULL with err_r set. */
struct logsys *logsys_new(struct loop *loop, enum logsys_kind kind,
    const char *path, struct err *err_r);
void logsys_free(struct logsys **sysp);

/*
 * Send one line.
 *
 * label     "service/instance"
 * wall_ms   milliseconds since 1970
 */
void logsys_write(struct logsys *sys, const char *label, int64_t wall_ms,
    const uint8_t *text, size_t len);

/*
 * Append the datagram of a line: "<30>Nov 22 11:20:30 echo/1: text" in local
 * time, as syslog(3) writes it and RFC 3164 describes it; control characters
 * are escaped. Pure but for the time zone.
 */
void logsys_put_syslog(struct buf *out, const char *label, int64_t wall_ms,
    const uint8_t *text, size_t len);

/*
 * The same for journald: fields MESSAGE (by length, so that any bytes do),
 * PRIORITY, SYSLOG_IDENTIFIER, MSVC_SERVICE and MSVC_INSTANCE. See
 * systemd.io/JOURNAL_NATIVE_PROTOCOL. A line is never too long for a datagram:
 * LOGLINE_MAX sees to that. Pure.
 */
void logsys_put_journal(struct buf *out, const char *label, const uint8_t *text,
    size_t len);

#endif
