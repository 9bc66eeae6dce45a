/* instance_drain: an instance that gets no new requests; hangs, watchdog. */
#include "instance.h"

#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "ipc/log.h"
#include "notify.h"
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
}

void
instance_drain(struct instance *inst)
{
	if (inst->drain == DRAIN_OPERATOR && inst->is_late) {
		/* Asked again: it has as much time again. */
		inst->is_late = false;
		instance_handle(inst, INSTANCE_EV_DRAIN);
	}
	if (inst->state != STATE_READY)
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
	instance_log(inst, "drained no longer");
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
	if (inst->state != STATE_READY && inst->drain != DRAIN_OPERATOR) {
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
instance_idle(struct instance *inst)
{
	if (inst->state != STATE_DRAINING)
		return;
	inst->is_idle = true;
	if (inst->drain == DRAIN_LEAVING)
		instance_down(inst);
	supervise_changed(inst->service->sup);
}

void
instance_on_overdue(struct instance *inst)
{
	switch (inst->drain) {
	case DRAIN_OPERATOR:
		inst->is_late = !inst->is_idle;
		supervise_changed(inst->service->sup);
		break;
	case DRAIN_LEAVING:
		log_warnx("%s/%u[%d]: requests are still in flight after "
			  "%lld ms, stopping it",
		    inst->service->name, inst->index, (int)inst->pid,
		    (long long)inst->conf->drain_timeout_ms);
		instance_down(inst);
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
	if (inst->state != STATE_READY && inst->drain != DRAIN_OPERATOR)
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
	supervise_changed(inst->service->sup);
}

void
instance_watch(struct instance *inst)
{
	struct loop *loop = inst->service->sup->loop;

	if (inst->watchdog_us > 0 && inst->drain != DRAIN_SELF &&
	    (inst->state == STATE_READY || inst->state == STATE_DRAINING))
		loop_timer_set(loop, &inst->watchdog,
		    instance_now_us(inst) + inst->watchdog_us);
	else
		loop_timer_drop(loop, &inst->watchdog);
}

void
instance_on_watchdog(struct loop_timer *timer)
{
	struct instance *inst = loop_owner(timer, struct instance, watchdog);

	instance_set_reason(inst, "watchdog: silent for %lld ms",
	    (long long)inst->watchdog_us / 1000);
	instance_handle(inst, INSTANCE_EV_STUCK);
}

static void
instance_alive(struct instance *inst, const struct notify_msg *msg)
{
	if ((msg->flags & NOTIFY_PERIOD) != 0)
		inst->watchdog_us = msg->watchdog_us;
	if ((msg->flags & (NOTIFY_PERIOD | NOTIFY_WATCHDOG)) != 0)
		instance_watch(inst);
	if ((msg->flags & NOTIFY_TRIGGER) != 0 &&
	    (inst->state == STATE_READY || inst->state == STATE_DRAINING)) {
		instance_set_reason(inst, "watchdog: triggered by itself");
		instance_handle(inst, INSTANCE_EV_STUCK);
	}
}

/* It says that it stops: told twice, its time does not begin again. */
static void
instance_stops(struct instance *inst)
{
	if (inst->state == STATE_DRAINING && inst->drain != DRAIN_OPERATOR)
		return;
	instance_handle(inst, INSTANCE_EV_STOPPING);
	if (inst->state != STATE_DRAINING)
		return;
	instance_clear_reason(inst);
	inst->drain = DRAIN_SELF;
	/* Bound by stop_timeout; few go on to speak while they clean up. */
	instance_watch(inst);
	supervise_changed(inst->service->sup);
}

void
instance_linked(struct instance *inst)
{
	enum conf_ready ready = inst->conf->ready;

	inst->is_linked = true;
	if (ready == CONF_READY_AUTO || ready == CONF_READY_LISTEN)
		instance_ready(inst);
}

void
instance_notified(struct instance *inst, const struct notify_msg *msg)
{
	enum conf_ready ready = inst->conf->ready;

	if ((msg->flags & NOTIFY_STATUS) != 0) {
		free(inst->status);
		inst->status = strdup(msg->status);
	}
	if ((msg->flags & NOTIFY_READY) != 0 &&
	    (ready == CONF_READY_AUTO || ready == CONF_READY_NOTIFY))
		instance_ready(inst);
	instance_alive(inst, msg);
	if ((msg->flags & NOTIFY_STOPPING) != 0)
		instance_stops(inst);
}
