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
	CONF_READY_NONE,
	CONF_READY_PROBE /* as ready_probe says */
};
/* What a service is for. */
enum conf_kind {
	CONF_KIND_SERVICE,
	CONF_KIND_ONESHOT /* runs to its end; ready when that was a success */
};
/* What follows when one is given up. */
enum conf_on_failed {
	CONF_ON_FAILED_IGNORE,
	CONF_ON_FAILED_STOP_DEPENDENTS,
	CONF_ON_FAILED_EXIT /* the supervisor stops, with exit code 1 */
};
/* Whom a restart takes along (Erlang/OTP, supervisor(3)). */
enum conf_strategy {
	CONF_STRATEGY_ONE_FOR_ONE,
	CONF_STRATEGY_REST_FOR_ONE,
	CONF_STRATEGY_ONE_FOR_ALL
};
/* What follows when its health probe fails. */
enum conf_on_unhealthy {
	CONF_ON_UNHEALTHY_RESTART,
	CONF_ON_UNHEALTHY_DRAIN /* no new requests until it is well again */
};
enum conf_seccomp {
	CONF_SECCOMP_DEFAULT,
	CONF_SECCOMP_OFF
};
/* Where the lines of a service go. */
enum conf_log {
	CONF_LOG_FILE,
	CONF_LOG_SYSLOG,
	CONF_LOG_JOURNALD,
	CONF_LOG_INHERIT, /* the supervisor's own standard output */
	CONF_LOG_OFF
};
enum conf_log_format {
	CONF_LOG_FORMAT_TEXT,
	CONF_LOG_FORMAT_JSON
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

/* So many within so much time; count 0: no limit. */
struct conf_limit {
	unsigned count;
	int64_t period_ms;
};

enum {
	CONF_DURATIONS_MAX = 16,
	CONF_RLIMITS = 16 /* RLIM_NLIMITS of Linux */
};

/* One after the other, the last one again and again. */
struct conf_durations {
	int64_t items_ms[CONF_DURATIONS_MAX];
	size_t count;
};

/* Indexed by RLIMIT_; RLIM_INFINITY is UINT64_MAX. */
struct conf_rlimits {
	bool is_set[CONF_RLIMITS];
	uint64_t soft[CONF_RLIMITS], hard[CONF_RLIMITS];
};

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

enum conf_probe_kind {
	CONF_PROBE_NONE,
	CONF_PROBE_HTTP,    /* GET; 200 to 399 is well */
	CONF_PROBE_TCP,     /* it accepts a connection */
	CONF_PROBE_COMMAND, /* exit code 0 */
	CONF_PROBE_LOG      /* a line of its output matches; ready only */
};

/* How to find out whether an instance is ready or well. */
struct conf_probe {
	enum conf_probe_kind kind;
	char *text;               /* as written behind the kind; or NULL */
	char *host, *port;        /* HTTP and TCP; numeric port */
	char *path;               /* HTTP: "/health?full=1" */
	struct conf_strings argv; /* COMMAND; items NULL for others */
};

/* A line of cron, see conf_cron.h. All zero: none. */
struct conf_cron {
	uint64_t minutes; /* bits 0 to 59 */
	uint32_t hours;   /* bits 0 to 23 */
	uint32_t days;    /* bits 1 to 31 */
	uint16_t months;  /* bits 1 to 12 */
	uint8_t weekdays; /* bits 0 (Sunday) to 6 */
	/* These begin with "*". */
	bool is_any_hour, is_any_day, is_any_weekday;
	bool is_set;
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
	struct conf_strings supplementary_groups; /* names */
	struct conf_strings env_files;            /* absolute paths */
	struct conf_strings env_inherit;          /* names, "*" for all */
	struct conf_strings secrets;              /* "NAME=/path" */
	struct conf_strings sockets; /* "tcp:HOST:PORT", "unix:/path" */
	enum conf_kind kind;
	struct conf_cron schedule;
	char *schedule_zone; /* NULL: the machine's */
	int64_t schedule_jitter_ms;
	unsigned instances;     /* at least */
	unsigned instances_max; /* at most; more than instances: it scales */
	int64_t scale_up_wait_ms, scale_down_after_ms;
	int64_t idle_stop_ms; /* 0: never */
	struct conf_probe health;
	int64_t health_interval_ms, health_timeout_ms;
	unsigned health_failures, health_successes; /* in a row */
	enum conf_on_unhealthy on_unhealthy;
	unsigned umask;
	int nice, oom_score_adj;
	struct conf_rlimits rlimits;
	uint64_t memory_max; /* bytes; 0: any; memory.max of cgroup v2 */
	unsigned cpu_weight; /* 0: as it is; 1 to 10000 */
	unsigned cpu_quota;  /* percent of one CPU; 0: any */
	unsigned tasks_max;  /* 0: any */
	bool is_no_new_privileges;
	bool has_capabilities;            /* else they are left as they are */
	struct conf_strings capabilities; /* "cap_net_bind_service" */
	enum conf_seccomp seccomp;
	bool is_tmp_private;
	struct conf_strings read_only; /* absolute paths */
	enum conf_log log;
	struct conf_limit log_rate; /* lines */
	struct conf_strings
	    prefixes; /* "/users", without a last slash but "/" */
	struct conf_place *prefix_places; /* one for each prefix */
	enum conf_restart restart;
	struct conf_durations restart_delays; /* one alone doubles */
	int64_t restart_delay_max_ms;
	struct conf_limit restart_limit;
	int64_t restart_after_ms; /* ready for so long ends a row of failures */
	enum conf_on_failed on_failed;
	enum conf_ready ready;
	struct conf_probe ready_probe; /* with CONF_READY_PROBE */
	int64_t ready_interval_ms;     /* between two probes */
	int64_t ready_timeout_ms;
	int stop_signal;
	int64_t stop_timeout_ms;
	/* Names of services: in order; and started as well; and needed. */
	struct conf_strings after, wants, requires;
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

/* Services that are restarted together. */
struct conf_group {
	char *name;
	struct conf_place place;
	struct conf_strings services; /* names, in order; of one group each */
	enum conf_strategy strategy;
	struct conf_limit restart_limit; /* of all of them together */
	enum conf_on_failed on_failed;
};

/* A file as it was when it was read. */
struct conf_text {
	char *path;  /* owned, absolute */
	char *bytes; /* owned */
	size_t len;
};

struct conf {
	char *path;                /* absolute path of the main file */
	struct conf_strings files; /* it and the included ones, absolute */
	struct conf_text *texts;   /* owned: all files that it is made of */
	size_t text_count;
	char *run_dir, *log_dir; /* absolute */
	size_t log_max_size;
	unsigned log_keep;
	int64_t log_max_age_ms; /* 0: any */
	bool is_log_compressed;
	enum conf_log_format log_format;
	bool is_cgroup_used; /* where we may */
	char *crash_dir;     /* absolute */
	unsigned crash_keep;
	size_t crash_max_size;
	struct conf_router router;
	struct conf_service **services; /* in file order */
	size_t service_count;
	size_t *start_order; /* indexes of services, "after" respected */
	struct conf_service **by_name; /* sorted, for conf_find_service() */
	struct conf_route *routes;
	size_t route_count;
	struct conf_group *groups;
	size_t group_count;
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

/*
 * The same as conf_load() with the contents of all files given, as in texts of
 * another conf of this path: nothing of it is read from the disk. The first
 * of them, as many as that conf has files, are its files.
 */
int conf_load_texts(const char *path, const struct conf_text *texts,
    size_t count, size_t files, struct conf **conf_r,
    struct conf_report *report);

void conf_free(struct conf **confp);

/* Borrowed, or NULL. */
struct conf_service *conf_find_service(const struct conf *conf,
    const char *name);

/* The group that a service is in, or NULL. Borrowed. */
const struct conf_group *conf_find_group(const struct conf *conf,
    const char *service);

/* Are the paths of the sockets of so many instances short enough? */
bool conf_path_fits(const struct conf *conf, const char *service,
    unsigned instances);

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
