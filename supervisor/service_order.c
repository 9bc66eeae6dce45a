/* service_order: which service starts or stops next, and for whom it waits. */
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "instance.h"
#include "ipc/log.h"
#include "supervisor.h"

enum tie {
	TIE_REQUIRES,
	TIE_WANTS,
	TIE_AFTER,
	TIE_COUNT
};

static const struct conf_strings *
ties_of(const struct service *svc, enum tie tie)
{
	const struct conf_service *conf = svc->conf;

	return tie == TIE_REQUIRES ? &conf->requires
	       : tie == TIE_WANTS  ? &conf->wants
				   : &conf->after;
}

static struct service *
tied_to(const struct service *svc, enum tie tie, size_t i)
{
	const char *name = ties_of(svc, tie)->items[i];

	return services_find(&svc->sup->services, name, strlen(name));
}

/* Need those that come after it no longer wait for this one? */
static bool
service_is_passable(const struct service *svc)
{
	unsigned state;

	if (svc->is_removed)
		return true;
	for (unsigned i = 0; i < svc->count; i++) {
		state = svc->instances[i]->state;
		if ((state == INSTANCE_WAITING && !svc->is_vain) ||
		    state == STATE_STARTING || state == STATE_BACKOFF ||
		    state == STATE_STOPPING)
			return false;
	}
	return true;
}

/* It did what it was there for: a oneshot, or one that ends by itself. */
static bool
instance_is_done(const struct instance *inst)
{
	return inst->state == STATE_STOPPED && inst->has_exited &&
	       inst->is_success;
}

/* It is not there, and nothing but an operator brings it. */
static bool
instance_is_lost(const struct instance *inst)
{
	return inst->state == STATE_FAILED || inst->state == STATE_DISABLED ||
	       (inst->state == STATE_STOPPED && !instance_is_done(inst));
}

static bool
instance_is_there(const struct instance *inst)
{
	return inst->state == STATE_READY || inst->state == STATE_DRAINING ||
	       instance_is_done(inst);
}

static unsigned
service_count_if(const struct service *svc,
    bool (*is_one)(const struct instance *inst))
{
	unsigned count = 0;

	for (unsigned i = 0; i < svc->count; i++)
		count += is_one(svc->instances[i]);
	return count;
}

/*
 * Is there what those that require it need: one instance at least, and none
 * that is still on its way?
 */
static bool
service_is_there(const struct service *svc)
{
	unsigned there = service_count_if(svc, instance_is_there);

	if (svc->is_removed || !svc->is_wanted || svc->leave != LEAVE_NOT)
		return false;
	return svc->is_asleep ||
	       (there > 0 && there + service_count_if(svc, instance_is_lost) ==
				 svc->count);
}

static bool
service_is_lost(const struct service *svc)
{
	if (svc->is_removed || !svc->is_wanted || svc->is_vain)
		return true;
	return !svc->is_asleep &&
	       service_count_if(svc, instance_is_lost) == svc->count;
}

bool
service_lacks_required(const struct service *svc)
{
	const struct service *other;

	for (size_t i = 0; i < svc->conf->requires.count; i++) {
		other = tied_to(svc, TIE_REQUIRES, i);
		if (other != NULL && !other->is_asleep &&
		    service_count_if(other, instance_is_there) == 0)
			return true;
	}
	return false;
}

static const struct service *
service_find_blocker(const struct service *svc, enum tie *tie_r)
{
	const struct service *other;

	for (enum tie tie = 0; tie < TIE_COUNT; tie++) {
		*tie_r = tie;
		for (size_t i = 0; i < ties_of(svc, tie)->count; i++) {
			other = tied_to(svc, tie, i);
			if (other != NULL &&
			    !(tie == TIE_REQUIRES ? service_is_there(other)
						  : service_is_passable(other)))
				return other;
		}
	}
	return NULL;
}

const struct service *
service_blocker(const struct service *svc)
{
	enum tie tie;

	return service_find_blocker(svc, &tie);
}

/* Why one that others require is not there. */
static const char *
service_lost_reason(const struct service *svc)
{
	for (unsigned i = 0; i < svc->count; i++) {
		if (svc->instances[i]->reason != NULL &&
		    !instance_is_done(svc->instances[i]))
			return svc->instances[i]->reason;
	}
	return NULL;
}

const char *
service_wait_text(const struct service *svc, char *text, size_t size)
{
	const struct service *blocker = service_blocker(svc);
	const char *reason;

	if (blocker == NULL)
		return NULL;
	if (!svc->is_vain) {
		snprintf(text, size, "waits for %s", blocker->name);
		return text;
	}
	reason = service_lost_reason(blocker);
	snprintf(text, size, "requires %s, which is %s%s%s", blocker->name,
	    lifeline_state_name(service_state(blocker)),
	    reason != NULL ? ": " : "", reason != NULL ? reason : "");
	return text;
}

