/* How long requests wait in an instance, as far as its ledger tells. */
#include "demand.h"

#include "ipc/ledger.h"
#include "ipc/link.h"

#include "exchange.h"
#include "peer.h"
#include "worker.h"

int64_t
peer_wait_us(const struct peer *peer)
{
	int64_t now_us = loop_now_us(peer->worker->loop), wait_us = 0;
	const struct slot *slot;

	if (peer->is_lost || peer->slots.taken == 0)
		return 0;
	for (uint32_t i = 0; i < peer->slots.count; i++) {
		slot = &peer->slots.slots[i];
		if (slot->ex == NULL || slot->ex->state != EXCHANGE_SENT ||
		    now_us - slot->ex->sent_us <= wait_us ||
		    ledger_state(link_ledger(peer->link), slot->id) !=
			LEDGER_OFFERED)
			continue;
		wait_us = now_us - slot->ex->sent_us;
	}
	return wait_us;
}
