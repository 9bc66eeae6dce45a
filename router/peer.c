#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/link.h"
#include "ipc/log.h"
#include "ipc/loop.h"
#include "ipc/mp.h"
#include "ipc/nngwire.h"
#include "ipc/wire.h"

#include "exchange.h"
#include "instance.h"
#include "problem.h"
#include "slots.h"
#include "upstream.h"
#include "worker.h"

struct peer {
	struct worker *worker;
	struct upstream *upstream;
	struct instance *instance; /* NULL once retired */
	struct link *link;
	struct slots slots;
	unsigned index;
	bool is_closing;       /* the burial task is queued */
	bool is_malformed;     /* it sent what makes no sense */
	struct loop_task task; /* closes at the end of the turn */
	struct err why;
	TAILQ_ENTRY(peer) link_all;
};

static void
close_when_empty(struct peer *peer)
{
	if (peer->instance == NULL && peer->slots.taken == 0 &&
	    !peer->is_closing) {
		peer->is_closing = true;
		loop_task_add(peer->worker->loop, &peer->task);
	}
}

/* The exchange is no longer in flight here. */
static void
slot_drop(struct peer *peer, struct slot *slot)
{
	struct exchange *ex = slot->ex;

	ex->state = EXCHANGE_IDLE;
	ex->peer = NULL;
	slots_drop(&peer->slots, slot);
	close_when_empty(peer);
}

static void
tell_malformed(struct peer *peer, const char *why)
{
	peer->is_malformed = true;
	worker_count(&peer->worker->counters.bad_responses);
	log_warnx("%s/%u: %s, closing the link", peer->upstream->name,
	    peer->index, why);
}

/*
 * The link cannot be freed from inside its own frame callback, so a peer that
 * misbehaves is closed at the end of the turn; nothing more is taken from it.
 */
static void
doom(struct peer *peer, const char *why)
{
	if (peer->is_closing)
		return;
	peer->is_closing = true;
	err_set(&peer->why, "%s", why);
	tell_malformed(peer, why);
	loop_task_add(peer->worker->loop, &peer->task);
}

static void
answer_bad(struct peer *peer, struct exchange *ex, const char *why)
{
	struct problem problem;

	problem_set(&problem, 502, "bad-response",
	    "the service's answer makes no sense: %s", why);
	problem.service = peer->upstream->name;
	problem.instance = peer->index;
	ex->source->problem(ex, &problem);
}

static bool
is_stream(const struct frame *frame)
{
	struct mp_reader value;

	return frame->payload_len == 1 && frame->payload[0] == 0xc0 &&
	       mp_map_find(frame->meta, frame->meta_len, ":stream", &value);
}

static void
on_response(struct peer *peer, const struct frame *frame)
{
	struct slot *slot = slots_find(&peer->slots, frame->id);
	struct exchange *ex = slot == NULL ? NULL : slot->ex;

	/* Cancelled meanwhile: its answer is nobody's. */
	if (ex == NULL)
		return;
	if (ex->state == EXCHANGE_STREAM) {
		doom(peer, "a second response to one request");
		return;
	}
	ex->service_us = loop_now_us(peer->worker->loop) - ex->sent_us;
	if (is_stream(frame) && !link_has_hello(peer->link)) {
		doom(peer, "a streamed answer without HELLO");
		slot_drop(peer, slot);
		answer_bad(peer, ex, "a streamed answer without HELLO");
		return;
	}
	if (is_stream(frame)) {
		ex->state = EXCHANGE_STREAM;
		slot->budget = LINK_WINDOW;
		if (ex->source->response(ex, frame, true) == 0)
			return;
		slot = slots_find(&peer->slots, frame->id);
		if (slot != NULL)
			slot_drop(peer, slot);
	} else {
		slot_drop(peer, slot);
		if (ex->source->response(ex, frame, false) == 0)
			return;
	}
	doom(peer, "malformed response");
	answer_bad(peer, ex, "malformed response");
}

