/*
 * service_roll: carries out the steps of rolling.h, one index of a service at
 * a time.
 *
 * Everything is decided at the end of a turn of the loop, in services_roll(),
 * from what the two generations look like then: nothing here is called from
 * within an instance's own change.
 */
#include <stdio.h>
#include <stdlib.h>

#include "instance.h"
#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "service.h"
#include "supervisor.h"

static struct instance *
service_place(const struct service *svc)
{
	return service_instance(svc, svc->roll.index);
}

static bool
service_is_trying(const struct service *svc)
{
	return svc->beside != NULL && (svc->roll.state == ROLLING_COMING ||
					  svc->roll.state == ROLLING_RAMP);
}

bool
service_has_successor(const struct instance *inst)
{
	const struct service *svc = inst->service;

	return service_is_trying(svc) && svc->beside != inst &&
	       svc->roll.index == inst->index;
}

bool
service_is_on_trial(const struct instance *inst)
{
	return service_is_trying(inst->service) &&
	       inst->service->beside == inst;
}

static void
service_roll_on_timer(struct loop_timer *timer)
{
	struct service *svc = loop_owner(timer, struct service, roll.timer);

	supervise_changed(svc->sup);
}

void
service_roll_resume(struct service *svc)
{
	svc->roll.timer.fn = service_roll_on_timer;
	if (svc->is_rolling)
		svc->sup->services.rolling_count++;
}

bool
service_roll_due(struct instance *inst, enum instance_stale why)
{
	struct service *svc = inst->service;

	if (inst->state != STATE_READY || !svc->conf->is_overlapping)
		return false;
	if (inst->stale < why)
		inst->stale = why;
	if (!svc->is_rolling)
		svc->sup->services.rolling_count++;
	svc->is_rolling = true;
	svc->roll.timer.fn = service_roll_on_timer;
	supervise_changed(svc->sup);
	return true;
}

void
service_roll_end(struct service *svc)
{
	if (svc->is_rolling)
		svc->sup->services.rolling_count--;
	svc->is_rolling = false;
	loop_timer_drop(svc->sup->loop, &svc->roll.timer);
	svc->roll = (struct service_roll){ .state = ROLLING_NONE };
	svc->old_conf = NULL;
	spawn_user_fini(&svc->old_user);
}

void
service_roll_cancel(struct service *svc)
{
	svc->roll.state = ROLLING_CANCELED;
	instance_down(svc->beside);
	supervise_changed(svc->sup);
}

/*
 * The first one that is to be replaced; those that do not serve go at once, and
 * one that leaves anyway ends with what it has, see instance_up().
 */
static struct instance *
service_roll_next(struct service *svc)
{
	unsigned count = svc->scale;
	struct instance *inst;

	for (unsigned i = 0; i < svc->count; i++) {
		inst = svc->instances[i];
		if (inst->stale == STALE_NOT)
			continue;
		if (svc->is_wanted && i < count && inst->state == STATE_READY &&
		    svc->conf->is_overlapping)
			return inst;
		inst->conf = svc->conf;
		if (inst->drain == DRAIN_LEAVING)
			continue;
		inst->stale = STALE_NOT;
		/* One that waits starts in its turn. */
		if (svc->is_wanted && !svc->is_asleep && i < count &&
		    inst->state != INSTANCE_WAITING)
			instance_again(inst);
	}
	return NULL;
}

static enum judge_verdict
service_roll_judge(const struct service *svc)
{
	const struct instance *place = service_place(svc);
	int64_t left_us = 0;

	/* What never had a request has none to hand over; but that a program
	 * runs says nothing yet of whether it goes on to. */
	if ((place != NULL && place->is_linked) ||
	    svc->conf->ready == CONF_READY_NONE)
		left_us = svc->roll.since_us + svc->conf->ramp_ms * 1000 -
			  loop_now_us(svc->sup->loop);
	return judge_upgrade(&svc->roll.old, &svc->roll.fresh,
	    svc->conf->ramp_requests, left_us);
}

static struct rolling_facts
service_roll_facts(struct service *svc)
{
	const struct supervise *sup = svc->sup;
	const struct instance *place = service_place(svc),
			      *beside = svc->beside;
	struct rolling_facts facts = { 0 };

	if (svc->roll.state == ROLLING_NONE) {
		place = service_roll_next(svc);
		svc->roll.index = place != NULL ? place->index : 0;
		facts.is_due = place != NULL && sup->phase <= SUPERVISE_RUNNING;
	}
	facts.is_wanted = svc->is_wanted && !sup->services.is_stopping &&
			  place != NULL && place->index <= svc->scale;
	facts.has_beside = beside != NULL && beside->pid != 0;
	if (place != NULL)
		facts.old_state = instance_state(place);
	if (beside != NULL)
		facts.new_state = instance_state(beside);
	if (svc->roll.state == ROLLING_RAMP)
		facts.verdict = service_roll_judge(svc);
	return facts;
}

