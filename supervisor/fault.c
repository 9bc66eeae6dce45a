#include "fault.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instance.h"
#include "ipc/log.h"
#include "keep.h"
#include "service.h"
#include "supervisor.h"

struct fault {
	LIST_ENTRY(fault) link;
	struct faults *faults; /* borrowed */
	struct loop_timer timer;
	char service[64];
	unsigned
	    index; /* of the stopped instance; 0: a fault of the router's */
	uint64_t generation;
	pid_t pid;
	struct lifeline_fault route;
};

static void
fault_free(struct fault **faultp)
{
	struct fault *fault = *faultp;

	*faultp = NULL;
	LIST_REMOVE(fault, link);
	fault->faults->count--;
	loop_timer_drop(fault->faults->sup->loop, &fault->timer);
	free(fault);
}

void
faults_init(struct faults *faults, struct supervise *sup)
{
	faults->sup = sup;
	faults->count = 0;
	LIST_INIT(&faults->all);
}

void
faults_fini(struct faults *faults)
{
	struct fault *fault;

	while ((fault = LIST_FIRST(&faults->all)) != NULL)
		fault_free(&fault);
}

/* To the group; to the process alone when that has none of its own yet. */
static void
fault_signal(pid_t pid, int signum)
{
	if (kill(-pid, signum) < 0)
		(void)kill(pid, signum);
}

/* The very process that was stopped, or NULL when it is gone. */
static const struct instance *
fault_instance(const struct fault *fault)
{
	const struct instance *inst =
	    services_find_pid(&fault->faults->sup->services, fault->pid);

	if (inst == NULL || inst->generation != fault->generation ||
	    strcmp(inst->service->name, fault->service) != 0)
		return NULL;
	return inst;
}

static void
fault_tell_router(const struct fault *fault, uint64_t kind, int64_t left_ms)
{
	struct lifeline_msg msg = { .type = LIFELINE_FAULT };

	msg.u.fault = fault->route;
	msg.u.fault.service = fault->service;
	msg.u.fault.kind = kind;
	msg.u.fault.for_ms = (uint64_t)left_ms;
	feed_send(&fault->faults->sup->router.feed, &msg, -1);
}

static void
fault_over(struct fault *fault)
{
	if (fault->index == 0) {
		log_warnx("%s: fault is over", fault->service);
		fault_tell_router(fault, FAULT_NONE, 0);
	} else if (fault_instance(fault) != NULL) {
		log_warnx("%s/%u[%d]: fault is over, going on", fault->service,
		    fault->index, (int)fault->pid);
		fault_signal(fault->pid, SIGCONT);
	} else
		log_warnx("%s/%u[%d]: fault is over, the process is gone",
		    fault->service, fault->index, (int)fault->pid);
	fault_free(&fault);
}

static void
fault_on_timer(struct loop_timer *timer)
{
	fault_over(loop_owner(timer, struct fault, timer));
}

static struct fault *
fault_new(struct service *svc, unsigned index, int64_t for_ms)
{
	struct faults *faults = &svc->sup->failures.faults;
	struct loop *loop = svc->sup->loop;
	struct fault *fault;

	if (faults->count >= FAULT_MAX)
		return NULL;
	fault = calloc(1, sizeof(*fault));
	if (fault == NULL)
		return NULL;
	fault->faults = faults;
	fault->timer.fn = fault_on_timer;
	fault->index = index;
	snprintf(fault->service, sizeof(fault->service), "%s", svc->name);
	LIST_INSERT_HEAD(&faults->all, fault, link);
	faults->count++;
	loop_timer_set(loop, &fault->timer, loop_now_us(loop) + for_ms * 1000);
	return fault;
}

static bool
fault_is_meant(const struct instance *inst, unsigned instance)
{
	return inst->pid != 0 && (instance == 0 || inst->index == instance);
}

/* Number i of its processes, the one beside another last; NULL: no more. */
static const struct instance *
fault_process(const struct service *svc, unsigned i)
{
	if (i < svc->count)
		return svc->instances[i];
	return i == svc->count ? svc->beside : NULL;
}

unsigned
fault_kill(struct service *svc, unsigned instance)
{
	const struct instance *inst;
	unsigned count = 0;

	for (unsigned i = 0; (inst = fault_process(svc, i)) != NULL; i++) {
		if (!fault_is_meant(inst, instance))
			continue;
		log_warnx("%s/%u[%d]: fault: killing it", svc->name,
		    inst->index, (int)inst->pid);
		(void)kill(inst->pid, SIGKILL);
		count++;
	}
	return count;
}

/* A longer or shorter time for one that is stopped replaces the old one. */
static void
fault_forget_stop(const struct instance *inst)
{
	struct fault *fault, *next;

	for (fault = LIST_FIRST(&inst->service->sup->failures.faults.all);
	     fault != NULL; fault = next) {
		next = LIST_NEXT(fault, link);
		if (fault->index != 0 && fault->pid == inst->pid)
			fault_free(&fault);
	}
}

