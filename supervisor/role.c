#include "role.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "conf/conf.h"
#include "crash.h"
#include "exit_text.h"
#include "instance.h"
#include "ipc/err.h"
#include "ipc/log.h"
#include "keep.h"
#include "quarantine.h"
#include "spawn.h"
#include "supervisor.h"

enum {
	ROLE_DELAY_MS = 100,
	ROLE_DELAY_MAX_MS = 5000,
	ROLE_EXIT_MS = 200, /* from a lost lifeline to its exit */
	/* So often in a row, and nobody may be there to write our log. */
	ROLE_LOUD_FAILURES = 3
};

static const char *const role_names[ROLE_COUNT] = {
	[ROLE_ROUTER] = "router",
	[ROLE_LOGGER] = "logger",
};

static void
role_set_state(struct role *role, unsigned state)
{
	role->state = state;
	role->since = time(NULL);
	supervise_changed(role->sup);
}

/* What the router has to say about requests and those that handle them. */
static void
role_on_failure(struct supervise *sup, const struct lifeline_msg *msg)
{
	switch (msg->type) {
	case LIFELINE_HUNG:
		services_hung(&sup->services, &msg->u.hung);
		break;
	case LIFELINE_IDLE:
		services_idle(&sup->services, &msg->u.linked);
		break;
	case LIFELINE_STATS:
		services_stats(&sup->services, &msg->u.stats);
		break;
	case LIFELINE_CASUALTY:
		crash_casualty(sup, &msg->u.casualty);
		break;
	case LIFELINE_CASUALTIES_END:
		crash_casualties_end(sup, &msg->u.linked);
		break;
	case LIFELINE_LOAD:
		services_load(&sup->services, &msg->u.load);
		break;
	case LIFELINE_WANTED:
		services_wanted(&sup->services, &msg->u.wanted);
		break;
	default:
		quarantine_add(sup, &msg->u.quarantine);
		break;
	}
}

static void
role_on_message(void *arg, const struct lifeline_msg *msg)
{
	struct role *role = arg;

	switch (msg->type) {
	case LIFELINE_APPLIED:
		if (role->state == STATE_STARTING)
			role_set_state(role, STATE_READY);
		break;
	case LIFELINE_LINKED:
	case LIFELINE_UNLINKED:
		if (role->kind == ROLE_ROUTER)
			services_linked(&role->sup->services, &msg->u.linked,
			    msg->type == LIFELINE_LINKED);
		break;
	case LIFELINE_HUNG:
	case LIFELINE_IDLE:
	case LIFELINE_STATS:
	case LIFELINE_CASUALTY:
	case LIFELINE_CASUALTIES_END:
	case LIFELINE_QUARANTINE:
	case LIFELINE_LOAD:
	case LIFELINE_WANTED:
		if (role->kind == ROLE_ROUTER)
			role_on_failure(role->sup, msg);
		break;
	case LIFELINE_MATCHED:
		if (role->kind == ROLE_LOGGER)
			services_matched(&role->sup->services,
			    msg->u.drained.id);
		break;
	case LIFELINE_DRAINED:
		if (role->kind == ROLE_LOGGER)
			streams_drained(&role->sup->streams, msg->u.drained.id);
		break;
	default:
		break;
	}
}

/*
 * Without a lifeline it is of no use and is replaced. As a rule it is about to
 * exit, and its own exit status tells more than a kill from here would.
 */
static void
role_on_broken(void *arg, const char *why)
{
	struct role *role = arg;

	if (role->pid == 0 || role->state == STATE_STOPPING)
		return;
	log_debug("%s[%d]: %s", role->name, (int)role->pid, why);
	loop_timer_set(role->sup->loop, &role->timer,
	    loop_now_us(role->sup->loop) + ROLE_EXIT_MS * 1000);
}

