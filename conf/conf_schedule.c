/* The checks of services that run by a schedule. */
#include <stddef.h>

#include "conf_load.h"

static bool
has_key(const struct conf_service *service, enum conf_key_id id)
{
	switch (id) {
	case CONF_KEY_SERVICE_type:
		return service->kind != CONF_KIND_ONESHOT;
	case CONF_KEY_SERVICE_instances:
		return service->instances != 1 || service->instances_max > 1;
	case CONF_KEY_SERVICE_idle_stop:
		return service->idle_stop_ms != 0;
	case CONF_KEY_SERVICE_health:
		return service->health.kind != CONF_PROBE_NONE;
	case CONF_KEY_SERVICE_watchdog:
		return service->watchdog_ms != 0;
	default:
		return service->prefixes.count > 0;
	}
}

/* What makes no sense for something that runs now and then. */
static void
misfits_check(struct conf_loader *loader, const struct conf_section *section)
{
	static const enum conf_key_id misfits[] = { CONF_KEY_SERVICE_type,
		CONF_KEY_SERVICE_instances, CONF_KEY_SERVICE_idle_stop,
		CONF_KEY_SERVICE_health, CONF_KEY_SERVICE_watchdog,
		CONF_KEY_SERVICE_route };

	for (size_t i = 0; i < sizeof(misfits) / sizeof(misfits[0]); i++) {
		enum conf_key_id id = misfits[i];

		if (section->lines[id] == 0 || !has_key(section->object, id))
			continue;
		conf_section_mistake(loader, section, section->lines[id],
		    "key \"%s\" does not fit a service that runs by a schedule "
		    "(line %u); drop one of them",
		    conf_key_get(id)->name,
		    section->lines[CONF_KEY_SERVICE_schedule]);
	}
}

void
conf_schedule_check(struct conf_loader *loader,
    const struct conf_section *section)
{
	static const enum conf_key_id details[] = {
		CONF_KEY_SERVICE_schedule_zone, CONF_KEY_SERVICE_schedule_jitter
	};
	struct conf_service *service = section->object;

	for (size_t i = 0; i < 2 && !service->schedule.is_set; i++) {
		if (section->lines[details[i]] == 0 ||
		    section->lines[CONF_KEY_SERVICE_schedule] != 0)
			continue;
		conf_section_mistake(loader, section,
		    section->lines[details[i]],
		    "key \"%s\" is for a service that runs by a schedule; "
		    "write schedule = */5 * * * * or drop it",
		    conf_key_get(details[i])->name);
	}
	if (!service->schedule.is_set)
		return;
	misfits_check(loader, section);
	service->kind = CONF_KIND_ONESHOT;
	service->is_overlapping = false;
}

void
conf_schedule_check_route(struct conf_loader *loader,
    const struct conf_section *section)
{
	const struct conf_route *route = section->object;
	const struct conf_section *named;
	const struct conf_service *service;

	if (route->service == NULL)
		return;
	named = conf_section_find(loader, CONF_SECTION_SERVICE, route->service);
	service = named != NULL ? named->object : NULL;
	if (service == NULL || !service->schedule.is_set)
		return;
	conf_section_mistake(loader, section,
	    section->lines[CONF_KEY_ROUTE_service],
	    "service \"%s\" runs by a schedule and answers no requests; name "
	    "another",
	    route->service);
}
