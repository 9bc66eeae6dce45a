/*
 * instance_report: whether a process of an instance has become its program.
 *
 * It is not waited for: the next one is made meanwhile. Its pipe tells, or its
 * end.
 */
#include <poll.h>
#include <unistd.h>

#include "conf/conf.h"
#include "instance.h"
#include "ipc/loop.h"
#include "service.h"
#include "spawn.h"
#include "supervisor.h"

static void
instance_on_report(struct loop_io *io, uint32_t events)
{
	(void)events;
	instance_read_report(loop_owner(io, struct instance, report));
}

/* It runs, as far as we know. */
static void
instance_is_born(struct instance *inst)
{
	if (inst->conf->ready == CONF_READY_NONE)
		instance_ready(inst);
}

void
instance_await_report(struct instance *inst, int report_fd)
{
	inst->report = (struct loop_io){ instance_on_report, -1, 0 };
	if (loop_io_add(inst->service->sup->loop, &inst->report, report_fd,
		EPOLLIN, NULL) == 0) {
		inst->service->sup->services.coming_count++;
		return;
	}
	/* Nobody will tell that it runs, so let it count as running. */
	close(report_fd);
	inst->report.fd = -1;
	instance_is_born(inst);
}

void
instance_close_report(struct instance *inst)
{
	int fd = inst->report.fd;

	if (fd < 0)
		return;
	loop_io_drop(inst->service->sup->loop, &inst->report);
	inst->service->sup->services.coming_count--;
	close(fd);
	inst->report.fd = -1;
}

void
instance_read_report(struct instance *inst)
{
	char report[SPAWN_REPORT_MAX + 1];
	int rc;

	if (inst->report.fd < 0)
		return;
	rc = spawn_report(inst->report.fd, report);
	if (rc == 0)
		return;
	instance_close_report(inst);
	inst->is_unborn = rc < 0;
	/* It ends by itself; instance_exited() goes on. */
	if (inst->is_unborn)
		instance_set_reason(inst, "%s", report);
	else
		instance_is_born(inst);
}

static void
instance_settle_report(struct instance *inst)
{
	struct pollfd pfd = { .fd = inst->report.fd, .events = POLLIN };

	if (inst->report.fd < 0)
		return;
	(void)poll(&pfd, 1, SPAWN_WAIT_MS);
	instance_read_report(inst);
	if (inst->report.fd < 0)
		return;
	instance_close_report(inst);
	instance_is_born(inst);
}

void
services_settle_reports(struct services *services)
{
	struct service *svc;

	TAILQ_FOREACH (svc, &services->all, link) {
		for (unsigned i = 0; i < svc->count; i++)
			instance_settle_report(svc->instances[i]);
		if (svc->beside != NULL)
			instance_settle_report(svc->beside);
	}
}
