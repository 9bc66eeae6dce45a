/* instance_end: what the end of a process means, and what comes next. */
#include "instance.h"

#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "conf/conf.h"
#include "crash.h"
#include "crash_oom.h"
#include "exit_text.h"
#include "instance_limits.h"
#include "ipc/launch.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "service.h"
#include "spawn.h"
#include "supervisor.h"

/* The end of one process, and what was decided about it. */
struct instance_end {
	const char *what; /* "exited 3" */
	bool is_success;
	/* Towards restart_limit: what this machine cannot give just now (a
	 * process, a pipe) is not the service's fault. */
	bool is_counted;
	enum instance_event event;
	int64_t delay_ms;
	char limit[160];              /* "more than 5 restarts in 60000 ms" */
	char tail[CRASH_ID_MAX + 16]; /* ", bundle ID", for the log */
};

static void
instance_log_retry(const struct instance *inst, const struct instance_end *end)
{
	const char *name = inst->service->name;

	if (end->delay_ms > 0)
		log_warnx("%s/%u[%d]: %s, next try in %lld ms%s", name,
		    inst->index, (int)inst->pid, end->what,
		    (long long)end->delay_ms, end->tail);
	else
		log_warnx("%s/%u[%d]: %s, restarting%s", name, inst->index,
		    (int)inst->pid, end->what, end->tail);
}

/* Nothing comes after it, even if others are still to stop before it. */
static bool
instance_is_last(const struct instance *inst)
{
	return inst->service->sup->services.is_stopping;
}

static void
instance_log_stopped(const struct instance *inst,
    const struct instance_end *end)
{
	const char *name = inst->service->name;
	int pid = (int)inst->pid;

	if (service_is_on_trial(inst) && inst->goal == INSTANCE_GOAL_UP)
		log_warnx("%s/%u[%d]: %s, it was on trial%s", name, inst->index,
		    pid, end->what, end->tail);
	else if (end->is_success || inst->goal == INSTANCE_GOAL_DOWN ||
		 inst->is_beside || instance_is_last(inst))
		log_info("%s/%u[%d]: %s, stopped%s", name, inst->index, pid,
		    end->what, end->tail);
	else
		log_warnx("%s/%u[%d]: %s, stopped: restart = %s%s", name,
		    inst->index, pid, end->what,
		    inst->conf->restart == CONF_RESTART_NEVER ? "never"
							      : "on-failure",
		    end->tail);
}

static void
instance_log_yield(const struct instance *inst, const struct instance_end *end)
{
	const char *name = inst->service->name;
	int pid = (int)inst->pid;

	if (service_has_successor(inst))
		log_warnx("%s/%u[%d]: %s, its successor takes over%s", name,
		    inst->index, pid, end->what, end->tail);
	else if (inst->goal == INSTANCE_GOAL_AGAIN)
		log_info("%s/%u[%d]: %s, starting again in its turn%s", name,
		    inst->index, pid, end->what, end->tail);
	else
		log_warnx("%s/%u[%d]: %s, restarting with its group in %lld "
			  "ms%s",
		    name, inst->index, pid, end->what, (long long)end->delay_ms,
		    end->tail);
}

/* The one log line for the end of a process. */
static void
instance_log_end(const struct instance *inst, const struct instance_end *end)
{
	const char *name = inst->service->name;
	int pid = (int)inst->pid;

	switch (end->event) {
	case INSTANCE_EV_LIMIT:
		log_errorx("%s/%u[%d]: %s, failed: %s, \"msvc start %s\" tries "
			   "again%s",
		    name, inst->index, pid, end->what, end->limit, name,
		    end->tail);
		break;
	case INSTANCE_EV_RETRY:
		instance_log_retry(inst, end);
		break;
	case INSTANCE_EV_AGAIN:
		log_info("%s/%u[%d]: %s, starting again%s", name, inst->index,
		    pid, end->what, end->tail);
		break;
	case INSTANCE_EV_YIELD:
		instance_log_yield(inst, end);
		break;
	default:
		instance_log_stopped(inst, end);
		break;
	}
}

static int64_t
instance_since_ms(const struct instance *inst, int64_t since_us)
{
	return since_us == 0 ? 0 : (instance_now_us(inst) - since_us) / 1000;
}

int64_t
instance_ready_ms(const struct instance *inst)
{
	return instance_since_ms(inst, inst->ready_us);
}

