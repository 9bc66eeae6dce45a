/*
 * Instances that stand still with requests they have not begun, and those that
 * a request has hung: seen in the ledger, which they need not answer for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/ledger.h"
#include "ipc/link.h"
#include "ipc/log.h"

#include "casualty.h"
#include "exchange.h"
#include "instance.h"
#include "peer.h"
#include "upstream.h"
#include "worker.h"

enum {
	WATCH_LEAST_US = 10 * 1000,
	WATCH_MOST_US = 250 * 1000,
	PROBE_FIRST_US = 500 * 1000, /* first pause between two; doubles */
	PROBE_MOST_US = 30 * 1000 * 1000,
	TELL_US = 60 * 1000 * 1000 /* between two lines about one link */
};

bool
peer_is_stuck(const struct peer *peer)
{
	return peer->is_stuck &&
	       (peer->slots.taken > peer->stuck_count ||
		   loop_now_us(peer->worker->loop) < peer->probe_us);
}

bool
peer_is_done(const struct peer *peer, const struct slot *slot)
{
	return ledger_state(link_ledger(peer->link), slot->id) == LEDGER_DONE;
}

bool
peer_revoke(struct peer *peer, const struct exchange *ex)
{
	return ex->state == EXCHANGE_SENT &&
	       ledger_revoke(link_ledger(peer->link), ex->id);
}

/* "GET /reports" of this exchange. */
static void
describe(const struct exchange *ex, char what[PEER_WHAT_MAX])
{
	struct exchange_request request;

	ex->source->describe(ex, &request);
	snprintf(what, PEER_WHAT_MAX, "%.*s%s%.*s",
	    (int)(request.method_len < 16 ? request.method_len : 16),
	    request.method, request.method_len != 0 ? " " : "",
	    (int)(request.path_len < 64 ? request.path_len : 64), request.path);
	for (char *c = what; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
			*c = '?';
	}
}

bool
peer_park(struct peer *peer, struct slot *slot)
{
	struct exchange *ex = slot->ex;
	int64_t now_us = loop_now_us(peer->worker->loop);
	uint64_t grace_ms = peer->upstream->rules.hang_ms;
	struct parked *parked;

	if (grace_ms == 0 || peer->is_lost ||
	    peer->slots.parked >= PEER_PARKED_MAX ||
	    !ledger_has(link_ledger(peer->link), slot->id) ||
	    ledger_state(link_ledger(peer->link), slot->id) != LEDGER_TAKEN)
		return false;
	parked = calloc(1, sizeof(*parked));
	if (parked == NULL)
		return false;
	parked->id = slot->id;
	parked->sent_us = ex->sent_us;
	/* A stream is far beyond its deadline, and has yet to see the cancel.
	 */
	parked->hung_us =
	    (ex->deadline_us > now_us ? ex->deadline_us : now_us) +
	    (int64_t)grace_ms * 1000;
	describe(ex, parked->what);
	casualty_keep(peer, slot, parked);
	TAILQ_INSERT_TAIL(&peer->parked, parked, link);
	ex->state = EXCHANGE_IDLE;
	ex->peer = NULL;
	slots_park(&peer->slots, slot);
	peer->upstream->inflight--;
	demand_changed(peer->upstream);
	worker_uncount(&peer->worker->counters.in_flight);
	if (!loop_timer_is_set(&peer->watch))
		peer_watch(peer);
	peer_settle(peer);
	return true;
}

static void
unpark(struct peer *peer, struct parked *parked)
{
	TAILQ_REMOVE(&peer->parked, parked, link);
	ledger_clear(link_ledger(peer->link), parked->id);
	slots_unpark(&peer->slots, parked->id);
	buf_fini(&parked->casualty);
	buf_fini(&parked->quarantine);
	free(parked);
}

void
peer_unpark(struct peer *peer, uint32_t id)
{
	struct parked *parked;

	TAILQ_FOREACH (parked, &peer->parked, link) {
		if (parked->id == id) {
			unpark(peer, parked);
			return;
		}
	}
}

void
peer_unpark_all(struct peer *peer)
{
	while (!TAILQ_EMPTY(&peer->parked))
		unpark(peer, TAILQ_FIRST(&peer->parked));
}

static void
hang(struct peer *peer, const struct parked *parked, int64_t now_us)
{
	const struct worker_host *host = peer->worker->host;
	struct worker_key key = { peer->upstream->name, peer->index,
		peer->generation };

	peer->is_hung = true;
	worker_count(&peer->worker->counters.hangs);
	host->hung(host->arg, &key, parked->what, now_us - parked->sent_us);
}

