#include "instance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"

#include "note.h"
#include "peer.h"
#include "upstream.h"
#include "worker.h"

enum {
	REDIAL_MIN_US = 2 * 1000,
	REDIAL_MAX_US = 1000 * 1000,
	LIMIT_FIRST = 20, /* max_inflight = auto begins here */
	LIMIT_MIN = 2,
	LIMIT_MAX = 4096
};

void
instance_free(struct instance **instancep)
{
	struct instance *instance = *instancep;

	if (instance == NULL)
		return;
	*instancep = NULL;
	loop_timer_drop(instance->upstream->worker->loop, &instance->redial);
	free(instance->listen);
	free(instance->reason);
	free(instance);
}

/* Does this instance take part, so that a link to it is of use? */
static bool
instance_wants_link(const struct instance *instance)
{
	return instance->listen[0] != '\0' &&
	       (instance->state == STATE_STARTING ||
		   instance->state == STATE_READY);
}

static void
redial_later(struct instance *instance)
{
	struct loop *loop = instance->upstream->worker->loop;

	loop_timer_set(loop, &instance->redial,
	    loop_now_us(loop) + instance->redial_us);
	instance->redial_us *= 2;
	if (instance->redial_us > REDIAL_MAX_US)
		instance->redial_us = REDIAL_MAX_US;
}

void
instance_dial(struct instance *instance)
{
	struct err err = { "" };

	if (instance->peer != NULL || !instance_wants_link(instance) ||
	    instance->upstream->worker->is_over)
		return;
	instance->peer = peer_new(instance, &err);
	if (instance->peer != NULL)
		return;
	/* The socket's appearance will be told; anything else is tried again.
	 */
	if (errno == ENOENT && instance->is_watched)
		return;
	log_debug("%s/%u: %s", instance->upstream->name, instance->index,
	    err.text);
	redial_later(instance);
}

static void
on_redial(struct loop_timer *timer)
{
	instance_dial(loop_owner(timer, struct instance, redial));
}

static void
tell_host(const struct instance *instance, bool is_up)
{
	const struct worker_host *host = instance->upstream->worker->host;

	host->linked(host->arg, instance->upstream->name, instance->index,
	    instance->generation, is_up);
}

static void
instance_drop_peer(struct instance *instance)
{
	struct peer *peer = instance->peer;

	instance->peer = NULL;
	if (instance->up_us != 0)
		tell_host(instance, false);
	instance->up_us = 0;
	if (peer != NULL)
		peer_retire(peer);
}

void
instance_kick(struct instance *instance)
{
	instance->redial_us = REDIAL_MIN_US;
	instance_dial(instance);
}

struct instance *
instance_new(struct upstream *upstream, unsigned index)
{
	struct instance *instance = calloc(1, sizeof(*instance));

	if (instance == NULL)
		return NULL;
	instance->upstream = upstream;
	instance->index = index;
	instance->redial_us = REDIAL_MIN_US;
	instance->redial.fn = on_redial;
	limit_init(&instance->limit, LIMIT_FIRST, LIMIT_MIN, LIMIT_MAX);
	instance->listen = strdup("");
	instance->reason = strdup("");
	if (instance->listen == NULL || instance->reason == NULL) {
		free(instance->listen);
		free(instance->reason);
		free(instance);
		return NULL;
	}
	return instance;
}

static int
replace(char **textp, const char *with)
{
	char *copy = strdup(with);

	if (copy == NULL)
		return -1;
	free(*textp);
	*textp = copy;
	return 0;
}

/* A new process is not to answer for the old one. */
static void
forget_answers(struct instance *instance)
{
	instance->outlier = (struct outlier){ 0 };
	instance->stats = (struct worker_stats){ 0 };
	instance->window = (struct window){ 0 };
	limit_init(&instance->limit, LIMIT_FIRST, LIMIT_MIN, LIMIT_MAX);
}

void
instance_update(struct instance *instance, const struct note *note)
{
	int64_t now = loop_now_us(instance->upstream->worker->loop);
	bool was_ready = instance->state == STATE_READY;
	bool is_moved = note->generation != instance->generation ||
			strcmp(note->listen, instance->listen) != 0;

	if (is_moved) {
		instance_drop_peer(instance);
		instance->redial_us = REDIAL_MIN_US;
		forget_answers(instance);
		was_ready = false;
	}
	if (replace(&instance->listen, note->listen) == -1 ||
	    replace(&instance->reason, note->reason) == -1)
		log_errorx("%s/%u: out of memory", instance->upstream->name,
		    instance->index);
	instance->generation = note->generation;
	instance->state = note->state;
	instance->is_watched = note->is_watched;
	instance->is_remote = note->is_remote;
	instance->is_asleep = note->is_asleep;
	instance->retry_at_us = now + (int64_t)note->retry_ms * 1000;
	instance->restarts = note->restarts;
	instance->restart_limit = note->restart_limit;
	if (instance->state == STATE_READY && !was_ready)
		instance->ready_us = now;
	if (instance_wants_link(instance))
		instance_dial(instance);
	else
		instance_drop_peer(instance);
}

void
instance_remove(struct instance *instance)
{
	instance_drop_peer(instance);
	instance->state = STATE_STOPPED;
	instance->is_asleep = false;
	/* Should the name come back, its generations may count anew. */
	instance->generation = 0;
}

