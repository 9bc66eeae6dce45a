/*
 * supervisor: the parts of one supervisor, as its files see each other.
 */
#ifndef MSVC_SUPERVISOR_SUPERVISOR_H
#define MSVC_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "cgroup.h"
#include "control_server.h"
#include "failure.h"
#include "limits.h"
#include "listener.h"
#include "probe.h"
#include "reexec.h"
#include "reload_plan.h"
#include "role.h"
#include "rundir.h"
#include "service.h"
#include "sockets.h"
#include "stream.h"

struct buf;
struct conf;
struct instance;

enum supervise_phase {
	SUPERVISE_STARTING,
	SUPERVISE_RUNNING,
	SUPERVISE_STOP_ROUTER, /* it drains, services still answer */
	SUPERVISE_STOP_SERVICES,
	SUPERVISE_STOP_LOGGER, /* last: it drains what all have said */
	SUPERVISE_DONE
};

struct supervise {
	struct loop *loop;
	struct conf *conf; /* owned */
	/* Owned: earlier ones that stopping services still refer to. */
	struct conf **old_confs;
	size_t old_conf_count;
	bool is_foreground, is_colour;
	bool has_log_rules; /* the logger was told another than the default */
	enum supervise_phase phase;
	bool is_hurried; /* a second signal: no more patience */
	int exit_code;
	char *program;         /* owned: the file that we run, absolute */
	int64_t since;         /* Unix seconds */
	uint64_t poison_key;   /* of the fingerprints of requests */
	struct rlimit nofile;  /* as we were given it, for children */
	struct limits_own own; /* likewise */
	struct cgroups cgroups;
	struct rundir rundir;
	unsigned swept; /* processes of a run before ours, at the start */
	struct listeners listeners;
	struct sockets sockets; /* of services */
	struct schedules schedules;
	struct streams streams;
	struct role router, logger;
	struct services services;
	struct control_server control;
	struct failures failures;
	struct probe_list probes; /* commands that run; borrowed */
	struct reexec reexec;
	int notify_fd, signal_fd, null_fd;
	struct loop_io notify, signals;
	struct loop_task changed;
	struct loop_timer reap;           /* go on in the next turn */
	int log_fd, access_fd, router_fd; /* write ends; owned */
};

/*
 * A supervisor without anything but its loop, both roles and no fields of its
 * own. program is its executable file. NULL: err is set. supervise.c
 */
struct supervise *supervise_make(const char *program, struct err *err_r);

/*
 * What router and logger write to: the pipes that are open already, and for
 * the logger the console. Opens null_fd.
 */
int supervise_lend_streams(struct supervise *sup, struct err *err_r);

/* Block and take the signals that it handles. */
int supervise_open_signals(struct supervise *sup, struct err *err_r);

/* From here on until the end. Returns the exit code. */
int supervise_serve(struct supervise *sup);

/* A state has changed: look at the consequences at the end of this turn. */
void supervise_changed(struct supervise *sup);

/* Begin to stop; asked again, hurry. */
void supervise_stop(struct supervise *sup, const char *why);

/* Stop, with exit code 1, since what matters has failed. */
void supervise_fail(struct supervise *sup, const char *name);

/* A role has ended after it was asked to. */
void supervise_role_gone(struct supervise *sup, struct role *role);

/* Notifications have arrived; children have ended. reap.c */
void supervise_on_notify(struct loop_io *io, uint32_t events);
void supervise_reap(struct supervise *sup);
void supervise_on_reap(struct loop_timer *timer);

/* At the very end: kill and reap whatever we have adopted. reap.c */
void supervise_kill_orphans(void);

/* Send the picture to a new or reconfigured router. picture.c */
void picture_send(struct supervise *sup);
void picture_send_log(struct supervise *sup);

/*
 * Read the configuration again and go over to it, or keep the present one.
 * Returns 0 with counts_r; -1 with text, a line for each mistake. reload.c
 */
int reload(struct supervise *sup, struct reload_counts *counts_r,
    struct buf *text);

/* The same, logged, and told to our own parent. reload.c */
int supervise_reload(struct supervise *sup, struct reload_counts *counts_r,
    struct buf *text);

/*
 * What a reload would do now, as reload_plan_put() has it, without doing it;
 * what it would refuse is refused with text. reload.c
 */
int reload_put_plan(const struct supervise *sup, struct reload_counts *counts_r,
    struct buf *plan_r, struct buf *text);

/* Append the status object of control.h. status.c */
void status_put(const struct supervise *sup, struct buf *buf);

#endif
