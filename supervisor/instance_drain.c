/* instance_drain: an instance that gets no new requests; hangs. */
#include "instance.h"

#include "conf/conf.h"
#include "instance_probe.h"
#include "ipc/log.h"
#include "service.h"
#include "supervisor.h"

static void
instance_log(const struct instance *inst, const char *what)
{
	log_info("%s/%u[%d]: %s, generation %llu", inst->service->name,
	    inst->index, (int)inst->pid, what,
	    (unsigned long long)inst->generation);
}

static void
instance_begin_drain(struct instance *inst, enum instance_drain drain)
{
	/* What the router has never reached has nothing of its in flight. */
	inst->is_idle =
	    !inst->is_linked || (inst->drain != DRAIN_NOT && inst->is_idle);
	inst->is_late = false;
	instance_handle(inst, INSTANCE_EV_DRAIN);
	inst->drain = drain;
	instance_probe(inst);
}

bool
instance_drains_for_now(const struct instance *inst)
{
	return inst->state == STATE_DRAINING &&
	       (inst->drain == DRAIN_OPERATOR ||
		   inst->drain == DRAIN_UNHEALTHY);
}

void
instance_drain(struct instance *inst)
{
	if (inst->drain == DRAIN_OPERATOR && inst->is_late) {
		/* Asked again: it has as much time again. */
		inst->is_late = false;
		instance_handle(inst, INSTANCE_EV_DRAIN);
	}
	/* What its probe has drained, it can now not bring back alone. */
	if (inst->state != STATE_READY && inst->drain != DRAIN_UNHEALTHY)
		return;
	instance_log(inst, "drained by an operator");
	instance_set_reason(inst, "drained by an operator");
	instance_begin_drain(inst, DRAIN_OPERATOR);
	supervise_changed(inst->service->sup);
}

void
instance_undrain(struct instance *inst)
{
	if (inst->state != STATE_DRAINING || inst->drain != DRAIN_OPERATOR)
		return;
	if (instance_is_unwell(inst)) {
		instance_set_reason(inst, "unhealthy since it was drained");
		instance_log(inst, "drained until it is healthy again");
		inst->drain = DRAIN_UNHEALTHY;
		supervise_changed(inst->service->sup);
		return;
	}
	instance_log(inst, "drained no longer");
	instance_clear_reason(inst);
	instance_handle(inst, INSTANCE_EV_UNDRAIN);
}

void
instance_drain_unhealthy(struct instance *inst)
{
	if (inst->state != STATE_READY)
		return;
	instance_begin_drain(inst, DRAIN_UNHEALTHY);
	supervise_changed(inst->service->sup);
}

void
instance_well(struct instance *inst)
{
	if (inst->state != STATE_DRAINING || inst->drain != DRAIN_UNHEALTHY)
		return;
	instance_log(inst, "healthy again, drained no longer");
	instance_clear_reason(inst);
	instance_handle(inst, INSTANCE_EV_UNDRAIN);
}

void
instance_leave(struct instance *inst)
{
	bool is_told = inst->state == STATE_READY;

	inst->is_beside = true;
	if (inst->pid == 0) {
		/* It was held in its place by the hope for its successor. */
		loop_timer_drop(inst->service->sup->loop, &inst->timer);
		inst->state = STATE_STOPPED;
		return;
	}
	if (inst->state != STATE_READY && !instance_drains_for_now(inst)) {
		instance_tell(inst);
		return;
	}
	instance_log(inst, "leaves its place");
	instance_clear_reason(inst);
	instance_begin_drain(inst, DRAIN_LEAVING);
	if (!is_told)
		instance_tell(inst);
	if (inst->is_idle)
		instance_down(inst);
}

void
instance_retire(struct instance *inst)
{
	bool is_told = inst->state == STATE_READY;

	if (inst->drain == DRAIN_LEAVING) {
		inst->goal = INSTANCE_GOAL_DOWN;
		return;
	}
	if (inst->state != STATE_READY && !instance_drains_for_now(inst)) {
		instance_down(inst);
		/* Also one that was down may be so in another way. */
		if (inst->pid == 0)
			instance_tell(inst);
		return;
	}
	instance_log(inst, "finishes what it has, then stops");
	instance_clear_reason(inst);
	inst->goal = INSTANCE_GOAL_DOWN;
	instance_begin_drain(inst, DRAIN_LEAVING);
	if (!is_told)
		instance_tell(inst);
	if (inst->is_idle)
		instance_down(inst);
}

void
instance_stay(struct instance *inst)
{
	if (inst->state != STATE_DRAINING || inst->drain != DRAIN_LEAVING ||
	    inst->is_beside)
		return;
	instance_log(inst, "stays");
	if (instance_is_unwell(inst)) {
		inst->drain = DRAIN_UNHEALTHY;
		instance_tell(inst);
	} else
		instance_handle(inst, INSTANCE_EV_UNDRAIN);
}

/* It has finished: a new process follows where one is needed after all. */
static void
instance_left(struct instance *inst)
{
	if (inst->goal != INSTANCE_GOAL_AGAIN)
		inst->goal = INSTANCE_GOAL_DOWN;
	instance_handle(inst, INSTANCE_EV_DOWN);
}

void
instance_idle(struct instance *inst)
{
	if (inst->state != STATE_DRAINING)
		return;
	inst->is_idle = true;
	if (inst->drain == DRAIN_LEAVING)
		instance_left(inst);
	supervise_changed(inst->service->sup);
}

void
instance_on_overdue(struct instance *inst)
{
	switch (inst->drain) {
	case DRAIN_OPERATOR:
	case DRAIN_UNHEALTHY:
		inst->is_late = !inst->is_idle;
		supervise_changed(inst->service->sup);
		break;
	case DRAIN_LEAVING:
		log_warnx("%s/%u[%d]: requests are still in flight after "
			  "%lld ms, stopping it",
		    inst->service->name, inst->index, (int)inst->pid,
		    (long long)inst->conf->drain_timeout_ms);
		instance_left(inst);
		break;
	case DRAIN_HUNG:
		instance_handle(inst, INSTANCE_EV_STUCK);
		break;
	default:
		instance_handle(inst, INSTANCE_EV_TIMER);
		break;
	}
}

void
instance_hung(struct instance *inst, const char *what, uint64_t age_ms)
{
	/* One that leaves, or has said that it stops, has its time anyway. */
	if (inst->state != STATE_READY && !instance_drains_for_now(inst))
		return;
	instance_set_reason(inst, "hung: %s for %llu ms", what,
	    (unsigned long long)age_ms);
	log_warnx("%s/%u[%d]: %s, draining, aborted in %lld ms",
	    inst->service->name, inst->index, (int)inst->pid,
	    inst->reason != NULL ? inst->reason : "hung",
	    (long long)inst->conf->hang_grace_ms);
	inst->is_hung = true;
	instance_handle(inst, INSTANCE_EV_HUNG);
	inst->drain = DRAIN_HUNG;
	instance_probe(inst);
	supervise_changed(inst->service->sup);
}
