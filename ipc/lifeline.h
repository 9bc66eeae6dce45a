/*
 * lifeline: the SEQPACKET socket between supervisor and router or logger.
 *
 * One packet is one message: a MessagePack array [type, item...], perhaps with
 * one file descriptor (SCM_RIGHTS). End of file means the other side is gone:
 * router and logger then finish and exit.
 *
 * To the router the supervisor sends the whole picture at its start and after
 * each reload (BEGIN, SETTINGS, LISTENER..., SERVICE..., ROUTE..., COMMIT),
 * which the router applies whole at COMMIT and answers with APPLIED; and
 * INSTANCE for each change of an instance's state, in between, and for all
 * instances after COMMIT of the first picture.
 */
#ifndef MSVC_IPC_LIFELINE_H
#define MSVC_IPC_LIFELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum {
	LIFELINE_PACKET_MAX = 128 * 1024
};

/* Numbers are never reused. */
enum lifeline_type {
	LIFELINE_BEGIN = 1,    /* to router: a new picture follows */
	LIFELINE_SETTINGS = 2, /* to router: limits and timeouts */
	LIFELINE_LISTENER = 3, /* to router: a bound socket, with fd */
	LIFELINE_SERVICE = 4,  /* to router */
	LIFELINE_ROUTE = 5,    /* to router */
	LIFELINE_COMMIT = 6,   /* to router: apply the picture */
	LIFELINE_INSTANCE = 7, /* to router: state of one instance */
	LIFELINE_STOP = 8,     /* to both: drain, then exit 0 */
	LIFELINE_APPLIED = 9,  /* from router: picture applied, serving */
	LIFELINE_LINKED = 10,  /* from router: SP handshake succeeded */
	LIFELINE_STREAM = 11,  /* to logger: a pipe to read, with fd */
	LIFELINE_LOG = 12,     /* to logger: where and how to write */
	LIFELINE_DRAINED = 13, /* from logger: end of file on a pipe */
	LIFELINE_REOPEN = 14,  /* to logger: reopen the files */
	LIFELINE_UNLINKED = 15 /* from router: a url service is out of reach */
};

/* The words of DESIGN.md section 10, as numbers on the wire. */
enum lifeline_state {
	STATE_STARTING = 1,
	STATE_READY,
	STATE_DRAINING,
	STATE_STOPPING,
	STATE_BACKOFF,
	STATE_FAILED,
	STATE_STOPPED,
	STATE_DISABLED
};

/* "starting" and so on; "unknown" for a number that is none of them. */
const char *lifeline_state_name(unsigned state);

enum lifeline_access {
	ACCESS_OFF,
	ACCESS_TEXT,
	ACCESS_JSON
};
enum lifeline_listener_kind {
	LISTENER_PUBLIC = 1,
	LISTENER_IPC,
	LISTENER_ADMIN
};

/* Router limits; times in milliseconds, sizes in bytes. */
struct lifeline_settings {
	uint64_t workers, max_connections, max_head, max_headers, max_body;
	uint64_t header_timeout, body_timeout, idle_timeout, write_timeout;
	uint64_t drain_timeout;
	uint64_t access;      /* enum lifeline_access */
	uint64_t event_queue; /* bytes a slow subscriber may lag */
	uint64_t link_queue;  /* unwritten bytes before a link is cut off */
};

struct lifeline_listener {
	uint64_t kind;       /* enum lifeline_listener_kind */
	const char *address; /* for logs: "127.0.0.1:8080" */
	bool is_sp_allowed;  /* nng peers may call on it */
};

struct lifeline_service {
	const char *name;
	uint64_t instances;
	uint64_t timeout_ms; /* request deadline */
	const char *url;     /* remote service, or "" */
	bool is_enabled;
};

struct lifeline_route {
	const char *pattern; /* ipc/pattern.h; prefixes end with a star */
	const char *service;
	const char *op;      /* "" for method and path */
	uint64_t timeout_ms; /* 0: the service's */
	uint64_t max_body;   /* 0: the router's */
	const char *name;    /* for logs and :route */
};

struct lifeline_instance {
	const char *service;
	uint64_t index, generation, state, pid;
	const char *listen; /* ipc:// URL; "" when it has none yet */
	uint64_t retry_ms;  /* backoff: milliseconds to the next start */
	const char *reason; /* failed, backoff: "killed by signal 9" */
};

struct lifeline_linked {
	const char *service;
	uint64_t index, generation;
};

struct lifeline_stream {
	uint64_t id;       /* never reused by this supervisor */
	const char *name;  /* log file without ".log": service, msvc, access */
	const char *label; /* line prefix: "echo/1"; "" = lines as they are */
};

struct lifeline_log {
	const char *dir;   /* "" = do not write files */
	uint64_t max_size; /* rotate beyond; bytes */
	uint64_t keep;     /* rotated files to keep */
	bool is_console;   /* echo each line to standard output */
	bool is_colour;
};

struct lifeline_drained {
	uint64_t id;
};

struct lifeline_msg {
	enum lifeline_type type;
	union {
		struct lifeline_settings settings;
		struct lifeline_listener listener;
		struct lifeline_service service;
		struct lifeline_route route;
		struct lifeline_instance instance;
		struct lifeline_linked linked;
		struct lifeline_stream stream;
		struct lifeline_log log;
		struct lifeline_drained drained;
	} u;
};

void lifeline_encode(struct buf *buf, const struct lifeline_msg *msg);

/*
 * Decode a packet. bytes must be writable and have one spare byte behind len:
 * strings are NUL-terminated in place and borrowed from it. Unknown trailing
 * items are ignored; a string with a NUL in it is an error.
 */
int lifeline_decode(uint8_t *bytes, size_t len, struct lifeline_msg *msg_r,
    struct err *err_r);

/*
 * Send one packet with an optional fd (-1: none), which stays the caller's.
 * Returns 0, 1 when the socket is full (errno EAGAIN), -1 on another error.
 */
int lifeline_send(int sock, const void *bytes, size_t len, int fd);

/*
 * Receive one packet into bytes (size LIFELINE_PACKET_MAX + 1). fd_r is set
 * to a received fd (close-on-exec, the caller's) or -1. Returns its length,
 * 0 at end of file, -1 with errno (EAGAIN: none there).
 */
long lifeline_recv(int sock, uint8_t *bytes, size_t size, int *fd_r);

#endif
