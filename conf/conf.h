/*
 * conf: msvc.ini, read and checked.
 *
 * The fields of these structs are the interface; keys, types, units, defaults
 * and help texts come from one table, conf_keys.def. Times are milliseconds,
 * sizes bytes. All strings and arrays are owned by the struct conf.
 */
#ifndef MSVC_CONF_CONF_H
#define MSVC_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum conf_restart {
	CONF_RESTART_ALWAYS,
	CONF_RESTART_ON_FAILURE,
	CONF_RESTART_NEVER
};
enum conf_ready {
	CONF_READY_AUTO,
	CONF_READY_NOTIFY,
	CONF_READY_LISTEN,
	CONF_READY_NONE
};
enum conf_access {
	CONF_ACCESS_OFF,
	CONF_ACCESS_TEXT,
	CONF_ACCESS_JSON
};

enum conf_detail {
	CONF_DETAIL_BRIEF,
	CONF_DETAIL_FULL
};

enum conf_fallback_kind {
	CONF_FALLBACK_NONE,
	CONF_FALLBACK_BODY,
	CONF_FALLBACK_SERVICE
};

enum {
	CONF_FALLBACK_MAX = 64 * 1024, /* bytes of a body */
	/* Of the bodies of all routes: each has a copy. */
	CONF_FALLBACK_ALL_MAX = 8 * 1024 * 1024
};

/* Kinds of failure, bits of fallback_on. */
enum conf_failure {
	CONF_FAILURE_DOWN = 1,
	CONF_FAILURE_TIMEOUT = 2,
	CONF_FAILURE_5XX = 4
};

/* What is answered in place of a failure. */
struct conf_fallback {
	enum conf_fallback_kind kind;
	char *path; /* of the file that holds the body, as written; or NULL */
	char *text; /* the body, no NUL in it, or the service's name */
	char *type; /* content type of the body */
};

/* max_inflight = auto */
#define CONF_INFLIGHT_AUTO 0xffffffffU

/* A NULL-terminated array of strings with its count. */
struct conf_strings {
	char **items; /* items[count] is NULL; never NULL itself */
	size_t count;
};

/* Where a section or value was written. */
struct conf_place {
	const char *file; /* borrowed from the conf's list of files */
	unsigned line;
};

struct conf_listen {
	char *host;         /* numeric or name, no brackets; "" for all */
	char *port;         /* decimal */
	bool is_sp_allowed; /* false with the word "http-only" */
	struct conf_place place;
};

struct conf_router {
	struct conf_listen *listens;
	size_t listen_count;
	char *admin;      /* "" = RUN_DIR/admin.sock, or HOST:PORT */
	unsigned workers; /* 0 = half the cores, at least one */
	size_t max_connections, max_head, max_headers, max_body;
	int64_t header_timeout_ms, body_timeout_ms, idle_timeout_ms,
	    write_timeout_ms, drain_timeout_ms;
	enum conf_access access_log;
	size_t event_queue, link_queue;
	enum conf_detail error_detail;
	bool is_body_kept;
};

struct conf_service {
	char *name;
	struct conf_place place;
	struct conf_strings argv; /* empty with url */
	char *url;                /* NULL with command */
	char *dir;                /* NULL: the directory of the main file */
	char *user, *group;       /* NULL: the supervisor's */
	struct conf_strings env;  /* "KEY=value" */
	unsigned instances;
	struct conf_strings
	    prefixes; /* "/users", without a last slash but "/" */
	struct conf_place *prefix_places; /* one for each prefix */
	enum conf_restart restart;
	int64_t restart_delay_ms, restart_delay_max_ms;
	unsigned restart_limit;    /* so many restarts ... */
	int64_t restart_period_ms; /* ... within this time; 0 limit: no limit */
	enum conf_ready ready;
	int64_t ready_timeout_ms;
	int stop_signal;
	int64_t stop_timeout_ms;
	struct conf_strings after; /* names of services */
	uint8_t success_codes[32]; /* bit set of exit codes 0 to 255 */
	int64_t timeout_ms;
	bool is_enabled;
	unsigned attempts;     /* sends of a request that may run twice */
	unsigned retry_budget; /* percent of the requests */
	int64_t stall_timeout_ms;
	unsigned hold_max; /* requests that wait for an instance */
	size_t hold_max_bytes;
	unsigned max_inflight;     /* of an instance; 0: any number */
	unsigned max_inflight_all; /* of all instances; 0: any number */
	int64_t queue_timeout_ms, eject_time_ms, hang_grace_ms, watchdog_ms,
	    quarantine_ms;
	bool is_overlapping; /* old and new may run at the same time */
	int64_t ramp_ms;
	unsigned ramp_requests;
	int64_t drain_timeout_ms;
	struct conf_fallback fallback;
	unsigned fallback_on; /* enum conf_failure, or-ed */
};