static void
service_log_missing(const struct service *svc)
{
	const struct service *other;

	for (enum tie tie = TIE_WANTS; tie < TIE_COUNT; tie++) {
		for (size_t i = 0; i < ties_of(svc, tie)->count; i++) {
			other = tied_to(svc, tie, i);
			if (other != NULL && !other->is_removed &&
			    !other->is_asleep &&
			    service_count_if(other, instance_is_there) == 0)
				log_warnx("%s: starts without %s, which is %s",
				    svc->name, other->name,
				    lifeline_state_name(service_state(other)));
		}
	}
}

/* Start the waiting instances of svc; returns how many. */
static unsigned
service_start(struct service *svc)
{
	unsigned started = 0;

	service_dequeue(svc);
	service_log_missing(svc);
	for (unsigned i = 0; i < svc->count; i++) {
		if (svc->instances[i]->state == INSTANCE_WAITING &&
		    !service_has_successor(svc->instances[i])) {
			instance_up(svc->instances[i]);
			started++;
		}
	}
	return started;
}

/* For whom it waits, if that is another one now; its clients are told. */
static bool
service_is_blocked(struct service *svc)
{
	enum tie tie;
	const struct service *blocker = service_find_blocker(svc, &tie);
	bool is_vain =
	    blocker != NULL && tie == TIE_REQUIRES && service_is_lost(blocker);
	char text[320];

	if (blocker == NULL) {
		svc->is_vain = false;
		return group_is_busy(svc);
	}
	if (blocker == svc->blocker && is_vain == svc->is_vain)
		return true;
	svc->blocker = blocker;
	if (is_vain != svc->is_vain)
		supervise_changed(svc->sup);
	svc->is_vain = is_vain;
	if (is_vain)
		log_warnx("%s: not started, it %s", svc->name,
		    service_wait_text(svc, text, sizeof(text)));
	for (unsigned i = 0; i < svc->count; i++) {
		if (svc->instances[i]->state == INSTANCE_WAITING)
			instance_tell(svc->instances[i]);
	}
	return true;
}

/*
 * Some at a time: with thousands of services, those that are up already must
 * not wait for the last fork.
 */
void
services_start_some(struct services *services)
{
	enum {
		BATCH = 32,
		COMING_MAX = 64, /* between fork and exec: each costs memory */
		PAUSE_US = 20000
	};
	unsigned started = 0;
	struct service *svc;

	if (services->new_count == 0)
		return;
	TAILQ_FOREACH (svc, &services->all, link) {
		if (!svc->is_new || service_is_blocked(svc))
			continue;
		started += service_start(svc);
		if (services->new_count == 0)
			return;
		if (started >= BATCH) {
			loop_timer_set(services->sup->loop, &services->more,
			    loop_now_us(services->sup->loop) +
				(services->coming_count < COMING_MAX
					? 0
					: PAUSE_US));
			return;
		}
	}
}

/* One that was called again, whatever became of it before. */
static void
service_call(struct service *svc)
{
	service_enqueue(svc);
	if (svc->group != NULL)
		group_reset(svc->group);
	for (unsigned i = 0; i < svc->count && i < svc->scale; i++) {
		if (svc->instances[i]->state == STATE_FAILED ||
		    svc->instances[i]->state == STATE_BACKOFF)
			instance_wait(svc->instances[i]);
	}
}

/* Those before it that have to be there first; true if there are any. */
static bool
service_start_before(struct service *svc)
{
	struct service *other;
	bool is_tied = false;

	svc->is_marked = true;
	for (enum tie tie = 0; tie <= TIE_WANTS; tie++) {
		for (size_t i = 0; i < ties_of(svc, tie)->count; i++) {
			other = tied_to(svc, tie, i);
			if (other == NULL || other->is_removed ||
			    !other->conf->is_enabled ||
			    other->conf->schedule.is_set)
				continue;
			is_tied = true;
			if (other->is_marked || service_is_there(other))
				continue;
			(void)service_start_before(other);
			service_call(other);
		}
	}
	return is_tied;
}

void
service_start_all(struct service *svc)
{
	struct service *other;

	/* Two ways may lead to one service. */
	TAILQ_FOREACH (other, &svc->sup->services.all, link)
		other->is_marked = false;
	if (service_start_before(svc))
		service_call(svc);
	else
		service_up(svc);
}

void
services_on_more(struct loop_timer *timer)
{
	supervise_changed(loop_owner(timer, struct services, more)->sup);
}

void
services_find_needed(struct services *services,
    bool (*needs)(const struct service *svc))
{
	struct service *svc, *other;

	TAILQ_FOREACH (svc, &services->all, link)
		svc->is_needed = false;
	TAILQ_FOREACH (svc, &services->all, link) {
		if (!needs(svc))
			continue;
		for (enum tie tie = 0; tie < TIE_COUNT; tie++) {
			for (size_t i = 0; i < ties_of(svc, tie)->count; i++) {
				other = tied_to(svc, tie, i);
				if (other != NULL)
					other->is_needed = true;
			}
		}
	}
}

static bool
service_has_process(const struct service *svc)
{
	return !service_is_down(svc);
}

/* Stop each service that no other one still needs. */
void
services_stop_some(struct services *services)
{
	struct service *svc;

	services_find_needed(services, service_has_process);
	TAILQ_FOREACH (svc, &services->all, link) {
		if (!svc->is_needed)
			service_down(svc);
	}
}
