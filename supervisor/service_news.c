/* service_news: what the router says of the instances of services. */
#include <string.h>

#include "instance.h"
#include "ipc/lifeline.h"
#include "service.h"
#include "supervisor.h"

/* News of a generation that has died meanwhile mean nothing. */
static struct instance *
services_find_generation(const struct services *services, const char *name,
    uint64_t index, uint64_t generation)
{
	const struct service *svc = services_find(services, name, strlen(name));

	return svc != NULL ? service_generation(svc, index, generation) : NULL;
}

void
services_linked(struct services *services, const struct lifeline_linked *linked,
    bool is_linked)
{
	struct service *svc =
	    services_find(services, linked->service, strlen(linked->service));
	struct instance *inst;

	if (svc != NULL && svc->conf->url != NULL) {
		svc->is_linked = is_linked;
		return;
	}
	inst = services_find_generation(services, linked->service,
	    linked->index, linked->generation);
	if (inst != NULL && is_linked)
		instance_linked(inst);
}

void
services_hung(struct services *services, const struct lifeline_hung *hung)
{
	struct instance *inst = services_find_generation(services,
	    hung->service, hung->index, hung->generation);

	if (inst != NULL)
		instance_hung(inst, hung->what, hung->age_ms);
}

void
services_idle(struct services *services, const struct lifeline_linked *idle)
{
	struct instance *inst = services_find_generation(services,
	    idle->service, idle->index, idle->generation);

	if (inst != NULL)
		instance_idle(inst);
}

void
services_matched(struct services *services, uint64_t stream)
{
	const struct service *svc;

	streams_matched(&services->sup->streams, stream);
	/* Once a start, so that looking at all of them costs little. */
	TAILQ_FOREACH (svc, &services->all, link) {
		for (unsigned i = 0; i < svc->count; i++) {
			if (svc->instances[i]->stream == stream)
				instance_matched(svc->instances[i]);
		}
		if (svc->beside != NULL && svc->beside->stream == stream)
			instance_matched(svc->beside);
	}
}

/* Only while two generations are compared do the numbers matter. */
void
services_stats(struct services *services, const struct lifeline_stats *stats)
{
	struct instance *inst = services_find_generation(services,
	    stats->service, stats->index, stats->generation);
	struct service *svc = inst != NULL ? inst->service : NULL;
	struct judge_stats *side;

	if (svc == NULL || svc->roll.state != ROLLING_RAMP ||
	    svc->roll.index != inst->index)
		return;
	side = inst == svc->beside ? &svc->roll.fresh : &svc->roll.old;
	*side = (struct judge_stats){ stats->requests, stats->failures,
		stats->latency_us };
	supervise_changed(services->sup);
}
