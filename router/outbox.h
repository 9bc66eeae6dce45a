/*
 * outbox: packets for the supervisor that its socket has no room for yet.
 *
 * They keep their order. One that does not read loses what it can do without,
 * and, long after, all that comes. Control thread only.
 */
#ifndef MSVC_ROUTER_OUTBOX_H
#define MSVC_ROUTER_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "ipc/buf.h"

enum {
	OUTBOX_SPARE_MAX = 1024 * 1024, /* of what waits, for what may go */
	OUTBOX_MAX = 16 * 1024 * 1024   /* and for what is needed; bytes */
};

/* A zeroed struct is valid and empty. */
struct outbox {
	struct buf packets; /* length as uint32_t, bytes */
	size_t lost;        /* packets, since it was empty */
};

void outbox_fini(struct outbox *outbox);

/*
 * Send a packet, or let it wait.
 *
 * sock        of the lifeline, not blocking
 * is_needed   the supervisor would be wrong without it
 *
 * What is lost is logged. An empty packet would look like the end of the
 * lifeline, and is not sent.
 */
void outbox_send(struct outbox *outbox, int sock, const struct buf *packet,
    bool is_needed);

/* The socket may have room. Returns whether nothing waits any more. */
bool outbox_flush(struct outbox *outbox, int sock);

static inline bool
outbox_is_empty(const struct outbox *outbox)
{
	return buf_count(&outbox->packets) == 0;
}

#endif
