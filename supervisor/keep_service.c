/*
 * keep_service: services, their instances and groups in what is handed on.
 *
 * What a struct gets later is one line in its table here.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "group.h"
#include "instance.h"
#include "keep.h"
#include "keep_conf.h"
#include "service.h"
#include "supervisor.h"

static const struct keep_field instance_fields[] = {
	KEEP_FIELD(KEEP_UINT, instance, state),
	KEEP_FIELD(KEEP_UINT, instance, goal),
	KEEP_FIELD(KEEP_UINT, instance, drain),
	KEEP_FIELD(KEEP_UINT, instance, stale),
	KEEP_FIELD(KEEP_INT, instance, pid),
	KEEP_FIELD(KEEP_UINT, instance, generation),
	KEEP_FIELD(KEEP_UINT, instance, last_generation),
	KEEP_FIELD(KEEP_UINT, instance, first_generation),
	KEEP_FIELD(KEEP_UINT, instance, stream),
	KEEP_FIELD(KEEP_UINT, instance, oom_count),
	KEEP_FIELD(KEEP_INT, instance, since),
	KEEP_FIELD(KEEP_INT, instance, started_us),
	KEEP_FIELD(KEEP_INT, instance, ready_us),
	KEEP_FIELD(KEEP_INT, instance, retry_us),
	KEEP_FIELD(KEEP_INT, instance, watchdog_us),
	KEEP_FIELD(KEEP_TIMER, instance, timer),
	KEEP_FIELD(KEEP_TIMER, instance, watchdog),
	KEEP_FIELD(KEEP_UINT, instance, cgroup_controllers),
	KEEP_FIELD(KEEP_BOOL, instance, has_cgroup),
	KEEP_FIELD(KEEP_TEXT, instance, reason),
	KEEP_FIELD(KEEP_TEXT, instance, status),
	KEEP_FIELD(KEEP_TEXT, instance, error),
	KEEP_FIELD(KEEP_UINT, instance, death),
	KEEP_FIELD(KEEP_INT, instance, exit_status),
	KEEP_FIELD(KEEP_BOOL, instance, has_exited),
	KEEP_FIELD(KEEP_BOOL, instance, is_success),
	KEEP_FIELD(KEEP_BOOL, instance, is_overdue),
	KEEP_FIELD(KEEP_BOOL, instance, is_unborn),
	KEEP_FIELD(KEEP_BOOL, instance, is_beside),
	KEEP_FIELD(KEEP_BOOL, instance, is_linked),
	KEEP_FIELD(KEEP_BOOL, instance, is_idle),
	KEEP_FIELD(KEEP_BOOL, instance, is_late),
	KEEP_FIELD(KEEP_BOOL, instance, is_hung),
	KEEP_FIELD(KEEP_BOOL, instance, is_unhealthy),
	KEEP_FIELD(KEEP_BOOL, instance, is_reloading),
	KEEP_FIELD(KEEP_BOOL, instance, is_refused),
};

static const struct keep_field service_fields[] = {
	KEEP_FIELD(KEEP_TEXT, service, rolled_back),
	KEEP_FIELD(KEEP_INT, service, rolled_back_us),
	KEEP_FIELD(KEEP_UINT, service, leave),
	KEEP_FIELD(KEEP_UINT, service, roll.state),
	KEEP_FIELD(KEEP_UINT, service, roll.index),
	KEEP_FIELD(KEEP_INT, service, roll.since_us),
	KEEP_FIELD(KEEP_BOOL, service, roll.is_back),
	KEEP_FIELD(KEEP_BOOL, service, roll.is_failed),
	KEEP_FIELD(KEEP_TIMER, service, roll.timer),
	KEEP_FIELD(KEEP_UINT, service, roll.old.requests),
	KEEP_FIELD(KEEP_UINT, service, roll.old.failures),
	KEEP_FIELD(KEEP_UINT, service, roll.old.latency_sum_us),
	KEEP_FIELD(KEEP_UINT, service, roll.fresh.requests),
	KEEP_FIELD(KEEP_UINT, service, roll.fresh.failures),
	KEEP_FIELD(KEEP_UINT, service, roll.fresh.latency_sum_us),
	KEEP_FIELD(KEEP_UINT, service, scale),
	KEEP_FIELD(KEEP_UINT, service, last_generation),
	KEEP_FIELD(KEEP_BOOL, service, is_limit_told),
	KEEP_FIELD(KEEP_BOOL, service, is_removed),
	KEEP_FIELD(KEEP_BOOL, service, is_wanted),
	KEEP_FIELD(KEEP_BOOL, service, is_needed),
	KEEP_FIELD(KEEP_BOOL, service, is_new),
	KEEP_FIELD(KEEP_BOOL, service, is_linked),
	KEEP_FIELD(KEEP_BOOL, service, is_rolling),
	KEEP_FIELD(KEEP_BOOL, service, is_held),
	KEEP_FIELD(KEEP_BOOL, service, is_leave_begun),
	KEEP_FIELD(KEEP_BOOL, service, is_vain),
	KEEP_FIELD(KEEP_BOOL, service, has_failed),
	KEEP_FIELD(KEEP_BOOL, service, is_asleep),
	KEEP_FIELD(KEEP_TEXT, service, sleep_why),
	KEEP_FIELD(KEEP_INT, service, schedule.next_s),
	KEEP_FIELD(KEEP_INT, service, schedule.due_ms),
	KEEP_FIELD(KEEP_INT, service, schedule.last_s),
	KEEP_FIELD(KEEP_INT, service, schedule.last_start),
	KEEP_FIELD(KEEP_INT, service, schedule.last_end),
	KEEP_FIELD(KEEP_INT, service, schedule.last_duration_ms),
	KEEP_FIELD(KEEP_TEXT, service, schedule.last_result),
	KEEP_FIELD(KEEP_UINT, service, schedule.runs),
	KEEP_FIELD(KEEP_UINT, service, schedule.failures),
	KEEP_FIELD(KEEP_UINT, service, schedule.skipped),
	KEEP_FIELD(KEEP_BOOL, service, schedule.is_on),
	KEEP_FIELD(KEEP_INT, service, load.busy_us),
	KEEP_FIELD(KEEP_BOOL, service, load.is_busy),
	KEEP_FIELD(KEEP_TIMER, service, load.timer),
	KEEP_FIELD(KEEP_UINT, service, load.autoscale.late),
	KEEP_FIELD(KEEP_BOOL, service, load.autoscale.is_settling),
	KEEP_FIELD(KEEP_UINT, service, load.autoscale.patience),
	KEEP_FIELD(KEEP_INT, service, load.autoscale.lowered_ms),
	KEEP_FIELD(KEEP_INT, service, load.autoscale.calm_ms),
	KEEP_FIELD(KEEP_INT, service, load.autoscale.seen_ms),
	KEEP_FIELD(KEEP_UINT, service, load.autoscale.inflight),
	KEEP_FIELD(KEEP_UINT, service, load.autoscale.area),
	KEEP_FIELD(KEEP_INT, service, load.autoscale.part_ms),
};

static const struct keep_field backoff_fields[] = {
	KEEP_FIELD(KEEP_UINT, backoff, ring_size),
	KEEP_FIELD(KEEP_UINT, backoff, failures),
	KEEP_FIELD(KEEP_INT, backoff, last_delay_ms),
	KEEP_FIELD(KEEP_INT, backoff, waited_ms),
};

static const struct keep_field group_fields[] = {
	KEEP_FIELD(KEEP_TIMER, group, timer),
	KEEP_FIELD(KEEP_INT, group, start_us),
	KEEP_FIELD(KEEP_BOOL, group, is_failed),
};

/* Two values: the fields, and the times in the ring, oldest first. */
static void
backoff_save(const struct backoff *backoff, struct keep_out *out)
{
	keep_put(out, backoff_fields, KEEP_COUNT(backoff_fields), backoff);
	mp_put_array(&out->bytes, backoff->ring_count);
	for (unsigned i = 0; i < backoff->ring_count; i++)
		mp_put_int(&out->bytes,
		    backoff->restarts[(backoff->ring_head + i) %
				      backoff->ring_size]);
}

