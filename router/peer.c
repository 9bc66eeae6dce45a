#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/ledger.h"
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
#include "watchlist.h"
#include "worker.h"

void
peer_settle(struct peer *peer)
{
	bool is_over =
	    peer->is_lost || (peer->instance == NULL && !peer->is_closing);

	if (!is_over || peer->slots.taken != 0)
		return;
	peer->is_closing = true;
	loop_task_add(peer->worker->loop, &peer->task);
}

void
peer_drop(struct peer *peer, struct slot *slot)
{
	struct exchange *ex = slot->ex;

	ex->state = EXCHANGE_IDLE;
	ex->peer = NULL;
	ledger_clear(link_ledger(peer->link), slot->id);
	slots_drop(&peer->slots, slot);
	peer->upstream->inflight--;
	demand_changed(peer->upstream);
	worker_uncount(&peer->worker->counters.in_flight);
	peer_settle(peer);
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

/* A request that is answered well has not crashed anything. */
static void
clear_suspect(struct peer *peer, struct exchange *ex)
{
	const struct worker_host *host = peer->worker->host;
	const char *service = peer->upstream->name;
	const struct poison_print *print = exchange_print(ex);
	int64_t until_us;

	if (watchlist_find(peer->worker->watchlist, service, print,
		loop_now_us(peer->worker->loop),
		&until_us) == WATCHLIST_SUSPECT)
		host->cleared(host->arg, service, print);
}

/*
 * A new generation on trial has failed at a request that may run twice: the
 * one that it is to replace has the better answer, or the same.
 */
static bool
is_sent_to_present(struct peer *peer, struct slot *slot)
{
	struct upstream *upstream = peer->upstream;
	struct exchange *ex = slot->ex;
	struct instance *present;

	if (!ex->is_idempotent || peer->index > upstream->instance_count)
		return false;
	present = upstream->instances[peer->index - 1];
	if (present == NULL || present->generation >= peer->generation ||
	    !instance_has_room(present) ||
	    !budget_take(&upstream->budget, loop_now_us(peer->worker->loop)))
		return false;
	worker_count(&peer->worker->counters.retries);
	peer_drop(peer, slot);
	peer_send(present->peer, ex);
	return true;
}

static void
on_response(struct peer *peer, const struct frame *frame)
{
	struct slot *slot = slots_find(&peer->slots, frame->id);
	struct exchange *ex = slot == NULL ? NULL : slot->ex;

	/* Cancelled meanwhile: its answer is nobody's. */
	if (ex == NULL) {
		if (!TAILQ_EMPTY(&peer->parked))
			peer_unpark(peer, frame->id);
		return;
	}
	if (ex->state == EXCHANGE_STREAM) {
		doom(peer, "a second response to one request");
		return;
	}
	ex->service_us = loop_now_us(peer->worker->loop) - ex->sent_us;
	if (peer->instance != NULL)
		instance_answered(peer->instance, (unsigned)frame->status,
		    ex->service_us);
	if (peer->upstream->is_watched && frame->status < 500)
		clear_suspect(peer, ex);
	if (frame->status >= 500 && !TAILQ_EMPTY(&peer->upstream->beside) &&
	    !is_stream(frame) && is_sent_to_present(peer, slot))
		return;
	if (is_stream(frame) && !link_has_hello(peer->link)) {
		doom(peer, "a streamed answer without HELLO");
		peer_drop(peer, slot);
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
			peer_drop(peer, slot);
	} else {
		peer_drop(peer, slot);
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
		peer_drop(peer, slot);
	ex->source->chunk(ex, frame);
}

static void
on_frame(void *arg, const struct frame *frame, const struct sp_header *header)
{
	struct peer *peer = arg;

	(void)header;
	if (peer->is_closing)
		return;
	peer->is_stuck = false;
	peer->heard_us = loop_now_us(peer->worker->loop);
	if (frame->kind == FRAME_RESPONSE)
		on_response(peer, frame);
	else if (frame->kind == FRAME_CHUNK)
		on_chunk(peer, frame);
	if (peer->upstream->hold.count != 0)
		upstream_flush(peer->upstream);
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

	if (peer->upstream->hold.count != 0)
		upstream_flush(peer->upstream);
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

	if (peer->is_lost)
		peer_bury(peer);
	else
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
	peer->generation = instance->generation;
	peer->is_remote = instance->is_remote;
	TAILQ_INIT(&peer->parked);
	peer->task.fn = on_task;
	peer->watch.fn = peer_on_watch;
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

void
peer_retire(struct peer *peer)
{
	peer->instance = NULL;
	peer_settle(peer);
}

bool
peer_is_up(const struct peer *peer)
{
	return link_is_up(peer->link) && !peer->is_closing;
}

bool
peer_is_usable(const struct peer *peer)
{
	return peer_is_up(peer) && !peer->is_hung &&
	       peer->slots.taken + peer->slots.parked < SLOTS_MAX &&
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
	ex->sent_us = loop_now_us(peer->worker->loop);
	ex->sent_mark = link_enqueued(peer->link);
	ledger_offer(link_ledger(peer->link), slot->id);
	ex->source->encode(ex, link_begin(peer->link, slot->id, NULL),
	    slot->id);
	link_end(peer->link);
	peer->upstream->inflight++;
	worker_count(&peer->worker->counters.in_flight);
	if (!loop_timer_is_set(&peer->watch))
		peer_watch(peer);
}

void
peer_cancel(struct peer *peer, struct exchange *ex)
{
	struct slot *slot = slots_find(&peer->slots, ex->id);
	bool is_untaken;

	if (slot == NULL || slot->ex != ex)
		bug("exchange %u is not on its link", (unsigned)ex->id);
	is_untaken = peer_revoke(peer, ex);
	/* A plain REP socket would take a cancel frame for a request. */
	if (!is_untaken && link_is_up(peer->link) &&
	    link_has_hello(peer->link)) {
		frame_put_cancel(link_begin(peer->link, ex->id, NULL), ex->id);
		link_end(peer->link);
	}
	if (is_untaken || !peer_park(peer, slot))
		peer_drop(peer, slot);
	if (peer->upstream->hold.count != 0)
		upstream_flush(peer->upstream);
}

void
peer_failed(struct peer *peer, const struct exchange *ex)
{
	if (peer->instance != NULL)
		instance_answered(peer->instance, 504,
		    loop_now_us(peer->worker->loop) - ex->sent_us);
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
