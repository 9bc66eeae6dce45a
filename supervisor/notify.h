/*
 * notify: the sd_notify(3) protocol, from our children and to our parent.
 *
 * Children send datagrams of "KEY=value" lines to RUN_DIR/notify.sock; the
 * kernel adds the sender's pid. The parser is pure and takes any bytes.
 */
#ifndef MSVC_SUPERVISOR_NOTIFY_H
#define MSVC_SUPERVISOR_NOTIFY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

enum {
	NOTIFY_READY = 1,
	NOTIFY_STOPPING = 2,
	NOTIFY_RELOADING = 4,
	NOTIFY_WATCHDOG = 8,
	NOTIFY_STATUS = 16,
	NOTIFY_TRIGGER = 32,  /* WATCHDOG=trigger: act as if it were silent */
	NOTIFY_PERIOD = 64,   /* WATCHDOG_USEC= */
	NOTIFY_EXTEND = 128,  /* EXTEND_TIMEOUT_USEC= */
	NOTIFY_ERROR = 256,   /* ERRNO= or BUSERROR= */
	NOTIFY_REFUSED = 512, /* a key whose meaning we do not want */

	NOTIFY_STATUS_MAX = 127,
	NOTIFY_BYTES_MAX = 4096, /* longer datagrams are cut */
};

/* A longer time is cut to one day. */
#define NOTIFY_PERIOD_MAX_US (24 * 3600 * INT64_C(1000000))

struct notify_msg {
	unsigned flags;                     /* NOTIFY_READY and so on */
	char status[NOTIFY_STATUS_MAX + 1]; /* with NOTIFY_STATUS; cut */
	int64_t watchdog_us; /* with NOTIFY_PERIOD; 0 to NOTIFY_PERIOD_MAX_US */
	int64_t extend_us;   /* with NOTIFY_EXTEND; the same */
	char error[NOTIFY_STATUS_MAX + 1]; /* with NOTIFY_ERROR; "": no more */
	const char *refused; /* with NOTIFY_REFUSED: "MAINPID"; static */
	int64_t main_pid;    /* of MAINPID=; else 0 */
};

/* Unknown keys and values are skipped; control bytes become '?'. */
void notify_parse(const char *text, size_t len, struct notify_msg *msg_r);

/* Bind the socket, mode 0666. Returns the fd or -1. */
int notify_open(const char *path, struct err *err_r);

/*
 * Receive one datagram. Descriptors that came with it are closed: there is no
 * FDSTORE, and for BARRIER=1 that is the answer, since datagrams are received
 * one after the other (sd_notify_barrier(3)). Returns 1 with pid and message
 * set, 0 for one that is unusable, -1 when there is none.
 */
int notify_recv(int sock, pid_t *pid_r, struct notify_msg *msg_r);

/*
 * Tell our own parent (systemd), when it has set NOTIFY_SOCKET. The variable
 * is read by notify_parent_init() and removed: it is not for our children.
 */
void notify_parent_init(void);
void notify_parent(const char *text);

/* That we reload, with the time, as Type=notify-reload wants it. */
void notify_parent_reloading(void);

#endif
