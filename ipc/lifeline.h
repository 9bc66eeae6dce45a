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
 * instances after each COMMIT.
 *
 * When a process has died, INSTANCE says of what kind its death was, and the
 * router answers with a CASUALTY for each request that was in flight there and
 * one CASUALTIES_END. What the router quarantines it tells by QUARANTINE; the
 * supervisor keeps those and gives them to the next router.
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
	LIFELINE_BEGIN = 1,     /* to router: a new picture follows */
	LIFELINE_SETTINGS = 2,  /* to router: limits and timeouts */
	LIFELINE_LISTENER = 3,  /* to router: a bound socket, with fd */
	LIFELINE_SERVICE = 4,   /* to router */
	LIFELINE_ROUTE = 5,     /* to router */
	LIFELINE_COMMIT = 6,    /* to router: apply the picture */
	LIFELINE_INSTANCE = 7,  /* to router: state of one instance */
	LIFELINE_STOP = 8,      /* to both: drain, then exit 0 */
	LIFELINE_APPLIED = 9,   /* from router: picture applied, serving */
	LIFELINE_LINKED = 10,   /* from router: SP handshake succeeded */
	LIFELINE_STREAM = 11,   /* to logger: a pipe to read, with fd */
	LIFELINE_LOG = 12,      /* to logger: where and how to write */
	LIFELINE_DRAINED = 13,  /* from logger: end of file on a pipe */
	LIFELINE_REOPEN = 14,   /* to logger: reopen the files */
	LIFELINE_UNLINKED = 15, /* from router: a url service is out of reach */
	LIFELINE_HUNG = 16,     /* from router: a request is long overdue */
	LIFELINE_IDLE = 17,     /* from router: draining, nothing in flight */
	LIFELINE_STATS = 18,    /* from router: how a generation answers */
	LIFELINE_CASUALTY = 19, /* from router: in flight at a death */
	LIFELINE_CASUALTIES_END = 20, /* from router: that were all */
	LIFELINE_QUARANTINE = 21,     /* both: do not deliver this request */
	LIFELINE_RELEASE = 22,        /* to router: deliver it again */
	LIFELINE_FAULT = 23,          /* to router: fail on purpose */
	LIFELINE_CRASH = 24,          /* to logger: write a crash bundle */
	LIFELINE_MATCHED = 25, /* from logger: a line matched the pattern */
	LIFELINE_LOAD = 26,    /* from router: how busy a service is */
	LIFELINE_WANTED = 27,  /* from router: a request for one that sleeps */
	LIFELINE_LOG_RULE = 28 /* to logger: how to treat a service's lines */
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

/* What the end of a process was, for what was in flight there. */
enum lifeline_death {
	DEATH_NONE,   /* it lives, or never became its program */
	DEATH_OTHER,  /* of what no request causes: SIGKILL, asked to stop */
	DEATH_SUSPECT /* of what a request can cause: SIGSEGV, exit 1, a hang */
};

enum lifeline_detail {
	DETAIL_BRIEF, /* clients see the cause, not the services behind it */
	DETAIL_FULL
};

enum lifeline_fallback {
	FALLBACK_NONE,
	FALLBACK_BODY, /* answer with these bytes */
	FALLBACK_SERVICE
};

/* Kinds of failure, bits of lifeline_route.fallback_on. */
enum lifeline_failure {
	FAILURE_DOWN = 1,    /* 502 or 503 made by the router */
	FAILURE_TIMEOUT = 2, /* 504 */
	FAILURE_5XX = 4,     /* the service's own answer */
	FAILURE_ALL = 7
};

enum lifeline_fault_kind {
	FAULT_NONE,  /* end a fault */
	FAULT_DELAY, /* value is milliseconds */
	FAULT_ERROR  /* value is a status */
};

/* Where in its life a request was. */
enum lifeline_delivery {
	DELIVERY_UNTAKEN, /* no handler has begun it, none will */
	DELIVERY_TAKEN,
	DELIVERY_DONE /* handled; its answer did not arrive */
};

