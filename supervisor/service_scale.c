#include "service_scale.h"

#include <string.h>

#include "conf/conf.h"
#include "instance.h"
#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "service.h"
#include "supervisor.h"

enum {
	LOAD_MS = 100, /* two of them are the least delay of a step up */
	LOAD_MAX_MS = 1000,
	LATER_US = 1000 * 1000 /* to look again while it is being replaced */
};

static int64_t
service_now_us(const struct service *svc)
{
	return loop_now_us(svc->sup->loop);
}

bool
service_scales(const struct conf_service *conf)
{
	return conf->url == NULL && conf->instances_max > conf->instances;
}

uint64_t
service_load_ms(const struct conf_service *conf)
{
	int64_t part_ms = conf->idle_stop_ms / 4;

	if (service_scales(conf))
		return LOAD_MS;
	if (conf->url != NULL || conf->idle_stop_ms == 0)
		return 0;
	if (part_ms > LOAD_MAX_MS)
		return LOAD_MAX_MS;
	return part_ms < LOAD_MS ? LOAD_MS : (uint64_t)part_ms;
}

unsigned
service_scale_after(const struct service *svc, const struct conf_service *conf)
{
	const struct conf_service *old = svc != NULL ? svc->conf : NULL;

	if (conf->url != NULL)
		return 0;
	if (old == NULL || old->url != NULL)
		return conf->instances;
	if (old->instances == conf->instances &&
	    old->instances_max == conf->instances_max)
		return svc->scale;
	if (!service_scales(conf) || svc->scale < conf->instances)
		return conf->instances;
	return svc->scale < conf->instances_max ? svc->scale
						: conf->instances_max;
}

int
service_scale(struct service *svc, unsigned scale, struct err *err_r)
{
	unsigned before = svc->scale;
	struct instance *inst;
	struct err err;

	svc->scale = scale;
	if (service_resize(svc, err_r) < 0) {
		svc->scale = before < svc->count ? before : svc->count;
		(void)service_resize(svc, &err);
		return -1;
	}
	if (!svc->is_wanted || svc->is_asleep)
		return 0;
	for (unsigned i = before; i < scale; i++) {
		inst = svc->instances[i];
		if (inst->state == STATE_STOPPED ||
		    inst->goal == INSTANCE_GOAL_DOWN)
			instance_wait(inst);
	}
	if (scale > before)
		service_mark_new(svc);
	supervise_changed(svc->sup);
	return 0;
}

/* As the load asks for. */
static void
service_rescale(struct service *svc, unsigned scale, int64_t wait_us)
{
	unsigned before = svc->scale;
	struct err err;

	if (scale == before)
		return;
	if (service_scale(svc, scale, &err) < 0) {
		log_errorx("%s, scaled later", err.text);
		return;
	}
	if (scale > before)
		log_info("%s: scaled from %u to %u, requests wait %lld ms",
		    svc->name, before, scale, (long long)wait_us / 1000);
	else
		log_info("%s: scaled from %u to %u, little load", svc->name,
		    before, scale);
}

static struct autoscale_rule
service_scale_rule(const struct conf_service *conf)
{
	return (struct autoscale_rule){ .min = conf->instances,
		.max = conf->instances_max,
		.places = conf->max_inflight == CONF_INFLIGHT_AUTO
			      ? 0
			      : conf->max_inflight,
		.up_wait_ms = conf->scale_up_wait_ms,
		.down_after_ms = conf->scale_down_after_ms };
}

/*
 * Does the router tell of its load? It goes by the configuration of the file,
 * which one that was rolled back has left.
 */
static bool
service_is_heard(const struct service *svc)
{
	const struct conf_service *told = svc->conf;

	if (svc->is_held)
		told = conf_find_service(svc->sup->conf, svc->name);
	return told != NULL && service_load_ms(told) != 0;
}

/* Does it run as it is to, so that load means something? */
static bool
service_is_steady(const struct service *svc)
{
	return service_is_heard(svc) && svc->is_wanted && !svc->is_asleep &&
	       !svc->is_removed && svc->conf->is_enabled &&
	       svc->leave == LEAVE_NOT &&
	       svc->sup->phase <= SUPERVISE_RUNNING &&
	       !svc->sup->services.is_stopping;
}

static void
service_count_states(const struct service *svc, struct autoscale_sample *sample)
{
	unsigned state;

	for (unsigned i = 0; i < svc->count && i < svc->scale; i++) {
		state = svc->instances[i]->state;
		sample->ready += state == STATE_READY;
		sample->pending +=
		    state == STATE_STARTING || state == INSTANCE_WAITING;
	}
}

/* Is it about to change anyway, or in an operator's hand? */
static bool
service_is_in_hand(const struct service *svc)
{
	struct autoscale_sample count = { 0 };

	service_count_states(svc, &count);
	if (svc->is_rolling || svc->is_new || count.pending > 0)
		return true;
	for (unsigned i = 0; i < svc->count; i++) {
		if (svc->instances[i]->drain == DRAIN_OPERATOR)
			return true;
	}
	return false;
}

