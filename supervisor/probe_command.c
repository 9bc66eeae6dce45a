/* probe_command: a probe that is a command, and its end. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "exit_text.h"
#include "ipc/err.h"
#include "ipc/launch.h"
#include "probe.h"
#include "spawn.h"

void
probe_run(struct probe *probe, const struct spawn *spawn,
    struct probe_list *running)
{
	char report[SPAWN_REPORT_MAX + 1];
	struct err err = { "out of memory" };

	probe->is_running = true;
	probe->pid = spawn_child(spawn, report, &err);
	if (probe->pid > 0) {
		probe->is_unborn = report[0] != '\0';
		snprintf(probe->why, sizeof(probe->why), "%.120s", report);
		LIST_INSERT_HEAD(running, probe, link);
		return;
	}
	probe->pid = 0;
	snprintf(probe->why, sizeof(probe->why), "could not be run: %.96s",
	    err.text);
	probe_finish(probe, PROBE_UNTRIED);
}

struct probe *
probe_find_pid(const struct probe_list *running, pid_t pid)
{
	struct probe *probe;

	LIST_FOREACH (probe, running, link) {
		if (probe->pid == pid)
			return probe;
	}
	return NULL;
}

/* Its pid may soon be somebody else's. */
static void
probe_forget(struct probe *probe)
{
	LIST_REMOVE(probe, link);
	probe->pid = 0;
}

/* It is reaped like any orphan. */
void
probe_kill(struct probe *probe)
{
	if (probe->pid == 0)
		return;
	/* Before it leads a group there is only the process. */
	(void)kill(-probe->pid, SIGKILL);
	(void)kill(probe->pid, SIGKILL);
	probe_forget(probe);
}

void
probes_cancel(struct probe_list *running)
{
	struct probe *probe;

	while ((probe = LIST_FIRST(running)) != NULL)
		probe_cancel(probe);
}

void
probe_exited(struct probe *probe, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	char text[EXIT_TEXT_MAX];

	probe_forget(probe);
	if (probe->is_unborn) {
		probe_finish(probe,
		    code == LAUNCH_EXIT_RESOURCE ? PROBE_UNTRIED : PROBE_BAD);
		return;
	}
	exit_text(status, text);
	snprintf(probe->why, sizeof(probe->why), "%s", text);
	probe_finish(probe, code == 0 ? PROBE_WELL : PROBE_BAD);
}
