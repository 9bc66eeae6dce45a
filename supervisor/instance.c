#include "instance.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conf/conf.h"
#include "exit_text.h"
#include "ipc/err.h"
#include "ipc/launch.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "launch_env.h"
#include "notify.h"
#include "service.h"
#include "spawn.h"
#include "supervisor.h"

static void instance_handle(struct instance *inst, enum instance_event event);
static void instance_ready(struct instance *inst);
static void instance_on_timer(struct loop_timer *timer);
static void instance_on_report(struct loop_io *io, uint32_t events);

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
	inst->timer.fn = instance_on_timer;
	inst->report.fn = instance_on_report;
	inst->report.fd = -1;
	LIST_INIT(&inst->streams);
	return inst;
}

static void
instance_close_report(struct instance *inst)
{
	int fd = inst->report.fd;

	if (fd < 0)
		return;
	loop_io_drop(inst->service->sup->loop, &inst->report);
	close(fd);
	inst->report.fd = -1;
}

void
instance_free(struct instance **instp)
{
	struct instance *inst = *instp;

	if (inst == NULL)
		return;
	*instp = NULL;
	instance_close_report(inst);
	loop_timer_drop(inst->service->sup->loop, &inst->timer);
	services_set_pid(&inst->service->sup->services, inst, 0);
	streams_disown(&inst->streams);
	backoff_fini(&inst->backoff);
	free(inst->reason);
	free(inst->status);
	free(inst);
}

unsigned
instance_state(const struct instance *inst)
{
	return inst->state == INSTANCE_WAITING ? STATE_STARTING : inst->state;
}

static int64_t
instance_now_us(const struct instance *inst)
{
	return loop_now_us(inst->service->sup->loop);
}

static void
instance_set_timer(struct instance *inst, int64_t delay_ms)
{
	loop_timer_set(inst->service->sup->loop, &inst->timer,
	    instance_now_us(inst) + delay_ms * 1000);
}

__attribute__((format(printf, 2, 3))) static void
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

static void
instance_clear_reason(struct instance *inst)
{
	free(inst->reason);
	inst->reason = NULL;
}

void
instance_tell(const struct instance *inst)
{
	struct lifeline_msg msg = { .type = LIFELINE_INSTANCE };
	struct lifeline_instance *tell = &msg.u.instance;
	char url[LAUNCH_ENV_URL_MAX] = "";
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
	tell->reason = inst->reason != NULL ? inst->reason : "";
	feed_send(&inst->service->sup->router.feed, &msg, -1);
}

static void
instance_set_state(struct instance *inst, unsigned state)
{
	if (state == STATE_STOPPED && !inst->service->conf->is_enabled)
		state = STATE_DISABLED;
	inst->state = state;
	inst->since = time(NULL);
	instance_tell(inst);
	supervise_changed(inst->service->sup);
}

/* The directory of the main configuration file, or the service's own. */
static void
instance_dir(const struct instance *inst, char *dir, size_t size)
{
	const struct supervise *sup = inst->service->sup;
	const char *own = inst->service->conf->dir;
	char *slash;

	snprintf(dir, size, "%s", own != NULL ? own : sup->conf->path);
	if (own != NULL)
		return;
	slash = strrchr(dir, '/');
	if (slash != NULL)
		slash[slash == dir ? 1 : 0] = '\0';
}

static pid_t
instance_fork(struct instance *inst, char **env, int *report_r,
    struct err *err_r)
{
	const struct service *svc = inst->service;
	struct supervise *sup = svc->sup;
	char label[128], dir[4096];
	struct spawn spawn = {
		.argv = svc->conf->argv.items,
		.env = env,
		.dir = dir,
		.user = svc->user.name != NULL ? &svc->user : NULL,
		.nofile = sup->nofile,
		.lifeline_fd = -1,
	};
	pid_t pid;

