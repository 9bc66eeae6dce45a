#include "group.h"

#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "instance.h"
#include "ipc/log.h"
#include "service.h"
#include "supervisor.h"

static void
group_on_timer(struct loop_timer *timer)
{
	supervise_changed(
	    loop_owner(timer, struct group, timer)->services->sup);
}

static struct group *
group_find(const struct services *services, const char *name)
{
	struct group *group;

	LIST_FOREACH (group, &services->groups, link) {
		if (strcmp(group->name, name) == 0)
			return group;
	}
	return NULL;
}

static struct group *
group_new(struct services *services, const char *name)
{
	struct group *group = calloc(1, sizeof(*group));

	if (group == NULL || (group->name = strdup(name)) == NULL) {
		free(group);
		return NULL;
	}
	group->services = services;
	group->timer.fn = group_on_timer;
	LIST_INSERT_HEAD(&services->groups, group, link);
	return group;
}

static void
group_free(struct group **groupp)
{
	struct group *group = *groupp;

	*groupp = NULL;
	LIST_REMOVE(group, link);
	loop_timer_drop(group->services->sup->loop, &group->timer);
	backoff_fini(&group->backoff);
	free(group->name);
	free(group);
}

/* Whoever is configured for it is in it; conf NULL empties it. */
static void
group_fill(struct group *group)
{
	const struct conf_strings *names = &group->conf->services;
	struct service *svc;

	for (size_t i = 0; i < names->count; i++) {
		svc = services_find(group->services, names->items[i],
		    strlen(names->items[i]));
		if (svc != NULL && !svc->is_removed)
			svc->group = group;
	}
}

void
groups_apply(struct services *services)
{
	const struct conf *conf = services->sup->conf;
	struct group *group, *next;
	struct service *svc;

	TAILQ_FOREACH (svc, &services->all, link)
		svc->group = NULL;
	LIST_FOREACH (group, &services->groups, link)
		group->conf = NULL;
	for (size_t i = 0; i < conf->group_count; i++) {
		group = group_find(services, conf->groups[i].name);
		if (group == NULL)
			group = group_new(services, conf->groups[i].name);
		if (group == NULL) {
			log_errorx("group %s: out of memory, its services "
				   "restart each for itself",
			    conf->groups[i].name);
			continue;
		}
		group->conf = &conf->groups[i];
		group->cause = NULL;
		group_fill(group);
	}
	for (group = LIST_FIRST(&services->groups); group != NULL;
	     group = next) {
		next = LIST_NEXT(group, link);
		if (group->conf == NULL)
			group_free(&group);
	}
}

void
groups_fini(struct services *services)
{
	struct group *group;

	while ((group = LIST_FIRST(&services->groups)) != NULL)
		group_free(&group);
}

void
group_reset(struct group *group)
{
	backoff_reset(&group->backoff);
	group->is_failed = false;
	group->start_us = 0;
}

/* The limit of the group, else that of the service that ended. */
static struct backoff_rule
group_rule(const struct group *group, const struct instance *inst)
{
	struct backoff_rule rule = instance_backoff_rule(inst);

	if (group->conf->restart_limit.count != 0) {
		rule.limit = group->conf->restart_limit.count;
		rule.period_ms = group->conf->restart_limit.period_ms;
	}
	return rule;
}

/* Its number in the group's order. */
static size_t
group_place(const struct group *group, const struct service *svc)
{
	const struct conf_strings *names = &group->conf->services;
	size_t place = 0;

	while (
	    place < names->count && strcmp(names->items[place], svc->name) != 0)
		place++;
	return place;
}

/* Is it about to be restarted for another one of its group anyway? */
static bool
group_takes_along(const struct group *group, const struct service *svc)
{
	if (svc->leave == LEAVE_WAIT)
		return true;
	if (group->cause == NULL || group->is_failed)
		return false;
	return group->conf->strategy == CONF_STRATEGY_ONE_FOR_ALL ||
	       group_place(group, group->cause) <= group_place(group, svc);
}