static void
role_wait(struct role *role, const char *what)
{
	static const struct backoff_rule rule = { .delay_ms = ROLE_DELAY_MS,
		.delay_max_ms = ROLE_DELAY_MAX_MS };
	int64_t now_us = loop_now_us(role->sup->loop), delay_ms = 0;

	/* No limit in the rule: it always has a next time. */
	(void)backoff_next(&role->backoff, &rule, now_us / 1000,
	    (now_us - role->started_us) / 1000, (uint32_t)now_us, &delay_ms);
	if (role->kind == ROLE_LOGGER &&
	    role->backoff.failures >= ROLE_LOUD_FAILURES)
		dprintf(STDERR_FILENO, "logger: %s, next try in %lld ms\n",
		    what, (long long)delay_ms);
	if (delay_ms > 0)
		log_warnx("%s[%d]: %s, next try in %lld ms", role->name,
		    (int)role->pid, what, (long long)delay_ms);
	else
		log_warnx("%s[%d]: %s, restarting", role->name, (int)role->pid,
		    what);
	role->pid = 0;
	loop_timer_set(role->sup->loop, &role->timer, now_us + delay_ms * 1000);
	role_set_state(role, STATE_BACKOFF);
}

static pid_t
role_fork(struct role *role, int lifeline_fd, char *report, struct err *err_r)
{
	char *argv[] = { role->program, NULL };
	struct spawn spawn = { .argv = argv,
		.env = environ,
		.nofile = role->sup->nofile,
		.out_fd = role->out_fd,
		.err_fd = role->err_fd,
		.lifeline_fd = lifeline_fd };

	/* Both hold a descriptor for each connection or child. */
	spawn.nofile.rlim_cur = spawn.nofile.rlim_max;
	return spawn_child(&spawn, report, err_r);
}

/* Give the new process all it has to know; it waits in the socket. */
static void
role_brief(struct role *role)
{
	struct service *svc;

	if (role->kind == ROLE_ROUTER) {
		/* What the last one was linked to, this one is not yet. */
		TAILQ_FOREACH (svc, &role->sup->services.all, link) {
			svc->is_linked = false;
			service_load_forget(svc);
		}
		picture_send(role->sup);
		return;
	}
	picture_send_log(role->sup);
	streams_send_all(&role->sup->streams);
}

void
role_start(struct role *role)
{
	char report[SPAWN_REPORT_MAX + 1];
	int ends[2];
	struct err err;
	pid_t pid;

	role->started_us = loop_now_us(role->sup->loop);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, ends) < 0) {
		role_wait(role, strerror(errno));
		return;
	}
	pid = role_fork(role, ends[1], report, &err);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		role_wait(role, err.text);
		return;
	}
	role->pid = pid;
	/* It has ended by now; what follows is for role_exited(). */
	if (report[0] != '\0') {
		log_errorx("%s: %s", role->name, report);
		dprintf(STDERR_FILENO, "%s: %s\n", role->name, report);
	}
	if (feed_open(&role->feed, ends[0], &err) < 0) {
		close(ends[0]);
		log_warnx("%s[%d]: %s", role->name, (int)pid, err.text);
		role_kill(role);
	}
	log_debug("%s[%d]: started", role->name, (int)pid);
	role_set_state(role,
	    role->kind == ROLE_ROUTER ? STATE_STARTING : STATE_READY);
	role_brief(role);
}

static void
role_on_timer(struct loop_timer *timer)
{
	struct role *role = loop_owner(timer, struct role, timer);

	if (role->state == STATE_STOPPING) {
		log_warnx("%s[%d]: not stopped in time, killing it", role->name,
		    (int)role->pid);
		role_kill(role);
	} else if (role->state == STATE_BACKOFF) {
		role->restarts++;
		role_start(role);
	} else if (role->pid != 0 && !feed_is_open(&role->feed)) {
		log_warnx("%s[%d]: hangs without its lifeline, killing it",
		    role->name, (int)role->pid);
		role_kill(role);
	}
}

