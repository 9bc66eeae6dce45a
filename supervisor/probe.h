/*
 * probe: one look at whether a service answers, without ever waiting for it.
 *
 * Its outcome comes from the loop by done(), or, when it is known at once,
 * while the probe is being begun; done() may free the probe. There is no
 * timeout here: who begins one cancels it.
 */
#ifndef MSVC_SUPERVISOR_PROBE_H
#define MSVC_SUPERVISOR_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "ipc/loop.h"
#include "probe_http.h"

struct conf_probe;
struct err;
struct spawn;

enum probe_outcome {
	PROBE_WELL,
	PROBE_BAD,
	/* This machine has no process, descriptor or memory for it just now:
	 * that says nothing of the service. */
	PROBE_UNTRIED,
};

enum {
	PROBE_WHY_MAX = 128
};

struct probe {
	void (*done)(struct probe *probe, enum probe_outcome outcome);
	struct loop *loop;
	struct loop_io io;          /* of the connection; owned */
	char *request;              /* owned; NULL: to be connected is enough */
	char head[PROBE_HTTP_HEAD]; /* of the answer */
	size_t head_len;
	LIST_ENTRY(probe) link; /* while pid is not 0 */
	pid_t pid;              /* of the command; 0: none */
	bool is_unborn;         /* it never became its program: see why */
	bool is_running;
	char why[PROBE_WHY_MAX]; /* "answered 503", unless PROBE_WELL */
};

/* Those with a command, to be found by its pid. Zeroed is valid. */
LIST_HEAD(probe_list, probe);

void probe_init(struct probe *probe, struct loop *loop,
    void (*done)(struct probe *probe, enum probe_outcome outcome));

/* Begin one of kind HTTP or TCP; conf is not kept. */
void probe_connect(struct probe *probe, const struct conf_probe *conf);

/* Begin one of kind COMMAND. Its exit code 0 is well. probe_command.c */
void probe_run(struct probe *probe, const struct spawn *spawn,
    struct probe_list *running);

/* There will be no done(); a command is killed with its process group. */
void probe_cancel(struct probe *probe);

/*
 * Nobody will be there to see their ends. Those who wait for one begin another
 * when its time is over. probe_command.c
 */
void probes_cancel(struct probe_list *running);

/* The probe whose command has that pid, or NULL. probe_command.c */
struct probe *probe_find_pid(const struct probe_list *running, pid_t pid);

/* Its command was reaped, with this wait(2) status. probe_command.c */
void probe_exited(struct probe *probe, int status);

/*
 * Between the files of probe: it is over, with why already set; and with
 * errno, told as "what: strerror()". The last that may be done with it.
 */
void probe_finish(struct probe *probe, enum probe_outcome outcome);
void probe_fail(struct probe *probe, const char *what, int error);
void probe_kill(struct probe *probe);

#endif
