/*
 * supervisor: the parts of one supervisor, as its files see each other.
 */
#ifndef MSVC_SUPERVISOR_SUPERVISOR_H
#define MSVC_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "control_server.h"
#include "failure.h"
#include "listener.h"
#include "role.h"
#include "rundir.h"
#include "service.h"
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
	enum supervise_phase phase;
	bool is_hurried;      /* a second signal: no more patience */
	int64_t since;        /* Unix seconds */
	uint64_t poison_key;  /* of the fingerprints of requests */
	struct rlimit nofile; /* as we were given it, for children */
	struct rundir rundir;
	struct listeners listeners;
	struct streams streams;
	struct role router, logger;
	struct services services;
	struct control_server control;
	struct failures failures;
	int notify_fd, signal_fd, null_fd;
	struct loop_io notify, signals;
	struct loop_task changed;
	int log_fd, access_fd, router_fd; /* write ends; owned */
};

/* A state has changed: look at the consequences at the end of this turn. */
void supervise_changed(struct supervise *sup);

/* Begin to stop; asked again, hurry. */
void supervise_stop(struct supervise *sup, const char *why);

/* A role has ended after it was asked to. */
void supervise_role_gone(struct supervise *sup, struct role *role);

/* Notifications have arrived; children have ended. reap.c */
void supervise_on_notify(struct loop_io *io, uint32_t events);
void supervise_reap(struct supervise *sup);

/* At the very end: kill and reap whatever we have adopted. reap.c */
void supervise_kill_orphans(void);

/* Send the picture to a new or reconfigured router. picture.c */
void picture_send(struct supervise *sup);
void picture_send_log(struct supervise *sup);

struct reload_counts {
	unsigned added, removed, restarted, applied, kept;
};

/*
 * Read the configuration again and go over to it, or keep the present one.
 * Returns 0 with counts_r; -1 with text, a line for each mistake. reload.c
 */
int reload(struct supervise *sup, struct reload_counts *counts_r,
    struct buf *text);

/* The same, logged, and told to our own parent. reload.c */
int supervise_reload(struct supervise *sup, struct reload_counts *counts_r,
    struct buf *text);

/* Append the status object of control.h. status.c */
void status_put(const struct supervise *sup, struct buf *buf);

#endif