int
role_init(struct role *role, struct supervise *sup, enum role_kind kind,
    const char *program_dir, struct err *err_r)
{
	const struct feed_handler handler = {
		.message = role_on_message,
		.broken = role_on_broken,
		.arg = role,
	};

	*role = (struct role){
		.sup = sup,
		.kind = kind,
		.name = role_names[kind],
		.state = STATE_STOPPED,
		.timer = { .fn = role_on_timer },
	};
	feed_init(&role->feed, sup->loop, &handler);
	if (asprintf(&role->program, "%s/msvc-%s", program_dir, role->name) <
	    0) {
		role->program = NULL;
		err_set(err_r, "out of memory");
		return -1;
	}
	if (access(role->program, X_OK) < 0) {
		err_set_errno(err_r, "%s", role->program);
		return -1;
	}
	return 0;
}

void
role_fini(struct role *role)
{
	if (role->sup == NULL)
		return;
	loop_timer_drop(role->sup->loop, &role->timer);
	feed_fini(&role->feed);
	backoff_fini(&role->backoff);
	free(role->program);
	role->program = NULL;
}

void
role_stop(struct role *role, int64_t timeout_ms)
{
	struct lifeline_msg msg = { .type = LIFELINE_STOP };

	loop_timer_drop(role->sup->loop, &role->timer);
	if (role->pid == 0) {
		role_set_state(role, STATE_STOPPED);
		supervise_role_gone(role->sup, role);
		return;
	}
	feed_send(&role->feed, &msg, -1);
	role_set_state(role, STATE_STOPPING);
	loop_timer_set(role->sup->loop, &role->timer,
	    loop_now_us(role->sup->loop) + timeout_ms * 1000);
}

void
role_kill(struct role *role)
{
	if (role->pid > 0)
		(void)kill(role->pid, SIGKILL);
}

void
role_exited(struct role *role, int status)
{
	char text[EXIT_TEXT_MAX];

	exit_text(status, text);
	feed_close(&role->feed);
	if (role->state != STATE_STOPPING) {
		role_wait(role, text);
		return;
	}
	log_info("%s[%d]: %s, stopped", role->name, (int)role->pid, text);
	role->pid = 0;
	loop_timer_drop(role->sup->loop, &role->timer);
	role_set_state(role, STATE_STOPPED);
	supervise_role_gone(role->sup, role);
}

static const struct keep_field role_fields[] = {
	KEEP_FIELD(KEEP_INT, role, pid),
	KEEP_FIELD(KEEP_UINT, role, state),
	KEEP_FIELD(KEEP_UINT, role, restarts),
	KEEP_FIELD(KEEP_INT, role, since),
	KEEP_FIELD(KEEP_INT, role, started_us),
	KEEP_FIELD(KEEP_TIMER, role, timer),
	KEEP_FIELD(KEEP_UINT, role, backoff.failures),
	KEEP_FIELD(KEEP_INT, role, backoff.last_delay_ms),
};

void
keep_save_roles(const struct supervise *sup, struct keep_out *out)
{
	const struct role *roles[] = { &sup->logger, &sup->router };

	mp_put_array(&out->bytes, 2 * ROLE_COUNT);
	for (size_t i = 0; i < ROLE_COUNT; i++) {
		keep_put(out, role_fields, KEEP_COUNT(role_fields), roles[i]);
		feed_save(&roles[i]->feed, out);
	}
}

static int
role_load(struct role *role, struct keep_in *in, struct mp_reader *reader)
{
	if (keep_get(in, reader, role_fields, KEEP_COUNT(role_fields), role) <
	    0)
		return -1;
	return feed_load(&role->feed, in, reader);
}

int
keep_load_roles(struct supervise *sup, struct keep_in *in,
    struct mp_reader *reader)
{
	uint32_t count;

	if (keep_get_array(in, reader, &count) < 0 || count != 2 * ROLE_COUNT)
		return keep_bad(in, "roles");
	if (role_load(&sup->logger, in, reader) < 0)
		return -1;
	return role_load(&sup->router, in, reader);
}
