#include "instance.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "conf/conf.h"
#include "instance_limits.h"
#include "instance_probe.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "launch_env.h"
#include "service.h"
#include "supervisor.h"

static void
instance_on_timer(struct loop_timer *timer)
{
	struct instance *inst = loop_owner(timer, struct instance, timer);

	if (inst->state == STATE_DRAINING)
		instance_on_overdue(inst);
	else
		instance_handle(inst, INSTANCE_EV_TIMER);
}

struct instance *
instance_new(struct service *service, unsigned index)
{
	struct instance *inst = calloc(1, sizeof(*inst));

	if (inst == NULL)
		return NULL;
	inst->service = service;
	inst->index = index;
	inst->state = STATE_STOPPED;
	inst->since = time(NULL);
	inst->conf = service->conf;
	inst->timer.fn = instance_on_timer;
	inst->watchdog.fn = instance_on_watchdog;
	inst->report.fd = -1;
	LIST_INIT(&inst->streams);
	return inst;
}

void
instance_free(struct instance **instp)
{
	struct instance *inst = *instp;

	if (inst == NULL)
		return;
	*instp = NULL;
	loop_timer_drop(inst->service->sup->loop, &inst->timer);
	loop_timer_drop(inst->service->sup->loop, &inst->watchdog);
	instance_close_report(inst);
	instance_probe_end(inst);
	services_set_pid(&inst->service->sup->services, inst, 0);
	streams_disown(&inst->streams);
	backoff_fini(&inst->backoff);
	instance_unsay(inst);
	free(inst->reason);
	free(inst);
}

unsigned
instance_state(const struct instance *inst)
{
	if (inst->state == INSTANCE_WAITING)
		return inst->service->is_vain ? STATE_STOPPED : STATE_STARTING;
	return inst->state;
}

int64_t
instance_now_us(const struct instance *inst)
{
	return loop_now_us(inst->service->sup->loop);
}

void
instance_set_timer(struct instance *inst, int64_t delay_ms)
{
	loop_timer_set(inst->service->sup->loop, &inst->timer,
	    instance_now_us(inst) + delay_ms * 1000);
}

void
instance_set_reason(struct instance *inst, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	free(inst->reason);
	inst->reason = text;
}

void
instance_clear_reason(struct instance *inst)
{
	free(inst->reason);
	inst->reason = NULL;
}

/* Why it is so, for the router; text has room for size bytes. */
static const char *
instance_cause(const struct instance *inst, char *text, size_t size)
{
	if (inst->state == INSTANCE_WAITING &&
	    service_wait_text(inst->service, text, size) != NULL)
		return text;
	if (inst->service->is_asleep && inst->pid == 0 &&
	    inst->service->sleep_why != NULL)
		return inst->service->sleep_why;
	return inst->reason != NULL ? inst->reason : "";
}

/* Does it start with the next request, if not before? */
static bool
instance_is_asleep(const struct instance *inst)
{
	const struct service *svc = inst->service;

	return svc->is_asleep && svc->conf->idle_stop_ms > 0 &&
	       !inst->is_beside && inst->index <= svc->scale;
}

void
instance_tell(const struct instance *inst)
{
	struct lifeline_msg msg = { .type = LIFELINE_INSTANCE };
	struct lifeline_instance *tell = &msg.u.instance;
	char url[LAUNCH_ENV_URL_MAX] = "", text[320];
	int64_t left_us = inst->retry_us - instance_now_us(inst);

	if (inst->service->is_removed)
		return;
	if (inst->pid != 0)
		launch_env_url(inst, url);
	tell->service = inst->service->name;
	tell->index = inst->index;
	tell->generation = inst->generation;
	tell->state = instance_state(inst);
	tell->pid = (uint64_t)inst->pid;
	tell->listen = url;
	if (inst->state == STATE_BACKOFF && left_us > 0)
		tell->retry_ms = (uint64_t)(left_us + 999) / 1000;
	tell->reason = instance_cause(inst, text, sizeof(text));
	tell->is_beside = inst->is_beside;
	tell->is_asleep = instance_is_asleep(inst);
	tell->death = inst->death;
	tell->restarts = inst->backoff.ring_count;
	tell->restart_limit = inst->conf->restart_limit.count;
	feed_send(&inst->service->sup->router.feed, &msg, -1);
}

