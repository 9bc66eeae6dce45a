/*
 * control_act: carry out what a client of the control socket asks of services:
 * start, stop, restart, drain, undrain, reload.
 */
#include <string.h>

#include "conf/conf.h"
#include "control_client.h"
#include "instance.h"
#include "ipc/lifeline.h"
#include "ipc/mp.h"
#include "ipc/mp_text.h"
#include "supervisor.h"

static void
control_put_count(struct buf *buf, const char *key, unsigned count)
{
	mp_put_cstr(buf, key);
	mp_put_uint(buf, count);
}

void
control_put_counts(struct buf *out, const struct reload_counts *counts)
{
	control_put_count(out, "added", counts->added);
	control_put_count(out, "removed", counts->removed);
	control_put_count(out, "restarted", counts->restarted);
	control_put_count(out, "applied", counts->applied);
	control_put_count(out, "kept", counts->kept);
}

void
control_answer_reload(struct control_client *client, const struct buf *text)
{
	const struct reload_counts *counts = &client->goal.counts;
	struct buf *out = &client->out;
	size_t start = control_begin(client), len = buf_count(text);
	const char *lines = len > 0 ? (const char *)buf_front(text) : "";

	while (len > 0 && lines[len - 1] == '\n')
		len--;
	mp_put_map(out, len > 0 ? 7 : 6);
	mp_put_cstr(out, "ok");
	mp_put_bool(out, len == 0);
	if (len > 0) {
		mp_put_cstr(out, "error");
		mp_put_text(out, lines, len, len);
	}
	control_put_counts(out, counts);
	control_end(client, start);
	control_answered(client);
}

void
control_do_reload(struct control_client *client)
{
	struct supervise *sup = client->server->sup;
	struct buf text = { 0 };

	if (supervise_reload(sup, &client->goal.counts, &text) == 0) {
		client->pending = CONTROL_RELOAD;
		client->goal.asked_us = loop_now_us(sup->loop);
		supervise_changed(sup);
	} else if (text.is_failed)
		control_answer_errorf(client, "out of memory");
	else
		control_answer_error(client, (const char *)buf_front(&text),
		    buf_count(&text));
	buf_fini(&text);
}

/* Returns false, with an error answered, when there is no such service. */
static bool
control_find(struct control_client *client, struct service **svc_r)
{
	const struct control_goal *goal = &client->goal;
	struct service *svc = services_find(&client->server->sup->services,
	    goal->service, strlen(goal->service));

	*svc_r = svc;
	if (svc == NULL || svc->is_removed)
		control_answer_errorf(client, "there is no service \"%s\"",
		    goal->service);
	else if (svc->conf->url != NULL)
		control_answer_errorf(client,
		    "%s is on another machine (%s), msvc does not run it",
		    goal->service, svc->conf->url);
	else if (!svc->conf->is_enabled)
		control_answer_errorf(client, "%s is disabled (enabled = no)",
		    goal->service);
	else if (goal->instance > svc->scale)
		control_answer_errorf(client,
		    "%s has %u instance%s, there is no %s/%u", goal->service,
		    svc->scale, svc->scale == 1 ? "" : "s", goal->service,
		    goal->instance);
	else
		return true;
	return false;
}

/* Is there one that cannot be drained, or undrained? Then it is answered. */
static bool
control_may_drain(struct control_client *client, const struct service *svc)
{
	const struct control_goal *goal = &client->goal;
	const struct instance *inst;

	for (unsigned i = 0; i < svc->count; i++) {
		inst = svc->instances[i];
		if (goal->instance != 0 && goal->instance != inst->index)
			continue;
		if (service_has_successor(inst)) {
			control_answer_errorf(client,
			    "%s/%u is being replaced, try again then",
			    svc->name, inst->index);
			return false;
		}
		if (inst->state == STATE_READY || instance_drains_for_now(inst))
			continue;
		control_answer_errorf(client, "%s/%u is %s%s%s", svc->name,
		    inst->index, lifeline_state_name(instance_state(inst)),
		    inst->reason != NULL ? ": " : "",
		    inst->reason != NULL ? inst->reason : "");
		return false;
	}
	return true;
}

static void
control_act_drain(struct control_client *client, struct service *svc)
{
	const struct control_goal *goal = &client->goal;

	if (!control_may_drain(client, svc))
		return;
	for (unsigned i = 0; i < svc->count; i++) {
		if (goal->instance != 0 && goal->instance != i + 1)
			continue;
		if (client->pending == CONTROL_DRAIN)
			instance_drain(svc->instances[i]);
		else
			instance_undrain(svc->instances[i]);
	}
	supervise_changed(client->server->sup);
}

/* Does it take a start to restart it? What waits for its turn goes on so. */
static bool
control_is_down(const struct service *svc)
{
	return service_is_down(svc) && !svc->conf->schedule.is_set &&
	       (!svc->is_new || svc->is_vain);
}

/* svc is NULL for all of them but those that sleep: their time will come. */
static void
control_act_restart(struct control_client *client, struct service *svc)
{
	struct services *services = &client->server->sup->services;

	if (svc != NULL) {
		if (client->goal.instance == 0 && control_is_down(svc))
			service_start_all(svc);
		else
			service_restart(svc, client->goal.instance);
		return;
	}
	TAILQ_FOREACH (svc, &services->all, link) {
		if (svc->is_wanted && !svc->is_removed && !svc->is_asleep)
			service_restart(svc, 0);
	}
}

/* Those that run and require it are stopped before it, or keep it. */
static void
control_act_stop(struct control_client *client, struct service *svc)
{
	struct buf text = { 0 };

	if (!service_put_dependents(svc, &text))
		service_down(svc);
	else if (client->goal.is_forced) {
		service_leave_with(svc, LEAVE_DOWN);
		service_set_leave(svc, LEAVE_DOWN);
	} else {
		control_answer_errorf(client,
		    "%s is required by %.*s; \"msvc stop --force %s\" stops "
		    "them as well",
		    svc->name, (int)buf_count(&text),
		    buf_count(&text) > 0 ? (const char *)buf_front(&text) : "",
		    svc->name);
		buf_fini(&text);
		return;
	}
	buf_fini(&text);
	supervise_changed(client->server->sup);
}

static void
control_act(struct control_client *client, struct service *svc)
{
	switch (client->pending) {
	case CONTROL_START:
		service_start_all(svc);
		break;
	case CONTROL_STOP:
		control_act_stop(client, svc);
		return;
	case CONTROL_RESTART:
		control_act_restart(client, svc);
		break;
	default:
		control_act_drain(client, svc);
		return;
	}
	supervise_changed(client->server->sup);
}

void
control_do_service(struct control_client *client, enum control_command command)
{
	struct supervise *sup = client->server->sup;
	bool has_service = client->goal.service[0] != '\0';
	struct service *svc = NULL;

	if (command == CONTROL_STOP && !has_service) {
		client->pending = CONTROL_STOP;
		if (sup->phase <= SUPERVISE_RUNNING)
			supervise_stop(sup, "msvc stop");
		return;
	}
	if (sup->phase > SUPERVISE_RUNNING) {
		control_answer_errorf(client, "the supervisor is stopping");
		return;
	}
	if (!has_service && command != CONTROL_RESTART) {
		control_answer_errorf(client, "%s needs a service",
		    control_command_name(command));
		return;
	}
	if (has_service && !control_find(client, &svc))
		return;
	client->pending = command;
	client->goal.asked_us = loop_now_us(sup->loop);
	control_act(client, svc);
}