static void
on_chunk(struct peer *peer, const struct frame *frame)
{
	struct slot *slot = slots_find(&peer->slots, frame->id);
	struct exchange *ex = slot == NULL ? NULL : slot->ex;

	if (ex == NULL)
		return;
	if (ex->state != EXCHANGE_STREAM) {
		doom(peer, "a chunk before its response");
		return;
	}
	if (frame->chunk_len > slot->budget) {
		doom(peer, "more streamed than there was credit for");
		return;
	}
	slot->budget -= frame->chunk_len;
	if ((frame->flags & FRAME_LAST) != 0)
		slot_drop(peer, slot);
	ex->source->chunk(ex, frame);
}

static void
on_frame(void *arg, const struct frame *frame, const struct sp_header *header)
{
	struct peer *peer = arg;
	bool was_full;

	(void)header;
	if (peer->is_closing)
		return;
	was_full = peer->slots.taken == SLOTS_MAX;
	if (frame->kind == FRAME_RESPONSE)
		on_response(peer, frame);
	else if (frame->kind == FRAME_CHUNK)
		on_chunk(peer, frame);
	if (was_full && peer->slots.taken < SLOTS_MAX)
		upstream_wake(peer->upstream);
}

static void
on_up(void *arg)
{
	struct peer *peer = arg;

	if (peer->instance != NULL)
		instance_up(peer->instance);
}

static void
on_drained(void *arg)
{
	struct peer *peer = arg;

	upstream_wake(peer->upstream);
}

static void
on_down(void *arg, const struct err *why)
{
	struct peer *peer = arg;

	if (link_is_malformed(peer->link) && !peer->is_malformed)
		tell_malformed(peer, why->text);
	if (link_is_cut(peer->link)) {
		worker_count(&peer->worker->counters.links_cut);
		log_warnx("%s/%u: link %s", peer->upstream->name, peer->index,
		    why->text);
	}
	peer_close(peer, why->text);
}

static void
on_task(struct loop_task *task)
{
	struct peer *peer = loop_owner(task, struct peer, task);

	peer_close(peer, peer->why.text);
}

static const struct link_handler handler = {
	.up = on_up,
	.frame = on_frame,
	.down = on_down,
	.drained = on_drained,
};

static struct wire *
connect_wire(struct peer *peer, struct instance *instance, struct err *err_r)
{
	struct worker *worker = peer->worker;
	struct wire_limits limits = { .message_max = PEER_MESSAGE_MAX,
		.queue_max =
		    (size_t)worker->view->snapshot->settings.link_queue };
	enum sp_transport transport;
	struct wire *wire;
	int fd;

	if (instance->is_remote)
		return nngwire_new(worker->loop, instance->listen, &limits,
		    &link_wire_handler, peer->link, err_r);
	fd = wire_dial(instance->listen, &transport, err_r);
	if (fd == -1)
		return NULL;
	wire = wire_new(worker->loop, fd, transport, SP_REQ, &limits,
	    &link_wire_handler, peer->link, NULL, 0, err_r);
	if (wire == NULL)
		close(fd);
	return wire;
}

struct peer *
peer_new(struct instance *instance, struct err *err_r)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	struct wire *wire;

	if (peer == NULL) {
		err_set(err_r, "out of memory");
		return NULL;
	}
	peer->worker = instance->upstream->worker;
	peer->upstream = instance->upstream;
	peer->instance = instance;
	peer->index = instance->index;
	peer->task.fn = on_task;
	peer->link = link_new(LINK_CALLER, &handler, peer);
	wire = peer->link == NULL ? NULL : connect_wire(peer, instance, err_r);
	if (wire == NULL) {
		int saved = errno;

		link_free(&peer->link);
		free(peer);
		errno = saved;
		return NULL;
	}
	link_attach(peer->link, wire);
	TAILQ_INSERT_TAIL(&peer->worker->peers, peer, link_all);
	return peer;
}

