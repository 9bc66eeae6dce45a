/*
 * caller: an SP REQ peer that calls services through the router.
 *
 * A link on the service side: a plain nng REQ socket, one of our services, or
 * "msvc call". Its requests become exchanges like those of HTTP clients, with
 * the payload passed through as it is. All calls are for the worker's thread.
 */
#ifndef MSVC_ROUTER_CALLER_H
#define MSVC_ROUTER_CALLER_H

#include <stddef.h>
#include <stdint.h>

#include "ipc/sp.h"

struct caller;
struct worker;

enum {
	CALLER_FLIGHT_MAX = 1024, /* more wait unread */
	CALLER_MESSAGE_SLACK = 256 * 1024
};

/*
 * Take a counted connection whose handshake (initial) said REQ. The fd is
 * closed and the connection uncounted on failure.
 */
void caller_open(struct worker *worker, int fd, enum sp_transport transport,
    const char *client, const uint8_t *initial, size_t len);

/* Cancel what is in flight and close. */
void caller_free(struct caller *caller);

/* The worker stops: close callers as soon as they have nothing in flight. */
void caller_drain(struct worker *worker);

#endif
