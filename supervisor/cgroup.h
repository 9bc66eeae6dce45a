/*
 * cgroup: control groups (cgroups(7), version 2) for instances that have
 * limits which only these can keep.
 *
 * In the group that msvc was started in, BASE, there is msvc-PID for as long as
 * it needs one, with a group "supervisor" for itself and for all that has no
 * group of its own, since a group with controllers for those below it may have
 * no process; and SERVICE.INDEX.GENERATION for each such instance. The
 * directory is flock()ed, so that the next msvc can tell what nobody owns any
 * more; it kills what is left in there.
 */
#ifndef MSVC_SUPERVISOR_CGROUP_H
#define MSVC_SUPERVISOR_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_service;
struct err;

enum {
	CGROUP_NAME_MAX = 160,
	CGROUP_PATH_MAX = 4096,
	CGROUP_VALUE_MAX = 48,
};

/* What a controller is needed for. */
enum cgroup_controller {
	CGROUP_MEMORY,
	CGROUP_CPU,
	CGROUP_PIDS,
	CGROUP_CONTROLLERS
};

struct cgroups {
	char *base;           /* owned; NULL: not found */
	int dir_fd;           /* BASE/msvc-PID; -1: none */
	unsigned controllers; /* bits that can be used in there */
	char **leftovers; /* owned names: not empty yet when to be removed */
	size_t leftover_count;
};

/* Does a service need one? */
bool cgroup_is_asked(const struct conf_service *conf);

/* Which controllers it needs, as bits. */
unsigned cgroup_needs(const struct conf_service *conf);

/*
 * The files of a group and what a configuration writes there: for each from 0
 * on its name, or NULL beyond the last; value has CGROUP_VALUE_MAX bytes.
 */
const char *cgroup_setting(size_t i, const struct conf_service *conf,
    enum cgroup_controller *controller_r, char *value);

/* Where the hierarchy is mounted and which part of it, in mountinfo's text. */
bool cgroup_find_mount(const char *mountinfo, char mount[CGROUP_PATH_MAX],
    char root[CGROUP_PATH_MAX]);

/*
 * The path of our own group below that mount, in /proc/self/cgroup's text;
 * without what an msvc of this pid has made there itself.
 */
bool cgroup_find_own(const char *cgroup, const char *root, int pid,
    char path[CGROUP_PATH_MAX]);

/* None yet. */
void cgroups_init(struct cgroups *groups);

/*
 * Make BASE/msvc-PID and move ourselves there; end what an msvc that is gone
 * has left. Called again it tries again unless it is there. Returns 0, or -1
 * with err. Controllers that cannot be had are no failure.
 */
int cgroups_open(struct cgroups *groups, struct err *err_r);

/* Remove what is empty, and go back. */
void cgroups_close(struct cgroups *groups);

/*
 * Make a group with the limits of conf that its controllers can keep. Returns
 * a descriptor of its directory, the caller's, or -1 with err.
 */
int cgroup_make(struct cgroups *groups, const char *name,
    const struct conf_service *conf, struct err *err_r);

/* A descriptor of a group that is there, the caller's; or -1 with errno. */
int cgroup_open(const struct cgroups *groups, const char *name);

/* Write the limits of conf anew, also those that are no longer there. */
int cgroup_apply(const struct cgroups *groups, const char *name,
    const struct conf_service *conf, struct err *err_r);

/*
 * Remove a group, and those that its processes have made in it. Returns 0, or
 * -1 with errno, EBUSY while there are processes in one of them.
 */
int cgroup_remove(int dir_fd, const char *name);

/* SIGKILL to all processes in it; remove it, now or once it is empty. */
void cgroup_kill(const struct cgroups *groups, const char *name);
void cgroup_drop(struct cgroups *groups, const char *name);

/* How many processes the kernel has killed in it for want of memory. */
uint64_t cgroup_oom_count(const struct cgroups *groups, const char *name);

#endif
