/*
 * status: what `msvc status` shows, as one MessagePack value.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "exit_text.h"
#include "instance.h"
#include "instance_probe.h"
#include "ipc/lifeline.h"
#include "ipc/mp.h"
#include "ipc/mp_text.h"
#include "ipc/utf8.h"
#include "supervisor.h"

enum {
	STATUS_TEXT_MAX = 16 * 1024
};

static void
status_put_str(struct buf *buf, const char *key, const char *value)
{
	mp_put_cstr(buf, key);
	if (value == NULL)
		mp_put_nil(buf);
	else if (utf8_is_valid(value, strlen(value)))
		mp_put_cstr(buf, value);
	else /* A path may be any bytes. */
		mp_put_text(buf, value, strlen(value), STATUS_TEXT_MAX);
}

static void
status_put_uint(struct buf *buf, const char *key, uint64_t value)
{
	mp_put_cstr(buf, key);
	mp_put_uint(buf, value);
}

static void
status_put_int(struct buf *buf, const char *key, int64_t value)
{
	mp_put_cstr(buf, key);
	mp_put_int(buf, value);
}

static void
status_put_pid(struct buf *buf, pid_t pid)
{
	mp_put_cstr(buf, "pid");
	if (pid != 0)
		mp_put_int(buf, pid);
	else
		mp_put_nil(buf);
}

static void
status_put_role(struct buf *buf, const struct role *role)
{
	mp_put_cstr(buf, role->name);
	mp_put_map(buf, 4);
	status_put_pid(buf, role->pid);
	status_put_str(buf, "state", lifeline_state_name(role->state));
	status_put_uint(buf, "restarts", role->restarts);
	status_put_int(buf, "since", role->since);
}

static const char *
status_phase(const struct supervise *sup)
{
	if (sup->phase > SUPERVISE_RUNNING)
		return lifeline_state_name(STATE_STOPPING);
	return lifeline_state_name(
	    sup->phase == SUPERVISE_RUNNING ? STATE_READY : STATE_STARTING);
}

static void
status_put_supervisor(struct buf *buf, const struct supervise *sup)
{
	uint32_t count = 0;

	for (size_t i = 0; i < sup->listeners.count; i++)
		count += sup->listeners.items[i].kind == LISTENER_PUBLIC;
	mp_put_map(buf, 10);
	status_put_pid(buf, getpid());
	status_put_str(buf, "version", MSVC_VERSION);
	status_put_str(buf, "config", sup->conf->path);
	status_put_str(buf, "run_dir", sup->conf->run_dir);
	status_put_str(buf, "log_dir", sup->conf->log_dir);
	status_put_int(buf, "since", sup->since);
	status_put_str(buf, "state", status_phase(sup));
	status_put_role(buf, &sup->router);
	status_put_role(buf, &sup->logger);
	mp_put_cstr(buf, "listen");
	mp_put_array(buf, count);
	for (size_t i = 0; i < sup->listeners.count; i++) {
		if (sup->listeners.items[i].kind == LISTENER_PUBLIC)
			mp_put_cstr(buf, sup->listeners.items[i].address);
	}
}

/* Why it is so; while all is well, what it says of itself (STATUS=). */
static void
status_put_reason(struct buf *buf, const struct instance *inst)
{
	char text[320];

	if (inst->state == INSTANCE_WAITING &&
	    service_wait_text(inst->service, text, sizeof(text)) != NULL) {
		status_put_str(buf, "reason", text);
		return;
	}
	if (inst->service->is_asleep && inst->pid == 0 &&
	    schedule_reason(inst->service, text) != NULL) {
		status_put_str(buf, "reason", text);
		return;
	}
	if (inst->service->is_asleep && inst->pid == 0) {
		status_put_str(buf, "reason", inst->service->sleep_why);
		return;
	}
	status_put_str(buf, "reason",
	    inst->reason != NULL ? inst->reason
				 : instance_said(inst, text, sizeof(text)));
}

