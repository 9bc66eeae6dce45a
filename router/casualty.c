#include "casualty.h"

#include <stdio.h>
#include <string.h>

#include "ipc/buf.h"
#include "ipc/ledger.h"
#include "ipc/lifeline.h"
#include "ipc/link.h"

#include "exchange.h"
#include "fingerprint.h"
#include "peer.h"
#include "snapshot.h"
#include "upstream.h"
#include "worker.h"

/* A request as NUL-terminated texts. */
struct texts {
	char method[32], target[CASUALTY_TARGET_MAX], id[160], trace[64];
};

static void
copy(char *to, size_t size, const char *from, size_t len)
{
	if (len >= size)
		len = size - 1;
	if (len != 0)
		memcpy(to, from, len);
	to[len] = '\0';
}

static void
texts_make(struct texts *texts, const struct exchange_request *request)
{
	size_t len;

	copy(texts->method, sizeof(texts->method), request->method,
	    request->method_len);
	copy(texts->target, sizeof(texts->target), request->path,
	    request->path_len);
	len = strlen(texts->target);
	if (request->query_len != 0 && len + 2 < sizeof(texts->target)) {
		texts->target[len] = '?';
		copy(texts->target + len + 1, sizeof(texts->target) - len - 1,
		    request->query, request->query_len);
	}
	copy(texts->id, sizeof(texts->id), request->request_id,
	    request->request_id_len);
	copy(texts->trace, sizeof(texts->trace), request->trace,
	    request->trace == NULL ? 0 : request->trace_len);
}

static uint64_t
delivery_of(const struct peer *peer, const struct slot *slot)
{
	if (!slot->is_taken)
		return DELIVERY_UNTAKEN;
	return peer_is_done(peer, slot) ? DELIVERY_DONE : DELIVERY_TAKEN;
}

static void
put_casualty(struct buf *buf, const struct peer *peer, const struct slot *slot,
    uint64_t delivery, const struct exchange_request *request,
    const struct texts *texts)
{
	int64_t now = loop_now_us(peer->worker->loop);
	struct lifeline_msg msg = { .type = LIFELINE_CASUALTY };

	msg.u.casualty = (struct lifeline_casualty){
		.service = peer->upstream->name,
		.index = peer->index,
		.generation = peer->generation,
		.delivery = delivery,
		.method = texts->method,
		.target = texts->target,
		.route = request->route,
		.request_id = texts->id,
		.trace = texts->trace,
		.client = request->client,
		.age_us = (uint64_t)(now - slot->ex->sent_us),
	};
	lifeline_encode(buf, &msg);
}

static void
put_hex(struct buf *buf, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		buf_append_byte(buf, (uint8_t)digits[bytes[i] >> 4]);
		buf_append_byte(buf, (uint8_t)digits[bytes[i] & 15]);
	}
}

static void
put_quarantine(struct buf *buf, const struct peer *peer,
    const struct slot *slot, const struct exchange_request *request,
    const struct texts *texts)
{
	const struct worker *worker = peer->worker;
	struct lifeline_msg msg = { .type = LIFELINE_QUARANTINE };
	char print[LIFELINE_PRINT_LEN + 1];
	struct buf fields = { 0 }, body = { 0 };
	size_t kept = request->body_len < CASUALTY_BODY_MAX ? request->body_len
							    : CASUALTY_BODY_MAX;

	fingerprint_show(&slot->ex->print, print);
	slot->ex->source->fields(slot->ex, &fields);
	if (buf_count(&fields) > CASUALTY_FIELDS_MAX)
		fields.len = CASUALTY_FIELDS_MAX;
	buf_append_byte(&fields, '\0');
	if (worker->view->snapshot->settings.is_body_kept)
		put_hex(&body, request->body, kept);
	buf_append_byte(&body, '\0');
	msg.u.quarantine = (struct lifeline_quarantine){
		.service = peer->upstream->name,
		.print = print,
		.left_ms = peer->upstream->rules.quarantine_ms,
		.method = texts->method,
		.target = texts->target,
		.route = request->route,
		.client = request->client,
		.fields = fields.is_failed ? "" : (char *)buf_front(&fields),
		.body = body.is_failed ? "" : (char *)buf_front(&body),
		.body_len = request->body_len,
	};
	lifeline_encode(buf, &msg);
	buf_fini(&fields);
	buf_fini(&body);
}

