#include "upstream.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/lifeline.h"
#include "ipc/log.h"

#include "exchange.h"
#include "instance.h"
#include "note.h"
#include "peer.h"
#include "problem.h"
#include "snapshot.h"
#include "worker.h"

struct upstream *
upstream_new(struct worker *worker, const char *name)
{
	struct upstream *upstream = calloc(1, sizeof(*upstream));

	if (upstream == NULL)
		return NULL;
	upstream->worker = worker;
	TAILQ_INIT(&upstream->waiting);
	upstream->name = strdup(name);
	if (upstream->name == NULL)
		upstream_free(&upstream);
	return upstream;
}

void
upstream_free(struct upstream **upstreamp)
{
	struct upstream *upstream = *upstreamp;

	if (upstream == NULL)
		return;
	*upstreamp = NULL;
	for (size_t i = 0; i < upstream->instance_count; i++)
		instance_free(&upstream->instances[i]);
	free(upstream->instances);
	free(upstream->name);
	free(upstream);
}

/* The instance with this index, made when it is new; NULL: no memory. */
static struct instance *
upstream_instance(struct upstream *upstream, unsigned index)
{
	if (index > upstream->instance_count) {
		struct instance **more = realloc(upstream->instances,
		    index * sizeof(struct instance *));

		if (more == NULL)
			return NULL;
		memset(more + upstream->instance_count, 0,
		    (index - upstream->instance_count) *
			sizeof(struct instance *));
		upstream->instances = more;
		upstream->instance_count = index;
	}
	if (upstream->instances[index - 1] == NULL)
		upstream->instances[index - 1] = instance_new(upstream, index);
	return upstream->instances[index - 1];
}

void
upstream_note(struct upstream *upstream, const struct note *note)
{
	struct instance *instance;

	if (note->index == 0 || note->index > UPSTREAM_INSTANCE_MAX)
		return;
	instance = upstream_instance(upstream, (unsigned)note->index);
	if (instance == NULL) {
		log_errorx("%s: out of memory", upstream->name);
		return;
	}
	if (note->generation < instance->generation)
		return;
	instance_update(instance, note);
	upstream_wake(upstream);
}

void
upstream_kick(struct upstream *upstream, uint64_t index, uint64_t generation)
{
	struct instance *instance;

	if (index == 0 || index > upstream->instance_count)
		return;
	instance = upstream->instances[index - 1];
	if (instance == NULL || instance->generation != generation)
		return;
	instance_kick(instance);
}

void
upstream_apply(struct upstream *upstream,
    const struct snapshot_service *service)
{
	bool is_remote = service != NULL && service->url[0] != '\0';
	uint64_t keep = service == NULL ? 0
			: is_remote     ? 1
					: service->instances;

	upstream->is_enabled = service != NULL && service->is_enabled;
	if (is_remote && upstream->instance_count != 0 &&
	    upstream->instances[0] != NULL &&
	    !upstream->instances[0]->is_remote)
		keep = 0;
	for (size_t i = (size_t)keep; i < upstream->instance_count; i++) {
		if (upstream->instances[i] != NULL)
			instance_remove(upstream->instances[i]);
	}
	if (is_remote) {
		struct note note = { .service = service->name,
			.listen = service->url,
			.reason = (char[]){ "" },
			.index = 1,
			.state =
			    service->is_enabled ? STATE_READY : STATE_DISABLED,
			.is_remote = true };

		upstream_note(upstream, &note);
	}
	upstream_wake(upstream);
}

static struct instance *
choose(struct upstream *upstream)
{
	struct instance *best = NULL;
	size_t count = upstream->instance_count, least = SIZE_MAX;

	for (size_t n = 0; n < count; n++) {
		size_t i = (upstream->turn + n) % count;
		struct instance *instance = upstream->instances[i];

		if (instance == NULL || instance->state != STATE_READY ||
		    instance->peer == NULL || !peer_is_usable(instance->peer))
			continue;
		if (peer_outstanding(instance->peer) < least) {
			least = peer_outstanding(instance->peer);
			best = instance;
		}
	}
	if (best != NULL)
		upstream->turn = best->index % count;
	return best;
}

