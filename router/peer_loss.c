/*
 * The end of a link, and what it means for the requests in flight on it.
 *
 * Those that no handler had begun go on at once. For the others it matters
 * why the link is gone, which the supervisor tells: was it the process, and
 * can one of them have been the cause? Requests equal to one of those wait
 * too, lest they do it again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ipc/buf.h"
#include "ipc/ledger.h"
#include "ipc/link.h"

#include "casualty.h"
#include "exchange.h"
#include "instance.h"
#include "note.h"
#include "peer.h"
#include "upstream.h"
#include "worker.h"

enum {
	TWINS_LOOKED_AT = 64 /* taken ones that others are compared with */
};

/* What is not written stays so only when the link has come to its end. */
static bool
is_untaken(const struct peer *peer, const struct slot *slot)
{
	return slot->ex->state == EXCHANGE_SENT &&
	       ((!link_is_up(peer->link) &&
		    link_written(peer->link) <= slot->ex->sent_mark) ||
		   ledger_revoke(link_ledger(peer->link), slot->id));
}

/* Decide for each request whether a handler has begun it. */
static bool
sort_out(struct peer *peer)
{
	bool is_any_taken = false;

	for (uint32_t i = 0; i < peer->slots.count; i++) {
		struct slot *slot = &peer->slots.slots[i];

		if (slot->ex == NULL)
			continue;
		slot->is_taken = !is_untaken(peer, slot);
		is_any_taken |= slot->is_taken;
	}
	return is_any_taken;
}

static bool
is_equal(struct exchange *left, struct exchange *right)
{
	const struct poison_print *a = exchange_print(left);
	const struct poison_print *b = exchange_print(right);

	return a->a == b->a && a->b == b->b;
}

/* Is an equal request among those that a handler had begun? */
static bool
has_taken_twin(const struct peer *peer, struct exchange *ex)
{
	unsigned looked_at = 0;

	for (uint32_t i = 0; i < peer->slots.count; i++) {
		const struct slot *slot = &peer->slots.slots[i];

		if (slot->ex == NULL || !slot->is_taken ||
		    peer_is_done(peer, slot))
			continue;
		if (is_equal(slot->ex, ex))
			return true;
		if (++looked_at == TWINS_LOOKED_AT)
			break;
	}
	return false;
}

bool
peers_have_equal(const struct upstream *upstream, struct exchange *ex)
{
	const struct peer *peer;

	TAILQ_FOREACH (peer, &upstream->worker->peers, link_all) {
		if (peer->upstream != upstream)
			continue;
		for (uint32_t i = 0; i < peer->slots.count; i++) {
			struct exchange *other = peer->slots.slots[i].ex;

			if (other != NULL && other != ex && is_equal(other, ex))
				return true;
		}
	}
	return false;
}

/* Of a process that lives: it has failed at this request. */
static void
blame(const struct peer *peer, const struct exchange *ex)
{
	struct instance *instance =
	    upstream_find(peer->upstream, peer->index, peer->generation);

	if (instance != NULL)
		instance_lost(instance,
		    loop_now_us(peer->worker->loop) - ex->sent_us);
}

static void
lose(struct peer *peer, struct slot *slot, enum retry_loss loss)
{
	struct exchange *ex = slot->ex;
	bool is_taken = slot->is_taken;

	if (is_taken && (loss == RETRY_LINK || loss == RETRY_BAD_ANSWER))
		blame(peer, ex);
	/* One that was answered, but for the writing, has crashed nothing. */
	if (loss == RETRY_CRASH && peer_is_done(peer, slot))
		loss = RETRY_DEATH;
	if (ex->state == EXCHANGE_STREAM) {
		peer_drop(peer, slot);
		ex->source->abort(ex);
		return;
	}
	peer_drop(peer, slot);
	exchange_lose(ex, loss, is_taken, peer->index, peer->why.text);
}

static enum retry_loss
loss_of(const struct peer *peer)
{
	if (peer->is_malformed)
		return RETRY_BAD_ANSWER;
	switch (peer->death) {
	case DEATH_SUSPECT:
		return RETRY_CRASH;
	case DEATH_OTHER:
		return RETRY_DEATH;
	default:
		return RETRY_LINK;
	}
}

/* Nothing more is to be waited for: all that is left goes its way. */
static void
decide(struct peer *peer)
{
	enum retry_loss loss = loss_of(peer);
	uint32_t count = peer->slots.count;

	for (uint32_t i = 0; i < count; i++) {
		if (peer->slots.slots[i].ex != NULL)
			lose(peer, &peer->slots.slots[i], loss);
	}
	peer_settle(peer);
}

static bool
is_of(const struct peer *peer, const struct upstream *upstream, uint64_t index,
    uint64_t generation)
{
	return peer->upstream == upstream && peer->index == index &&
	       peer->generation == generation;
}

static void
tell_gone(const struct upstream *upstream, uint64_t index, uint64_t generation,
    bool is_dead)
{
	const struct worker_host *host = upstream->worker->host;
	struct worker_key key = { upstream->name, index, generation };

	host->gone(host->arg, &key, is_dead);
}

/*
 * Its casualties are told, or there were none; with the last peer of the
 * generation the control thread knows all that this worker does.
 */
