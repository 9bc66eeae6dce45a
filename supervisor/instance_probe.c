#include "instance_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/conf_probe.h"
#include "health.h"
#include "instance.h"
#include "instance_command.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "probe.h"
#include "supervisor.h"

enum prober_mode {
	PROBER_OFF,
	PROBER_READY, /* until the first success */
	PROBER_HEALTH
};

/* What an instance has while it is probed. */
struct prober {
	struct instance *inst; /* borrowed */
	enum prober_mode mode;
	struct probe probe;
	struct loop_timer timer; /* the next probe, or the end of this one */
	struct health health;
	int out_fd;              /* of commands, to the logger; owned; or -1 */
	bool is_untried;         /* told that it can not be tried */
	char why[PROBE_WHY_MAX]; /* the last failure; "": none yet */
};

static enum prober_mode
prober_mode(const struct instance *inst)
{
	const struct conf_service *conf = inst->conf;
	bool is_up = inst->state == STATE_READY;

	if (inst->pid == 0)
		return PROBER_OFF;
	if (inst->state == STATE_STARTING)
		return conf->ready == CONF_READY_PROBE &&
			       conf->ready_probe.kind != CONF_PROBE_LOG
			   ? PROBER_READY
			   : PROBER_OFF;
	/* DRAIN_NOT: why it drains is told right behind the state. */
	if (inst->state == STATE_DRAINING)
		is_up =
		    inst->drain == DRAIN_NOT || instance_drains_for_now(inst);
	return is_up && conf->health.kind != CONF_PROBE_NONE ? PROBER_HEALTH
							     : PROBER_OFF;
}

static const struct conf_probe *
prober_conf(const struct prober *prober)
{
	const struct conf_service *conf = prober->inst->conf;

	return prober->mode == PROBER_READY ? &conf->ready_probe
					    : &conf->health;
}

static struct health_rule
prober_rule(const struct prober *prober)
{
	const struct conf_service *conf = prober->inst->conf;

	return (struct health_rule){ conf->health_failures,
		conf->health_successes };
}

static void
prober_arm(struct prober *prober, int64_t delay_ms)
{
	loop_timer_set(prober->inst->service->sup->loop, &prober->timer,
	    instance_now_us(prober->inst) + delay_ms * 1000);
}

static void
prober_arm_next(struct prober *prober)
{
	const struct conf_service *conf = prober->inst->conf;

	if (prober->mode == PROBER_READY) {
		prober_arm(prober, conf->ready_interval_ms);
		return;
	}
	prober_arm(prober,
	    health_delay_ms(conf->health_interval_ms, instance_random()));
}

/* It has failed too often in a row. The prober may be gone afterwards. */
static void
prober_unhealthy(struct prober *prober)
{
	struct instance *inst = prober->inst;
	const struct conf_service *conf = inst->conf;
	bool is_drain = conf->on_unhealthy == CONF_ON_UNHEALTHY_DRAIN;
	const char *next =
	    conf->restart == CONF_RESTART_NEVER ? "stopping" : "restarting";

	/* What an operator has drained is left to the operator. */
	if (inst->state != STATE_READY &&
	    (is_drain || inst->drain != DRAIN_UNHEALTHY))
		return;
	if (conf->health_failures > 1)
		instance_set_reason(inst, "unhealthy: %s %s %u times in a row",
		    conf->health.text, prober->why, conf->health_failures);
	else
		instance_set_reason(inst, "unhealthy: %s %s", conf->health.text,
		    prober->why);
	log_warnx("%s/%u[%d]: %s, %s it", inst->service->name, inst->index,
	    (int)inst->pid, inst->reason != NULL ? inst->reason : "unhealthy",
	    is_drain ? "draining" : next);
	if (is_drain) {
		instance_drain_unhealthy(inst);
		return;
	}
	inst->is_unhealthy = true;
	instance_handle(inst, INSTANCE_EV_UNHEALTHY);
}

static void
prober_told_health(struct prober *prober, bool is_well)
{
	struct health_rule rule = prober_rule(prober);
	enum health_news news = health_step(&prober->health, &rule, is_well);

	prober_arm_next(prober);
	if (news == HEALTH_BACK)
		instance_well(prober->inst);
	else if (prober->health.is_unhealthy && !is_well)
		prober_unhealthy(prober);
}

/* What the machine lacks is told once, and tried again. */
static void
prober_told_untried(struct prober *prober)
{
	const struct instance *inst = prober->inst;

	if (!prober->is_untried)
		log_warnx("%s/%u[%d]: cannot be probed, trying again: %s",
		    inst->service->name, inst->index, (int)inst->pid,
		    prober->probe.why);
	prober->is_untried = true;
	prober_arm_next(prober);
}

/* The prober may be gone afterwards. */
static void
prober_told(struct prober *prober, enum probe_outcome outcome)
{
	if (outcome == PROBE_UNTRIED) {
		prober_told_untried(prober);
		return;
	}
	prober->is_untried = false;
	if (outcome == PROBE_BAD)
		snprintf(prober->why, sizeof(prober->why), "%s",
		    prober->probe.why);
	if (prober->mode == PROBER_HEALTH)
		prober_told_health(prober, outcome == PROBE_WELL);
	else if (outcome == PROBE_WELL)
		instance_ready(prober->inst);
	else
		prober_arm_next(prober);
}