/* May this instance be able to answer before the deadline? */
bool
instance_is_hopeful(const struct instance *instance, int64_t deadline_us)
{
	switch (instance->state) {
	case STATE_STARTING:
	case STATE_READY:
		return true;
	case STATE_DRAINING:
	case STATE_STOPPING:
		/* Most stop in order to start again; the next note tells. */
		return true;
	case STATE_BACKOFF:
		return instance->retry_at_us < deadline_us;
	default:
		return instance->is_asleep;
	}
}

void
instance_up(struct instance *instance)
{
	instance->up_us = loop_now_us(instance->upstream->worker->loop);
	/* Many wait for it: a crowd must not be the first thing it sees. */
	if (instance->upstream->hold.count > WINDOW_FIRST)
		window_open(&instance->window);
	tell_host(instance, true);
	upstream_came(instance->upstream);
}

void
instance_down(struct instance *instance, const char *why)
{
	int64_t now = loop_now_us(instance->upstream->worker->loop);

	instance->peer = NULL;
	if (instance->up_us != 0) {
		/* The supervisor tells of processes; of others only we know. */
		if (instance->is_remote)
			log_warnx("%s: link lost: %s, trying again",
			    instance->upstream->name, why);
		tell_host(instance, false);
		/* A link that held was no mistake: begin again quickly. */
		if (now - instance->up_us > REDIAL_MAX_US)
			instance->redial_us = REDIAL_MIN_US;
		instance->up_us = 0;
	}
	if (instance_wants_link(instance))
		redial_later(instance);
}

/* How many requests it may have in flight from this worker. */
static unsigned
instance_limit(const struct instance *instance)
{
	const struct upstream *upstream = instance->upstream;
	unsigned most = upstream->inflight_max, window;

	if (upstream->rules.max_inflight == LIFELINE_AUTO)
		most = limit_value(&instance->limit);
	window = window_value(&instance->window);
	if (window != 0 && (most == 0 || window < most))
		most = window;
	return most == 0 ? WINDOW_MAX : most;
}

bool
instance_has_room(const struct instance *instance)
{
	return instance->state == STATE_READY && instance->peer != NULL &&
	       peer_is_usable(instance->peer) &&
	       peer_outstanding(instance->peer) < instance_limit(instance);
}

bool
instance_is_good(const struct instance *instance, int64_t now_us)
{
	const struct upstream *upstream = instance->upstream;

	if (peer_is_stuck(instance->peer))
		return false;
	return upstream->rules.eject_ms == 0 || upstream->instance_count < 2 ||
	       outlier_may_take(&instance->outlier,
		   (unsigned)peer_outstanding(instance->peer), now_us);
}

static void
note_outcome(struct instance *instance, bool is_failure, int64_t latency_us)
{
	struct upstream *upstream = instance->upstream;

	instance->stats.requests++;
	instance->stats.failures += is_failure ? 1 : 0;
	instance->stats.latency_us += (uint64_t)latency_us;
	if (upstream->rules.eject_ms == 0 || upstream->instance_count < 2)
		return;
	outlier_answer(&instance->outlier, is_failure, latency_us);
	upstream_judge(upstream, outlier_should_judge(&instance->outlier));
}

void
instance_lost(struct instance *instance, int64_t latency_us)
{
	note_outcome(instance, true, latency_us);
}

void
instance_answered(struct instance *instance, unsigned status,
    int64_t latency_us)
{
	struct upstream *upstream = instance->upstream;
	unsigned inflight = (unsigned)peer_outstanding(instance->peer);

	note_outcome(instance, status >= 500, latency_us);
	if (window_value(&instance->window) != 0)
		window_answer(&instance->window);
	if (upstream->rules.max_inflight == LIFELINE_AUTO)
		limit_sample(&instance->limit, latency_us, inflight,
		    status == 503 || status == 504,
		    loop_now_us(upstream->worker->loop));
}

void
instance_judged(struct instance *instance)
{
	const struct outlier *outlier = &instance->outlier;
	const char *name = instance->upstream->name;
	int64_t now = loop_now_us(instance->upstream->worker->loop);

	switch (outlier->state) {
	case OUTLIER_OUT:
		worker_count(&instance->upstream->worker->counters.ejections);
		log_warnx("%s/%u: ejected for %lld ms: it %s while others "
			  "do not",
		    name, instance->index,
		    (long long)(outlier->until_us - now) / 1000,
		    outlier->cause == OUTLIER_SLOW ? "is slow" : "fails");
		break;
	case OUTLIER_TRIAL:
		log_info("%s/%u: on trial, one request at a time", name,
		    instance->index);
		break;
	case OUTLIER_IN:
		log_info("%s/%u: answers well again", name, instance->index);
		break;
	}
}

void
instance_widen(struct instance *instance)
{
	if (window_value(&instance->window) != 0)
		window_widen(&instance->window);
}

void
instance_tell_stats(const struct instance *instance)
{
	const struct worker *worker = instance->upstream->worker;
	struct worker_key key = { instance->upstream->name, instance->index,
		instance->generation };

	worker->host->stats(worker->host->arg, worker->number, &key,
	    &instance->stats);
}
