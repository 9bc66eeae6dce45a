/*
 * reap: what children say by notifications and by their end.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "instance.h"
#include "instance_limits.h"
#include "ipc/log.h"
#include "notify.h"
#include "spawn.h"
#include "supervisor.h"

enum {
	/* Datagrams handled before children are reaped, so that a flood of
	 * them cannot keep the supervisor from its work. */
	SUPERVISE_NOTIFY_BATCH = 1024,
	/* Children reaped in one turn: those who ask something wait less for
	 * it while thousands of orphans end. */
	SUPERVISE_REAP_BATCH = 256,
	SUPERVISE_ORPHAN_ROUNDS = 100,
	SUPERVISE_ORPHAN_WAIT_US = 5000,
};

/* The instance to which a process belongs: its session is the main pid. */
static struct instance *
supervise_find_sender(const struct supervise *sup, pid_t pid)
{
	struct instance *inst = services_find_pid(&sup->services, pid);
	pid_t leader;

	if (inst != NULL)
		return inst;
	leader = getsid(pid);
	return leader > 0 ? services_find_pid(&sup->services, leader) : NULL;
}

static void
supervise_drain_notify(struct supervise *sup)
{
	struct notify_msg msg;
	struct instance *inst;
	pid_t pid;
	int rc;

	for (int i = 0; i < SUPERVISE_NOTIFY_BATCH; i++) {
		rc = notify_recv(sup->notify_fd, &pid, &msg);
		if (rc < 0)
			return;
		if (rc == 0)
			continue;
		inst = supervise_find_sender(sup, pid);
		if (inst != NULL)
			instance_notified(inst, &msg);
		else
			log_debug("notify: pid %d is none of ours, ignored",
			    (int)pid);
	}
}

void
supervise_on_notify(struct loop_io *io, uint32_t events)
{
	(void)events;
	supervise_drain_notify(loop_owner(io, struct supervise, notify));
}

/* One that took long on its way to its program tells why it never got there. */
static void
supervise_take_report(pid_t pid)
{
	char report[SPAWN_REPORT_MAX + 1];

	if (spawn_late_report(pid, report))
		log_errorx("child %d: %s", (int)pid, report);
	spawn_forget(pid);
}

static void
supervise_reap_one(struct supervise *sup, pid_t pid)
{
	struct instance *inst = services_find_pid(&sup->services, pid);
	struct probe *probe = probe_find_pid(&sup->probes, pid);
	struct rusage rusage;
	int status;

	/*
	 * While the dead leader is not yet reaped, its group's number cannot
	 * be given to anybody else.
	 */
	if (inst != NULL || probe != NULL)
		(void)kill(-pid, SIGKILL);
	if (inst != NULL)
		instance_cgroup_kill(inst);
	if (wait4(pid, &status, WNOHANG, &rusage) != pid)
		return;
	supervise_take_report(pid);
	if (inst != NULL)
		instance_exited(inst, status, &rusage);
	else if (probe != NULL)
		probe_exited(probe, status);
	else if (reexec_exited(&sup->reexec, pid, status))
		return;
	else if (pid == sup->router.pid)
		role_exited(&sup->router, status);
	else if (pid == sup->logger.pid)
		role_exited(&sup->logger, status);
	/* Others are orphans that we have adopted: reaped is enough. */
}

void
supervise_reap(struct supervise *sup)
{
	siginfo_t info;

	/* What a child has said before its end comes first. */
	supervise_drain_notify(sup);
	for (int i = 0; i < SUPERVISE_REAP_BATCH; i++) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    info.si_pid == 0)
			return;
		supervise_reap_one(sup, info.si_pid);
	}
	loop_timer_set(sup->loop, &sup->reap, loop_now_us(sup->loop));
}

void
supervise_on_reap(struct loop_timer *timer)
{
	supervise_reap(loop_owner(timer, struct supervise, reap));
}

/* Kill the children that are left; false when there are none. */
static bool
supervise_kill_children(void)
{
	char path[64];
	FILE *file;
	int pid;

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	if (waitpid(-1, NULL, WNOHANG) < 0)
		return false;
	/* The first process of a container: all others are ours. */
	if (getpid() == 1)
		return kill(-1, SIGKILL) == 0;
	snprintf(path, sizeof(path), "/proc/self/task/%d/children",
	    (int)getpid());
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	while (fscanf(file, "%d", &pid) == 1 && pid > 1)
		(void)kill(pid, SIGKILL);
	fclose(file);
	return true;
}

/*
 * What has left its group and session was adopted by us and ends with us; what
 * it leaves behind is adopted in turn.
 */
void
supervise_kill_orphans(void)
{
	for (int i = 0; i < SUPERVISE_ORPHAN_ROUNDS; i++) {
		if (!supervise_kill_children())
			return;
		(void)usleep(SUPERVISE_ORPHAN_WAIT_US);
	}
}