static void
service_roll_start(struct service *svc)
{
	struct instance *place = service_place(svc), *inst;

	inst = instance_new(svc, place->index);
	/* Without one, the trial has failed before it began. */
	svc->beside = inst;
	if (inst == NULL)
		return;
	inst->is_beside = true;
	inst->last_generation = place->last_generation;
	inst->first_generation = place->first_generation;
	log_info("%s/%u: starting generation %llu beside generation %llu",
	    svc->name, inst->index,
	    (unsigned long long)inst->last_generation + 1,
	    (unsigned long long)place->generation);
	instance_up(inst);
	place->last_generation = inst->last_generation;
}

static void
service_roll_ramp(struct service *svc)
{
	svc->roll.since_us = loop_now_us(svc->sup->loop);
	svc->roll.old = svc->roll.fresh = (struct judge_stats){ 0 };
}

static void
service_roll_promote(struct service *svc)
{
	struct instance *old = service_place(svc), *fresh = svc->beside;

	loop_timer_drop(svc->sup->loop, &svc->roll.timer);
	svc->instances[svc->roll.index - 1] = fresh;
	svc->beside = old;
	fresh->is_beside = false;
	log_info("%s/%u[%d]: takes over from generation %llu", svc->name,
	    fresh->index, (int)fresh->pid, (unsigned long long)old->generation);
	/* First who has the place now, then who has lost it. */
	instance_tell(fresh);
	instance_leave(old);
}

static uint64_t
service_roll_mean_ms(const struct judge_stats *stats)
{
	return stats->requests == 0
		   ? 0
		   : stats->latency_sum_us / stats->requests / 1000;
}

/* Why the new one is not taken. */
static void
service_roll_explain(const struct service *svc, char *text, size_t size)
{
	const struct judge_stats *old = &svc->roll.old,
				 *fresh = &svc->roll.fresh;
	const struct instance *inst = svc->beside;
	enum judge_verdict verdict =
	    judge_upgrade(old, fresh, svc->conf->ramp_requests, 1);

	if (inst == NULL)
		snprintf(text, size, "out of memory");
	else if (inst->state != STATE_READY)
		snprintf(text, size, "%s",
		    inst->reason != NULL ? inst->reason : "it stopped");
	else if (verdict == JUDGE_WORSE_LATENCY)
		snprintf(text, size,
		    "slower, %llu ms a request, generation before %llu ms",
		    (unsigned long long)service_roll_mean_ms(fresh),
		    (unsigned long long)service_roll_mean_ms(old));
	else
		snprintf(text, size,
		    "%llu of %llu requests failed, generation before %llu of "
		    "%llu",
		    (unsigned long long)fresh->failures,
		    (unsigned long long)fresh->requests,
		    (unsigned long long)old->failures,
		    (unsigned long long)old->requests);
}

/* One that died while it waited for its successor, which does not come. */
static void
service_roll_revive(struct service *svc)
{
	struct instance *place = service_place(svc);

	if (place != NULL && place->state == INSTANCE_WAITING &&
	    svc->is_wanted && !svc->is_new)
		instance_up(place);
}

static void
service_roll_back(struct service *svc)
{
	const struct instance *place = service_place(svc);
	char why[320], *text;

	loop_timer_drop(svc->sup->loop, &svc->roll.timer);
	service_roll_explain(svc, why, sizeof(why));
	log_errorx("%s/%u: rolled back: %s, generation %llu goes on", svc->name,
	    place->index, why, (unsigned long long)place->generation);
	svc->roll.is_failed = true;
	/* The first failure tells most, not what came of going back. */
	if (!svc->roll.is_back && asprintf(&text, "%s/%u: rolled back: %s",
				      svc->name, place->index, why) >= 0) {
		free(svc->rolled_back);
		svc->rolled_back = text;
	}
	if (svc->beside != NULL)
		instance_down(svc->beside);
	service_roll_revive(svc);
}

static void
service_roll_drop(struct service *svc)
{
	instance_free(&svc->beside);
	service_roll_revive(svc);
}