void
instance_set_state(struct instance *inst, unsigned state)
{
	if (state == STATE_STOPPED && !inst->service->conf->is_enabled)
		state = STATE_DISABLED;
	if (state != STATE_DRAINING)
		inst->drain = DRAIN_NOT;
	if (state != STATE_DRAINING && state != STATE_READY)
		loop_timer_drop(inst->service->sup->loop, &inst->watchdog);
	inst->state = state;
	inst->since = time(NULL);
	instance_probe(inst);
	instance_tell(inst);
	supervise_changed(inst->service->sup);
}

/* To the group; before it exists (child not yet run) to the process. */
static void
instance_kill_group(const struct instance *inst)
{
	if (inst->pid <= 0)
		return;
	(void)kill(-inst->pid, SIGKILL);
	(void)kill(inst->pid, SIGKILL);
	instance_cgroup_kill(inst);
}

/*
 * A stopped process (SIGSTOP) must wake up to see a signal, and so must those
 * of its group that it waits for: a fault stops them all.
 */
static void
instance_wake(const struct instance *inst)
{
	if (kill(-inst->pid, SIGCONT) == -1)
		(void)kill(inst->pid, SIGCONT);
}

static void
instance_term(struct instance *inst, bool is_overdue)
{
	const struct conf_service *conf = inst->conf;
	char why[INSTANCE_HEALTH_MAX];

	inst->is_overdue = is_overdue && inst->state == STATE_STARTING;
	if (inst->is_overdue)
		instance_set_reason(inst, "not ready within %lld ms%s",
		    (long long)conf->ready_timeout_ms,
		    instance_unready_text(inst, why, sizeof(why)));
	else if (is_overdue)
		instance_set_reason(inst,
		    "said that it stops, did not end within %lld ms",
		    (long long)conf->stop_timeout_ms);
	if (is_overdue)
		log_warnx("%s/%u[%d]: %s, stopping it", inst->service->name,
		    inst->index, (int)inst->pid,
		    inst->reason != NULL ? inst->reason : "overdue");
	(void)kill(inst->pid, conf->stop_signal);
	instance_wake(inst);
	instance_set_timer(inst, conf->stop_timeout_ms);
}

/* A core tells where it hangs; one that is stopped must wake up to die. */
static void
instance_abort(struct instance *inst)
{
	log_warnx("%s/%u[%d]: %s, aborting it", inst->service->name,
	    inst->index, (int)inst->pid,
	    inst->reason != NULL ? inst->reason : "hung");
	inst->is_hung = true;
	(void)kill(inst->pid, SIGABRT);
	instance_wake(inst);
	instance_set_timer(inst, inst->conf->stop_timeout_ms);
}

static void
instance_carry_out(struct instance *inst, enum instance_action action,
    enum instance_event event)
{
	switch (action) {
	case INSTANCE_DO_LINGER:
		instance_set_timer(inst, inst->conf->stop_timeout_ms);
		break;
	case INSTANCE_DO_TERM:
		instance_term(inst, event == INSTANCE_EV_TIMER);
		break;
	case INSTANCE_DO_DRAIN:
		instance_set_timer(inst, inst->conf->drain_timeout_ms);
		break;
	case INSTANCE_DO_DOUBT:
		instance_set_timer(inst, inst->conf->hang_grace_ms);
		break;
	case INSTANCE_DO_ABORT:
		instance_abort(inst);
		break;
	case INSTANCE_DO_KILL:
		log_warnx("%s/%u[%d]: not stopped within %lld ms, killing it",
		    inst->service->name, inst->index, (int)inst->pid,
		    (long long)inst->conf->stop_timeout_ms);
		instance_kill_group(inst);
		return;
	case INSTANCE_DO_WAIT:
		loop_timer_set(inst->service->sup->loop, &inst->timer,
		    inst->retry_us);
		break;
	default:
		loop_timer_drop(inst->service->sup->loop, &inst->timer);
		break;
	}
	if (event == INSTANCE_EV_DOWN)
		instance_clear_reason(inst);
}

