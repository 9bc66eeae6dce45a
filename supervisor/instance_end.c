/* instance_end: what the end of a process means, and what comes next. */
#include "instance.h"

#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "conf/conf.h"
#include "crash.h"
#include "crash_oom.h"
#include "exit_text.h"
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
		 inst->is_beside)
		log_info("%s/%u[%d]: %s, stopped%s", name, inst->index, pid,
		    end->what, end->tail);
	else
		log_warnx("%s/%u[%d]: %s, stopped: restart = %s%s", name,
		    inst->index, pid, end->what,
		    inst->conf->restart == CONF_RESTART_NEVER ? "never"
							      : "on-failure",
		    end->tail);
}

/* The one log line for the end of a process. */
static void
instance_log_end(const struct instance *inst, const struct instance_end *end)
{
	const struct conf_service *conf = inst->conf;
	const char *name = inst->service->name;
	int pid = (int)inst->pid;

	switch (end->event) {
	case INSTANCE_EV_LIMIT:
		log_errorx("%s/%u[%d]: %s, failed: more than %u restarts in "
			   "%lld ms, \"msvc start %s\" tries again%s",
		    name, inst->index, pid, end->what, conf->restart_limit.count,
		    (long long)conf->restart_limit.period_ms, name, end->tail);
		break;
	case INSTANCE_EV_RETRY:
		instance_log_retry(inst, end);
		break;
	case INSTANCE_EV_AGAIN:
		log_info("%s/%u[%d]: %s, starting again%s", name, inst->index,
		    pid, end->what, end->tail);
		break;
	case INSTANCE_EV_YIELD:
		log_warnx("%s/%u[%d]: %s, its successor takes over%s", name,
		    inst->index, pid, end->what, end->tail);
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

static enum instance_event
instance_back_off(struct instance *inst, bool is_counted, int64_t *delay_r)
{
	const struct conf_service *conf = inst->conf;
	struct backoff_rule rule = {
		.delay_ms = conf->restart_delays.items_ms[0],
		.delay_max_ms = conf->restart_delay_max_ms,
		.limit = is_counted ? conf->restart_limit.count : 0,
		.period_ms = conf->restart_limit.period_ms,
	};
	int64_t now_us = instance_now_us(inst);
	struct timespec now;

	/* Jitter needs no better randomness than the clock's last digits. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!backoff_next(&inst->backoff, &rule, now_us / 1000,
		instance_since_ms(inst, inst->ready_us),
		(uint32_t)(now.tv_nsec / 1000), delay_r))
		return INSTANCE_EV_LIMIT;
	inst->retry_us = now_us + *delay_r * 1000;
	return INSTANCE_EV_RETRY;
}

/* What is to follow: end gets event and delay. */
static void
instance_decide(struct instance *inst, struct instance_end *end)
{
	enum conf_restart policy =
	    end->is_counted ? inst->conf->restart : CONF_RESTART_ALWAYS;

	if (inst->is_beside) {
		end->event = INSTANCE_EV_ENDED;
		return;
	}
	if (inst->goal == INSTANCE_GOAL_UP && service_has_successor(inst)) {
		end->event = INSTANCE_EV_YIELD;
		return;
	}
	end->event = instance_fsm_judge(inst->state, inst->goal, policy,
	    end->is_success && !inst->is_hung);
	if (end->event == INSTANCE_EV_RETRY)
		end->event =
		    instance_back_off(inst, end->is_counted, &end->delay_ms);
	if (end->event == INSTANCE_EV_AGAIN)
		backoff_reset(&inst->backoff);
}

static void
instance_explain(struct instance *inst, const struct instance_end *end)
{
	const struct conf_service *conf = inst->conf;

	if (end->event == INSTANCE_EV_LIMIT)
		instance_set_reason(inst,
		    "%s, more than %u restarts in %lld ms", end->what,
		    conf->restart_limit.count, (long long)conf->restart_limit.period_ms);
	else
		instance_set_reason(inst, "%s", end->what);
}

/* Carry out what was decided; the process is gone. */
static void
instance_go_on(struct instance *inst, const struct instance_end *end)
{
	instance_log_end(inst, end);
	instance_explain(inst, end);
	inst->is_success = end->is_success || inst->goal == INSTANCE_GOAL_DOWN;
	services_set_pid(&inst->service->sup->services, inst, 0);
	/* The router must hear how that generation ended before the next one
	 * begins. */
	if (end->event == INSTANCE_EV_AGAIN)
		instance_set_state(inst, STATE_STARTING);
	instance_handle(inst, end->event);
}

void
instance_unborn(struct instance *inst, const char *what)
{
	struct instance_end end = { .what = what };

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
		    inst->state == STATE_STOPPING),
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

	/* Alive, it has a reason only when that is the cause of its end. */
	instance_read_report(inst);
	instance_close_report(inst);
	if (inst->reason != NULL)
		snprintf(what, sizeof(what), "%s", inst->reason);
	else
		exit_text(status, what);
	inst->exit_status = status;
	inst->has_exited = true;
	rundir_drop_instance(&svc->sup->rundir, svc->name, inst->index,
	    (unsigned long long)inst->generation);
	is_asked = inst->goal != INSTANCE_GOAL_UP ||
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
	if (!is_asked && (!end.is_success || inst->is_hung))
		instance_bundle(inst, &end, status, rusage);
	instance_go_on(inst, &end);
}
