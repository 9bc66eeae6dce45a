#include "instance_command.h"

#include <stdio.h>
#include <unistd.h>

#include "conf/conf.h"
#include "instance.h"
#include "ipc/err.h"
#include "launch.h"
#include "probe.h"
#include "supervisor.h"

/* One pipe for all commands of an instance: most end within milliseconds. */
static int
command_open(struct instance *inst, const struct spawn_user *user, int *fdp,
    struct err *err_r)
{
	struct service *svc = inst->service;
	char label[128];

	if (*fdp >= 0)
		return 0;
	snprintf(label, sizeof(label), "%s/%u", svc->name, inst->index);
	*fdp = streams_open(&svc->sup->streams, svc->name, label, NULL,
	    &inst->streams, err_r);
	if (*fdp < 0)
		return -1;
	/* Else opening /dev/stdout, which is this pipe, is not permitted. */
	if (user->name != NULL)
		(void)!fchown(*fdp, user->uid, user->gid);
	return 0;
}

void
instance_command(struct instance *inst, char *const *argv, int *out_fdp,
    struct probe *probe)
{
	struct supervise *sup = inst->service->sup;
	struct launch launch = { .is_mistake = false };
	struct err err = { "out of memory" };
	const struct spawn_user *user;

	user = service_user(inst->service, inst->conf, &err);
	if (user == NULL || command_open(inst, user, out_fdp, &err) < 0 ||
	    launch_init(&launch, inst, user, false, &err) < 0) {
		snprintf(probe->why, sizeof(probe->why),
		    "could not be run: %.96s", err.text);
		probe_finish(probe,
		    launch.is_mistake ? PROBE_BAD : PROBE_UNTRIED);
		return;
	}
	launch.spawn.argv = argv;
	launch.spawn.out_fd = launch.spawn.err_fd = *out_fdp;
	probe_run(probe, &launch.spawn, &sup->probes);
	launch_fini(&launch);
}