/* It starts in its turn. */
static void
instance_queue(struct instance *inst)
{
	inst->goal = INSTANCE_GOAL_UP;
	loop_timer_drop(inst->service->sup->loop, &inst->timer);
	service_mark_new(inst->service);
	instance_set_state(inst, INSTANCE_WAITING);
}

void
instance_handle(struct instance *inst, enum instance_event event)
{
	struct instance_step step = instance_fsm_step(inst->state, event);
	unsigned before = inst->state;

	if (step.action == INSTANCE_DO_NOTHING)
		return;
	if (step.action == INSTANCE_DO_SPAWN && !inst->is_beside &&
	    service_lacks_required(inst->service)) {
		instance_queue(inst);
		return;
	}
	if (step.action == INSTANCE_DO_SPAWN) {
		inst->state = STATE_STARTING;
		instance_spawn(inst);
		return;
	}
	instance_carry_out(inst, step.action, event);
	if (step.next != before)
		instance_set_state(inst, step.next);
}

void
instance_ready(struct instance *inst)
{
	if (inst->state != STATE_STARTING || inst->pid == 0 ||
	    inst->conf->kind == CONF_KIND_ONESHOT)
		return;
	inst->ready_us = instance_now_us(inst);
	instance_clear_reason(inst);
	log_info("%s/%u[%d]: ready after %lld ms, generation %llu",
	    inst->service->name, inst->index, (int)inst->pid,
	    (long long)(inst->ready_us - inst->started_us) / 1000,
	    (unsigned long long)inst->generation);
	instance_handle(inst, INSTANCE_EV_READY);
	instance_watch(inst);
	service_load_ready(inst->service);
}

/* Is its process of no use any more, once it has finished what it has? */
static bool
instance_must_end(const struct instance *inst)
{
	return inst->state == STATE_STOPPING ||
	       (inst->drain == DRAIN_LEAVING && inst->stale != STALE_NOT);
}

void
instance_up(struct instance *inst)
{
	if (inst->pid != 0) {
		inst->goal = instance_must_end(inst) ? INSTANCE_GOAL_AGAIN
						     : INSTANCE_GOAL_UP;
		if (inst->goal == INSTANCE_GOAL_UP)
			instance_stay(inst);
		return;
	}
	if (service_has_successor(inst))
		return;
	if (inst->state == STATE_DISABLED)
		inst->state = STATE_STOPPED;
	backoff_reset(&inst->backoff);
	instance_handle(inst, INSTANCE_EV_UP);
}

void
instance_wait(struct instance *inst)
{
	if (inst->pid != 0) {
		instance_up(inst);
		return;
	}
	inst->goal = INSTANCE_GOAL_UP;
	backoff_reset(&inst->backoff);
	loop_timer_drop(inst->service->sup->loop, &inst->timer);
	instance_clear_reason(inst);
	instance_set_state(inst, INSTANCE_WAITING);
}

void
instance_down(struct instance *inst)
{
	inst->goal = INSTANCE_GOAL_DOWN;
	instance_handle(inst, INSTANCE_EV_DOWN);
}

void
instance_again(struct instance *inst)
{
	if (inst->pid == 0) {
		instance_up(inst);
		return;
	}
	inst->goal = INSTANCE_GOAL_AGAIN;
	instance_handle(inst, INSTANCE_EV_DOWN);
}

void
instance_set_conf(struct instance *inst, const struct conf_service *conf)
{
	const struct conf_service *old = inst->conf;

	inst->conf = conf;
	if (conf == old)
		return;
	instance_probe_applied(inst, old);
	instance_apply_limits(inst, old);
}

void
instance_kill(struct instance *inst)
{
	instance_down(inst);
	instance_kill_group(inst);
}