static int
backoff_load(struct backoff *backoff, struct keep_in *in,
    struct mp_reader *reader)
{
	unsigned size;
	uint32_t count;

	if (keep_get(in, reader, backoff_fields, KEEP_COUNT(backoff_fields),
		backoff) < 0 ||
	    keep_get_array(in, reader, &count) < 0)
		return -1;
	size = backoff->ring_size;
	backoff->ring_size = 0;
	if (count > size)
		return keep_bad(in, "backoff");
	if (size == 0)
		return 0;
	backoff->restarts = calloc(size, sizeof(*backoff->restarts));
	if (backoff->restarts == NULL)
		return keep_bad(in, "backoff");
	backoff->ring_size = size;
	backoff->ring_count = count;
	for (uint32_t i = 0; i < count; i++) {
		if (keep_get_int(in, reader, &backoff->restarts[i]) < 0)
			return -1;
	}
	return 0;
}

enum {
	KEEP_INSTANCE_ITEMS = 5 /* in the array of one instance */
};

static void
instance_save(const struct instance *inst, struct keep_out *out)
{
	const struct service *svc = inst->service;

	mp_put_array(&out->bytes, KEEP_INSTANCE_ITEMS);
	keep_put(out, instance_fields, KEEP_COUNT(instance_fields), inst);
	mp_put_int(&out->bytes, keep_conf_number(svc->sup, inst->conf));
	streams_save_owned(&inst->streams, out);
	backoff_save(&inst->backoff, out);
}