static void
lose(struct peer *peer, struct exchange *ex, bool was_stream, uint64_t written,
    const char *why)
{
	struct problem problem;

	if (was_stream) {
		ex->source->abort(ex);
		return;
	}
	if (written <= ex->sent_mark && ex->tries < EXCHANGE_TRIES_MAX) {
		worker_count(&peer->worker->counters.retries);
		upstream_dispatch(peer->upstream, ex);
		return;
	}
	if (peer->is_malformed)
		problem_set(&problem, 502, "bad-response",
		    "the link to the service was closed: %s", why);
	else
		problem_set(&problem, 502, "service-died",
		    "the service died with this request: %s", why);
	problem.service = peer->upstream->name;
	problem.instance = peer->index;
	ex->source->problem(ex, &problem);
}

void
peer_close(struct peer *peer, const char *why)
{
	struct instance *instance = peer->instance;
	uint64_t written = link_written(peer->link);

	/* First out of everybody's sight: what follows sends requests. */
	peer->is_closing = true;
	peer->instance = NULL;
	loop_task_drop(peer->worker->loop, &peer->task);
	TAILQ_REMOVE(&peer->worker->peers, peer, link_all);
	if (instance != NULL)
		instance_down(instance, why);
	for (uint32_t i = 0; i < peer->slots.count; i++) {
		struct slot *slot = &peer->slots.slots[i];
		struct exchange *ex = slot->ex;
		bool was_stream;

		if (ex == NULL)
			continue;
		was_stream = ex->state == EXCHANGE_STREAM;
		slot_drop(peer, slot);
		lose(peer, ex, was_stream, written, why);
	}
	link_free(&peer->link);
	slots_fini(&peer->slots);
	free(peer);
}

void
peer_retire(struct peer *peer)
{
	peer->instance = NULL;
	close_when_empty(peer);
}

bool
peer_is_up(const struct peer *peer)
{
	return link_is_up(peer->link) && !peer->is_closing;
}

bool
peer_is_usable(const struct peer *peer)
{
	return peer_is_up(peer) && peer->slots.taken < SLOTS_MAX &&
	       link_queued(peer->link) <= PEER_QUEUE_SOFT;
}

size_t
peer_outstanding(const struct peer *peer)
{
	return peer->slots.taken;
}

void
peer_send(struct peer *peer, struct exchange *ex)
{
	struct slot *slot = slots_take(&peer->slots, ex);
	struct problem problem;

	if (slot == NULL) {
		problem_set(&problem, 503, "no-memory", "out of memory");
		ex->source->problem(ex, &problem);
		return;
	}
	ex->state = EXCHANGE_SENT;
	ex->peer = peer;
	ex->id = slot->id;
	ex->instance = peer->index;
	ex->tries++;
	ex->sent_us = loop_now_us(peer->worker->loop);
	ex->sent_mark = link_enqueued(peer->link);
	ex->source->encode(ex, link_begin(peer->link, slot->id, NULL),
	    slot->id);
	link_end(peer->link);
}

void
peer_cancel(struct peer *peer, struct exchange *ex)
{
	struct slot *slot = slots_find(&peer->slots, ex->id);

	if (slot == NULL || slot->ex != ex)
		bug("exchange %u is not on its link", (unsigned)ex->id);
	/* A plain REP socket would take a cancel frame for a request. */
	if (link_is_up(peer->link) && link_has_hello(peer->link)) {
		frame_put_cancel(link_begin(peer->link, ex->id, NULL), ex->id);
		link_end(peer->link);
	}
	slot_drop(peer, slot);
}

void
peer_credit(struct peer *peer, struct exchange *ex, uint64_t bytes)
{
	struct slot *slot = slots_find(&peer->slots, ex->id);

	if (slot == NULL || slot->ex != ex)
		return;
	bytes = slot_credit(slot, bytes);
	if (bytes == 0)
		return;
	frame_put_credit(link_begin(peer->link, ex->id, NULL), ex->id, bytes);
	link_end(peer->link);
}