/* From now on it waits for the restart of the group. */
static enum instance_event
group_yield(const struct group *group, const struct instance *inst,
    int64_t *delay_r)
{
	int64_t left_us = group->start_us - instance_now_us(inst);

	*delay_r = left_us > 0 ? left_us / 1000 : 0;
	service_mark_new(inst->service);
	return INSTANCE_EV_YIELD;
}

enum instance_event
group_judge(struct instance *inst, int64_t *delay_r)
{
	struct group *group = inst->service->group;
	bool is_alone = group->conf->strategy == CONF_STRATEGY_ONE_FOR_ONE;
	struct backoff_rule rule = group_rule(group, inst);
	int64_t now_us = instance_now_us(inst), delay_ms = 0;

	if (is_alone && group->conf->restart_limit.count == 0)
		return INSTANCE_EV_RETRY;
	if (!is_alone && group_takes_along(group, inst->service))
		return group_yield(group, inst, delay_r);
	if (!backoff_next(&group->backoff, &rule, now_us / 1000,
		instance_ready_ms(inst), instance_random(), &delay_ms)) {
		group->is_failed = true;
		group->cause = inst->service;
		supervise_changed(group->services->sup);
		return INSTANCE_EV_LIMIT;
	}
	group->is_failed = false;
	if (is_alone)
		return INSTANCE_EV_RETRY;
	group->cause = inst->service;
	group->start_us = now_us + delay_ms * 1000;
	if (delay_ms > 0)
		loop_timer_set(group->services->sup->loop, &group->timer,
		    group->start_us);
	return group_yield(group, inst, delay_r);
}

bool
group_is_busy(const struct service *svc)
{
	const struct group *group = svc->group;
	const struct service *other;

	if (group == NULL)
		return false;
	if (group->cause != NULL ||
	    loop_now_us(svc->sup->loop) < group->start_us)
		return true;
	TAILQ_FOREACH (other, &group->services->all, link) {
		if (other->group == group && other->leave == LEAVE_WAIT)
			return true;
	}
	return false;
}

/* Those from the cause on, or all of them, are to leave. */
static void
group_recall(struct group *group, enum service_leave leave, bool is_all)
{
	const struct conf_strings *names = &group->conf->services;
	bool is_reached = is_all;
	struct service *svc;

	for (size_t i = 0; i < names->count; i++) {
		svc = services_find(group->services, names->items[i],
		    strlen(names->items[i]));
		if (svc == NULL || svc->group != group)
			continue;
		if (is_reached && (svc != group->cause || is_all) &&
		    svc->is_wanted && !svc->is_asleep)
			service_set_leave(svc, leave);
		is_reached = is_reached || svc == group->cause;
	}
}

static void
group_leave_with(const struct group *group)
{
	const struct conf_strings *names = &group->conf->services;
	struct service *svc;

	for (size_t i = 0; i < names->count; i++) {
		svc = services_find(group->services, names->items[i],
		    strlen(names->items[i]));
		if (svc != NULL && svc->group == group)
			service_leave_with(svc, LEAVE_WAIT);
	}
}

static void
group_give_up(struct group *group)
{
	const struct conf_group *conf = group->conf;

	log_errorx("group %s: failed, stopping all of it", group->name);
	group_recall(group, LEAVE_DOWN, true);
	if (conf->on_failed == CONF_ON_FAILED_STOP_DEPENDENTS)
		group_leave_with(group);
	else if (conf->on_failed == CONF_ON_FAILED_EXIT)
		supervise_fail(group->services->sup, group->name);
}

static void
group_step(struct group *group)
{
	if (group->cause == NULL)
		return;
	if (group->is_failed)
		group_give_up(group);
	else {
		log_warnx("group %s: restarting with %s (%s)", group->name,
		    group->cause->name,
		    group->conf->strategy == CONF_STRATEGY_ONE_FOR_ALL
			? "one_for_all"
			: "rest_for_one");
		group_recall(group, LEAVE_WAIT,
		    group->conf->strategy == CONF_STRATEGY_ONE_FOR_ALL);
	}
	group->cause = NULL;
}

void
groups_step(struct services *services)
{
	struct group *group;

	LIST_FOREACH (group, &services->groups, link)
		group_step(group);
}
