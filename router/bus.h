/*
 * bus: carries events from every publisher to every subscriber.
 *
 * Towards publishers it is an SP SUB, towards subscribers an SP PUB, on
 * connections that the router has accepted. As in nng, each subscriber gets
 * all and filters by topic itself. All calls are on the thread of its loop.
 *
 * A subscriber that does not keep up loses the oldest events beyond its
 * bound. That is counted and logged, at most once a second, as "subscriber
 * LABEL: too slow, N events dropped", and slows nobody else.
 *
 * A message that is no event of msvc-wire(7) is passed on as it is: a plain
 * nng publisher may well talk to plain nng subscribers here, and a subscriber
 * that wants events must check what it gets in any case. Such messages are
 * counted, and logged once for a publisher. A message larger than
 * BUS_EVENT_MAX closes the publisher's connection, as nng's RECVMAXSZ does.
 */
#ifndef MSVC_ROUTER_BUS_H
#define MSVC_ROUTER_BUS_H

#include <stddef.h>
#include <stdint.h>

#include "ipc/sp.h"

struct bus;
struct err;
struct loop;

enum {
	BUS_EVENT_MAX = 1024 * 1024, /* bytes of one event */
	BUS_PEER_MAX = 4096          /* publishers and subscribers */
};

struct bus_stats {
	uint64_t publishers, subscribers; /* connected now */
	uint64_t events;                  /* that came in */
	uint64_t foreign;                 /* of these, no events of ours */
	uint64_t sent;    /* written for a subscriber, summed over all */
	uint64_t dropped; /* lost to slow subscribers, summed over all */
};

/*
 * loop       borrowed; must outlive the bus
 * queue_max  bytes that may wait for one subscriber
 */
struct bus *bus_new(struct loop *loop, size_t queue_max, struct err *err_r);

/* Closes all its connections at once. */
void bus_free(struct bus **busp);

/* Takes effect with the next event. */
void bus_set_queue_max(struct bus *bus, size_t queue_max);

/*
 * Take over a connection.
 *
 * fd             non-blocking; the bus closes it, also when it refuses it
 * peer_protocol  what the peer is: SP_PUB or SP_SUB
 * initial, len   bytes already read from fd, from the SP handshake on
 * label          for log lines, such as "127.0.0.1:4711"; copied
 */
void bus_accept(struct bus *bus, int fd, enum sp_transport transport,
    unsigned peer_protocol, const void *initial, size_t len, const char *label);

/*
 * Publish an encoded event (ipc/event.h) of the router's own. Returns 0, or
 * -1 when it is larger than BUS_EVENT_MAX.
 */
int bus_publish(struct bus *bus, const void *bytes, size_t len);

void bus_stats(const struct bus *bus, struct bus_stats *stats_r);

#endif