	/* Here, so that a full disk or a swept directory only delays it. */
	if (rundir_add_service(&sup->rundir, svc->name, &svc->user, err_r) < 0)
		return -1;
	instance_dir(inst, dir, sizeof(dir));
	snprintf(label, sizeof(label), "%s/%u", svc->name, inst->index);
	spawn.out_fd = streams_open(&sup->streams, svc->name, label,
	    &inst->streams, err_r);
	if (spawn.out_fd < 0)
		return -1;
	spawn.err_fd = spawn.out_fd;
	/* Else opening /dev/stdout, which is this pipe, is not permitted. */
	if (svc->user.name != NULL)
		(void)!fchown(spawn.out_fd, svc->user.uid, svc->user.gid);
	pid = spawn_child(&spawn, report_r, err_r);
	close(spawn.out_fd);
	return pid;
}

static void instance_ended(struct instance *inst, const char *what,
    bool is_success, bool is_counted);

/* In state starting: make the process, or go on as if it had ended. */
static void
instance_spawn(struct instance *inst)
{
	struct supervise *sup = inst->service->sup;
	const struct conf_service *conf = inst->service->conf;
	struct err err = { "out of memory" };
	char **env;
	int report_fd;
	pid_t pid = -1;
	bool is_deaf = false;

	inst->generation++;
	inst->goal = INSTANCE_GOAL_UP;
	inst->ready_us = 0;
	inst->is_overdue = false;
	inst->is_unborn = false;
	inst->started_us = instance_now_us(inst);
	free(inst->status);
	inst->status = NULL;
	env = launch_env_new(inst);
	if (env != NULL)
		pid = instance_fork(inst, env, &report_fd, &err);
	launch_env_free(&env);
	if (pid < 0) {
		instance_ended(inst, err.text, false, false);
		return;
	}
	services_set_pid(&sup->services, inst, pid);
	log_debug("%s/%u[%d]: started, generation %llu", inst->service->name,
	    inst->index, (int)pid, (unsigned long long)inst->generation);
	if (loop_io_add(sup->loop, &inst->report, report_fd, EPOLLIN, NULL) <
	    0) {
		close(report_fd);
		is_deaf = true;
	}
	loop_timer_drop(sup->loop, &inst->timer);
	if (conf->ready != CONF_READY_NONE && conf->ready_timeout_ms > 0)
		instance_set_timer(inst, conf->ready_timeout_ms);
	instance_clear_reason(inst);
	instance_set_state(inst, STATE_STARTING);
	/* Nobody will tell that it runs, so let it count as running. */
	if (is_deaf && conf->ready == CONF_READY_NONE)
		instance_ready(inst);
}

/* To the group; before it exists (child not yet run) to the process. */
static void
instance_kill_group(const struct instance *inst)
{
	if (inst->pid <= 0)
		return;
	(void)kill(-inst->pid, SIGKILL);
	(void)kill(inst->pid, SIGKILL);
}

static void
instance_term(struct instance *inst, bool is_overdue)
{
	const struct conf_service *conf = inst->service->conf;

	inst->is_overdue = is_overdue && inst->state == STATE_STARTING;
	if (inst->is_overdue)
		instance_set_reason(inst, "not ready within %lld ms",
		    (long long)conf->ready_timeout_ms);
	else if (is_overdue)
		instance_set_reason(inst,
		    "said that it stops, did not end within %lld ms",
		    (long long)conf->stop_timeout_ms);
	if (is_overdue)
		log_warnx("%s/%u[%d]: %s, stopping it", inst->service->name,
		    inst->index, (int)inst->pid,
		    inst->reason != NULL ? inst->reason : "overdue");
	(void)kill(inst->pid, conf->stop_signal);
	/* A stopped process (SIGSTOP) must wake up to see it. */
	(void)kill(inst->pid, SIGCONT);
	instance_set_timer(inst, conf->stop_timeout_ms);
}