static void
service_roll_forget(struct service *svc)
{
	for (unsigned i = 0; i < svc->count; i++)
		svc->instances[i]->stale = STALE_NOT;
}

/* Those that were replaced before are to run on the old configuration too. */
static void
service_roll_return(struct service *svc)
{
	const struct conf_service *tried = svc->conf;
	struct spawn_user tried_user = svc->user;
	struct instance *inst;
	struct err err;

	svc->rolled_back_us = loop_now_us(svc->sup->loop);
	service_roll_forget(svc);
	service_roll_drop(svc);
	if (svc->old_conf == NULL || svc->roll.is_back || !svc->is_wanted)
		return;
	svc->roll.is_back = svc->is_held = true;
	svc->scale = service_scale_after(svc, svc->old_conf);
	svc->conf = svc->old_conf;
	svc->user = svc->old_user;
	svc->old_conf = tried;
	svc->old_user = tried_user;
	for (unsigned i = 0; i < svc->count; i++) {
		inst = svc->instances[i];
		if (conf_service_compare(inst->conf, svc->conf) == CONF_RESTART)
			inst->stale = STALE_CONF;
		else
			instance_set_conf(inst, svc->conf);
	}
	if (service_resize(svc, &err) < 0)
		log_errorx("%s", err.text);
	/* Also those that the one that was tried did without. */
	service_enqueue(svc);
}

/* The old one has ended. */
static void
service_roll_close(struct service *svc)
{
	struct instance *place = service_place(svc);

	if (place != NULL && !place->has_exited) {
		place->has_exited = svc->beside->has_exited;
		place->exit_status = svc->beside->exit_status;
		place->is_success = svc->beside->is_success;
	}
	instance_free(&svc->beside);
}

static void
service_roll_carry_out(struct service *svc, enum rolling_action action)
{
	switch (action) {
	case ROLLING_DO_START:
		service_roll_start(svc);
		break;
	case ROLLING_DO_RAMP:
		service_roll_ramp(svc);
		break;
	case ROLLING_DO_PROMOTE:
		service_roll_promote(svc);
		break;
	case ROLLING_DO_BACK:
		service_roll_back(svc);
		break;
	case ROLLING_DO_DROP:
		if (svc->beside != NULL)
			instance_down(svc->beside);
		break;
	case ROLLING_DO_NEXT:
		service_roll_close(svc);
		break;
	case ROLLING_DO_RETURN:
		service_roll_return(svc);
		break;
	case ROLLING_DO_END:
		service_roll_drop(svc);
		break;
	case ROLLING_DO_NOTHING:
		break;
	}
}

/* Nothing is left to replace. */
static void
service_roll_finish(struct service *svc)
{
	if (!svc->roll.is_failed && svc->is_wanted) {
		free(svc->rolled_back);
		svc->rolled_back = NULL;
	} else if (svc->roll.is_back)
		log_info("%s: back on the old configuration", svc->name);
	for (unsigned i = 0; i < svc->count; i++) {
		/* It could not go back, so it stays what it is. */
		if (svc->instances[i]->conf != svc->conf)
			svc->is_held = true;
	}
	service_roll_end(svc);
}

/* Returns how many processes it has started. */
static unsigned
service_roll(struct service *svc)
{
	unsigned started = 0;
	struct rolling_facts facts;
	struct rolling_step step;

	do {
		facts = service_roll_facts(svc);
		step = rolling_step(svc->roll.state,
		    rolling_look(svc->roll.state, &facts));
		/* First: what follows must see what it is a part of. */
		svc->roll.state = step.next;
		service_roll_carry_out(svc, step.action);
		started += step.action == ROLLING_DO_START;
	} while (step.action != ROLLING_DO_NOTHING);
	if (svc->roll.state == ROLLING_NONE)
		service_roll_finish(svc);
	/* Each time: a reload may have changed it. */
	if (svc->roll.state == ROLLING_RAMP)
		loop_timer_set(svc->sup->loop, &svc->roll.timer,
		    svc->roll.since_us + svc->conf->ramp_ms * 1000);
	return started;
}

/* Some at a time, as when all of them start. */
void
services_roll(struct services *services)
{
	enum {
		BATCH = 32
	};
	unsigned started = 0;
	struct service *svc;

	if (services->rolling_count == 0)
		return;
	TAILQ_FOREACH (svc, &services->all, link) {
		if (svc->is_rolling)
			started += service_roll(svc);
		if (started >= BATCH) {
			loop_timer_set(services->sup->loop, &services->more,
			    loop_now_us(services->sup->loop));
			return;
		}
	}
}