static bool
is_hopeful(const struct upstream *upstream, int64_t deadline_us)
{
	bool is_known = false;

	for (size_t i = 0; i < upstream->instance_count; i++) {
		const struct instance *instance = upstream->instances[i];

		if (instance == NULL)
			continue;
		is_known = true;
		if (instance_is_hopeful(instance, deadline_us))
			return true;
	}
	/* Nothing was said yet of an enabled service: its notes will come. */
	return !is_known && upstream->is_enabled;
}

void
upstream_forget(struct upstream *upstream, struct exchange *ex)
{
	TAILQ_REMOVE(&upstream->waiting, ex, waiting);
	upstream->waiting_count--;
	ex->state = EXCHANGE_IDLE;
}

/* Send those who wait, in order, as long as someone can take them. */
static void
send_waiting(struct upstream *upstream)
{
	struct instance *instance;
	struct exchange *ex;

	while ((ex = TAILQ_FIRST(&upstream->waiting)) != NULL &&
	       upstream->is_enabled && (instance = choose(upstream)) != NULL) {
		upstream_forget(upstream, ex);
		peer_send(instance->peer, ex);
	}
}

void
upstream_dispatch(struct upstream *upstream, struct exchange *ex)
{
	struct instance *instance;
	struct problem problem;

	/* A link may have got room since: those who wait were here first. */
	send_waiting(upstream);
	instance = upstream->is_enabled ? choose(upstream) : NULL;
	if (instance != NULL) {
		peer_send(instance->peer, ex);
		return;
	}
	if (upstream->is_enabled && is_hopeful(upstream, ex->deadline_us) &&
	    upstream->waiting_count < UPSTREAM_WAITING_MAX) {
		ex->state = EXCHANGE_WAITING;
		TAILQ_INSERT_TAIL(&upstream->waiting, ex, waiting);
		upstream->waiting_count++;
		return;
	}
	upstream_explain(upstream, ex, &problem);
	ex->source->problem(ex, &problem);
}

/* The first in the queue whose wait has become pointless. */
static struct exchange *
find_hopeless(struct upstream *upstream)
{
	struct exchange *ex;

	TAILQ_FOREACH (ex, &upstream->waiting, waiting) {
		if (!upstream->is_enabled ||
		    !is_hopeful(upstream, ex->deadline_us))
			return ex;
	}
	return NULL;
}

void
upstream_wake(struct upstream *upstream)
{
	struct exchange *ex;
	struct problem problem;

	send_waiting(upstream);
	while ((ex = find_hopeless(upstream)) != NULL) {
		upstream_forget(upstream, ex);
		upstream_explain(upstream, ex, &problem);
		ex->source->problem(ex, &problem);
	}
}

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

static uint64_t
retry_after_s(const struct instance *instance, int64_t now_us)
{
	int64_t left = instance->retry_at_us - now_us;

	return left <= 0 ? 1 : (uint64_t)((left + 999999) / 1000000);
}

static void
explain_instance(const struct instance *instance, struct problem *problem_r)
{
	const struct upstream *upstream = instance->upstream;
	const char *name = upstream->name, *reason = instance->reason;
	const char *dash = reason[0] == '\0' ? "" : ": ";

	switch (instance->state) {
	case STATE_BACKOFF:
		problem_set(problem_r, 503, "restarting",
		    "service %s is restarting%s%s", name, dash, reason);
		problem_r->retry_after = retry_after_s(instance,
		    loop_now_us(upstream->worker->loop));
		break;
	case STATE_STARTING:
		problem_set(problem_r, 503, "starting",
		    "service %s is starting", name);
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
		problem_set(problem_r, 503, "stopped", "service %s is %s", name,
		    lifeline_state_name(instance->state));
		break;
	}
}

void
upstream_explain(const struct upstream *upstream, const struct exchange *ex,
    struct problem *problem_r)
{
	const struct instance *instance = most_telling(upstream);

	if (!upstream->is_enabled) {
		problem_set(problem_r, 503, "disabled",
		    "service %s is disabled", upstream->name);
	} else if (ex->state != EXCHANGE_WAITING &&
		   upstream->waiting_count >= UPSTREAM_WAITING_MAX) {
		problem_set(problem_r, 503, "queue-full",
		    "too many requests wait for service %s", upstream->name);
		problem_r->retry_after = 1;
	} else if (instance == NULL) {
		problem_set(problem_r, 503, "starting",
		    "service %s has not been started", upstream->name);
		problem_r->retry_after = 1;
	} else {
		explain_instance(instance, problem_r);
	}
	problem_r->service = upstream->name;
}
