#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/err.h"
#include "sandbox.h"
#include "spawn_child.h"

/* A child that is still between fork and exec. */
struct late {
	LIST_ENTRY(late) link;
	pid_t pid;
	int report_fd; /* owned */
};

static LIST_HEAD(, late) lates = LIST_HEAD_INITIALIZER(lates);

/*
 * As fork(2), into a control group if there is one. Where that call is not
 * known or not allowed, the child has still to enter it: *is_outside_r.
 */
static pid_t
spawn_fork(int cgroup_fd, bool *is_outside_r)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	pid_t pid;

	*is_outside_r = false;
	if (cgroup_fd < 0)
		return fork();
	args.flags = CLONE_INTO_CGROUP;
	args.cgroup = (unsigned)cgroup_fd;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid >= 0 || errno == EAGAIN || errno == ENOMEM)
		return pid;
	*is_outside_r = true;
	return fork();
}

/* Returns whether it could be kept; without memory nobody asks it later. */
static bool
late_add(pid_t pid, int report_fd)
{
	struct late *late = malloc(sizeof(*late));

	if (late == NULL)
		return false;
	late->pid = pid;
	late->report_fd = report_fd;
	LIST_INSERT_HEAD(&lates, late, link);
	return true;
}

static struct late *
late_find(pid_t pid)
{
	struct late *late;

	LIST_FOREACH (late, &lates, link) {
		if (late->pid == pid)
			return late;
	}
	return NULL;
}

int
spawn_report(int report_fd, char *text)
{
	ssize_t len;

	do
		len = read(report_fd, text, SPAWN_REPORT_MAX);
	while (len < 0 && errno == EINTR);
	text[len > 0 ? len : 0] = '\0';
	if (len < 0 && errno == EAGAIN)
		return 0;
	return len > 0 ? -1 : 1;
}

/* Takes over report_fd. */
static void
report_await(pid_t pid, int report_fd, char *report)
{
	struct pollfd pfd = { .fd = report_fd, .events = POLLIN };
	int rc;

	do
		rc = poll(&pfd, 1, SPAWN_WAIT_MS);
	while (rc < 0 && errno == EINTR);
	if (rc == 0 && late_add(pid, report_fd))
		return;
	(void)spawn_report(report_fd, report);
	close(report_fd);
}

pid_t
spawn_start(const struct spawn *spawn, int *report_r, struct err *err_r)
{
	int cgroup_fd = spawn->sandbox != NULL ? spawn->sandbox->cgroup_fd : -1;
	pid_t pid, parent = getpid();
	bool is_outside;
	int ends[2];

	*report_r = -1;
	if (spawn->fd_count > SPAWN_FDS_MAX) {
		errno = EMFILE;
		err_set_errno(err_r, "fork");
		return -1;
	}
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		err_set_errno(err_r, "pipe");
		return -1;
	}
	pid = spawn_fork(cgroup_fd, &is_outside);
	if (pid == 0)
		spawn_become(spawn, ends[1], parent, is_outside);
	if (pid < 0)
		err_set_errno(err_r, "fork");
	close(ends[1]);
	if (pid < 0)
		close(ends[0]);
	else
		*report_r = ends[0];
	return pid;
}

pid_t
spawn_child(const struct spawn *spawn, char *report, struct err *err_r)
{
	int report_fd;
	pid_t pid = spawn_start(spawn, &report_fd, err_r);

	report[0] = '\0';
	if (pid > 0)
		report_await(pid, report_fd, report);
	return pid;
}

bool
spawn_late_report(pid_t pid, char *report)
{
	const struct late *late = late_find(pid);

	report[0] = '\0';
	if (late != NULL)
		(void)spawn_report(late->report_fd, report);
	return report[0] != '\0';
}

void
spawn_forget(pid_t pid)
{
	struct late *late = late_find(pid);

	if (late == NULL)
		return;
	LIST_REMOVE(late, link);
	close(late->report_fd);
	free(late);
}
