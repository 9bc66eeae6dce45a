/*
 * instance: one process of a service, over all its generations.
 *
 * What happens when is decided by instance_fsm; here it is carried out. An
 * instance has one timer, whose meaning its state tells. When its main process
 * ends, what is left of its process group is killed at once: a helper that
 * outlives its service would hold its sockets and files.
 */
#ifndef MSVC_SUPERVISOR_INSTANCE_H
#define MSVC_SUPERVISOR_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "backoff.h"
#include "instance_fsm.h"
#include "ipc/loop.h"
#include "stream.h"

struct notify_msg;
struct service;

struct instance {
	struct service *service;     /* borrowed */
	LIST_ENTRY(instance) by_pid; /* while pid is not 0 */
	unsigned index;              /* from 1 */
	unsigned state;              /* INSTANCE_WAITING or STATE_ */
	enum instance_goal goal;
	pid_t pid;                    /* 0: no process */
	uint64_t generation;          /* one more with each start */
	uint64_t first_generation;    /* the one before its first start */
	int64_t since;                /* of this state, Unix seconds */
	int64_t started_us, ready_us; /* of this generation; ready 0: not */
	int64_t retry_us;             /* in backoff: when it ends */
	struct loop_timer timer;
	struct loop_io report; /* fd: see spawn_report() */
	struct backoff backoff;
	struct stream_list streams;
	char *reason;    /* owned, or NULL: why it is so */
	char *status;    /* owned, or NULL: its own STATUS= */
	int exit_status; /* of the last end, with has_exited */
	bool has_exited;
	bool is_success; /* was the last end one */
	bool is_overdue; /* missed ready_timeout just now */
	bool is_unborn;  /* this generation never became its program */
};

struct instance *instance_new(struct service *service, unsigned index);
void instance_free(struct instance **instp);

/* The state as others see it: waiting is starting. */
unsigned instance_state(const struct instance *inst);

/* Wanted (again): start it unless it runs; resets a failed one. */
void instance_up(struct instance *inst);
/* As instance_up(), but start only when the services before it are there. */
void instance_wait(struct instance *inst);
void instance_down(struct instance *inst);
/* Stop it and start a new generation. */
void instance_again(struct instance *inst);
/* Do not let it clean up any longer. */
void instance_kill(struct instance *inst);

/* The router has reached it. */
void instance_linked(struct instance *inst);
void instance_notified(struct instance *inst, const struct notify_msg *msg);

/* Its main process was reaped. */
void instance_exited(struct instance *inst, int status);

/* Tell the router about its state. */
void instance_tell(const struct instance *inst);

#endif