enum {
	LIFELINE_PRINT_LEN = 32 /* hex digits of a fingerprint */
};

/* max_inflight: adapt it to the latency. */
#define LIFELINE_AUTO UINT64_C(0xffffffff)

/* Router limits; times in milliseconds, sizes in bytes. */
struct lifeline_settings {
	uint64_t workers, max_connections, max_head, max_headers, max_body;
	uint64_t header_timeout, body_timeout, idle_timeout, write_timeout;
	uint64_t drain_timeout;
	uint64_t access;      /* enum lifeline_access */
	uint64_t event_queue; /* bytes a slow subscriber may lag */
	uint64_t link_queue;  /* unwritten bytes before a link is cut off */
	uint64_t detail;      /* enum lifeline_detail */
	uint64_t poison_key;  /* of fingerprints; one for a supervisor's life */
	bool is_body_kept;    /* quarantined requests keep their body */
};

struct lifeline_listener {
	uint64_t kind;       /* enum lifeline_listener_kind */
	const char *address; /* for logs: "127.0.0.1:8080" */
	bool is_sp_allowed;  /* nng peers may call on it */
};

/* How a service's failures are handled; msvc.ini(5) has each of them. */
struct lifeline_rules {
	uint64_t attempts;
	uint64_t retry_budget; /* percent */
	uint64_t stall_ms;     /* 0: never */
	uint64_t hold_max, hold_max_bytes;
	uint64_t max_inflight;     /* of an instance; 0: any, LIFELINE_AUTO */
	uint64_t max_inflight_all; /* of the service; 0: any */
	uint64_t queue_ms;         /* wait for a place among those */
	uint64_t eject_ms;         /* 0: never */
	uint64_t hang_ms;          /* past the deadline; 0: never hung */
	uint64_t quarantine_ms;    /* 0: never */
	uint64_t ramp_ms;          /* from an old generation to a new one */
	uint64_t load_ms;          /* send LOAD so often; 0: never */
};

struct lifeline_service {
	const char *name;
	uint64_t instances;
	uint64_t timeout_ms; /* request deadline */
	const char *url;     /* remote service, or "" */
	bool is_enabled;
	struct lifeline_rules rules;
};

struct lifeline_route {
	const char *pattern; /* ipc/pattern.h; prefixes end with a star */
	const char *service;
	const char *op;            /* "" for method and path */
	uint64_t timeout_ms;       /* 0: the service's */
	uint64_t max_body;         /* 0: the router's */
	const char *name;          /* for logs and :route */
	bool is_idempotent;        /* with whatever method */
	uint64_t fallback;         /* enum lifeline_fallback */
	uint64_t fallback_on;      /* enum lifeline_failure, or-ed */
	const char *fallback_text; /* the body, or the service's name */
	const char *fallback_type; /* of the body */
};

struct lifeline_instance {
	const char *service;
	uint64_t index, generation, state, pid;
	const char *listen; /* ipc:// URL; "" when it has none yet */
	uint64_t retry_ms;  /* backoff: milliseconds to the next start */
	const char *reason; /* failed, backoff: "killed by signal 9" */
	bool is_beside; /* a second generation of this index: not the one that
			   the index stands for */
	uint64_t death; /* enum lifeline_death: how its last process ended */
	uint64_t restarts, restart_limit; /* so many of so many; 0: no limit */
	bool is_asleep; /* stopped, and starts with the first request */
};

/* LINKED, UNLINKED, IDLE, CASUALTIES_END */
struct lifeline_linked {
	const char *service;
	uint64_t index, generation;
};

struct lifeline_hung {
	const char *service;
	uint64_t index, generation;
	const char *what; /* "GET /reports", for the log */
	uint64_t age_ms;  /* since it was sent */
};

