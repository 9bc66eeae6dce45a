/* service_settled: have they come up, or will they not? */
#include <stdio.h>

#include "conf/conf.h"
#include "group.h"
#include "instance.h"
#include "ipc/buf.h"
#include "service.h"

/*
 * In a row, also of those for which it is restarted; but those are no failures
 * of one that was added since.
 */
static unsigned
instance_failures(const struct instance *inst)
{
	const struct group *group = inst->service->group;
	unsigned failures = inst->backoff.failures;

	if (group == NULL ||
	    inst->last_generation <= inst->first_generation + 1 ||
	    group->conf->strategy == CONF_STRATEGY_ONE_FOR_ONE ||
	    group->backoff.failures < failures)
		return failures;
	return group->backoff.failures;
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
		/* Whether it even has a program is known in a moment. */
		if (inst->report.fd >= 0)
			return 0;
		/* One failure may be bad luck, a second one in a row is not;
		 * but what ends by itself is tried until it is given up. */
		return instance_failures(inst) >= 2 &&
			       inst->conf->kind != CONF_KIND_ONESHOT
			   ? -1
			   : 0;
	}
}

bool
service_waits_in_vain(const struct service *svc)
{
	const struct service *blocker = service_blocker(svc);

	if (svc->is_vain)
		return true;
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
	const char *wait = NULL;
	char text[320];

	if (inst->state == INSTANCE_WAITING)
		wait = service_wait_text(svc, text, sizeof(text));
	if (wait == NULL)
		wait = inst->reason;
	buf_printf(bad, "%s/%u: %s%s%s\n", svc->name, inst->index,
	    lifeline_state_name(instance_state(inst)), wait != NULL ? ": " : "",
	    wait != NULL ? wait : "");
}

int
services_settled(const struct services *services, struct buf *bad)
{
	size_t pending = 0, waiting = 0, failed = 0;
	const struct instance *inst;
	const struct service *svc;
	int settled;

	TAILQ_FOREACH (svc, &services->all, link) {
		/* Whoever starts a run waits for its end, nobody else does. */
		if (svc->conf->schedule.is_set)
			continue;
		for (unsigned i = 0; !svc->is_removed && i < svc->count; i++) {
			inst = svc->instances[i];
			settled = instance_settled(inst);
			if (inst->state == INSTANCE_WAITING && svc->is_vain)
				settled = -1;
			if (settled < 0)
				failed++;
			else if (inst->state == INSTANCE_WAITING)
				waiting++;
			else if (settled == 0)
				pending++;
			if (bad != NULL && settled <= 0)
				instance_put_bad(bad, inst);
		}
	}
	if (pending > 0 || (waiting > 0 && failed == 0))
		return 0;
	return failed > 0 ? -1 : 1;
}