/* When something is to be looked at without the router's word. */
static void
service_load_arm(struct service *svc)
{
	const struct conf_service *conf = svc->conf;
	struct autoscale_rule rule = service_scale_rule(conf);
	struct autoscale_sample count = { 0 };
	int64_t due_us = 0, idle_us;

	service_count_states(svc, &count);
	if (service_scales(conf))
		due_us = 1000 *
			 autoscale_due(&svc->load.autoscale, &rule, svc->scale);
	if (conf->idle_stop_ms > 0 && !svc->load.is_busy) {
		idle_us = svc->load.busy_us + conf->idle_stop_ms * 1000;
		if (due_us == 0 || idle_us < due_us)
			due_us = idle_us;
	}
	/* The first one that becomes ready is looked at again. */
	if (due_us == 0 || count.ready == 0 || !service_is_steady(svc))
		loop_timer_drop(svc->sup->loop, &svc->load.timer);
	else
		loop_timer_set(svc->sup->loop, &svc->load.timer, due_us);
}

static void
service_take_sample(struct service *svc, const struct lifeline_load *load)
{
	struct autoscale_rule rule = service_scale_rule(svc->conf);
	struct autoscale_sample sample = { .inflight = load->inflight,
		.held = load->held,
		.wait_us = load->wait_max_us > INT64_MAX
			       ? INT64_MAX
			       : (int64_t)load->wait_max_us };
	unsigned scale;

	if (!service_scales(svc->conf) || svc->is_rolling)
		return;
	service_count_states(svc, &sample);
	scale = autoscale_sample(&svc->load.autoscale, &rule, svc->scale,
	    &sample, service_now_us(svc) / 1000);
	service_rescale(svc, scale, sample.wait_us);
}

/* The least number again: whoever wakes it brings little load at first. */
static void
service_doze(struct service *svc)
{
	const struct conf_service *conf = svc->conf;

	log_info("%s: idle for %lld ms, stopped until the next request",
	    svc->name,
	    (long long)(service_now_us(svc) - svc->load.busy_us) / 1000);
	svc->load.autoscale = (struct autoscale){ 0 };
	if (service_scales(conf))
		service_rescale(svc, conf->instances, 0);
	service_sleep(svc, "idle, starts with the next request");
}

static bool
service_is_idle(const struct service *svc)
{
	struct autoscale_sample count = { 0 };

	/* What is down or comes back from a failure is not idle. */
	service_count_states(svc, &count);
	return svc->conf->idle_stop_ms > 0 && count.ready > 0 &&
	       !svc->load.is_busy &&
	       service_now_us(svc) - svc->load.busy_us >=
		   svc->conf->idle_stop_ms * 1000;
}

static void
service_on_load_timer(struct loop_timer *timer)
{
	struct service *svc = loop_owner(timer, struct service, load.timer);
	struct autoscale_rule rule = service_scale_rule(svc->conf);

	if (!service_is_steady(svc))
		return;
	if (service_is_in_hand(svc)) {
		loop_timer_set(svc->sup->loop, timer,
		    service_now_us(svc) + LATER_US);
		return;
	}
	if (service_is_idle(svc)) {
		service_doze(svc);
		return;
	}
	if (service_scales(svc->conf))
		service_rescale(svc,
		    autoscale_tick(&svc->load.autoscale, &rule, svc->scale,
			service_now_us(svc) / 1000),
		    0);
	service_load_arm(svc);
}

void
service_load_init(struct service *svc)
{
	svc->load.timer.fn = service_on_load_timer;
}

void
service_load_fini(struct service *svc)
{
	loop_timer_drop(svc->sup->loop, &svc->load.timer);
}

void
services_load(struct services *services, const struct lifeline_load *load)
{
	struct service *svc =
	    services_find(services, load->service, strlen(load->service));

	if (svc == NULL || service_load_ms(svc->conf) == 0)
		return;
	svc->load.is_busy = load->inflight != 0 || load->held != 0;
	if (svc->load.is_busy || load->requests != 0)
		svc->load.busy_us = service_now_us(svc);
	if (service_is_steady(svc))
		service_take_sample(svc, load);
	service_load_arm(svc);
}

void
service_load_ready(struct service *svc)
{
	static const struct lifeline_load none = { 0 };

	if (service_load_ms(svc->conf) == 0 || !service_is_steady(svc))
		return;
	/* The router is silent until there are requests. */
	if (!svc->load.is_busy) {
		svc->load.busy_us = service_now_us(svc);
		service_take_sample(svc, &none);
	}
	service_load_arm(svc);
}

void
service_load_apply(struct service *svc, const struct conf_service *before)
{
	if (service_load_ms(svc->conf) == 0) {
		service_load_fini(svc);
		svc->load.is_busy = false;
		svc->load.autoscale = (struct autoscale){ 0 };
	} else if (service_load_ms(before) == 0)
		service_load_ready(svc);
	else if (service_is_steady(svc))
		service_load_arm(svc);
}

void
service_load_forget(struct service *svc)
{
	svc->load.is_busy = false;
	service_load_ready(svc);
}

void
services_wanted(struct services *services, const struct lifeline_wanted *wanted)
{
	struct service *svc =
	    services_find(services, wanted->service, strlen(wanted->service));

	if (svc == NULL || !svc->is_asleep || svc->conf->idle_stop_ms == 0 ||
	    svc->sup->phase > SUPERVISE_RUNNING)
		return;
	log_info("%s: woken by a request", svc->name);
	service_wake(svc);
}
