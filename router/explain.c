/* Why nobody answers: the texts of 503. */
#include <stdio.h>

#include "exchange.h"
#include "instance.h"
#include "peer.h"
#include "problem.h"
#include "upstream.h"
#include "worker.h"

/* The instance whose state says most about why nobody answers. */
static const struct instance *
most_telling(const struct upstream *upstream)
{
	static const unsigned order[] = { STATE_BACKOFF, STATE_STARTING,
		STATE_READY, STATE_FAILED, STATE_DRAINING, STATE_STOPPING,
		STATE_DISABLED, STATE_STOPPED };

	for (size_t n = 0; n < sizeof(order) / sizeof(order[0]); n++) {
		for (size_t i = 0; i < upstream->instance_count; i++) {
			const struct instance *instance =
			    upstream->instances[i];

			if (instance != NULL && instance->state == order[n])
				return instance;
		}
	}
	return NULL;
}

static void
explain_backoff(const struct instance *instance, struct problem *problem_r)
{
	int64_t left_us = instance->retry_at_us -
			  loop_now_us(instance->upstream->worker->loop);
	char count[48] = "";

	if (left_us < 0)
		left_us = 0;
	if (instance->restart_limit != 0)
		snprintf(count, sizeof(count), " (%llu of %llu)",
		    (unsigned long long)instance->restarts,
		    (unsigned long long)instance->restart_limit);
	problem_set(problem_r, 503, "restarting",
	    "service %s is restarting%s, next try in %lld.%lld s%s%s",
	    instance->upstream->name, count, (long long)(left_us / 1000000),
	    (long long)(left_us / 100000 % 10),
	    instance->reason[0] == '\0' ? "" : ": ", instance->reason);
	problem_r->retry_after =
	    left_us == 0 ? 1 : (uint64_t)((left_us + 999999) / 1000000);
}

static void
explain_instance(const struct instance *instance, struct problem *problem_r)
{
	const char *name = instance->upstream->name;
	const char *reason = instance->reason;
	const char *dash = reason[0] == '\0' ? "" : ": ";

	switch (instance->state) {
	case STATE_BACKOFF:
		explain_backoff(instance, problem_r);
		break;
	case STATE_STARTING:
		problem_set(problem_r, 503, "starting",
		    "service %s is starting%s%s", name, dash, reason);
		problem_r->retry_after = 1;
		break;
	case STATE_READY:
		problem_set(problem_r, 503, "unreachable",
		    "service %s has no link that could take a request", name);
		problem_r->retry_after = 1;
		break;
	case STATE_FAILED:
		problem_set(problem_r, 503, "failed", "service %s gave up%s%s",
		    name, dash, reason);
		break;
	case STATE_DISABLED:
		problem_set(problem_r, 503, "disabled",
		    "service %s is disabled", name);
		break;
	default:
		problem_set(problem_r, 503, "stopped", "service %s is %s%s%s",
		    name, lifeline_state_name(instance->state), dash, reason);
		break;
	}
}

void
upstream_explain_full(const struct upstream *upstream,
    struct problem *problem_r)
{
	if (upstream_is_served(upstream))
		problem_set(problem_r, 503, "overloaded",
		    "service %s has as many requests as it takes",
		    upstream->name);
	else
		problem_set(problem_r, 503, "queue-full",
		    "too many requests wait for service %s", upstream->name);
	problem_r->retry_after = 1;
	problem_r->service = upstream->name;
}

void
upstream_explain(const struct upstream *upstream, const struct exchange *ex,
    struct problem *problem_r)
{
	const struct instance *instance = most_telling(upstream);

	if (!upstream->is_enabled) {
		problem_set(problem_r, 503, "disabled",
		    "service %s is disabled", upstream->name);
	} else if (ex->state == EXCHANGE_WAITING &&
		   upstream_is_served(upstream)) {
		upstream_explain_full(upstream, problem_r);
	} else if (instance == NULL) {
		problem_set(problem_r, 503, "starting",
		    "service %s has not been started", upstream->name);
		problem_r->retry_after = 1;
	} else {
		explain_instance(instance, problem_r);
	}
	problem_r->service = upstream->name;
}
