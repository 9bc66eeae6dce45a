/* service_apply: from one configuration of a service to the next. */
#include <stddef.h>
#include <stdlib.h>

#include "instance.h"
#include "ipc/err.h"
#include "service.h"
#include "supervisor.h"

/*
 * One more time: beside the old process where that can be, else after it.
 * Where there is none it starts in its turn, as with any other start.
 */
static void
service_replace(struct instance *inst, enum instance_stale why)
{
	if (service_roll_due(inst, why))
		return;
	inst->stale = STALE_NOT;
	inst->conf = inst->service->conf;
	if (inst->pid != 0)
		instance_again(inst);
	else if (inst->state != INSTANCE_WAITING) {
		instance_wait(inst);
		service_mark_new(inst->service);
	}
}

void
service_restart(struct service *svc, unsigned index)
{
	unsigned count = svc->scale;
	struct instance *inst;

	svc->is_wanted = true;
	svc->is_asleep = false;
	/* Those beyond are about to go; those that wait start in their turn. */
	for (unsigned i = 0; i < svc->count && i < count; i++) {
		inst = svc->instances[i];
		if (index != 0 && index != i + 1)
			continue;
		/* Both: the one that comes may yet be found needless. */
		if (service_has_successor(inst))
			svc->beside->stale = inst->stale = STALE_ORDER;
		else if (inst->state != INSTANCE_WAITING)
			service_replace(inst, STALE_ORDER);
	}
	supervise_changed(svc->sup);
}

/* The one that is on trial already: is it what is wanted now? */
static void
service_fit_beside(struct service *svc)
{
	struct instance *inst = svc->beside;

	if (inst == NULL || !service_is_on_trial(inst))
		return;
	if (conf_service_compare(inst->conf, svc->conf) == CONF_RESTART ||
	    !svc->conf->is_overlapping)
		service_roll_cancel(svc);
	else
		instance_set_conf(inst, svc->conf);
}

enum conf_change
service_compare(const struct service *svc, const struct conf_service *conf)
{
	enum conf_change change = conf_service_compare(svc->conf, conf);
	const struct instance *inst;

	/* What is being replaced just now goes on as it has begun. */
	for (unsigned i = 0; !svc->is_rolling && i < svc->count; i++) {
		inst = svc->instances[i];
		if (inst->conf != svc->conf &&
		    conf_service_compare(inst->conf, conf) == CONF_RESTART)
			change = CONF_RESTART;
	}
	return change;
}

/*
 * Make the processes fit the service's configuration; old is the one before,
 * on which most run. One that was removed begins anew.
 */
static void
service_fit(struct service *svc, const struct conf_service *old,
    bool was_removed)
{
	unsigned count = svc->scale;
	struct instance *inst;
	enum conf_change own;

	service_fit_beside(svc);
	for (unsigned i = 0; i < svc->count; i++) {
		inst = svc->instances[i];
		own = was_removed ? CONF_RESTART
				  : conf_service_compare(inst->conf, svc->conf);
		if (own != CONF_RESTART) {
			/* To be replaced for its configuration only. */
			if (inst->conf != old && inst->stale == STALE_CONF)
				inst->stale = STALE_NOT;
			instance_set_conf(inst, svc->conf);
		} else if (svc->is_wanted && i < count && !svc->is_asleep &&
			   !schedule_is_resting(inst))
			service_replace(inst, STALE_CONF);
		else {
			inst->conf = svc->conf;
			/* What ends may be needed again before it has. */
			inst->stale = inst->pid != 0 ? STALE_CONF : STALE_NOT;
		}
	}
}

/* Keep what the processes run on, to be able to go back to it. */
static void
service_keep_conf(struct service *svc)
{
	if (svc->old_conf != NULL && !svc->roll.is_back)
		return;
	spawn_user_fini(&svc->old_user);
	svc->old_conf = svc->conf;
	svc->old_user = svc->user;
	svc->user = (struct spawn_user){ 0 };
}

static bool
service_may_overlap(const struct service *svc, const struct conf_service *conf)
{
	return svc->is_wanted && !svc->is_removed && conf->is_enabled &&
	       conf->is_overlapping && conf->url == NULL;
}

static void
service_forget_rolled_back(struct service *svc)
{
	free(svc->rolled_back);
	svc->rolled_back = NULL;
}

int
service_apply(struct service *svc, const struct conf_service *conf,
    enum conf_change change, struct err *err_r)
{
	const struct conf_service *old = svc->conf;
	enum service_leave leave = svc->leave;
	bool was_removed = svc->is_removed,
	     was_enabled = old->is_enabled && !was_removed;
	int rc;

	if (change == CONF_RESTART && service_may_overlap(svc, conf))
		service_keep_conf(svc);
	else if (!svc->is_rolling)
		service_forget_rolled_back(svc);
	if (change == CONF_RESTART) {
		svc->roll.is_failed = svc->roll.is_back = false;
		/* Not back to what was before the last one, but on. */
		if (svc->roll.state == ROLLING_BACK)
			svc->roll.state = ROLLING_CANCELED;
	}
	svc->is_removed = svc->is_held = false;
	rc = service_set_conf(svc, conf, err_r);
	svc->is_linked = svc->is_linked && conf->url != NULL;
	if (conf->is_enabled && !was_enabled)
		svc->is_wanted = true;
	service_fit(svc, old, was_removed);
	if (!conf->is_enabled)
		service_down(svc);
	else if (svc->is_wanted && change != CONF_SAME) {
		service_begin(svc);
		/* What was about to stop still is. */
		service_set_leave(svc, leave);
	}
	if (!svc->is_rolling)
		service_roll_end(svc);
	service_load_apply(svc, old);
	return rc;
}

static bool
conf_has(const struct conf *conf, const struct conf_service *one)
{
	return conf_find_service(conf, one->name) == one;
}

bool
services_hold(const struct services *services, const struct conf *conf)
{
	const struct service *svc;

	if (services->is_purging || services->rolling_count > 0)
		return true;
	TAILQ_FOREACH (svc, &services->all, link) {
		if (!svc->is_held)
			continue;
		if (conf_has(conf, svc->conf))
			return true;
		for (unsigned i = 0; i < svc->count; i++) {
			if (conf_has(conf, svc->instances[i]->conf))
				return true;
		}
	}
	return false;
}
