/* instance_start: from a command line to a process that is ready. */
#include "instance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "crash_oom.h"
#include "instance_limits.h"
#include "instance_probe.h"
#include "ipc/err.h"
#include "ipc/log.h"
#include "launch.h"
#include "service.h"
#include "spawn.h"
#include "supervisor.h"

/* The directory of the main configuration file, or the service's own. */
void
instance_dir(const struct instance *inst, char *dir, size_t size)
{
	const struct supervise *sup = inst->service->sup;
	const char *own = inst->conf->dir;
	char *slash;

	snprintf(dir, size, "%s", own != NULL ? own : sup->conf->path);
	if (own != NULL)
		return;
	slash = strrchr(dir, '/');
	if (slash != NULL)
		slash[slash == dir ? 1 : 0] = '\0';
}

/* user is borrowed; *mistake_r: it is in vain to try again. */
static pid_t
instance_fork(struct instance *inst, const struct spawn_user *user,
    int *report_r, bool *mistake_r, struct err *err_r)
{
	const struct service *svc = inst->service;
	struct supervise *sup = svc->sup;
	struct launch launch;
	char label[128];
	pid_t pid = -1;
	int rc;

	/* Here, so that a full disk or a swept directory only delays it. */
	if (rundir_add_service(&sup->rundir, svc->name, user, err_r) < 0)
		return -1;
	errno = 0;
	rc = launch_init(&launch, inst, user, true, err_r);
	/* What the machine cannot give just now is no mistake. */
	*mistake_r = launch.is_mistake && errno != ENOMEM && errno != EMFILE &&
		     errno != ENFILE && errno != ENOSPC;
	if (rc < 0)
		return -1;
	snprintf(label, sizeof(label), "%s/%u", svc->name, inst->index);
	launch.spawn.out_fd = streams_open(&sup->streams, svc->name, label,
	    instance_ready_pattern(inst), &inst->streams, err_r);
	launch.spawn.err_fd = launch.spawn.out_fd;
	if (launch.spawn.out_fd >= 0) {
		inst->stream = sup->streams.last_id;
		/* Else opening /dev/stdout, which is this pipe, is not
		 * permitted. */
		if (user->name != NULL)
			(void)!fchown(launch.spawn.out_fd, user->uid,
			    user->gid);
		pid = spawn_start(&launch.spawn, report_r, err_r);
		close(launch.spawn.out_fd);
	}
	launch_fini(&launch);
	return pid;
}

/* Of the generation before, nothing is left. */
static void
instance_begin(struct instance *inst)
{
	inst->generation = ++inst->last_generation;
	inst->goal = INSTANCE_GOAL_UP;
	if (inst->conf == inst->service->conf)
		inst->stale = STALE_NOT;
	inst->ready_us = 0;
	inst->death = DEATH_NONE;
	inst->is_overdue = false;
	inst->is_unborn = false;
	inst->is_linked = false;
	inst->is_hung = inst->is_unhealthy = false;
	inst->watchdog_us = inst->conf->watchdog_ms * 1000;
	inst->started_us = instance_now_us(inst);
	schedule_started(inst);
	inst->oom_count = crash_oom_count(inst->service->sup);
	instance_unsay(inst);
}

/* There is a process, on its way to its program. */
static void
instance_born(struct instance *inst, int report_fd)
{
	struct supervise *sup = inst->service->sup;
	const struct conf_service *conf = inst->conf;

	log_debug("%s/%u[%d]: started, generation %llu", inst->service->name,
	    inst->index, (int)inst->pid, (unsigned long long)inst->generation);
	loop_timer_drop(sup->loop, &inst->timer);
	if (conf->ready != CONF_READY_NONE && conf->ready_timeout_ms > 0)
		instance_set_timer(inst, conf->ready_timeout_ms);
	instance_clear_reason(inst);
	instance_set_state(inst, STATE_STARTING);
	instance_await_report(inst, report_fd);
}

void
instance_spawn(struct instance *inst)
{
	struct service *svc = inst->service;
	int report_fd = -1;
	struct err err = { "out of memory" };
	const struct spawn_user *user;
	bool is_mistake = false;
	pid_t pid = -1;

	instance_begin(inst);
	user = service_user(svc, inst->conf, &err);
	if (user != NULL)
		pid = instance_fork(inst, user, &report_fd, &is_mistake, &err);
	if (pid < 0) {
		instance_cgroup_drop(inst);
		rundir_drop_instance(&svc->sup->rundir, svc->name, inst->index,
		    (unsigned long long)inst->generation);
		instance_unborn(inst, err.text, is_mistake);
		return;
	}
	services_set_pid(&svc->sup->services, inst, pid);
	instance_born(inst, report_fd);
}
