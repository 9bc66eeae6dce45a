#include "bus.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/event.h"
#include "ipc/log.h"
#include "ipc/loop.h"
#include "ipc/wire.h"

#include "bus_queue.h"

enum {
	/*
	 * What is handed to a subscriber's wire can no longer be dropped, so
	 * it gets little more than one write takes.
	 */
	BUS_WIRE_FILL = 64 * 1024,
	/* Nothing but the handshake comes from a subscriber. */
	BUS_SUBSCRIBER_MESSAGE_MAX = 1024,
	BUS_NOTE_US = 1000 * 1000
};

struct bus_peer {
	TAILQ_ENTRY(bus_peer) link;
	struct bus *bus;
	struct wire *wire; /* owned */
	char *label;       /* owned */
	bool is_subscriber;
	bool is_foreign_told;    /* publisher: logged that it sends no events */
	struct bus_queue queue;  /* subscriber: behind what the wire holds */
	uint64_t dropped_untold; /* subscriber: not logged yet */
	struct loop_timer note;  /* subscriber: when to log the next ones */
};

TAILQ_HEAD(bus_peers, bus_peer);

struct bus {
	struct loop *loop; /* borrowed */
	size_t queue_max;
	struct bus_peers publishers, subscribers;
	struct bus_stats stats;
};

/*
 * Peers.
 */

static void
bus_peer_free(struct bus_peer *peer)
{
	loop_timer_drop(peer->bus->loop, &peer->note);
	bus_queue_fini(&peer->queue);
	wire_free(&peer->wire);
	free(peer->label);
	free(peer);
}

static struct bus_peers *
bus_peers_of(struct bus *bus, bool is_subscriber, uint64_t **count_r)
{
	*count_r =
	    is_subscriber ? &bus->stats.subscribers : &bus->stats.publishers;
	return is_subscriber ? &bus->subscribers : &bus->publishers;
}

static void
bus_tell_dropped(struct bus_peer *peer)
{
	if (peer->dropped_untold == 0)
		return;
	log_warnx("subscriber %s: too slow, %llu events dropped", peer->label,
	    (unsigned long long)peer->dropped_untold);
	peer->dropped_untold = 0;
	loop_timer_set(peer->bus->loop, &peer->note,
	    loop_now_us(peer->bus->loop) + BUS_NOTE_US);
}

static void
bus_on_note(struct loop_timer *timer)
{
	bus_tell_dropped(loop_owner(timer, struct bus_peer, note));
}

static void
bus_on_down(void *arg, const struct err *why)
{
	struct bus_peer *peer = arg;
	uint64_t *count;
	struct bus_peers *peers =
	    bus_peers_of(peer->bus, peer->is_subscriber, &count);

	bus_tell_dropped(peer);
	log_debug("%s %s: %s", peer->is_subscriber ? "subscriber" : "publisher",
	    peer->label, why->text);
	TAILQ_REMOVE(peers, peer, link);
	--*count;
	bus_peer_free(peer);
}

static void
bus_on_up(void *arg)
{
	struct bus_peer *peer = arg;

	log_debug("%s %s: connected",
	    peer->is_subscriber ? "subscriber" : "publisher", peer->label);
}

/*
 * Subscribers.
 */

static void
bus_send(struct bus_peer *peer, const void *bytes, size_t len)
{
	buf_append(wire_begin(peer->wire), bytes, len);
	wire_end(peer->wire);
	peer->bus->stats.sent++;
}

static void
bus_drop(struct bus_peer *peer, size_t count)
{
	if (count == 0)
		return;
	peer->bus->stats.dropped += count;
	peer->dropped_untold += count;
	if (!loop_timer_is_set(&peer->note))
		bus_tell_dropped(peer);
}

static void
bus_on_drained(void *arg)
{
	struct bus_peer *peer = arg;
	struct bus_message *message;

	while (wire_queued(peer->wire) < BUS_WIRE_FILL) {
		message = bus_queue_take(&peer->queue);
		if (message == NULL)
			return;
		bus_send(peer, message->data, message->len);
		bus_message_free(&message);
	}
}

/* A SUB of nng's says nothing; what another one says is not ours to judge. */
static void
bus_on_chatter(void *arg, const uint8_t *data, size_t len)
{
	(void)arg;
	(void)data;
	(void)len;
}

/*
 * Only what cannot be written soon is copied, once for all who lag.
 */
static void
bus_deliver(struct bus *bus, const void *bytes, size_t len)
{
	struct bus_message *message = NULL;
	struct bus_peer *peer;

	bus->stats.events++;
	for (peer = TAILQ_FIRST(&bus->subscribers); peer != NULL;
	     peer = TAILQ_NEXT(peer, link)) {
		if (peer->queue.count == 0 &&
		    wire_queued(peer->wire) < BUS_WIRE_FILL) {
			bus_send(peer, bytes, len);
			continue;
		}
		if (message == NULL)
			message = bus_message_new(bytes, len);
		if (message == NULL)
			bus_drop(peer, 1);
		else
			bus_drop(peer, bus_queue_add(&peer->queue, message));
	}
	bus_message_free(&message);
}

/*
 * Publishers.
 */

static void
bus_on_message(void *arg, const uint8_t *data, size_t len)
{
	struct bus_peer *peer = arg;
	struct event event;
	struct err err;

	if (event_decode(data, len, &event, &err) < 0) {
		peer->bus->stats.foreign++;
		if (!peer->is_foreign_told)
			log_info("publisher %s: %s; passed on as it is",
			    peer->label, err.text);
		peer->is_foreign_told = true;
	}
	bus_deliver(peer->bus, data, len);
}