static void
instance_carry_out(struct instance *inst, enum instance_action action,
    enum instance_event event)
{
	switch (action) {
	case INSTANCE_DO_LINGER:
		instance_set_timer(inst, inst->service->conf->stop_timeout_ms);
		break;
	case INSTANCE_DO_TERM:
		instance_term(inst, event == INSTANCE_EV_TIMER);
		break;
	case INSTANCE_DO_KILL:
		log_warnx("%s/%u[%d]: not stopped within %lld ms, killing it",
		    inst->service->name, inst->index, (int)inst->pid,
		    (long long)inst->service->conf->stop_timeout_ms);
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

static void
instance_handle(struct instance *inst, enum instance_event event)
{
	struct instance_step step = instance_fsm_step(inst->state, event);
	unsigned before = inst->state;

	if (step.action == INSTANCE_DO_NOTHING)
		return;
	if (step.action == INSTANCE_DO_SPAWN) {
		inst->state = STATE_STARTING;
		instance_spawn(inst);
		return;
	}
	instance_carry_out(inst, step.action, event);
	if (step.next != before)
		instance_set_state(inst, step.next);
}

static void
instance_ready(struct instance *inst)
{
	if (inst->state != STATE_STARTING || inst->pid == 0)
		return;
	inst->ready_us = instance_now_us(inst);
	instance_clear_reason(inst);
	log_info("%s/%u[%d]: ready after %lld ms, generation %llu",
	    inst->service->name, inst->index, (int)inst->pid,
	    (long long)(inst->ready_us - inst->started_us) / 1000,
	    (unsigned long long)inst->generation);
	instance_handle(inst, INSTANCE_EV_READY);
}

static void
instance_on_timer(struct loop_timer *timer)
{
	instance_handle(loop_owner(timer, struct instance, timer),
	    INSTANCE_EV_TIMER);
}

/* What the child says between fork and exec. */
static void
instance_read_report(struct instance *inst)
{
	char text[SPAWN_REPORT_MAX + 1];
	int rc;

	if (inst->report.fd < 0)
		return;
	rc = spawn_report(inst->report.fd, text);
	if (rc == 0)
		return;
	inst->is_unborn = rc < 0;
	instance_close_report(inst);
	if (rc < 0)
		instance_set_reason(inst, "%s", text);
	else if (inst->service->conf->ready == CONF_READY_NONE)
		instance_ready(inst);
}

static void
instance_on_report(struct loop_io *io, uint32_t events)
{
	(void)events;
	instance_read_report(loop_owner(io, struct instance, report));
}

/* The one log line for the end of a process. */
static void
instance_log_end(const struct instance *inst, const char *what,
    enum instance_event event, bool is_success, int64_t delay_ms)
{
	const struct conf_service *conf = inst->service->conf;
	const char *name = inst->service->name;
	int pid = (int)inst->pid;

	if (event == INSTANCE_EV_LIMIT)
		log_errorx("%s/%u[%d]: %s, failed: more than %u restarts in "
			   "%lld ms, \"msvc start %s\" tries again",
		    name, inst->index, pid, what, conf->restart_limit,
		    (long long)conf->restart_period_ms, name);
	else if (event == INSTANCE_EV_RETRY && delay_ms > 0)
		log_warnx("%s/%u[%d]: %s, next try in %lld ms", name,
		    inst->index, pid, what, (long long)delay_ms);
	else if (event == INSTANCE_EV_RETRY)
		log_warnx("%s/%u[%d]: %s, restarting", name, inst->index, pid,
		    what);
	else if (event == INSTANCE_EV_AGAIN)
		log_info("%s/%u[%d]: %s, starting again", name, inst->index,
		    pid, what);
	else if (is_success || inst->goal == INSTANCE_GOAL_DOWN)
		log_info("%s/%u[%d]: %s, stopped", name, inst->index, pid,
		    what);
	else
		log_warnx("%s/%u[%d]: %s, stopped: restart = %s", name,
		    inst->index, pid, what,
		    conf->restart == CONF_RESTART_NEVER ? "never"
							: "on-failure");
}

static enum instance_event
instance_back_off(struct instance *inst, bool is_counted, int64_t *delay_r)
{
	const struct conf_service *conf = inst->service->conf;
	struct backoff_rule rule = {
		.delay_ms = conf->restart_delay_ms,
		.delay_max_ms = conf->restart_delay_max_ms,
		.limit = is_counted ? conf->restart_limit : 0,
		.period_ms = conf->restart_period_ms,
	};
	int64_t now_us = instance_now_us(inst), ready_ms = 0;
	struct timespec now;

	if (inst->ready_us != 0)
		ready_ms = (now_us - inst->ready_us) / 1000;
	/* Jitter needs no better randomness than the clock's last digits. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!backoff_next(&inst->backoff, &rule, now_us / 1000, ready_ms,
		(uint32_t)(now.tv_nsec / 1000), delay_r))
		return INSTANCE_EV_LIMIT;
	inst->retry_us = now_us + *delay_r * 1000;
	return INSTANCE_EV_RETRY;
}

/*
 * A process has ended, or could not be made.
 *
 * what        "exited 3"
 * is_counted  towards restart_limit: what this machine cannot give just now
 *             (a process, a pipe) is not the service's fault
 */
static void
instance_ended(struct instance *inst, const char *what, bool is_success,
    bool is_counted)
{
	const struct conf_service *conf = inst->service->conf;
	enum instance_event event;
	int64_t delay_ms = 0;

	event = instance_fsm_judge(inst->state, inst->goal,
	    is_counted ? conf->restart : CONF_RESTART_ALWAYS, is_success);
	if (event == INSTANCE_EV_RETRY)
		event = instance_back_off(inst, is_counted, &delay_ms);
	if (event == INSTANCE_EV_AGAIN)
		backoff_reset(&inst->backoff);
	instance_log_end(inst, what, event, is_success, delay_ms);
	if (event == INSTANCE_EV_LIMIT)
		instance_set_reason(inst,
		    "%s, more than %u restarts in %lld ms", what,
		    conf->restart_limit, (long long)conf->restart_period_ms);
	else
		instance_set_reason(inst, "%s", what);
	inst->is_success = is_success || inst->goal == INSTANCE_GOAL_DOWN;
	services_set_pid(&inst->service->sup->services, inst, 0);
	instance_handle(inst, event);
}

void
instance_exited(struct instance *inst, int status)
{
	const struct service *svc = inst->service;
	char what[SPAWN_REPORT_MAX + 1];
	bool is_counted;

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
	is_counted = !(inst->is_unborn && WIFEXITED(status) &&
		       WEXITSTATUS(status) == LAUNCH_EXIT_RESOURCE);
	instance_ended(inst, what,
	    !inst->is_unborn &&
		exit_is_success(status, svc->conf->success_codes),
	    is_counted);
}

void
instance_up(struct instance *inst)
{
	if (inst->pid != 0) {
		inst->goal = inst->state == STATE_STOPPING ? INSTANCE_GOAL_AGAIN
							   : INSTANCE_GOAL_UP;
		return;
	}
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
instance_kill(struct instance *inst)
{
	instance_down(inst);
	instance_kill_group(inst);
}

void
instance_linked(struct instance *inst)
{
	enum conf_ready ready = inst->service->conf->ready;

	if (ready == CONF_READY_AUTO || ready == CONF_READY_LISTEN)
		instance_ready(inst);
}

void
instance_notified(struct instance *inst, const struct notify_msg *msg)
{
	enum conf_ready ready = inst->service->conf->ready;

	if ((msg->flags & NOTIFY_STATUS) != 0) {
		free(inst->status);
		inst->status = strdup(msg->status);
	}
	if ((msg->flags & NOTIFY_READY) != 0 &&
	    (ready == CONF_READY_AUTO || ready == CONF_READY_NOTIFY))
		instance_ready(inst);
	if ((msg->flags & NOTIFY_STOPPING) != 0)
		instance_handle(inst, INSTANCE_EV_STOPPING);
}