uint32_t
instance_random(void)
{
	struct timespec now;

	/* Jitter needs no better randomness than the clock's last digits. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)(now.tv_nsec / 1000);
}

struct backoff_rule
instance_backoff_rule(const struct instance *inst)
{
	const struct conf_service *conf = inst->conf;
	const struct conf_durations *delays = &conf->restart_delays;

	return (struct backoff_rule){
		.delay_ms = delays->items_ms[0],
		.delay_max_ms = conf->restart_delay_max_ms,
		.list_ms = delays->items_ms,
		.list_count = delays->count > 1 ? delays->count : 0,
		.settled_ms = conf->restart_after_ms,
		.limit = conf->restart_limit.count,
		.period_ms = conf->restart_limit.period_ms,
	};
}

static enum instance_event
instance_back_off(struct instance *inst, bool is_counted, int64_t *delay_r)
{
	const struct group *group = inst->service->group;
	struct backoff_rule rule = instance_backoff_rule(inst);
	int64_t now_us = instance_now_us(inst);
	enum instance_event event = INSTANCE_EV_RETRY;

	if (group != NULL && is_counted)
		event = group_judge(inst, delay_r);
	if (event != INSTANCE_EV_RETRY)
		return event;
	/* The group's limit stands for those of its services. */
	if (!is_counted ||
	    (group != NULL && group->conf->restart_limit.count != 0))
		rule.limit = 0;
	if (!backoff_next(&inst->backoff, &rule, now_us / 1000,
		instance_ready_ms(inst), instance_random(), delay_r))
		return INSTANCE_EV_LIMIT;
	inst->retry_us = now_us + *delay_r * 1000;
	return INSTANCE_EV_RETRY;
}

/* Why it is given up. */
static void
instance_put_limit(const struct instance *inst, char *text, size_t size)
{
	const struct conf_service *conf = inst->conf;
	const struct group *group = inst->service->group;
	struct conf_limit limit = conf->restart_limit;
	bool is_group = group != NULL && group->is_failed;

	if (is_group && group->conf->restart_limit.count != 0)
		limit = group->conf->restart_limit;
	if (conf->schedule.is_set && conf->restart == CONF_RESTART_NEVER)
		snprintf(text, size, "it runs again by its schedule");
	else if (conf->kind == CONF_KIND_ONESHOT &&
		 conf->restart == CONF_RESTART_NEVER)
		snprintf(text, size, "it runs once");
	else
		snprintf(text, size, "more than %u restarts%s%s in %lld ms",
		    limit.count, is_group ? " of group " : "",
		    is_group ? group->name : "", (long long)limit.period_ms);
}

/* What is to follow: end gets event and delay. */
static void
instance_decide(struct instance *inst, struct instance_end *end)
{
	enum conf_restart policy =
	    end->is_counted ? inst->conf->restart : CONF_RESTART_ALWAYS;

	if (inst->is_beside || instance_is_last(inst)) {
		end->event = INSTANCE_EV_ENDED;
		return;
	}
	if (inst->goal == INSTANCE_GOAL_UP && service_has_successor(inst)) {
		end->event = INSTANCE_EV_YIELD;
		return;
	}
	end->event = instance_fsm_judge(inst->state, inst->goal, policy,
	    inst->conf->kind, end->is_success && !inst->is_hung);
	if (end->event == INSTANCE_EV_RETRY)
		end->event =
		    instance_back_off(inst, end->is_counted, &end->delay_ms);
	if (end->event == INSTANCE_EV_LIMIT)
		instance_put_limit(inst, end->limit, sizeof(end->limit));
	if (end->event == INSTANCE_EV_AGAIN)
		backoff_reset(&inst->backoff);
	/* It was stopped to be started in its turn. */
	if (end->event == INSTANCE_EV_AGAIN && inst->service->is_new)
		end->event = INSTANCE_EV_YIELD;
}

static void
instance_explain(struct instance *inst, const struct instance_end *end)
{
	if (end->event == INSTANCE_EV_LIMIT)
		instance_set_reason(inst, "%s, %s", end->what, end->limit);
	else
		instance_set_reason(inst, "%s", end->what);
}

/* It is given up: what follows for others is seen to at the end of the turn. */
static void
instance_has_failed(struct instance *inst)
{
	struct service *svc = inst->service;

	if (svc->group != NULL && svc->group->is_failed)
		return;
	svc->has_failed = true;
	svc->sup->services.is_failing = true;
}

