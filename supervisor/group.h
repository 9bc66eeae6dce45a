/*
 * group: services that are restarted together, as OTP's supervisor(3) does.
 *
 * With rest_for_one those behind the one that ended are stopped, last first,
 * and with one_for_all all of them; then they start again in order. What is
 * decided when a process ends is carried out at the end of the turn. A group
 * counts the restarts of all its services; whatever ends while it is about to
 * be restarted with the others is not counted once more.
 */
#ifndef MSVC_SUPERVISOR_GROUP_H
#define MSVC_SUPERVISOR_GROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "backoff.h"
#include "instance_fsm.h"
#include "ipc/loop.h"

struct conf_group;
struct instance;
struct service;
struct services;

struct group {
	LIST_ENTRY(group) link;
	char *name;                    /* owned */
	struct services *services;     /* borrowed */
	const struct conf_group *conf; /* borrowed from sup's conf */
	struct backoff backoff;        /* of all its restarts */
	struct loop_timer timer;       /* the end of the wait */
	int64_t start_us;              /* loop time: not before */
	struct service *cause; /* borrowed: for whom a restart is to begin */
	bool is_failed;        /* given up, until an operator starts */
};

LIST_HEAD(group_list, group);

/*
 * Make the groups fit sup's configuration; those that are there already keep
 * their count. Out of memory leaves services without a group, which is logged.
 */
void groups_apply(struct services *services);
void groups_fini(struct services *services);

/*
 * An instance has ended and would be restarted after *delay_r ms. Returns RETRY
 * when it is to be so, YIELD when it waits for its turn in the restart of its
 * group, LIMIT when there have been too many.
 */
enum instance_event group_judge(struct instance *inst, int64_t *delay_r);

/* Is it kept from starting since its group is being stopped, or waits? */
bool group_is_busy(const struct service *svc);

/* Carry out what was decided; a part of services_step(). */
void groups_step(struct services *services);

/* An operator starts one of them: what was before is forgotten. */
void group_reset(struct group *group);

#endif
