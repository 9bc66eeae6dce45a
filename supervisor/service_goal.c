/* service_goal: what is wanted of a service, up, down or asleep; its state. */
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "instance.h"
#include "service.h"

void
service_up(struct service *svc)
{
	unsigned count = svc->scale;

	svc->is_wanted = true;
	svc->is_asleep = false;
	service_set_leave(svc, LEAVE_NOT);
	if (svc->group != NULL)
		group_reset(svc->group);
	service_dequeue(svc);
	for (unsigned i = 0; i < svc->count && i < count; i++) {
		instance_up(svc->instances[i]);
		instance_undrain(svc->instances[i]);
	}
}

/* stop is carried out on each instance. */
static void
service_halt(struct service *svc, void (*stop)(struct instance *inst))
{
	service_set_leave(svc, LEAVE_NOT);
	service_dequeue(svc);
	for (unsigned i = 0; i < svc->count; i++)
		stop(svc->instances[i]);
	/* At once: before the end of this turn it may be wanted again. */
	if (svc->beside != NULL && svc->roll.state != ROLLING_CANCELED)
		service_roll_cancel(svc);
}

/* Of those that are down already no change of state tells. */
static void
service_tell_down(const struct service *svc)
{
	for (unsigned i = 0; i < svc->count; i++) {
		if (svc->instances[i]->pid == 0)
			instance_tell(svc->instances[i]);
	}
}

void
service_down(struct service *svc)
{
	bool was_asleep = svc->is_asleep;

	svc->is_wanted = false;
	svc->is_asleep = false;
	service_halt(svc, instance_down);
	if (was_asleep)
		service_tell_down(svc);
}

void
service_sleep(struct service *svc, const char *why)
{
	free(svc->sleep_why);
	svc->sleep_why = strdup(why);
	/* First, so that what is told of its instances says so. */
	svc->is_asleep = true;
	service_halt(svc, instance_retire);
}

void
service_wake(struct service *svc)
{
	if (svc->is_asleep && svc->is_wanted && !svc->is_removed)
		service_enqueue(svc);
}

bool
service_is_down(const struct service *svc)
{
	if (svc->beside != NULL && svc->beside->pid != 0)
		return false;
	for (unsigned i = 0; i < svc->count; i++) {
		if (svc->instances[i]->pid != 0)
			return false;
	}
	return true;
}

bool
services_are_down(const struct services *services)
{
	const struct service *svc;

	TAILQ_FOREACH (svc, &services->all, link) {
		if (!service_is_down(svc))
			return false;
	}
	return true;
}

/* The worst state tells most; ready only when all are. */
unsigned
service_state(const struct service *svc)
{
	static const unsigned worst_first[] = { STATE_FAILED, STATE_BACKOFF,
		STATE_STARTING, STATE_STOPPING, STATE_DRAINING, STATE_STOPPED,
		STATE_DISABLED, STATE_READY };

	if (!svc->conf->is_enabled && service_is_down(svc))
		return STATE_DISABLED;
	for (size_t k = 0; k < sizeof(worst_first) / sizeof(unsigned); k++) {
		for (unsigned i = 0; i < svc->count; i++) {
			if (instance_state(svc->instances[i]) == worst_first[k])
				return worst_first[k];
		}
	}
	return STATE_READY;
}
