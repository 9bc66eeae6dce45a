/*
 * control_signal: send a signal to the main process of instances that run.
 *
 * What becomes of them is their affair: one that ends by it has ended as if
 * anybody else had sent it.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "conf/conf.h"
#include "control_client.h"
#include "instance.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "ipc/mp.h"
#include "supervisor.h"

/* The signal that is asked for; 0: none that there is. */
static int
control_signal_number(const uint8_t *bytes, size_t len)
{
	struct mp_reader args, value;
	uint64_t number = 0;

	if (!mp_map_find(bytes, len, "args", &args) ||
	    !mp_map_find(args.pos, (size_t)(args.end - args.pos), "signal",
		&value) ||
	    mp_get_uint(&value, &number) < 0 || number > (uint64_t)SIGRTMAX)
		return 0;
	return (int)number;
}

/*
 * To the process alone: what else is in its group is its own business. The
 * pid is that of a child not yet reaped, so it is nobody else's.
 */
static bool
control_signal_one(const struct instance *inst, int number)
{
	if (inst->pid <= 0)
		return false;
	if (kill(inst->pid, number) < 0) {
		log_warn("%s/%u[%d]: cannot send signal %d",
		    inst->service->name, inst->index, (int)inst->pid, number);
		return false;
	}
	log_info("%s/%u[%d]: signal %d sent, as asked", inst->service->name,
	    inst->index, (int)inst->pid, number);
	return true;
}

/* Returns to how many it was sent. */
static unsigned
control_signal_send(const struct service *svc, unsigned index, int number)
{
	const struct instance *beside = svc->beside;
	unsigned count = 0;

	for (unsigned i = 0; i < svc->count; i++) {
		if (index == 0 || index == i + 1)
			count += control_signal_one(svc->instances[i], number);
	}
	if (beside != NULL && (index == 0 || index == beside->index))
		count += control_signal_one(beside, number);
	return count;
}

static void
control_signal_none(struct control_client *client, const struct service *svc)
{
	const struct control_goal *goal = &client->goal;
	const struct instance *inst =
	    service_instance(svc, goal->instance > 0 ? goal->instance : 1);
	const char *state = lifeline_state_name(
	    inst != NULL && goal->instance > 0 ? instance_state(inst)
					       : service_state(svc));

	if (goal->instance > 0)
		control_answer_errorf(client, "%s/%u has no process, it is %s",
		    svc->name, goal->instance, state);
	else
		control_answer_errorf(client, "%s has no process, it is %s",
		    svc->name, state);
}

void
control_do_signal(struct control_client *client, const uint8_t *bytes,
    size_t len)
{
	const struct control_goal *goal = &client->goal;
	const struct service *svc =
	    services_find(&client->server->sup->services, goal->service,
		strlen(goal->service));
	int number = control_signal_number(bytes, len);
	unsigned count;

	if (number == 0)
		control_answer_errorf(client, "no such signal");
	else if (svc == NULL)
		control_answer_errorf(client, "there is no service \"%s\"",
		    goal->service);
	else if (svc->conf->url != NULL)
		control_answer_errorf(client,
		    "%s is on another machine (%s), msvc does not run it",
		    goal->service, svc->conf->url);
	else if (goal->instance > 0 &&
		 service_instance(svc, goal->instance) == NULL)
		control_answer_errorf(client, "there is no %s/%u",
		    goal->service, goal->instance);
	else if ((count = control_signal_send(svc, goal->instance, number)) ==
		 0)
		control_signal_none(client, svc);
	else
		control_answer_count(client, count);
}
