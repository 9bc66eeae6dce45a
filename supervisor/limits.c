#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "conf/conf.h"
#include "conf/conf_process.h"
#include "ipc/err.h"

enum {
	LIMITS_PATH_MAX = 64
};

static int
limits_read_oom(void)
{
	char text[16] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	return (int)strtol(text, NULL, 10);
}

void
limits_own_read(struct limits_own *own_r)
{
	own_r->nice = getpriority(PRIO_PROCESS, 0);
	own_r->oom_score_adj = limits_read_oom();
	for (int i = 0; i < (int)RLIM_NLIMITS; i++)
		(void)getrlimit(i, &own_r->rlimits[i]);
}

/* The wish, or 0 for what is privileged with us. */
static int
limits_pick(int wish, int own, bool *differs_r)
{
	int value = wish != 0 || own < 0 ? wish : own;

	*differs_r = value != own;
	return value;
}

/* At most that, whatever else was said. */
static void
limits_cap(struct limits *limits, int resource, rlim_t max)
{
	struct rlimit *rlimit = &limits->rlimits[resource];

	if (!limits->is_set[resource] || rlimit->rlim_max > max)
		rlimit->rlim_max = max;
	if (!limits->is_set[resource] || rlimit->rlim_cur > max)
		rlimit->rlim_cur = max;
	limits->is_set[resource] = true;
}

void
limits_make(struct limits *limits_r, const struct conf_service *conf,
    const struct limits_own *own, unsigned controllers, bool is_other)
{
	memset(limits_r, 0, sizeof(*limits_r));
	limits_r->umask = (mode_t)conf->umask;
	limits_r->nice =
	    limits_pick(conf->nice, own->nice, &limits_r->has_nice);
	limits_r->oom_score_adj = limits_pick(conf->oom_score_adj,
	    own->oom_score_adj, &limits_r->has_oom_score_adj);
	for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
		limits_r->is_set[i] = conf->rlimits.is_set[i];
		limits_r->rlimits[i].rlim_cur = (rlim_t)conf->rlimits.soft[i];
		limits_r->rlimits[i].rlim_max = (rlim_t)conf->rlimits.hard[i];
	}
	if ((controllers >> CGROUP_MEMORY & 1) == 0 && conf->memory_max > 0)
		limits_cap(limits_r, RLIMIT_DATA, (rlim_t)conf->memory_max);
	if ((controllers >> CGROUP_PIDS & 1) == 0 && conf->tasks_max > 0 &&
	    is_other)
		limits_cap(limits_r, RLIMIT_NPROC, conf->tasks_max);
}

static int
limits_write_oom(pid_t pid, int value)
{
	char path[LIMITS_PATH_MAX], text[16];
	int fd, rc, len;

	if (pid == 0)
		snprintf(path, sizeof(path), "/proc/self/oom_score_adj");
	else
		snprintf(path, sizeof(path), "/proc/%d/oom_score_adj",
		    (int)pid);
	len = snprintf(text, sizeof(text), "%d", value);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = write(fd, text, (size_t)len) == len ? 0 : -1;
	close(fd);
	return rc;
}

int
limits_enter(const struct limits *limits, const char **what_r)
{
	for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
		*what_r = conf_process_rlimit_name((unsigned)i);
		if (limits->is_set[i] && setrlimit(i, &limits->rlimits[i]) < 0)
			return -1;
	}
	*what_r = "nice";
	if (limits->has_nice && setpriority(PRIO_PROCESS, 0, limits->nice) < 0)
		return -1;
	*what_r = "oom_score_adj";
	if (limits->has_oom_score_adj &&
	    limits_write_oom(0, limits->oom_score_adj) < 0)
		return -1;
	return 0;
}

static const struct rlimit *
limits_get(const struct limits *limits, const struct limits_own *own,
    int resource)
{
	return limits->is_set[resource] ? &limits->rlimits[resource]
					: &own->rlimits[resource];
}

int
limits_apply(const struct limits *before, const struct limits *limits,
    const struct limits_own *own, pid_t pid, struct err *err_r)
{
	const struct rlimit *old, *wish;
	int rc = 0;

	for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
		old = limits_get(before, own, i);
		wish = limits_get(limits, own, i);
		if ((old->rlim_cur == wish->rlim_cur &&
			old->rlim_max == wish->rlim_max) ||
		    prlimit(pid, i, wish, NULL) == 0)
			continue;
		err_set_errno(err_r, "limit.%s",
		    conf_process_rlimit_name((unsigned)i));
		rc = -1;
	}
	/* Of the whole group, helpers too. */
	if (before->nice != limits->nice &&
	    setpriority(PRIO_PGRP, (id_t)pid, limits->nice) < 0) {
		err_set_errno(err_r, "nice");
		rc = -1;
	}
	if (before->oom_score_adj != limits->oom_score_adj &&
	    limits_write_oom(pid, limits->oom_score_adj) < 0) {
		err_set_errno(err_r, "oom_score_adj");
		rc = -1;
	}
	return rc;
}
