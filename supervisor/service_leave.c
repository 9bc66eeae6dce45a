/*
 * service_leave: stopping some services, in the reverse of their order, while
 * the others go on: those that need one that is stopped or failed, and those
 * that are restarted with their group.
 */
#include <string.h>

#include "conf/conf.h"
#include "group.h"
#include "instance.h"
#include "ipc/buf.h"
#include "ipc/log.h"
#include "service.h"
#include "supervisor.h"

void
service_set_leave(struct service *svc, enum service_leave leave)
{
	size_t *count = &svc->sup->services.leaving_count;

	/* Who is to stay down is not called back by what befalls others. */
	if (svc->leave == LEAVE_DOWN && leave == LEAVE_WAIT)
		return;
	if (svc->leave == LEAVE_NOT && leave != LEAVE_NOT)
		(*count)++;
	if (svc->leave != LEAVE_NOT && leave == LEAVE_NOT)
		(*count)--;
	svc->leave = leave;
	svc->is_leave_begun = false;
	if (leave != LEAVE_NOT)
		supervise_changed(svc->sup);
}

/* One of those that end for good is not started again. */
static void
recall_instance(struct instance *inst)
{
	if (inst->goal == INSTANCE_GOAL_DOWN)
		return;
	if (inst->pid == 0)
		instance_handle(inst, INSTANCE_EV_YIELD);
	else if (inst->conf->restart == CONF_RESTART_NEVER)
		instance_down(inst);
	else
		instance_again(inst);
}

/* From now on its instances wait for their turn, once they have ended. */
static void
service_recall(struct service *svc)
{
	service_mark_new(svc);
	for (unsigned i = 0; i < svc->count; i++)
		recall_instance(svc->instances[i]);
	if (svc->beside != NULL && svc->roll.state != ROLLING_CANCELED)
		service_roll_cancel(svc);
}

/* Down; but one that has failed goes on to say so. */
static void
service_dismiss(struct service *svc)
{
	svc->is_wanted = false;
	service_dequeue(svc);
	for (unsigned i = 0; i < svc->count; i++) {
		if (svc->instances[i]->state != STATE_FAILED)
			instance_down(svc->instances[i]);
	}
	if (svc->beside != NULL && svc->roll.state != ROLLING_CANCELED)
		service_roll_cancel(svc);
}

/* One that is down already passes on whom it waits for. */
static bool
service_is_leaving(const struct service *svc)
{
	return svc->leave != LEAVE_NOT &&
	       (!svc->is_leave_begun || !service_is_down(svc));
}

static void
service_leave_step(struct service *svc)
{
	enum service_leave leave = svc->leave;

	if (!svc->is_leave_begun && svc->is_needed)
		return;
	if (!svc->is_leave_begun) {
		if (leave == LEAVE_DOWN)
			service_dismiss(svc);
		else if (svc->is_wanted)
			service_recall(svc);
		svc->is_leave_begun = true;
	}
	if (!service_is_down(svc))
		return;
	service_set_leave(svc, LEAVE_NOT);
	/* Now it is the turn of those that it came after. */
	supervise_changed(svc->sup);
}

void
services_leave_some(struct services *services)
{
	struct service *svc;

	if (services->leaving_count == 0)
		return;
	services_find_needed(services, service_is_leaving);
	TAILQ_FOREACH (svc, &services->all, link) {
		if (svc->leave != LEAVE_NOT)
			service_leave_step(svc);
	}
}

static bool
service_is_up(const struct service *svc)
{
	return !svc->is_removed && (!service_is_down(svc) || svc->is_new);
}

static bool
service_requires_marked(const struct service *svc)
{
	const struct conf_strings *requires = &svc->conf->requires;
	const struct service *other;

	for (size_t i = 0; i < requires->count; i++) {
		other = services_find(&svc->sup->services, requires->items[i],
		    strlen(requires->items[i]));
		if (other != NULL && other->is_marked)
			return true;
	}
	return false;
}

/* Mark svc, and all that run and need it, directly or by way of others. */
static void
service_mark_dependents(struct service *svc)
{
	struct services *services = &svc->sup->services;
	bool is_more = true;
	struct service *other;

	TAILQ_FOREACH (other, &services->all, link)
		other->is_marked = other == svc;
	while (is_more) {
		is_more = false;
		TAILQ_FOREACH (other, &services->all, link) {
			if (other->is_marked || !service_is_up(other) ||
			    !service_requires_marked(other))
				continue;
			other->is_marked = is_more = true;
		}
	}
}

bool
service_put_dependents(struct service *svc, struct buf *text)
{
	const struct service *other;
	bool is_any = false;

	service_mark_dependents(svc);
	TAILQ_FOREACH (other, &svc->sup->services.all, link) {
		if (other == svc || !other->is_marked)
			continue;
		buf_printf(text, "%s%s", is_any ? ", " : "", other->name);
		is_any = true;
	}
	return is_any;
}

void
service_leave_with(struct service *svc, enum service_leave leave)
{
	struct service *other;

	service_mark_dependents(svc);
	TAILQ_FOREACH (other, &svc->sup->services.all, link) {
		if (other == svc || !other->is_marked || other->leave >= leave)
			continue;
		log_warnx("%s: stopping, it requires %s", other->name,
		    svc->name);
		service_set_leave(other, leave);
	}
}

void
service_failed(struct service *svc)
{
	switch (svc->conf->on_failed) {
	case CONF_ON_FAILED_STOP_DEPENDENTS:
		service_leave_with(svc, LEAVE_WAIT);
		break;
	case CONF_ON_FAILED_EXIT:
		supervise_fail(svc->sup, svc->name);
		break;
	default:
		break;
	}
}