static int
instance_load(struct instance *inst, struct keep_in *in,
    struct mp_reader *reader)
{
	struct supervise *sup = inst->service->sup;
	const struct conf_service *conf;
	int rc;
	uint32_t count;
	int64_t number;
	pid_t pid;

	if (keep_get_array(in, reader, &count) < 0 ||
	    count != KEEP_INSTANCE_ITEMS)
		return keep_bad(in, "instance");
	rc = keep_get(in, reader, instance_fields, KEEP_COUNT(instance_fields),
	    inst);
	/* Neither is in the list or the loop that the fields say it is in. */
	pid = inst->pid;
	inst->pid = 0;
	if (pid > 0)
		services_set_pid(&sup->services, inst, pid);
	if (rc < 0 || keep_get_int(in, reader, &number) < 0 ||
	    streams_load_owned(&sup->streams, &inst->streams, in, reader) < 0 ||
	    backoff_load(&inst->backoff, in, reader) < 0)
		return -1;
	conf = keep_conf_service(sup, number, inst->service->name);
	if (conf != NULL)
		inst->conf = conf;
	return 0;
}

enum {
	/* In the array of one service, in front of its instances. */
	KEEP_SERVICE_ITEMS = 5
};

static void
service_save(const struct service *svc, struct keep_out *out)
{
	mp_put_array(&out->bytes, KEEP_SERVICE_ITEMS + svc->count);
	mp_put_cstr(&out->bytes, svc->name);
	mp_put_int(&out->bytes, keep_conf_number(svc->sup, svc->conf));
	mp_put_int(&out->bytes, keep_conf_number(svc->sup, svc->old_conf));
	keep_put(out, service_fields, KEEP_COUNT(service_fields), svc);
	if (svc->beside != NULL)
		instance_save(svc->beside, out);
	else
		mp_put_nil(&out->bytes);
	for (unsigned i = 0; i < svc->count; i++)
		instance_save(svc->instances[i], out);
}

void
keep_save_services(const struct supervise *sup, struct keep_out *out)
{
	const struct service *svc;
	uint32_t count = 0;

	TAILQ_FOREACH (svc, &sup->services.all, link)
		count++;
	mp_put_array(&out->bytes, count);
	TAILQ_FOREACH (svc, &sup->services.all, link)
		service_save(svc, out);
}

/* What is counted by others, once all fields are there. */
static void
service_count(struct service *svc)
{
	struct services *services = &svc->sup->services;
	enum service_leave leave = svc->leave;

	service_roll_resume(svc);
	if (svc->is_new)
		services->new_count++;
	if (svc->has_failed)
		services->is_failing = true;
	svc->leave = LEAVE_NOT;
	service_set_leave(svc, leave);
}

