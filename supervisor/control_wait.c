/*
 * control_wait: has that come about which a client of the control socket waits
 * for? Asked after each change of a state.
 */
#include <string.h>

#include "conf/conf.h"
#include "control_client.h"
#include "control_scale.h"
#include "instance.h"
#include "ipc/buf.h"
#include "ipc/lifeline.h"
#include "supervisor.h"

static bool
control_has(const struct control_goal *goal, const struct instance *inst)
{
	return goal->instance == 0 || goal->instance == inst->index;
}

static int
control_put_bad(struct buf *text, const struct instance *inst)
{
	instance_put_bad(text, inst);
	return -1;
}

/* For drain: nothing is in flight in it; for undrain: it is ready again. */
static int
control_check_drain(const struct control_client *client,
    const struct instance *inst, struct buf *text)
{
	if (client->pending == CONTROL_UNDRAIN)
		return inst->state == STATE_READY ? 1
						  : control_put_bad(text, inst);
	if (inst->drain != DRAIN_OPERATOR)
		return control_put_bad(text, inst);
	if (inst->is_idle)
		return 1;
	if (!inst->is_late)
		return 0;
	buf_printf(text,
	    "%s/%u: requests are still in flight after %lld ms; it stays "
	    "drained\n",
	    inst->service->name, inst->index,
	    (long long)inst->conf->drain_timeout_ms);
	return -1;
}

/*
 * Is what was asked for reached (1), still to come (0), or lost (-1, with
 * text)? For start and restart: a process started since then is ready.
 */
static int
control_check_instance(const struct control_client *client,
    const struct instance *inst, struct buf *text)
{
	unsigned state = instance_state(inst);

	if (client->pending == CONTROL_STOP)
		return inst->pid == 0 ? 1 : 0;
	if (client->pending == CONTROL_DRAIN ||
	    client->pending == CONTROL_UNDRAIN)
		return control_check_drain(client, inst, text);
	/* Ready it was, if it has been drained since. */
	if (instance_drains_for_now(inst))
		state = STATE_READY;
	if (state == STATE_READY &&
	    (client->pending == CONTROL_START ||
		inst->started_us >= client->goal.asked_us))
		return 1;
	/* Nothing is rolling: that one stays. */
	if (state == STATE_READY) {
		buf_printf(text, "%s/%u: was not restarted\n",
		    inst->service->name, inst->index);
		return -1;
	}
	if (state == STATE_STOPPED && inst->has_exited && inst->is_success &&
	    inst->started_us >= client->goal.asked_us)
		return 1;
	if (state == STATE_FAILED || state == STATE_STOPPED ||
	    state == STATE_DISABLED || instance_settled(inst) < 0 ||
	    (inst->state == INSTANCE_WAITING &&
		service_waits_in_vain(inst->service)))
		return control_put_bad(text, inst);
	return 0;
}

static int
control_check_service(const struct control_client *client,
    const struct service *svc, struct buf *text)
{
	int rc, result = 1;

	if (client->pending == CONTROL_STOP && svc->leave == LEAVE_DOWN)
		return 0;
	/* It would not come to its end by waiting. */
	if (client->pending == CONTROL_STOP && svc->is_wanted) {
		buf_printf(text, "%s: was started again\n", svc->name);
		return -1;
	}
	if (client->pending == CONTROL_STOP && svc->beside != NULL)
		return 0;
	if (client->pending == CONTROL_RESTART && svc->is_rolling)
		return 0;
	if (client->pending == CONTROL_RESTART && svc->rolled_back != NULL &&
	    svc->rolled_back_us >= client->goal.asked_us) {
		buf_printf(text, "%s\n", svc->rolled_back);
		return -1;
	}
	for (unsigned i = 0; i < svc->count; i++) {
		if (!control_has(&client->goal, svc->instances[i]))
			continue;
		/* A reload takes those away. */
		if (client->pending != CONTROL_STOP && i >= svc->scale)
			break;
		rc = control_check_instance(client, svc->instances[i], text);
		if (rc == 0)
			return 0;
		if (rc < 0)
			result = -1;
	}
	return result;
}

static int
control_check_goal(const struct control_client *client, struct buf *text)
{
	const struct services *services = &client->server->sup->services;
	const struct service *svc;
	int rc, result = 1;

	if (client->goal.service[0] != '\0') {
		svc = services_find(services, client->goal.service,
		    strlen(client->goal.service));
		if (svc != NULL)
			return control_check_service(client, svc, text);
		buf_printf(text, "%s: was removed\n", client->goal.service);
		return client->pending == CONTROL_STOP ? 1 : -1;
	}
	TAILQ_FOREACH (svc, &services->all, link) {
		if (!svc->is_wanted || svc->is_asleep)
			continue;
		rc = control_check_service(client, svc, text);
		if (rc == 0)
			return 0;
		if (rc < 0)
			result = -1;
	}
	return result;
}

static int
control_check_wait(const struct control_client *client, struct buf *text)
{
	const struct supervise *sup = client->server->sup;

	if (sup->router.state != STATE_READY) {
		if (sup->router.backoff.failures < 3)
			return 0;
		buf_printf(text, "router: %s\n",
		    lifeline_state_name(sup->router.state));
		return -1;
	}
	/* The text is made once only, not at each change of thousands. */
	if (services_settled(&sup->services, NULL) == 0)
		return 0;
	return services_settled(&sup->services, text);
}

/* The services that a reload replaces have one to go back to. */
static int
control_check_reload(const struct control_client *client, struct buf *text)
{
	const struct services *services = &client->server->sup->services;
	const struct service *svc;

	TAILQ_FOREACH (svc, &services->all, link) {
		if (svc->old_conf != NULL)
			return 0;
	}
	TAILQ_FOREACH (svc, &services->all, link) {
		if (svc->rolled_back != NULL &&
		    svc->rolled_back_us >= client->goal.asked_us)
			buf_printf(text, "%s\n", svc->rolled_back);
	}
	return 1;
}

void
control_client_step(struct control_client *client)
{
	const struct supervise *sup = client->server->sup;
	struct buf text = { 0 };
	int rc;

	if (client->pending == CONTROL_COMMAND_COUNT)
		return;
	if (client->pending == CONTROL_STOP && client->goal.service[0] == '\0')
		return;
	if (sup->phase > SUPERVISE_RUNNING && client->pending != CONTROL_STOP) {
		control_answer_errorf(client, "the supervisor is stopping");
		return;
	}
	if (client->pending == CONTROL_REEXEC) {
		if (!reexec_is_pending(&sup->reexec))
			control_answer_ok(client);
		return;
	}
	if (client->pending == CONTROL_WAIT)
		rc = control_check_wait(client, &text);
	else if (client->pending == CONTROL_RELOAD)
		rc = control_check_reload(client, &text);
	else if (client->pending == CONTROL_SCALE)
		rc = control_check_scale(client, &text);
	else
		rc = control_check_goal(client, &text);
	if (rc > 0 && client->pending == CONTROL_RELOAD)
		control_answer_reload(client, &text);
	else if (rc > 0)
		control_answer_ok(client);
	else if (rc < 0 && text.is_failed)
		control_answer_errorf(client, "out of memory");
	else if (rc < 0)
		control_answer_error(client, (const char *)buf_front(&text),
		    buf_count(&text));
	buf_fini(&text);
}