/* The packets; quarantine stays empty unless a handler is at it. */
static void
put_packets(const struct peer *peer, const struct slot *slot, uint64_t delivery,
    struct buf *casualty, struct buf *quarantine)
{
	struct exchange_request request;
	struct texts texts;

	slot->ex->source->describe(slot->ex, &request);
	texts_make(&texts, &request);
	put_casualty(casualty, peer, slot, delivery, &request, &texts);
	if (delivery != DELIVERY_TAKEN)
		return;
	exchange_print(slot->ex);
	if (peer->upstream->rules.quarantine_ms != 0)
		put_quarantine(quarantine, peer, slot, &request, &texts);
}

static void
tell(const struct peer *peer, const struct worker_casualty *told)
{
	const struct worker_host *host = peer->worker->host;

	if (!told->casualty->is_failed && !told->quarantine->is_failed)
		host->casualty(host->arg, told);
}

static void
tell_one(const struct peer *peer, const struct slot *slot)
{
	struct buf casualty = { 0 }, quarantine = { 0 };
	uint64_t delivery = delivery_of(peer, slot);
	struct worker_casualty told = { .key = { peer->upstream->name,
					    peer->index, peer->generation },
		.is_taken = delivery == DELIVERY_TAKEN,
		.casualty = &casualty,
		.quarantine = &quarantine };

	put_packets(peer, slot, delivery, &casualty, &quarantine);
	if (told.is_taken)
		told.print = slot->ex->print;
	tell(peer, &told);
	buf_fini(&casualty);
	buf_fini(&quarantine);
}

void
casualty_keep(const struct peer *peer, const struct slot *slot,
    struct parked *parked)
{
	put_packets(peer, slot, DELIVERY_TAKEN, &parked->casualty,
	    &parked->quarantine);
	parked->print = slot->ex->print;
}

/* With its age as it is by now. */
static void
tell_parked(const struct peer *peer, struct parked *parked)
{
	struct worker_casualty told = { .key = { peer->upstream->name,
					    peer->index, peer->generation },
		.print = parked->print,
		.is_taken = true,
		.casualty = &parked->casualty,
		.quarantine = &parked->quarantine };
	int64_t now = loop_now_us(peer->worker->loop);
	size_t len = buf_count(&parked->casualty);
	struct lifeline_msg msg;
	struct buf again = { 0 };

	buf_append_byte(&parked->casualty, '\0'); /* the decoder's spare byte */
	if (parked->casualty.is_failed ||
	    lifeline_decode(parked->casualty.data, len, &msg, NULL) == -1)
		return;
	msg.u.casualty.age_us = (uint64_t)(now - parked->sent_us);
	lifeline_encode(&again, &msg);
	told.casualty = &again;
	tell(peer, &told);
	buf_fini(&again);
}

/* Those that nobody waited for are at work the longest. */
static void
tell_all_parked(const struct peer *peer)
{
	struct parked *parked;

	TAILQ_FOREACH (parked, &peer->parked, link) {
		if (ledger_state(link_ledger(peer->link), parked->id) ==
		    LEDGER_TAKEN)
			tell_parked(peer, parked);
	}
}

void
casualties_tell(struct peer *peer)
{
	size_t count = 0;

	tell_all_parked(peer);
	for (int want_taken = 1; want_taken >= 0; want_taken--) {
		for (uint32_t i = 0; i < peer->slots.count; i++) {
			const struct slot *slot = &peer->slots.slots[i];

			if (slot->ex == NULL || slot->is_taken != want_taken)
				continue;
			if (++count > CASUALTY_MAX)
				return;
			tell_one(peer, slot);
		}
	}
}