static void
tell_end(struct peer *peer)
{
	const struct peer *other;

	if (peer->is_told || peer->worker->is_over)
		return;
	peer->is_told = true;
	TAILQ_FOREACH (other, &peer->worker->peers, link_all) {
		if (!other->is_told &&
		    is_of(other, peer->upstream, peer->index, peer->generation))
			return;
	}
	tell_gone(peer->upstream, peer->index, peer->generation,
	    peer->death != DEATH_NONE);
}

/* How the process ended is known; equal requests may have to wait on. */
static void
decide_taken(struct peer *peer)
{
	enum retry_loss loss = loss_of(peer);
	uint32_t count = peer->slots.count;

	tell_end(peer);
	for (uint32_t i = 0; i < count; i++) {
		struct slot *slot = &peer->slots.slots[i];

		if (slot->ex != NULL && slot->is_taken)
			lose(peer, slot, loss);
	}
	if (peer->slots.taken != 0)
		loop_timer_set(peer->worker->loop, &peer->watch,
		    loop_now_us(peer->worker->loop) + PEER_VERDICT_US);
	peer_settle(peer);
}

/* Of local processes the supervisor will tell, unless it is our own doing. */
static bool
must_wait(const struct peer *peer)
{
	return !peer->is_remote && !peer->is_malformed &&
	       !peer->worker->is_over;
}

static void
lose_untaken(struct peer *peer, bool is_any_taken)
{
	bool may_be_poison = is_any_taken && must_wait(peer) &&
			     peer->upstream->rules.quarantine_ms != 0;
	uint32_t count = peer->slots.count;

	for (uint32_t i = 0; i < count; i++) {
		struct slot *slot = &peer->slots.slots[i];

		if (slot->ex == NULL || slot->is_taken)
			continue;
		if (!may_be_poison || !has_taken_twin(peer, slot->ex))
			lose(peer, slot, RETRY_LINK);
	}
}

void
peer_close(struct peer *peer, const char *why)
{
	struct instance *instance = peer->instance;
	bool is_any_taken;

	if (peer->is_lost)
		return;
	/* First out of everybody's sight: what follows sends requests. */
	peer->is_closing = true;
	peer->is_lost = true;
	peer->instance = NULL;
	if (why != peer->why.text)
		err_set(&peer->why, "%s", why);
	loop_task_drop(peer->worker->loop, &peer->task);
	loop_timer_drop(peer->worker->loop, &peer->watch);
	is_any_taken = sort_out(peer);
	if (!peer->is_remote && !peer->worker->is_over)
		casualties_tell(peer);
	peer_unpark_all(peer);
	if (instance != NULL)
		instance_down(instance, why);
	lose_untaken(peer, is_any_taken);
	if (!must_wait(peer))
		decide(peer);
	else if (peer->death != DEATH_NONE)
		decide_taken(peer);
	else if (peer->slots.taken != 0)
		loop_timer_set(peer->worker->loop, &peer->watch,
		    loop_now_us(peer->worker->loop) + PEER_VERDICT_US);
	peer_settle(peer);
}

void
peer_bury(struct peer *peer)
{
	struct worker *worker = peer->worker;

	if (peer->is_marked)
		tell_end(peer);
	TAILQ_REMOVE(&worker->peers, peer, link_all);
	loop_task_drop(worker->loop, &peer->task);
	loop_timer_drop(worker->loop, &peer->watch);
	peer_unpark_all(peer);
	link_free(&peer->link);
	slots_fini(&peer->slots);
	free(peer);
}

void
peer_on_verdict_timeout(struct peer *peer)
{
	/* Dead, but something else holds its socket open. */
	if (!peer->is_lost)
		peer_close(peer, "the process has ended");
	else
		decide(peer);
}

/* What a note says to one of the generation's peers. */
static void
note_one(struct peer *peer, const struct note *note)
{
	peer->is_marked = true;
	if (note->death == DEATH_NONE)
		return;
	peer->death = note->death;
	if (peer->is_lost)
		decide_taken(peer);
	else
		/* What it wrote before its end is still to be read. */
		loop_timer_set(peer->worker->loop, &peer->watch,
		    loop_now_us(peer->worker->loop) + PEER_VERDICT_US);
}

void
peers_note(struct upstream *upstream, const struct note *note)
{
	struct peer *peer, *next;
	bool is_any = false;

	if (note->death == DEATH_NONE && note->state != STATE_DRAINING)
		return;
	if (note->death == DEATH_SUSPECT) {
		upstream->unjudged++;
		upstream->unjudged_until_us =
		    loop_now_us(upstream->worker->loop) + PEER_VERDICT_US;
	}
	for (peer = TAILQ_FIRST(&upstream->worker->peers); peer != NULL;
	     peer = next) {
		next = TAILQ_NEXT(peer, link_all);
		if (!is_of(peer, upstream, note->index, note->generation))
			continue;
		is_any = true;
		note_one(peer, note);
	}
	if (!is_any)
		tell_gone(upstream, note->index, note->generation,
		    note->death != DEATH_NONE);
}

void
peers_resolve(struct upstream *upstream, const struct note *note)
{
	struct peer *peer, *next;

	if (note->death == DEATH_SUSPECT && upstream->unjudged != 0)
		upstream->unjudged--;
	for (peer = TAILQ_FIRST(&upstream->worker->peers); peer != NULL;
	     peer = next) {
		next = TAILQ_NEXT(peer, link_all);
		if (peer->is_lost &&
		    is_of(peer, upstream, note->index, note->generation))
			decide(peer);
	}
}
