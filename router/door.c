#include "door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ipc/err.h"
#include "ipc/log.h"
#include "ipc/loop.h"

#include "conn.h"
#include "listener.h"
#include "worker.h"

enum {
	ACCEPTS_PER_TURN = 8,
	PAUSE_US = 100 * 1000,
	TELL_EVERY_US = 1000 * 1000
};

struct door {
	struct worker *worker;
	struct listener *listener;
	struct loop_io io;
	struct loop_timer timer; /* opens again */
	int64_t told_us;
	bool is_open;
};

union peer_address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

static void
address_text(const union peer_address *address, char *text, socklen_t size)
{
	const struct in6_addr *in6 = &address->in6.sin6_addr;

	snprintf(text, size, "local");
	if (address->any.sa_family == AF_INET)
		inet_ntop(AF_INET, &address->in.sin_addr, text, size);
	else if (address->any.sa_family == AF_INET6 &&
		 IN6_IS_ADDR_V4MAPPED(in6))
		inet_ntop(AF_INET, &in6->s6_addr[12], text, size);
	else if (address->any.sa_family == AF_INET6)
		inet_ntop(AF_INET6, in6, text, size);
}

/* An EPOLLEXCLUSIVE entry cannot be modified, only dropped and added. */
static int
door_open(struct door *door, struct err *err_r)
{
	if (door->is_open)
		return 0;
	if (loop_io_add(door->worker->loop, &door->io, door->listener->fd,
		EPOLLIN | EPOLLEXCLUSIVE, err_r) == -1)
		return -1;
	door->is_open = true;
	return 0;
}

static void
door_shut(struct door *door)
{
	if (!door->is_open)
		return;
	loop_io_drop(door->worker->loop, &door->io);
	door->is_open = false;
	/* Another worker may make room, which only the clock tells us. */
	loop_timer_set(door->worker->loop, &door->timer,
	    loop_now_us(door->worker->loop) + PAUSE_US);
}

static void
tell_failure(struct door *door)
{
	int64_t now = loop_now_us(door->worker->loop);

	worker_count(&door->worker->counters.accept_failures);
	if (now - door->told_us < TELL_EVERY_US)
		return;
	door->told_us = now;
	log_warn("%s: accept, clients wait", door->listener->address);
}

/* Count one more connection of all workers; false at the bound. */
static bool
take_place(struct worker *worker)
{
	size_t max = (size_t)worker->view->snapshot->settings.max_connections;

	if (atomic_fetch_add_explicit(worker->host->connections, 1,
		memory_order_relaxed) < max)
		return true;
	atomic_fetch_sub_explicit(worker->host->connections, 1,
	    memory_order_relaxed);
	return false;
}

/* Returns false when there is nothing more to accept for now. */
static bool
accept_one(struct door *door)
{
	struct worker *worker = door->worker;
	union peer_address address = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(address);
	char client[CONN_CLIENT_MAX];
	int fd, on = 1;

	if (!take_place(worker)) {
		door_shut(door);
		return false;
	}
	fd = accept4(door->listener->fd, &address.any, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1) {
		atomic_fetch_sub_explicit(worker->host->connections, 1,
		    memory_order_relaxed);
		if (errno == EAGAIN)
			return false;
		if (errno == EINTR || errno == ECONNABORTED)
			return true;
		tell_failure(door);
		door_shut(door);
		return false;
	}
	if (door->listener->is_tcp)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	address_text(&address, client, sizeof(client));
	conn_open(worker, fd, door->listener, client);
	return true;
}

static void
on_io(struct loop_io *io, uint32_t events)
{
	struct door *door = loop_owner(io, struct door, io);

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN && accept_one(door); i++)
		continue;
}

static void
on_timer(struct loop_timer *timer)
{
	struct door *door = loop_owner(timer, struct door, timer);
	struct err err;

	if (door_open(door, &err) == -1)
		loop_timer_set(door->worker->loop, timer,
		    loop_now_us(door->worker->loop) + PAUSE_US);
}

struct door *
door_new(struct worker *worker, struct listener *listener, struct err *err_r)
{
	struct door *door = calloc(1, sizeof(*door));

	if (door == NULL) {
		err_set(err_r, "out of memory");
		return NULL;
	}
	door->worker = worker;
	door->listener = listener_ref(listener);
	door->io.fn = on_io;
	door->io.fd = -1;
	door->timer.fn = on_timer;
	door->told_us = -TELL_EVERY_US;
	if (door_open(door, err_r) == -1) {
		err_prefix(err_r, "%s", listener->address);
		door_free(&door);
	}
	return door;
}

void
door_free(struct door **doorp)
{
	struct door *door = *doorp;

	if (door == NULL)
		return;
	*doorp = NULL;
	if (door->is_open)
		loop_io_drop(door->worker->loop, &door->io);
	loop_timer_drop(door->worker->loop, &door->timer);
	listener_unref(&door->listener);
	free(door);
}

const struct listener *
door_listener(const struct door *door)
{
	return door->listener;
}

void
door_reopen(struct door *door)
{
	/* Only the bound shuts a door silently; a failure waits its pause. */
	if (!door->is_open &&
	    loop_now_us(door->worker->loop) - door->told_us >= PAUSE_US &&
	    door_open(door, NULL) == 0)
		loop_timer_drop(door->worker->loop, &door->timer);
}
