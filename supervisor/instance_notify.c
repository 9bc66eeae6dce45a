/* instance_notify: what an instance says of itself by sd_notify(3). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "instance.h"
#include "instance_probe.h"
#include "ipc/log.h"
#include "notify.h"
#include "service.h"
#include "supervisor.h"

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
	if (inst->state == STATE_DRAINING && !instance_drains_for_now(inst))
		return;
	instance_handle(inst, INSTANCE_EV_STOPPING);
	if (inst->state != STATE_DRAINING)
		return;
	instance_clear_reason(inst);
	inst->drain = DRAIN_SELF;
	instance_probe(inst);
	/* Bound by stop_timeout; few go on to speak while they clean up. */
	instance_watch(inst);
	supervise_changed(inst->service->sup);
}

/* More time to become ready, or to stop; what is left is never cut. */
static void
instance_extend(struct instance *inst, int64_t extend_us)
{
	bool is_going =
	    inst->state == STATE_STOPPING ||
	    (inst->state == STATE_DRAINING && inst->drain == DRAIN_SELF);
	int64_t due_us = instance_now_us(inst) + extend_us;

	/* One that hangs gets SIGABRT and has no more to say. */
	if ((inst->state != STATE_STARTING && !is_going) || inst->is_hung)
		return;
	if (loop_timer_is_set(&inst->timer) && inst->timer.due_us < due_us)
		loop_timer_set(inst->service->sup->loop, &inst->timer, due_us);
}

static void
instance_reloads(struct instance *inst, bool is_reloading)
{
	if (inst->is_reloading == is_reloading ||
	    (is_reloading && inst->state != STATE_READY &&
		!instance_drains_for_now(inst)))
		return;
	inst->is_reloading = is_reloading;
	log_info("%s/%u[%d]: %s", inst->service->name, inst->index,
	    (int)inst->pid, is_reloading ? "reloading" : "has reloaded");
}

/* Its main process is the one that was started, and nobody else's. */
static void
instance_refuse(struct instance *inst, const struct notify_msg *msg)
{
	bool is_same =
	    strcmp(msg->refused, "MAINPID") == 0 && msg->main_pid == inst->pid;

	if (is_same || inst->is_refused)
		return;
	inst->is_refused = true;
	log_warnx("%s/%u[%d]: its notification %s is refused, see "
		  "msvc.ini(5)",
	    inst->service->name, inst->index, (int)inst->pid, msg->refused);
}

static void
instance_fails(struct instance *inst, const char *error)
{
	if (inst->error != NULL && strcmp(inst->error, error) == 0)
		return;
	free(inst->error);
	inst->error = error[0] != '\0' ? strdup(error) : NULL;
	if (inst->error != NULL)
		log_warnx("%s/%u[%d]: says that it failed: %s",
		    inst->service->name, inst->index, (int)inst->pid,
		    inst->error);
}

void
instance_matched(struct instance *inst)
{
	if (instance_ready_pattern(inst) != NULL)
		instance_ready(inst);
}

void
instance_linked(struct instance *inst)
{
	enum conf_ready ready = inst->conf->ready;

	inst->is_linked = true;
	if (ready == CONF_READY_AUTO || ready == CONF_READY_LISTEN)
		instance_ready(inst);
}

static void
instance_told(struct instance *inst, const struct notify_msg *msg)
{
	if ((msg->flags & NOTIFY_STATUS) != 0) {
		free(inst->status);
		inst->status = strdup(msg->status);
	}
	if ((msg->flags & NOTIFY_ERROR) != 0)
		instance_fails(inst, msg->error);
	if ((msg->flags & NOTIFY_REFUSED) != 0)
		instance_refuse(inst, msg);
	if ((msg->flags & NOTIFY_EXTEND) != 0)
		instance_extend(inst, msg->extend_us);
}

void
instance_notified(struct instance *inst, const struct notify_msg *msg)
{
	enum conf_ready ready = inst->conf->ready;

	instance_told(inst, msg);
	if ((msg->flags & NOTIFY_RELOADING) != 0)
		instance_reloads(inst, true);
	if ((msg->flags & NOTIFY_READY) != 0) {
		instance_reloads(inst, false);
		if (ready == CONF_READY_AUTO || ready == CONF_READY_NOTIFY)
			instance_ready(inst);
	}
	instance_alive(inst, msg);
	if ((msg->flags & NOTIFY_STOPPING) != 0)
		instance_stops(inst);
}

void
instance_unsay(struct instance *inst)
{
	free(inst->status);
	free(inst->error);
	inst->status = inst->error = NULL;
	inst->is_reloading = inst->is_refused = false;
}

const char *
instance_said(const struct instance *inst, char *text, size_t size)
{
	const char *parts[] = { inst->is_reloading ? "reloading" : NULL,
		inst->error, inst->status };
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i] == NULL || parts[i][0] == '\0' || len >= size)
			continue;
		len += (size_t)snprintf(text + len, size - len, "%s%s",
		    len > 0 ? ", " : "", parts[i]);
	}
	return len > 0 ? text : NULL;
}
