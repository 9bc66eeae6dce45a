/*
 * fault: failures on purpose, so that an operator sees what they lead to.
 *
 * Processes are killed or stopped for a while by signals; requests are delayed
 * or answered with an error by the router, which is told of it (and a new one
 * again). Each fault ends by itself, and its begin and end are log lines.
 */
#ifndef MSVC_SUPERVISOR_FAULT_H
#define MSVC_SUPERVISOR_FAULT_H

#include <stdint.h>
#include <sys/queue.h>

struct fault;
struct lifeline_fault;
struct service;
struct supervise;

enum {
	FAULT_MAX = 1024, /* at a time */
	FAULT_FOR_MAX_MS = 24 * 60 * 60 * 1000,
	FAULT_STOP_MS = 10 * 1000,  /* unless told */
	FAULT_ROUTE_MS = 60 * 1000, /* the same for delay and error */
	FAULT_ERROR_MIN = 400,
	FAULT_ERROR_MAX = 599
};

struct faults {
	struct supervise *sup; /* borrowed */
	LIST_HEAD(fault_list, fault) all;
	unsigned count;
};

void faults_init(struct faults *faults, struct supervise *sup);

/* Forget all of them; nothing is continued any more. */
void faults_fini(struct faults *faults);

/*
 * Send SIGKILL to the processes of a service, or of one instance (0: all).
 * Returns how many there were.
 */
unsigned fault_kill(struct service *svc, unsigned instance);

/*
 * Stop their process groups, and let them go on for_ms later unless they have
 * been replaced meanwhile. Returns how many; -1 when there are too many faults
 * or no memory.
 */
int fault_stop(struct service *svc, unsigned instance, int64_t for_ms);

/*
 * Have the router fail the requests of a service, instead of how it does so
 * now. service is ignored: it is svc. Returns 0, or -1 as above.
 */
int fault_route(struct service *svc, const struct lifeline_fault *fault);

/* End the faults of a service or of one instance. Returns how many. */
unsigned fault_end(struct service *svc, unsigned instance);

/* The router is new: tell it of all that go on. */
void fault_send(struct supervise *sup);

#endif