/* Since both generations of the index have been ready, over all workers. */
struct lifeline_stats {
	const char *service;
	uint64_t index, generation;
	uint64_t requests;   /* answered or lost */
	uint64_t failures;   /* 5xx, lost, timed out */
	uint64_t latency_us; /* sum over those that were answered */
};

/* A request that was in flight when a process died. */
struct lifeline_casualty {
	const char *service;
	uint64_t index, generation;
	uint64_t delivery; /* enum lifeline_delivery */
	const char *method, *target, *route, *request_id, *trace, *client;
	uint64_t age_us; /* since it was sent */
};

struct lifeline_quarantine {
	const char *service;
	const char *print; /* fingerprint in hex */
	uint64_t left_ms;  /* until it may be delivered again */
	const char *method, *target, *route, *client;
	const char *fields; /* "name: value" lines, credentials left out */
	const char *body;   /* hex; "" unless kept */
	uint64_t body_len;  /* of all of it */
};

struct lifeline_release {
	const char *print;
};

struct lifeline_fault {
	const char *service;
	uint64_t kind, value; /* enum lifeline_fault_kind */
	uint64_t percent;     /* of the requests */
	uint64_t for_ms;      /* 0: until it is ended */
};

struct lifeline_crash {
	const char *id; /* file name without ".json" */
	const char *dir;
	uint64_t keep, max_size; /* files and bytes in dir */
	uint64_t stream; /* of the dead process: wait for its last lines */
	const char *name, *label; /* of that stream */
	const char *json;         /* an object to which "log" is added */
};

struct lifeline_stream {
	uint64_t id;       /* never reused by this supervisor */
	const char *name;  /* log file without ".log": service, msvc, access */
	const char *label; /* line prefix: "echo/1"; "" = lines as they are */
	/* PCRE2 with UTF and MATCH_INVALID_UTF: MATCHED is sent once, when a
	 * line has it. "": none. */
	const char *pattern;
};

enum lifeline_log_format {
	LOG_FORMAT_TEXT,
	LOG_FORMAT_JSON
};

struct lifeline_log {
	const char *dir;   /* "" = do not write files */
	uint64_t max_size; /* rotate beyond; bytes */
	uint64_t keep;     /* rotated files to keep */
	bool is_console;   /* echo each line to standard output */
	bool is_colour;
	uint64_t max_age_ms; /* rotate what is older; 0: never */
	bool is_compressed;  /* rotated files, with gzip */
	uint64_t format;     /* enum lifeline_log_format, of files */
};

enum lifeline_log_target {
	LOG_TARGET_FILE,
	LOG_TARGET_SYSLOG,
	LOG_TARGET_JOURNALD,
	LOG_TARGET_INHERIT, /* standard output, as the supervisor had it */
	LOG_TARGET_OFF
};

/*
 * For all streams of that name, until the next one for it. A LOG ends those
 * that no stream has now; they are told again behind it.
 */
struct lifeline_log_rule {
	const char *name;
	uint64_t target;        /* enum lifeline_log_target */
	uint64_t rate, rate_ms; /* so many lines in so long; 0: any number */
};

/* DRAINED, MATCHED */
struct lifeline_drained {
	uint64_t id;
};

/* Since the last one, over all workers. */
struct lifeline_load {
	const char *service;
	uint64_t requests;    /* that came */
	uint64_t inflight;    /* in instances, now */
	uint64_t held;        /* waiting for one, now */
	uint64_t wait_max_us; /* the longest that one waited, or waits */
};

struct lifeline_wanted {
	const char *service;
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
		struct lifeline_hung hung;
		struct lifeline_stats stats;
		struct lifeline_casualty casualty;
		struct lifeline_quarantine quarantine;
		struct lifeline_release release;
		struct lifeline_fault fault;
		struct lifeline_crash crash;
		struct lifeline_load load;
		struct lifeline_wanted wanted;
		struct lifeline_log_rule log_rule;
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
