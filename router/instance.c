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
	REDIAL_MAX_US = 1000 * 1000
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

void
instance_update(struct instance *instance, const struct note *note)
{
	int64_t now = loop_now_us(instance->upstream->worker->loop);
	bool is_moved = note->generation != instance->generation ||
			strcmp(note->listen, instance->listen) != 0;

	if (is_moved) {
		instance_drop_peer(instance);
		instance->redial_us = REDIAL_MIN_US;
	}
	if (replace(&instance->listen, note->listen) == -1 ||
	    replace(&instance->reason, note->reason) == -1)
		log_errorx("%s/%u: out of memory", instance->upstream->name,
		    instance->index);
	instance->generation = note->generation;
	instance->state = note->state;
	instance->is_watched = note->is_watched;
	instance->is_remote = note->is_remote;
	instance->retry_at_us = now + (int64_t)note->retry_ms * 1000;
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
		return false;
	}
}

void
instance_up(struct instance *instance)
{
	instance->up_us = loop_now_us(instance->upstream->worker->loop);
	tell_host(instance, true);
	upstream_wake(instance->upstream);
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
