/*
 * peer: a link to one generation of one instance, and what is in flight on it.
 *
 * A worker has at most one for each instance, and retired ones that live on
 * until their last answer came. All calls are for the worker's thread.
 */
#ifndef MSVC_ROUTER_PEER_H
#define MSVC_ROUTER_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct exchange;
struct instance;
struct peer;

enum {
	/* A response may be this big; a service that sends more is cut off. */
	PEER_MESSAGE_MAX = 64 * 1024 * 1024,
	/*
	 * Services take no longer messages either, and would close the link
	 * with all that is in flight on it. The rest is for op and meta.
	 */
	PEER_REQUEST_MAX = PEER_MESSAGE_MAX - 4 * 1024 * 1024,
	/* With more than this unwritten a link gets no new requests. */
	PEER_QUEUE_SOFT = 1024 * 1024
};

/*
 * Start to connect. The peer tells instance_up() and instance_down() of its
 * owner, until peer_retire(). Returns NULL with err and errno set.
 */
struct peer *peer_new(struct instance *instance, struct err *err_r);

/*
 * Close at once. Requests in flight go back to the upstream when nothing of
 * them was written, else they are answered 502.
 */
void peer_close(struct peer *peer, const char *why);

/* No new requests; closes by itself when the last in flight is answered. */
void peer_retire(struct peer *peer);

/* Connected, and neither full nor on its way out. */
bool peer_is_usable(const struct peer *peer);
bool peer_is_up(const struct peer *peer);
size_t peer_outstanding(const struct peer *peer);

/* Send a request; only when peer_is_usable(). */
void peer_send(struct peer *peer, struct exchange *ex);

/* Forget an exchange that is in flight here and tell the service. */
void peer_cancel(struct peer *peer, struct exchange *ex);
void peer_credit(struct peer *peer, struct exchange *ex, uint64_t bytes);

#endif