struct conf_route {
	char *name;
	struct conf_place place;
	char *match; /* "GET /users/{id}" */
	char *service;
	char *op;           /* NULL: method and path */
	int64_t timeout_ms; /* 0: the service's */
	size_t max_body;    /* 0: the router's */
	bool is_idempotent;
	struct conf_fallback fallback; /* none: the service's */
	unsigned fallback_on;          /* 0: the service's */
};

struct conf {
	char *path;                /* absolute path of the main file */
	struct conf_strings files; /* it and the included ones, absolute */
	char *run_dir, *log_dir;   /* absolute */
	size_t log_max_size;
	unsigned log_keep;
	char *crash_dir; /* absolute */
	unsigned crash_keep;
	size_t crash_max_size;
	struct conf_router router;
	struct conf_service **services; /* in file order */
	size_t service_count;
	size_t *start_order; /* indexes of services, "after" respected */
	struct conf_service **by_name; /* sorted, for conf_find_service() */
	struct conf_route *routes;
	size_t route_count;
};

/* The mistakes of one load, in file and line order; the first hundred. */
struct conf_report {
	/* "path:line: what; what would be right", or without the line when a
	 * whole file is meant; paths are as given to conf_load(). */
	char **lines;
	size_t count;
	size_t cap;
};

void conf_report_fini(struct conf_report *report);
void conf_report_print(const struct conf_report *report, FILE *out);

/*
 * Load path and what it includes.
 *
 * conf_r    set to a conf the caller must conf_free(); NULL on failure
 * report    zeroed by the caller; filled with every mistake on failure
 *
 * Returns 0, or -1 with at least one line in the report. Any bytes are safe
 * to read. Blocks on the disk that holds the files.
 */
int conf_load(const char *path, struct conf **conf_r,
    struct conf_report *report);

/*
 * The directories of a config that may be full of mistakes, for commands that
 * talk to a system which runs on what the file said before: as good as what is
 * left of [msvc] tells, else the defaults.
 *
 * run_dir_r, log_dir_r, crash_dir_r   set to absolute paths, the caller's to
 *                                     free(); each may be NULL
 *
 * Returns 0, or -1 when the file cannot be read or there is no default.
 */
int conf_load_dirs(const char *path, char **run_dir_r, char **log_dir_r,
    char **crash_dir_r);

/*
 * The same as conf_load() with the contents of the main file given; path then
 * only names it and is what relative paths start from.
 */
int conf_load_text(const char *path, const char *text, size_t len,
    struct conf **conf_r, struct conf_report *report);

void conf_free(struct conf **confp);

/* Borrowed, or NULL. */
struct conf_service *conf_find_service(const struct conf *conf,
    const char *name);

/*
 * What stands in for the failures of a route of this config, and for which of
 * them: each its own, or its service's. Borrowed.
 */
const struct conf_fallback *conf_route_fallback(const struct conf *conf,
    const struct conf_route *route, unsigned *failures_r);

/* What a reload has to do for one service. Pure. */
enum conf_change {
	CONF_SAME,    /* keep the pid */
	CONF_APPLY,   /* differs only in what needs no new process */
	CONF_RESTART, /* differs in what the process was started with */
};
enum conf_change conf_service_compare(const struct conf_service *before,
    const struct conf_service *after);

#endif