int
fault_stop(struct service *svc, unsigned instance, int64_t for_ms)
{
	const struct instance *inst;
	struct fault *fault;
	int count = 0;

	for (unsigned i = 0; (inst = fault_process(svc, i)) != NULL; i++) {
		if (!fault_is_meant(inst, instance))
			continue;
		fault_forget_stop(inst);
		fault = fault_new(svc, inst->index, for_ms);
		if (fault == NULL)
			return -1;
		fault->pid = inst->pid;
		fault->generation = inst->generation;
		log_warnx("%s/%u[%d]: fault: stopped for %lld ms", svc->name,
		    inst->index, (int)inst->pid, (long long)for_ms);
		fault_signal(inst->pid, SIGSTOP);
		count++;
	}
	return count;
}

static struct fault *
fault_find_route(struct service *svc)
{
	struct fault *fault;

	LIST_FOREACH (fault, &svc->sup->failures.faults.all, link) {
		if (fault->index == 0 && strcmp(fault->service, svc->name) == 0)
			return fault;
	}
	return NULL;
}

int
fault_route(struct service *svc, const struct lifeline_fault *route)
{
	struct fault *fault = fault_find_route(svc);

	if (fault != NULL)
		fault_free(&fault);
	fault = fault_new(svc, 0, (int64_t)route->for_ms);
	if (fault == NULL)
		return -1;
	fault->route = *route;
	fault->route.service = fault->service;
	if (route->kind == FAULT_DELAY)
		log_warnx("%s: fault: %u%% of its requests wait %llu ms, for "
			  "%llu ms",
		    svc->name, (unsigned)route->percent,
		    (unsigned long long)route->value,
		    (unsigned long long)route->for_ms);
	else
		log_warnx("%s: fault: %u%% of its requests are answered %u, "
			  "for %llu ms",
		    svc->name, (unsigned)route->percent, (unsigned)route->value,
		    (unsigned long long)route->for_ms);
	fault_tell_router(fault, route->kind, (int64_t)route->for_ms);
	return 0;
}

unsigned
fault_end(struct service *svc, unsigned instance)
{
	struct fault *fault, *next;
	unsigned count = 0;

	for (fault = LIST_FIRST(&svc->sup->failures.faults.all); fault != NULL;
	     fault = next) {
		next = LIST_NEXT(fault, link);
		if (strcmp(fault->service, svc->name) != 0 ||
		    (instance != 0 && fault->index != instance))
			continue;
		fault_over(fault);
		count++;
	}
	return count;
}

void
fault_send(struct supervise *sup)
{
	int64_t now_us = loop_now_us(sup->loop), left_ms;
	const struct fault *fault;

	LIST_FOREACH (fault, &sup->failures.faults.all, link) {
		left_ms = (fault->timer.due_us - now_us + 999) / 1000;
		if (fault->index == 0 && left_ms > 0)
			fault_tell_router(fault, fault->route.kind, left_ms);
	}
}

static const struct keep_field fault_fields[] = {
	KEEP_FIELD(KEEP_TIMER, fault, timer),
	KEEP_FIELD(KEEP_CHARS, fault, service),
	KEEP_FIELD(KEEP_UINT, fault, index),
	KEEP_FIELD(KEEP_UINT, fault, generation),
	KEEP_FIELD(KEEP_INT, fault, pid),
	KEEP_FIELD(KEEP_UINT, fault, route.kind),
	KEEP_FIELD(KEEP_UINT, fault, route.value),
	KEEP_FIELD(KEEP_UINT, fault, route.percent),
	KEEP_FIELD(KEEP_UINT, fault, route.for_ms),
};

void
keep_save_faults(const struct supervise *sup, struct keep_out *out)
{
	const struct faults *faults = &sup->failures.faults;
	const struct fault *fault;

	mp_put_array(&out->bytes, faults->count);
	LIST_FOREACH (fault, &faults->all, link)
		keep_put(out, fault_fields, KEEP_COUNT(fault_fields), fault);
}

int
keep_load_faults(struct supervise *sup, struct keep_in *in,
    struct mp_reader *reader)
{
	struct faults *faults = &sup->failures.faults;
	struct fault *fault;
	uint32_t count;

	if (keep_get_array(in, reader, &count) < 0)
		return -1;
	for (; count > 0; count--) {
		fault = calloc(1, sizeof(*fault));
		if (fault == NULL)
			return keep_bad(in, "faults");
		fault->faults = faults;
		fault->timer.fn = fault_on_timer;
		LIST_INSERT_HEAD(&faults->all, fault, link);
		faults->count++;
		if (keep_get(in, reader, fault_fields, KEEP_COUNT(fault_fields),
			fault) < 0)
			return -1;
		fault->route.service = fault->service;
	}
	return 0;
}
