/*
 * instance_limits: the control group of an instance, and limits of one that
 * runs.
 */
#ifndef MSVC_SUPERVISOR_INSTANCE_LIMITS_H
#define MSVC_SUPERVISOR_INSTANCE_LIMITS_H

#include <stdbool.h>

struct conf_service;
struct instance;
struct limits;
struct spawn_user;
struct supervise;

/*
 * Before the first child: see what limits we have ourselves, and make our place
 * among the control groups if a service of the configuration needs one. Nothing
 * but a warning follows when it cannot be had.
 */
void supervise_enter_limits(struct supervise *sup);

/*
 * The group of the present generation, if its service asks for one and msvc may
 * have some; its descriptor, the caller's, or -1. What cannot be limited is
 * told once for each service.
 */
int instance_enter_cgroup(struct instance *inst);

/* The same for another process in the group that it has: a descriptor or -1. */
int instance_join_cgroup(const struct instance *inst);

/* The limits of that configuration for this instance, as that user. */
void instance_make_limits(const struct instance *inst,
    const struct conf_service *conf, const struct spawn_user *user,
    struct limits *limits_r);

/* SIGKILL to all in its group, if it has one: also who left the session. */
void instance_cgroup_kill(const struct instance *inst);

/* Its last process is gone, or none was made. */
void instance_cgroup_drop(struct instance *inst);

/* Has the kernel killed in that group for want of memory? */
bool instance_cgroup_is_oom(const struct instance *inst);

/*
 * Give a running process the limits of its new configuration, where they are
 * not those of old. What cannot be set is told; the next start sets it. Nor is
 * it before that, that an instance gets a control group.
 */
void instance_apply_limits(struct instance *inst,
    const struct conf_service *old);

#endif
