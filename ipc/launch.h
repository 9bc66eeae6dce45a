/*
 * launch: what a child of the supervisor finds when it starts.
 *
 * The one header that supervisor, router, logger and SDK share about process
 * start. Paths are relative to the run directory.
 */
#ifndef MSVC_IPC_LAUNCH_H
#define MSVC_IPC_LAUNCH_H

/* Environment of every service. */
#define LAUNCH_ENV_SERVICE    "MSVC_SERVICE"    /* its name */
#define LAUNCH_ENV_INSTANCE   "MSVC_INSTANCE"   /* 1 to N */
#define LAUNCH_ENV_GENERATION "MSVC_GENERATION" /* counts starts */
#define LAUNCH_ENV_LISTEN     "MSVC_LISTEN"     /* ipc:// URL to answer on */
#define LAUNCH_ENV_ROUTER     "MSVC_ROUTER"     /* ipc:// URL to call (REQ) */
#define LAUNCH_ENV_PUB        "MSVC_PUB"        /* ipc:// URL to publish to */
#define LAUNCH_ENV_SUB        "MSVC_SUB"        /* ipc:// URL to subscribe at */
#define LAUNCH_ENV_RUN        "MSVC_RUN" /* of this supervisor: "PID.SECONDS" */
#define LAUNCH_ENV_NOTIFY     "NOTIFY_SOCKET" /* sd_notify(3) */
#define LAUNCH_ENV_WATCHDOG   "WATCHDOG_USEC" /* sd_watchdog_enabled(3) */

/* Environment of services that have such things. */
#define LAUNCH_ENV_LISTEN_PID   "LISTEN_PID"            /* sd_listen_fds(3) */
#define LAUNCH_ENV_LISTEN_FDS   "LISTEN_FDS"            /* from 3 on */
#define LAUNCH_ENV_LISTEN_NAMES "LISTEN_FDNAMES"        /* "NAME:NAME" */
#define LAUNCH_ENV_CREDENTIALS  "CREDENTIALS_DIRECTORY" /* its secrets */

enum {
	LAUNCH_LISTEN_PID_MAX = 10 /* digits of a pid */
};

/* File descriptors. */
enum {
	LAUNCH_FD_STDIN = 0,    /* /dev/null */
	LAUNCH_FD_STDOUT = 1,   /* pipe to the logger; router: access lines */
	LAUNCH_FD_STDERR = 2,   /* pipe to the logger */
	LAUNCH_FD_LIFELINE = 3, /* router and logger only, SEQPACKET */
};

/* The run directory, mode 0711 owned by the supervisor's user. */
#define LAUNCH_PATH_LOCK    "lock"         /* flock()ed, 0600; the pid */
#define LAUNCH_PATH_CONTROL "control.sock" /* the msvc command; 0600 */
#define LAUNCH_PATH_NOTIFY  "notify.sock"  /* sd_notify datagrams; 0666 */
#define LAUNCH_PATH_ROUTER  "router.sock"  /* SP: REQ, PUB and SUB; 0666 */
#define LAUNCH_PATH_ADMIN   "admin.sock"   /* HTTP, /-/health; 0600 */
#define LAUNCH_PATH_SERVICE "svc"          /* svc/NAME/INSTANCE.GENERATION */
#define LAUNCH_PATH_SECRETS "secrets"      /* /NAME.INSTANCE.GENERATION */

/*
 * svc/NAME is mode 0700 and owned by the service's user. The instance binds
 * svc/NAME/INSTANCE.GENERATION. What is in secrets/NAME.INSTANCE.GENERATION is
 * his as well, mode 0400; the directory is not.
 */

/* Exit codes of a child that could not become the program. */
enum {
	LAUNCH_EXIT_RESOURCE = 124, /* no memory, process or descriptor left */
	LAUNCH_EXIT_SETUP = 125,    /* chdir, user, file descriptors */
	LAUNCH_EXIT_EXEC = 127,     /* no such program, not executable */
};

#endif