static void
status_put_instance(struct buf *buf, const struct instance *inst)
{
	uint64_t starts = inst->generation - inst->first_generation;
	char text[EXIT_TEXT_MAX], health[INSTANCE_HEALTH_MAX];

	if (inst->has_exited)
		exit_text_short(inst->exit_status, text);
	mp_put_map(buf, 11);
	status_put_uint(buf, "index", inst->index);
	status_put_str(buf, "state", lifeline_state_name(instance_state(inst)));
	status_put_pid(buf, inst->pid);
	status_put_uint(buf, "generation", inst->generation);
	status_put_uint(buf, "restarts", starts > 0 ? starts - 1 : 0);
	status_put_int(buf, "since", inst->since);
	mp_put_cstr(buf, "uptime_ms");
	if (inst->pid != 0)
		mp_put_int(buf,
		    (instance_now_us(inst) - inst->started_us) / 1000);
	else
		mp_put_nil(buf);
	status_put_str(buf, "last_exit", inst->has_exited ? text : NULL);
	status_put_reason(buf, inst);
	status_put_str(buf, "health",
	    instance_health_text(inst, health, sizeof(health)));
	mp_put_cstr(buf, "beside");
	mp_put_bool(buf, inst->is_beside);
}

static void
status_put_names(struct buf *buf, const char *key,
    const struct conf_strings *names)
{
	mp_put_cstr(buf, key);
	mp_put_array(buf, (uint32_t)names->count);
	for (size_t i = 0; i < names->count; i++)
		mp_put_cstr(buf, names->items[i]);
}

/* What the configuration says of it, as far as it explains its state. */
static void
status_put_relations(struct buf *buf, const struct service *svc)
{
	const struct conf_group *group =
	    conf_find_group(svc->sup->conf, svc->name);
	const struct service *blocker = NULL;

	for (unsigned i = 0; i < svc->count && blocker == NULL; i++) {
		if (svc->instances[i]->state == INSTANCE_WAITING)
			blocker = service_blocker(svc);
	}
	status_put_str(buf, "type",
	    svc->conf->kind == CONF_KIND_ONESHOT ? "oneshot" : "service");
	status_put_str(buf, "group", group != NULL ? group->name : NULL);
	status_put_names(buf, "after", &svc->conf->after);
	status_put_names(buf, "wants", &svc->conf->wants);
	status_put_names(buf, "requires", &svc->conf->requires);
	status_put_str(buf, "waits_for",
	    blocker != NULL ? blocker->name : NULL);
	status_put_uint(buf, "scale", svc->scale);
}

/* Of a service on another machine only the router's link tells anything. */
static unsigned
status_service_state(const struct service *svc)
{
	unsigned state = service_state(svc);

	if (svc->conf->url != NULL && state == STATE_READY && !svc->is_linked)
		return STATE_STARTING;
	return state;
}

static void
status_put_service(struct buf *buf, const struct service *svc)
{
	const struct instance *beside = svc->beside;

	mp_put_map(buf, 12);
	status_put_str(buf, "name", svc->name);
	status_put_str(buf, "state",
	    lifeline_state_name(status_service_state(svc)));
	status_put_relations(buf, svc);
	status_put_str(buf, "rolled_back", svc->rolled_back);
	mp_put_cstr(buf, "schedule");
	schedule_put_status(buf, svc);
	mp_put_cstr(buf, "instances");
	mp_put_array(buf, svc->count + (beside != NULL));
	for (unsigned i = 0; i < svc->count; i++) {
		status_put_instance(buf, svc->instances[i]);
		if (beside != NULL && beside->index == i + 1)
			status_put_instance(buf, beside);
	}
	if (beside != NULL && beside->index > svc->count)
		status_put_instance(buf, beside);
}

static void
status_put_groups(struct buf *buf, const struct conf *conf)
{
	static const char *const strategies[] = { "one_for_one", "rest_for_one",
		"one_for_all" };
	const struct conf_group *group;

	mp_put_cstr(buf, "groups");
	mp_put_array(buf, (uint32_t)conf->group_count);
	for (size_t i = 0; i < conf->group_count; i++) {
		group = &conf->groups[i];
		mp_put_map(buf, 3);
		status_put_str(buf, "name", group->name);
		status_put_str(buf, "strategy", strategies[group->strategy]);
		status_put_names(buf, "services", &group->services);
	}
}

void
status_put(const struct supervise *sup, struct buf *buf)
{
	const struct service *svc;
	uint32_t count = 0;

	TAILQ_FOREACH (svc, &sup->services.all, link)
		count++;
	mp_put_map(buf, 3);
	mp_put_cstr(buf, "supervisor");
	status_put_supervisor(buf, sup);
	status_put_groups(buf, sup->conf);
	mp_put_cstr(buf, "services");
	mp_put_array(buf, count);
	TAILQ_FOREACH (svc, &sup->services.all, link)
		status_put_service(buf, svc);
}