static int
service_load_instances(struct service *svc, struct keep_in *in,
    struct mp_reader *reader)
{
	if (mp_get_nil(reader) < 0) {
		svc->beside = instance_new(svc, svc->roll.index);
		if (svc->beside == NULL)
			return keep_bad(in, svc->name);
		if (instance_load(svc->beside, in, reader) < 0)
			return -1;
	}
	for (unsigned i = 0; i < svc->count; i++) {
		if (instance_load(svc->instances[i], in, reader) < 0)
			return -1;
	}
	return 0;
}

static int
service_load(struct supervise *sup, struct keep_in *in,
    struct mp_reader *reader)
{
	const struct conf_service *conf;
	struct service *svc = NULL;
	int64_t number, old_number;
	char *name = NULL;
	uint32_t count;

	if (keep_get_array(in, reader, &count) < 0 ||
	    count < KEEP_SERVICE_ITEMS ||
	    keep_get_text(in, reader, &name) < 0 || name == NULL ||
	    keep_get_int(in, reader, &number) < 0 ||
	    keep_get_int(in, reader, &old_number) < 0)
		goto out;
	conf = keep_conf_service(sup, number, name);
	if (conf != NULL)
		svc = services_restore(&sup->services, name, conf,
		    count - KEEP_SERVICE_ITEMS);
	if (svc != NULL)
		svc->old_conf = keep_conf_service(sup, old_number, name);
out:
	free(name);
	if (svc == NULL ||
	    keep_get(in, reader, service_fields, KEEP_COUNT(service_fields),
		svc) < 0 ||
	    service_load_instances(svc, in, reader) < 0)
		return keep_bad(in, "service");
	service_count(svc);
	return 0;
}

int
keep_load_services(struct supervise *sup, struct keep_in *in,
    struct mp_reader *reader)
{
	uint32_t count;

	if (keep_get_array(in, reader, &count) < 0)
		return -1;
	for (; count > 0; count--) {
		if (service_load(sup, in, reader) < 0)
			return -1;
	}
	groups_apply(&sup->services);
	return 0;
}

void
keep_save_groups(const struct supervise *sup, struct keep_out *out)
{
	const struct group *group;
	uint32_t count = 0;

	LIST_FOREACH (group, &sup->services.groups, link)
		count++;
	mp_put_array(&out->bytes, 5 * count);
	LIST_FOREACH (group, &sup->services.groups, link) {
		mp_put_cstr(&out->bytes, group->name);
		mp_put_cstr(&out->bytes,
		    group->cause != NULL ? group->cause->name : "");
		keep_put(out, group_fields, KEEP_COUNT(group_fields), group);
		backoff_save(&group->backoff, out);
	}
}

static struct group *
group_find(const struct supervise *sup, const char *name)
{
	struct group *group;

	LIST_FOREACH (group, &sup->services.groups, link) {
		if (name != NULL && strcmp(group->name, name) == 0)
			return group;
	}
	return NULL;
}

static int
group_load(struct supervise *sup, struct keep_in *in, struct mp_reader *reader)
{
	char *name = NULL, *cause = NULL;
	struct group *group = NULL;

	if (keep_get_text(in, reader, &name) == 0 &&
	    keep_get_text(in, reader, &cause) == 0)
		group = group_find(sup, name);
	if (group != NULL && cause != NULL && cause[0] != '\0')
		group->cause =
		    services_find(&sup->services, cause, strlen(cause));
	free(name);
	free(cause);
	if (group == NULL)
		return keep_bad(in, "group");
	if (keep_get(in, reader, group_fields, KEEP_COUNT(group_fields),
		group) < 0)
		return -1;
	return backoff_load(&group->backoff, in, reader);
}

int
keep_load_groups(struct supervise *sup, struct keep_in *in,
    struct mp_reader *reader)
{
	uint32_t count;

	if (keep_get_array(in, reader, &count) < 0 || count % 5 != 0)
		return keep_bad(in, "groups");
	for (; count > 0; count -= 5) {
		if (group_load(sup, in, reader) < 0)
			return -1;
	}
	return 0;
}
