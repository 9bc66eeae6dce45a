/*
 * limits: niceness, resource limits and their like, for a process that is to
 * be made and for one that runs.
 *
 * What a control group would do better is approximated here where there is
 * none: memory_max by RLIMIT_DATA (a limit of addresses, RLIMIT_AS, would break
 * programs that reserve more than they use), tasks_max by RLIMIT_NPROC, which
 * counts all processes of a user and so makes sense for one of its own only.
 */
#ifndef MSVC_SUPERVISOR_LIMITS_H
#define MSVC_SUPERVISOR_LIMITS_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

struct conf_service;
struct err;

/* What we run with, and what a child shall have where nothing is said. */
struct limits_own {
	int nice, oom_score_adj;
	struct rlimit rlimits[RLIM_NLIMITS];
};

struct limits {
	int nice, oom_score_adj;
	bool has_nice, has_oom_score_adj; /* they differ from our own */
	bool is_set[RLIM_NLIMITS];
	struct rlimit rlimits[RLIM_NLIMITS];
	mode_t umask;
};

/* Read our own. */
void limits_own_read(struct limits_own *own_r);

/*
 * What a process of that configuration is to be given.
 *
 * controllers   those of its control group (bits of cgroup.h), which limit
 *               memory and tasks better
 * is_other      it runs as a user that is neither root nor we
 *
 * Niceness and oom_score_adj of 0 are no wish to be worse off than we are: then
 * a child keeps ours where they are above, and gets 0 where they are below.
 */
void limits_make(struct limits *limits_r, const struct conf_service *conf,
    const struct limits_own *own, unsigned controllers, bool is_other);

/*
 * In a child before it runs its program: what could not be set is its name in
 * *what_r, with errno.
 */
int limits_enter(const struct limits *limits, const char **what_r);

/*
 * Give a running process what differs from before, except for its umask; own
 * are for what is not set. Returns 0, or -1 with err naming the last that could
 * not be set; the others are.
 */
int limits_apply(const struct limits *before, const struct limits *limits,
    const struct limits_own *own, pid_t pid, struct err *err_r);

#endif
