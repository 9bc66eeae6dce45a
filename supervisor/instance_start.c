/* instance_start: from a command line to a process that is ready. */
#include "instance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "crash_oom.h"
#include "ipc/err.h"
#include "ipc/log.h"
#include "launch_env.h"
#include "service.h"
#include "spawn.h"
#include "supervisor.h"

/* The directory of the main configuration file, or the service's own. */
static void
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

static pid_t
instance_fork(struct instance *inst, const struct spawn_user *user, char **env,
    int *report_r, struct err *err_r)
{
	const struct service *svc = inst->service;
	struct supervise *sup = svc->sup;
	char label[128], dir[4096];
	struct spawn spawn = {
		.argv = inst->conf->argv.items,
		.env = env,
		.dir = dir,
		.user = user->name != NULL ? user : NULL,
		.nofile = sup->nofile,
		.lifeline_fd = -1,
	};
	pid_t pid;

	/* Here, so that a full disk or a swept directory only delays it. */
	if (rundir_add_service(&sup->rundir, svc->name, user, err_r) < 0)
		return -1;
	instance_dir(inst, dir, sizeof(dir));
	snprintf(label, sizeof(label), "%s/%u", svc->name, inst->index);
	spawn.out_fd = streams_open(&sup->streams, svc->name, label,
	    &inst->streams, err_r);
	if (spawn.out_fd < 0)
		return -1;
	inst->stream = sup->streams.last_id;
	spawn.err_fd = spawn.out_fd;
	/* Else opening /dev/stdout, which is this pipe, is not permitted. */
	if (user->name != NULL)
		(void)!fchown(spawn.out_fd, user->uid, user->gid);
	pid = spawn_child(&spawn, report_r, err_r);
	close(spawn.out_fd);
	return pid;
}

/* Of the generation before, nothing is left. */
static void
instance_begin(struct instance *inst)
{
	inst->generation = ++inst->last_generation;
	inst->goal = INSTANCE_GOAL_UP;
	inst->ready_us = 0;
	inst->death = DEATH_NONE;
	inst->is_overdue = false;
	inst->is_unborn = false;
	inst->is_linked = false;
	inst->is_hung = false;
	inst->watchdog_us = inst->conf->watchdog_ms * 1000;
	inst->started_us = instance_now_us(inst);
	inst->oom_count = crash_oom_count(inst->service->sup);
	free(inst->status);
	inst->status = NULL;
}

void
instance_spawn(struct instance *inst)
{
	struct supervise *sup = inst->service->sup;
	const struct conf_service *conf = inst->conf;
	struct err err = { "out of memory" };
	const struct spawn_user *user;
	char **env = NULL;
	int report_fd;
	pid_t pid = -1;
	bool is_deaf = false;

	instance_begin(inst);
	user = service_user(inst->service, conf, &err);
	if (user != NULL)
		env = launch_env_new(inst, user);
	if (env != NULL)
		pid = instance_fork(inst, user, env, &report_fd, &err);
	launch_env_free(&env);
	if (pid < 0) {
		instance_unborn(inst, err.text);
		return;
	}
	services_set_pid(&sup->services, inst, pid);
	log_debug("%s/%u[%d]: started, generation %llu", inst->service->name,
	    inst->index, (int)pid, (unsigned long long)inst->generation);
	if (loop_io_add(sup->loop, &inst->report, report_fd, EPOLLIN, NULL) <
	    0) {
		close(report_fd);
		is_deaf = true;
	}
	loop_timer_drop(sup->loop, &inst->timer);
	if (conf->ready != CONF_READY_NONE && conf->ready_timeout_ms > 0)
		instance_set_timer(inst, conf->ready_timeout_ms);
	instance_clear_reason(inst);
	instance_set_state(inst, STATE_STARTING);
	/* Nobody will tell that it runs, so let it count as running. */
	if (is_deaf && conf->ready == CONF_READY_NONE)
		instance_ready(inst);
}

void
instance_read_report(struct instance *inst)
{
	char text[SPAWN_REPORT_MAX + 1];
	int rc;

	if (inst->report.fd < 0)
		return;
	rc = spawn_report(inst->report.fd, text);
	if (rc == 0)
		return;
	inst->is_unborn = rc < 0;
	instance_close_report(inst);
	if (rc < 0)
		instance_set_reason(inst, "%s", text);
	else if (inst->conf->ready == CONF_READY_NONE)
		instance_ready(inst);
}
