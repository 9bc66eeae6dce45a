/*
 * service_scale: how many instances a service has, and whether it sleeps, as
 * the router's LOAD and an operator's "msvc scale" say.
 */
#ifndef MSVC_SUPERVISOR_SERVICE_SCALE_H
#define MSVC_SUPERVISOR_SERVICE_SCALE_H

#include <stdbool.h>
#include <stdint.h>

#include "autoscale.h"
#include "ipc/loop.h"

struct conf_service;
struct err;
struct lifeline_load;
struct lifeline_wanted;
struct service;
struct services;

enum {
	SERVICE_SCALE_MAX = 1024
};

/* What is known of the requests for a service. */
struct service_load {
	struct autoscale autoscale;
	struct loop_timer timer; /* the end of an idle time, a step down */
	int64_t busy_us; /* loop time of the last request, or of a start */
	bool is_busy;    /* requests are in flight or wait, said the router */
};

void service_load_init(struct service *svc);
void service_load_fini(struct service *svc);

/*
 * The number of instances with a new configuration: an operator's stands
 * while that says the same, and what scales by itself goes on from where it
 * is. svc may be NULL: it is new.
 */
unsigned service_scale_after(const struct service *svc,
    const struct conf_service *conf);

/* Does the number change by itself? */
bool service_scales(const struct conf_service *conf);

/* How often the router is to tell of the load, in milliseconds; 0: never. */
uint64_t service_load_ms(const struct conf_service *conf);

/*
 * Add instances, or take those with the highest indexes away once they have
 * finished what they have; the others are not touched. One that is stopped or
 * asleep has that many when it starts. Returns 0; -1 with err, and the number
 * as before.
 */
int service_scale(struct service *svc, unsigned scale, struct err *err_r);

/* One of its instances has become ready: its idle time begins. */
void service_load_ready(struct service *svc);

/* Its configuration is new; before is the one until now. */
void service_load_apply(struct service *svc, const struct conf_service *before);

/* The router that knew of its requests is gone. */
void service_load_forget(struct service *svc);

/* What the router says. */
void services_load(struct services *services, const struct lifeline_load *load);
void services_wanted(struct services *services,
    const struct lifeline_wanted *wanted);

#endif
