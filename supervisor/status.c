/*
 * status: what `msvc status` shows, as one MessagePack value.
 */
#include <stdio.h>
#include <unistd.h>

#include "conf/conf.h"
#include "exit_text.h"
#include "instance.h"
#include "ipc/lifeline.h"
#include "ipc/mp.h"
#include "supervisor.h"

static void
status_put_str(struct buf *buf, const char *key, const char *value)
{
	mp_put_cstr(buf, key);
	if (value != NULL)
		mp_put_cstr(buf, value);
	else
		mp_put_nil(buf);
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
	const struct service *blocker = NULL;
	char text[320];

	if (inst->state == INSTANCE_WAITING)
		blocker = service_blocker(inst->service);
	if (blocker != NULL) {
		snprintf(text, sizeof(text), "waits for %s", blocker->name);
		status_put_str(buf, "reason", text);
		return;
	}
	status_put_str(buf, "reason",
	    inst->reason != NULL ? inst->reason : inst->status);
}

static void
status_put_instance(struct buf *buf, const struct instance *inst)
{
	uint64_t starts = inst->generation - inst->first_generation;
	char text[EXIT_TEXT_MAX];

	if (inst->has_exited)
		exit_text_short(inst->exit_status, text);
	mp_put_map(buf, 9);
	status_put_uint(buf, "index", inst->index);
	status_put_str(buf, "state", lifeline_state_name(instance_state(inst)));
	status_put_pid(buf, inst->pid);
	status_put_uint(buf, "generation", inst->generation);
	status_put_uint(buf, "restarts", starts > 0 ? starts - 1 : 0);
	status_put_int(buf, "since", inst->since);
	status_put_str(buf, "last_exit", inst->has_exited ? text : NULL);
	status_put_reason(buf, inst);
	mp_put_cstr(buf, "beside");
	mp_put_bool(buf, inst->is_beside);
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

	mp_put_map(buf, 4);
	status_put_str(buf, "name", svc->name);
	status_put_str(buf, "state",
	    lifeline_state_name(status_service_state(svc)));
	status_put_str(buf, "rolled_back", svc->rolled_back);
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

void
status_put(const struct supervise *sup, struct buf *buf)
{
	const struct service *svc;
	uint32_t count = 0;

	TAILQ_FOREACH (svc, &sup->services.all, link)
		count++;
	mp_put_map(buf, 2);
	mp_put_cstr(buf, "supervisor");
	status_put_supervisor(buf, sup);
	mp_put_cstr(buf, "services");
	mp_put_array(buf, count);
	TAILQ_FOREACH (svc, &sup->services.all, link)
		status_put_service(buf, svc);
}
