/*
 * service: the services of the configuration as they run.
 *
 * The set starts services in the order of "after": one is started when all
 * that it comes after have settled (all instances ready, or not to be had),
 * and stops them in reverse. All of it happens in services_step(), which is to
 * be called after any change of a state.
 */
#ifndef MSVC_SUPERVISOR_SERVICE_H
#define MSVC_SUPERVISOR_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "generation.h"
#include "ipc/loop.h"
#include "spawn.h"

struct buf;
struct conf;
struct conf_service;
struct err;
struct instance;
struct supervise;

struct service {
	TAILQ_ENTRY(service) link;
	LIST_ENTRY(service) by_name;
	struct supervise *sup;           /* borrowed */
	const struct conf_service *conf; /* borrowed from sup's conf */
	struct spawn_user user;
	char *name;                  /* owned */
	struct instance **instances; /* owned, indexes 1 to count in order */
	unsigned count;
	uint64_t last_generation; /* of instances that it no longer has */
	bool is_removed; /* no longer configured: forgotten once down */
	bool is_wanted;  /* by configuration and operator */
	bool is_needed;  /* by one that comes after it: cannot stop yet */
	bool is_new;     /* its instances wait for others */
	bool is_linked;  /* url services: the router reaches it */
};

enum {
	SERVICE_BUCKETS = 1024
};

struct services {
	TAILQ_HEAD(service_queue, service) all;
	LIST_HEAD(service_bucket, service) by_name[SERVICE_BUCKETS];
	LIST_HEAD(instance_bucket, instance) by_pid[SERVICE_BUCKETS];
	struct supervise *sup;
	struct loop_timer more; /* go on starting: not all in one turn */
	struct generations gone;
	size_t new_count;
	bool is_purging; /* something is to be forgotten once it is down */
	bool is_stopping;
};

void services_init(struct services *services, struct supervise *sup);
void services_fini(struct services *services);

/* Add a service in state waiting. Returns 0 or -1. */
int services_add(struct services *services, const struct conf_service *conf,
    struct err *err_r);

/* Give a service its new configuration and make its instances fit it. */
int service_apply(struct service *svc, const struct conf_service *conf,
    bool is_restart, struct err *err_r);

/* Stop a service and forget it when it is down. */
void service_remove(struct service *svc);

/* Borrowed, or NULL. */
struct service *services_find(const struct services *services, const char *name,
    size_t len);
struct instance *services_find_pid(const struct services *services, pid_t pid);
struct instance *service_instance(const struct service *svc, uint64_t index);

void services_set_pid(struct services *services, struct instance *inst,
    pid_t pid);

/* The first service that svc has to wait for before it starts, or NULL. */
const struct service *service_blocker(const struct service *svc);

/* An operator's wish. */
void service_up(struct service *svc);
void service_down(struct service *svc);

/* From now on stop everything, those first that others came after. */
void services_stop(struct services *services);
void services_kill(struct services *services);

/* The two directions of services_step(). service_order.c */
void services_start_some(struct services *services);
void services_stop_some(struct services *services);
void services_on_more(struct loop_timer *timer);

/* It does not wait for others any longer. */
void service_dequeue(struct service *svc);

/* Start and stop what can be; free what is gone. */
void services_step(struct services *services);

/* No process is left. */
bool services_are_down(const struct services *services);
bool service_is_down(const struct service *svc);

/* One word for all its instances. */
unsigned service_state(const struct service *svc);

/*
 * Have all services come up, or turned out not to? bad (may be NULL) gets a
 * line for each instance that is not ready although it should be, with why.
 * Returns 1 when all are ready, 0 while that may still come, -1 when not.
 */
int services_settled(const struct services *services, struct buf *bad);

/* Is that one ready, on the way (0), or will it not be (-1)? */
int instance_settled(const struct instance *inst);

#endif
