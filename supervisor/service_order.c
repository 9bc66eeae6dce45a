/*
 * service_order: which service starts or stops next, and whether all have
 * come up.
 */
#include <string.h>

#include "conf/conf.h"
#include "instance.h"
#include "ipc/buf.h"
#include "ipc/log.h"
#include "supervisor.h"

/* Need those that come after it no longer wait for this one? */
static bool
service_is_passable(const struct service *svc)
{
	unsigned state;

	if (svc->is_removed)
		return true;
	for (unsigned i = 0; i < svc->count; i++) {
		state = svc->instances[i]->state;
		if (state == INSTANCE_WAITING || state == STATE_STARTING ||
		    state == STATE_BACKOFF || state == STATE_STOPPING)
			return false;
	}
	return true;
}

const struct service *
service_blocker(const struct service *svc)
{
	const struct conf_strings *after = &svc->conf->after;
	const struct service *other;

	for (size_t i = 0; i < after->count; i++) {
		other = services_find(&svc->sup->services, after->items[i],
		    strlen(after->items[i]));
		if (other != NULL && !service_is_passable(other))
			return other;
	}
	return NULL;
}

static void
service_log_missing(const struct service *svc)
{
	const struct conf_strings *after = &svc->conf->after;
	const struct service *other;

	for (size_t i = 0; i < after->count; i++) {
		other = services_find(&svc->sup->services, after->items[i],
		    strlen(after->items[i]));
		if (other != NULL && service_state(other) != STATE_READY)
			log_warnx("%s: starts without %s, which is %s",
			    svc->name, other->name,
			    lifeline_state_name(service_state(other)));
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
	const struct service *blocker = service_blocker(svc);

	if (blocker == svc->blocker || blocker == NULL)
		return blocker != NULL;
	svc->blocker = blocker;
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
		BATCH = 32
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
			    loop_now_us(services->sup->loop));
			return;
		}
	}
}

void
services_on_more(struct loop_timer *timer)
{
	supervise_changed(loop_owner(timer, struct services, more)->sup);
}

/* Stop each service that no other one still needs. */
void
services_stop_some(struct services *services)
{
	const struct conf_strings *after;
	struct service *svc, *other;

	TAILQ_FOREACH (svc, &services->all, link)
		svc->is_needed = false;
	TAILQ_FOREACH (svc, &services->all, link) {
		after = &svc->conf->after;
		for (size_t i = 0; !service_is_down(svc) && i < after->count;
		     i++) {
			other = services_find(services, after->items[i],
			    strlen(after->items[i]));
			if (other != NULL)
				other->is_needed = true;
		}
	}
	TAILQ_FOREACH (svc, &services->all, link) {
		if (!svc->is_needed)
			service_down(svc);
	}
}

int
instance_settled(const struct instance *inst)
{
	switch (inst->state) {
	case STATE_READY:
	case STATE_DRAINING:
	case STATE_DISABLED:
		return 1;
	case STATE_STOPPED:
		return !inst->has_exited || inst->is_success ? 1 : -1;
	case STATE_FAILED:
		return -1;
	case STATE_STOPPING:
		return inst->is_overdue ? -1 : 0;
	default:
		/* One failure may be bad luck, a second one in a row is not. */
		return inst->backoff.failures >= 2 ? -1 : 0;
	}
}

bool
service_waits_in_vain(const struct service *svc)
{
	const struct service *blocker = service_blocker(svc);

	for (unsigned i = 0; blocker != NULL && i < blocker->count; i++) {
		if (instance_settled(blocker->instances[i]) < 0)
			return true;
	}
	return false;
}

void
instance_put_bad(struct buf *bad, const struct instance *inst)
{
	const struct service *svc = inst->service;
	const struct service *blocker = NULL;

	if (inst->state == INSTANCE_WAITING)
		blocker = service_blocker(svc);
	if (blocker != NULL)
		buf_printf(bad, "%s/%u: starting: waits for %s\n", svc->name,
		    inst->index, blocker->name);
	else
		buf_printf(bad, "%s/%u: %s%s%s\n", svc->name, inst->index,
		    lifeline_state_name(instance_state(inst)),
		    inst->reason != NULL ? ": " : "",
		    inst->reason != NULL ? inst->reason : "");
}

int
services_settled(const struct services *services, struct buf *bad)
{
	size_t pending = 0, waiting = 0, failed = 0;
	const struct instance *inst;
	const struct service *svc;
	int settled;

	TAILQ_FOREACH (svc, &services->all, link) {
		for (unsigned i = 0; !svc->is_removed && i < svc->count; i++) {
			inst = svc->instances[i];
			settled = instance_settled(inst);
			if (inst->state == INSTANCE_WAITING)
				waiting++;
			else if (settled == 0)
				pending++;
			else if (settled < 0)
				failed++;
			if (bad != NULL && settled <= 0)
				instance_put_bad(bad, inst);
		}
	}
	if (pending > 0 || (waiting > 0 && failed == 0))
		return 0;
	return failed > 0 ? -1 : 1;
}
