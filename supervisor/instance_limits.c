#include "instance_limits.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "conf/conf.h"
#include "instance.h"
#include "ipc/err.h"
#include "ipc/log.h"
#include "limits.h"
#include "service.h"
#include "supervisor.h"

void
supervise_enter_limits(struct supervise *sup)
{
	struct err err;

	limits_own_read(&sup->own);
	/* Ours was raised. */
	sup->own.rlimits[RLIMIT_NOFILE] = sup->nofile;
	for (size_t i = 0; i < sup->conf->service_count; i++) {
		if (!cgroup_is_asked(sup->conf->services[i]))
			continue;
		/* Services tell what they miss when they are started. */
		if (sup->conf->is_cgroup_used &&
		    cgroups_open(&sup->cgroups, &err) < 0)
			log_debug("supervisor: control groups: %s", err.text);
		return;
	}
}

static void
limits_group_name(const struct instance *inst, char name[CGROUP_NAME_MAX])
{
	snprintf(name, CGROUP_NAME_MAX, "%.100s.%u.%llu", inst->service->name,
	    inst->index, (unsigned long long)inst->generation);
}

/* What follows from a controller that is not there. */
static const struct {
	enum cgroup_controller controller;
	const char *keys, *instead;
} losses[] = {
	{ CGROUP_MEMORY, "memory_max", "RLIMIT_DATA of each process instead" },
	{ CGROUP_CPU, "cpu_weight and cpu_quota", "without effect" },
	{ CGROUP_PIDS, "tasks_max",
	    "RLIMIT_NPROC of its user instead, unless that is root or ours" },
};

static void
limits_tell(const struct instance *inst, unsigned lost, const char *why)
{
	if (lost == 0 || inst->service->is_limit_told)
		return;
	inst->service->is_limit_told = true;
	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
		if ((lost >> losses[i].controller & 1) != 0)
			log_warnx("%s: %s: no control group for it (%s): %s",
			    inst->service->name, losses[i].keys, why,
			    losses[i].instead);
	}
}

int
instance_enter_cgroup(struct instance *inst)
{
	struct supervise *sup = inst->service->sup;
	unsigned needs = cgroup_needs(inst->conf);
	struct err err = { "cgroup = no" };
	char name[CGROUP_NAME_MAX];
	int fd = -1;

	inst->has_cgroup = false;
	inst->cgroup_controllers = 0;
	if (needs == 0)
		return -1;
	limits_group_name(inst, name);
	if (sup->conf->is_cgroup_used && cgroups_open(&sup->cgroups, &err) == 0)
		fd = cgroup_make(&sup->cgroups, name, inst->conf, &err);
	if (fd >= 0) {
		inst->has_cgroup = true;
		inst->cgroup_controllers = sup->cgroups.controllers;
		err_set(&err, "controller not available in %s",
		    sup->cgroups.base);
	}
	limits_tell(inst, needs & ~inst->cgroup_controllers, err.text);
	return fd;
}

int
instance_join_cgroup(const struct instance *inst)
{
	char name[CGROUP_NAME_MAX];

	if (!inst->has_cgroup)
		return -1;
	limits_group_name(inst, name);
	return cgroup_open(&inst->service->sup->cgroups, name);
}

void
instance_make_limits(const struct instance *inst,
    const struct conf_service *conf, const struct spawn_user *user,
    struct limits *limits_r)
{
	limits_make(limits_r, conf, &inst->service->sup->own,
	    inst->cgroup_controllers,
	    user->name != NULL && user->uid != 0 && user->uid != geteuid());
}

void
instance_cgroup_kill(const struct instance *inst)
{
	char name[CGROUP_NAME_MAX];

	if (!inst->has_cgroup)
		return;
	limits_group_name(inst, name);
	cgroup_kill(&inst->service->sup->cgroups, name);
}

void
instance_cgroup_drop(struct instance *inst)
{
	char name[CGROUP_NAME_MAX];

	if (!inst->has_cgroup)
		return;
	inst->has_cgroup = false;
	limits_group_name(inst, name);
	cgroup_drop(&inst->service->sup->cgroups, name);
}

bool
instance_cgroup_is_oom(const struct instance *inst)
{
	char name[CGROUP_NAME_MAX];

	if (!inst->has_cgroup)
		return false;
	limits_group_name(inst, name);
	return cgroup_oom_count(&inst->service->sup->cgroups, name) > 0;
}

static void
limits_apply_group(const struct instance *inst, const struct conf_service *old)
{
	const struct conf_service *conf = inst->conf;
	char name[CGROUP_NAME_MAX];
	struct err err;

	if (!inst->has_cgroup || (conf->memory_max == old->memory_max &&
				     conf->cpu_weight == old->cpu_weight &&
				     conf->cpu_quota == old->cpu_quota &&
				     conf->tasks_max == old->tasks_max))
		return;
	limits_group_name(inst, name);
	if (cgroup_apply(&inst->service->sup->cgroups, name, conf, &err) < 0)
		log_warnx("%s/%u[%d]: %s; the next start sets it",
		    inst->service->name, inst->index, (int)inst->pid, err.text);
}

void
instance_apply_limits(struct instance *inst, const struct conf_service *old)
{
	struct limits before, limits;
	struct err err;

	if (inst->pid <= 0)
		return;
	instance_make_limits(inst, old, &inst->service->user, &before);
	instance_make_limits(inst, inst->conf, &inst->service->user, &limits);
	if (limits_apply(&before, &limits, &inst->service->sup->own, inst->pid,
		&err) < 0)
		log_warnx("%s/%u[%d]: %s; the next start sets it",
		    inst->service->name, inst->index, (int)inst->pid, err.text);
	limits_apply_group(inst, old);
}