static void
prober_done(struct probe *probe, enum probe_outcome outcome)
{
	prober_told(loop_owner(probe, struct prober, probe), outcome);
}

static void
prober_begin(struct prober *prober)
{
	const struct conf_probe *conf = prober_conf(prober);

	/* First: it may be over before it returns. */
	prober_arm(prober, prober->inst->conf->health_timeout_ms);
	if (conf->kind == CONF_PROBE_COMMAND)
		instance_command(prober->inst, conf->argv.items,
		    &prober->out_fd, &prober->probe);
	else
		probe_connect(&prober->probe, conf);
}

static void
prober_on_timer(struct loop_timer *timer)
{
	struct prober *prober = loop_owner(timer, struct prober, timer);

	if (!prober->probe.is_running) {
		prober_begin(prober);
		return;
	}
	probe_cancel(&prober->probe);
	snprintf(prober->probe.why, sizeof(prober->probe.why), "%s %lld ms",
	    prober_conf(prober)->kind == CONF_PROBE_COMMAND
		? "did not end within"
		: "did not answer within",
	    (long long)prober->inst->conf->health_timeout_ms);
	prober_told(prober, PROBE_BAD);
}

/* From the beginning, in the mode that its instance's state asks for. */
static void
prober_reset(struct prober *prober)
{
	struct instance *inst = prober->inst;

	probe_cancel(&prober->probe);
	prober->mode = prober_mode(inst);
	prober->health =
	    (struct health){ .is_unhealthy = inst->drain == DRAIN_UNHEALTHY };
	prober->why[0] = '\0';
	prober->is_untried = false;
	/* Not from here: this is in the middle of a change of state. */
	if (prober->mode == PROBER_READY)
		prober_arm(prober, 0);
	else
		prober_arm_next(prober);
}

void
instance_probe(struct instance *inst)
{
	enum prober_mode mode = prober_mode(inst);

	if (mode == PROBER_OFF) {
		instance_probe_end(inst);
		return;
	}
	if (inst->prober == NULL) {
		inst->prober = calloc(1, sizeof(*inst->prober));
		if (inst->prober == NULL) {
			log_warn("%s/%u: is not probed", inst->service->name,
			    inst->index);
			return;
		}
		inst->prober->inst = inst;
		inst->prober->timer.fn = prober_on_timer;
		inst->prober->out_fd = -1;
		probe_init(&inst->prober->probe, inst->service->sup->loop,
		    prober_done);
	}
	if (inst->prober->mode != mode)
		prober_reset(inst->prober);
}

void
instance_probe_end(struct instance *inst)
{
	struct prober *prober = inst->prober;

	if (prober == NULL)
		return;
	inst->prober = NULL;
	loop_timer_drop(inst->service->sup->loop, &prober->timer);
	probe_cancel(&prober->probe);
	if (prober->out_fd >= 0)
		close(prober->out_fd);
	free(prober);
}

static bool
health_is_equal(const struct conf_service *left,
    const struct conf_service *right)
{
	return conf_probe_is_equal(&left->health, &right->health) &&
	       left->health_interval_ms == right->health_interval_ms &&
	       left->health_failures == right->health_failures &&
	       left->health_successes == right->health_successes &&
	       left->on_unhealthy == right->on_unhealthy;
}

void
instance_probe_applied(struct instance *inst, const struct conf_service *old)
{
	if (health_is_equal(inst->conf, old))
		return;
	/* Nothing else would bring it back. */
	if (inst->drain == DRAIN_UNHEALTHY &&
	    inst->conf->health.kind == CONF_PROBE_NONE)
		instance_well(inst);
	instance_probe(inst);
	if (inst->prober != NULL && inst->prober->mode == PROBER_HEALTH)
		prober_reset(inst->prober);
}

bool
instance_is_unwell(const struct instance *inst)
{
	return inst->prober != NULL && inst->prober->health.is_unhealthy &&
	       inst->conf->on_unhealthy == CONF_ON_UNHEALTHY_DRAIN;
}

const char *
instance_ready_pattern(const struct instance *inst)
{
	const struct conf_service *conf = inst->conf;

	return conf->ready == CONF_READY_PROBE &&
		       conf->ready_probe.kind == CONF_PROBE_LOG
		   ? conf->ready_probe.text
		   : NULL;
}

const char *
instance_health_text(const struct instance *inst, char *text, size_t size)
{
	const struct prober *prober = inst->prober;
	struct health_rule rule;

	if (prober == NULL)
		return NULL;
	rule = prober_rule(prober);
	if (prober->mode == PROBER_HEALTH)
		return health_text(&prober->health, &rule, prober->why, text,
		    size);
	if (prober->why[0] == '\0')
		return NULL;
	snprintf(text, size, "not yet: %s", prober->why);
	return text;
}

const char *
instance_unready_text(const struct instance *inst, char *text, size_t size)
{
	const struct prober *prober = inst->prober;

	text[0] = '\0';
	if (prober != NULL && prober->mode == PROBER_READY &&
	    prober->why[0] != '\0')
		snprintf(text, size, ": %s %s", inst->conf->ready_probe.text,
		    prober->why);
	return text;
}