/* Carry out what was decided; the process is gone. */
static void
instance_go_on(struct instance *inst, const struct instance_end *end)
{
	/* Before the next one begins. */
	int64_t ran_ms = instance_since_ms(inst, inst->started_us);
	bool is_failure = !end->is_success && inst->goal == INSTANCE_GOAL_UP;

	instance_log_end(inst, end);
	instance_explain(inst, end);
	inst->is_success = end->is_success || inst->goal == INSTANCE_GOAL_DOWN;
	services_set_pid(&inst->service->sup->services, inst, 0);
	/* The router must hear how that generation ended before the next one
	 * begins. */
	if (end->event == INSTANCE_EV_AGAIN)
		instance_set_state(inst, STATE_STARTING);
	if (end->event == INSTANCE_EV_LIMIT)
		instance_has_failed(inst);
	instance_handle(inst, end->event);
	schedule_ended(inst, end->what, is_failure, ran_ms);
}

void
instance_unborn(struct instance *inst, const char *what, bool is_counted)
{
	struct instance_end end = { .what = what, .is_counted = is_counted };

	instance_decide(inst, &end);
	instance_go_on(inst, &end);
}

static const char *
instance_decision(const struct instance *inst, const struct instance_end *end)
{
	if (service_is_on_trial(inst))
		return "rolled back";
	switch (end->event) {
	case INSTANCE_EV_RETRY:
	case INSTANCE_EV_AGAIN:
		return "restart";
	case INSTANCE_EV_LIMIT:
		return "failed";
	case INSTANCE_EV_YIELD:
		return "replaced";
	default:
		return "stopped";
	}
}

/* Keep what can be known of a death that nobody wanted. */
static void
instance_bundle(struct instance *inst, struct instance_end *end, int status,
    const struct rusage *rusage)
{
	struct supervise *sup = inst->service->sup;
	char id[CRASH_ID_MAX] = "";
	struct crash_facts facts = {
		.service = inst->service->name,
		.index = inst->index,
		.generation = inst->generation,
		.pid = inst->pid,
		.status = status,
		.rusage = rusage,
		.uptime_ms = instance_since_ms(inst, inst->started_us),
		.ready_ms = instance_since_ms(inst, inst->ready_us),
		.is_oom = crash_is_oom(sup, status, inst->oom_count,
			      inst->state == STATE_STOPPING) ||
			  instance_cgroup_is_oom(inst),
		.what = end->what,
		.decision = instance_decision(inst, end),
		.delay_ms = end->delay_ms,
		.restarts = inst->backoff.ring_count,
		.restart_limit = inst->conf->restart_limit.count,
		.stream = inst->stream,
	};

	crash_begin(sup, &facts, id);
	if (id[0] != '\0')
		snprintf(end->tail, sizeof(end->tail), ", bundle %s", id);
}

void
instance_exited(struct instance *inst, int status, const struct rusage *rusage)
{
	const struct service *svc = inst->service;
	const uint8_t *codes = inst->conf->success_codes;
	char what[SPAWN_REPORT_MAX + 1];
	struct instance_end end = { .what = what };
	bool is_asked;

	instance_read_report(inst);
	instance_close_report(inst);
	/* Alive, it has a reason only when that is the cause of its end. */
	if (inst->reason != NULL && !instance_drains_for_now(inst))
		snprintf(what, sizeof(what), "%s", inst->reason);
	else
		exit_text(status, what);
	inst->exit_status = status;
	inst->has_exited = true;
	rundir_drop_instance(&svc->sup->rundir, svc->name, inst->index,
	    (unsigned long long)inst->generation);
	is_asked =
	    (inst->goal != INSTANCE_GOAL_UP && inst->drain != DRAIN_LEAVING) ||
	    (inst->state == STATE_STOPPING && !inst->is_hung);
	end.is_counted = !(inst->is_unborn && WIFEXITED(status) &&
			   WEXITSTATUS(status) == LAUNCH_EXIT_RESOURCE);
	end.is_success = !inst->is_unborn && exit_is_success(status, codes);
	inst->death = inst->is_unborn
			  ? DEATH_NONE
			  : exit_death(status, codes, inst->ready_us != 0,
				is_asked, inst->is_hung);
	/* What is new is to blame, not the requests that it got to see. */
	if (inst->death == DEATH_SUSPECT && service_is_on_trial(inst))
		inst->death = DEATH_OTHER;
	instance_decide(inst, &end);
	if (inst->is_unhealthy ||
	    (!is_asked && (!end.is_success || inst->is_hung)))
		instance_bundle(inst, &end, status, rusage);
	instance_cgroup_drop(inst);
	instance_go_on(inst, &end);
}
