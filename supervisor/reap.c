/*
 * reap: what children say by notifications and by their end.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "instance.h"
#include "ipc/log.h"
#include "notify.h"
#include "supervisor.h"

enum {
	/* Datagrams handled before children are reaped, so that a flood of
	 * them cannot keep the supervisor from its work. */
	SUPERVISE_NOTIFY_BATCH = 1024,
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

static void
supervise_reap_one(struct supervise *sup, pid_t pid)
{
	struct instance *inst = services_find_pid(&sup->services, pid);
	struct rusage rusage;
	int status;

	/*
	 * While the dead leader is not yet reaped, its group's number cannot
	 * be given to anybody else.
	 */
	if (inst != NULL)
		(void)kill(-pid, SIGKILL);
	if (wait4(pid, &status, WNOHANG, &rusage) != pid)
		return;
	if (inst != NULL)
		instance_exited(inst, status, &rusage);
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
	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    info.si_pid == 0)
			return;
		supervise_reap_one(sup, info.si_pid);
	}
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