int
bus_publish(struct bus *bus, const void *bytes, size_t len)
{
	if (len > BUS_EVENT_MAX)
		return -1;
	bus_deliver(bus, bytes, len);
	return 0;
}

/*
 * The bus.
 */

static const struct wire_handler bus_subscriber_handler = {
	.up = bus_on_up,
	.message = bus_on_chatter,
	.down = bus_on_down,
	.drained = bus_on_drained,
};

static const struct wire_handler bus_publisher_handler = {
	.up = bus_on_up,
	.message = bus_on_message,
	.down = bus_on_down,
};

static const struct wire_limits bus_subscriber_limits = {
	.message_max = BUS_SUBSCRIBER_MESSAGE_MAX,
	/* Never reached: a wire gets one event beyond BUS_WIRE_FILL at most. */
	.queue_max = BUS_WIRE_FILL + 2 * BUS_EVENT_MAX,
};

static const struct wire_limits bus_publisher_limits = {
	.message_max = BUS_EVENT_MAX,
	.queue_max = BUS_SUBSCRIBER_MESSAGE_MAX,
};

static struct bus_peer *
bus_peer_new(struct bus *bus, bool is_subscriber, const char *label)
{
	struct bus_peer *peer = calloc(1, sizeof(*peer));

	if (peer == NULL)
		return NULL;
	peer->bus = bus;
	peer->is_subscriber = is_subscriber;
	peer->note.fn = bus_on_note;
	bus_queue_init(&peer->queue, bus->queue_max);
	peer->label = strdup(label);
	if (peer->label == NULL) {
		bus_peer_free(peer);
		return NULL;
	}
	return peer;
}

/* Returns NULL with the reason set; the fd is then still the caller's. */
static struct bus_peer *
bus_connect(struct bus *bus, int fd, enum sp_transport transport,
    unsigned peer_protocol, const void *initial, size_t len, const char *label,
    struct err *err_r)
{
	bool is_subscriber = peer_protocol == SP_SUB;
	struct bus_peer *peer;

	if (peer_protocol != SP_SUB && peer_protocol != SP_PUB) {
		err_set(err_r, "SP protocol 0x%x is neither PUB nor SUB",
		    peer_protocol);
		return NULL;
	}
	if (bus->stats.publishers + bus->stats.subscribers >= BUS_PEER_MAX) {
		err_set(err_r, "%d publishers and subscribers are the limit",
		    BUS_PEER_MAX);
		return NULL;
	}
	peer = bus_peer_new(bus, is_subscriber, label);
	if (peer == NULL) {
		err_set(err_r, "out of memory");
		return NULL;
	}
	peer->wire = wire_new(bus->loop, fd, transport,
	    is_subscriber ? SP_PUB : SP_SUB,
	    is_subscriber ? &bus_subscriber_limits : &bus_publisher_limits,
	    is_subscriber ? &bus_subscriber_handler : &bus_publisher_handler,
	    peer, initial, len, err_r);
	if (peer->wire == NULL) {
		bus_peer_free(peer);
		return NULL;
	}
	return peer;
}

void
bus_accept(struct bus *bus, int fd, enum sp_transport transport,
    unsigned peer_protocol, const void *initial, size_t len, const char *label)
{
	struct err err = { .text = "" };
	struct bus_peer *peer = bus_connect(bus, fd, transport, peer_protocol,
	    initial, len, label, &err);
	uint64_t *count;
	struct bus_peers *peers;

	if (peer == NULL) {
		log_warnx("bus: %s: refused: %s", label, err.text);
		close(fd);
		return;
	}
	peers = bus_peers_of(bus, peer->is_subscriber, &count);
	TAILQ_INSERT_TAIL(peers, peer, link);
	++*count;
}

void
bus_set_queue_max(struct bus *bus, size_t queue_max)
{
	struct bus_peer *peer;

	bus->queue_max = queue_max;
	for (peer = TAILQ_FIRST(&bus->subscribers); peer != NULL;
	     peer = TAILQ_NEXT(peer, link)) {
		peer->queue.bytes_max = queue_max;
	}
}

void
bus_stats(const struct bus *bus, struct bus_stats *stats_r)
{
	*stats_r = bus->stats;
}

struct bus *
bus_new(struct loop *loop, size_t queue_max, struct err *err_r)
{
	struct bus *bus = calloc(1, sizeof(*bus));

	if (bus == NULL) {
		err_set(err_r, "out of memory");
		return NULL;
	}
	bus->loop = loop;
	bus->queue_max = queue_max;
	TAILQ_INIT(&bus->publishers);
	TAILQ_INIT(&bus->subscribers);
	return bus;
}

static void
bus_peers_free(struct bus_peers *peers)
{
	struct bus_peer *peer;

	while ((peer = TAILQ_FIRST(peers)) != NULL) {
		TAILQ_REMOVE(peers, peer, link);
		bus_peer_free(peer);
	}
}

void
bus_free(struct bus **busp)
{
	struct bus *bus = *busp;

	if (bus == NULL)
		return;
	*busp = NULL;
	bus_peers_free(&bus->publishers);
	bus_peers_free(&bus->subscribers);
	free(bus);
}