static void
look_at_parked(struct peer *peer, int64_t now_us)
{
	struct parked *parked, *next;

	for (parked = TAILQ_FIRST(&peer->parked); parked != NULL;
	     parked = next) {
		next = TAILQ_NEXT(parked, link);
		if (ledger_state(link_ledger(peer->link), parked->id) !=
		    LEDGER_TAKEN) {
			unpark(peer, parked);
			peer->is_stuck = false;
		} else if (now_us >= parked->hung_us && !peer->is_hung) {
			hang(peer, parked, now_us);
		}
	}
}

/* Was it sent that long ago, and no handler has begun it? */
static bool
is_stalled(const struct peer *peer, const struct slot *slot, int64_t now_us)
{
	int64_t stall_us = (int64_t)peer->upstream->rules.stall_ms * 1000;

	return slot->ex != NULL && slot->ex->state == EXCHANGE_SENT &&
	       now_us - slot->ex->sent_us >= stall_us &&
	       ledger_state(link_ledger(peer->link), slot->id) ==
		   LEDGER_OFFERED;
}

/* Another one, which does not stand still as well. */
static bool
is_another(const struct peer *peer)
{
	const struct instance *other =
	    upstream_choose(peer->upstream, peer->instance);

	return other != NULL && !peer_is_stuck(other->peer);
}

/*
 * Take back all that it has not begun: what was sent to it later waits behind
 * what is stalled. Each goes where an instance has room; one that has been
 * with all of them stays, for going around would not make it faster.
 */
static void
move_on(struct peer *peer)
{
	uint32_t count = peer->slots.count;

	for (uint32_t i = 0; i < count; i++) {
		struct slot *slot = &peer->slots.slots[i];
		struct exchange *ex = slot->ex;

		if (ex == NULL || ex->state != EXCHANGE_SENT ||
		    ex->stalls >= peer->upstream->instance_count)
			continue;
		if (!is_another(peer))
			return;
		if (!peer_revoke(peer, ex))
			continue;
		ex->stalls++;
		worker_count(&peer->worker->counters.stalls);
		peer_drop(peer, slot);
		exchange_lose(ex, RETRY_STALL, false, peer->index,
		    "the instance stands still");
	}
}

/* Handlers that block now and then must not fill the log. */
static void
tell_stuck(struct peer *peer, int64_t now_us)
{
	if (peer->told_us != 0 && now_us - peer->told_us < TELL_US)
		return;
	peer->told_us = now_us;
	log_warnx("%s/%u: has begun no request for %llu ms, others take its "
		  "requests",
	    peer->upstream->name, peer->index,
	    (unsigned long long)peer->upstream->rules.stall_ms);
}

/* It is, or still is. */
static void
find_stuck(struct peer *peer, int64_t now_us)
{
	if (!peer->is_stuck) {
		tell_stuck(peer, now_us);
		peer->probe_pause_us = PROBE_FIRST_US;
	} else if (now_us < peer->probe_us) {
		return;
	} else if (peer->probe_pause_us < PROBE_MOST_US) {
		peer->probe_pause_us *= 2;
	}
	peer->is_stuck = true;
	peer->probe_us = now_us + peer->probe_pause_us;
}

static void
look_for_stall(struct peer *peer, int64_t now_us)
{
	/* One that answers is busy, however long its queue. */
	if (now_us - peer->heard_us <
	    (int64_t)peer->upstream->rules.stall_ms * 1000)
		return;
	for (uint32_t i = 0; i < peer->slots.count; i++) {
		if (!is_stalled(peer, &peer->slots.slots[i], now_us))
			continue;
		if (!is_another(peer))
			return;
		find_stuck(peer, now_us);
		move_on(peer);
		peer->stuck_count = peer->slots.taken;
		return;
	}
}

void
peer_watch(struct peer *peer)
{
	const struct lifeline_rules *rules = &peer->upstream->rules;
	int64_t pause_us = (int64_t)rules->stall_ms * 500;

	if (peer->is_lost || link_ledger(peer->link) == NULL ||
	    (rules->stall_ms == 0 && TAILQ_EMPTY(&peer->parked)))
		return;
	if (pause_us < WATCH_LEAST_US)
		pause_us =
		    rules->stall_ms == 0 ? WATCH_MOST_US : WATCH_LEAST_US;
	if (pause_us > WATCH_MOST_US)
		pause_us = WATCH_MOST_US;
	loop_timer_set(peer->worker->loop, &peer->watch,
	    loop_now_us(peer->worker->loop) + pause_us);
}

void
peer_on_watch(struct loop_timer *timer)
{
	struct peer *peer = loop_owner(timer, struct peer, watch);
	int64_t now_us = loop_now_us(peer->worker->loop);

	if (peer->is_lost || peer->death != DEATH_NONE) {
		peer_on_verdict_timeout(peer);
		return;
	}
	look_at_parked(peer, now_us);
	if (peer->upstream->rules.stall_ms != 0)
		look_for_stall(peer, now_us);
	if (peer->slots.taken != 0 || !TAILQ_EMPTY(&peer->parked))
		peer_watch(peer);
}
