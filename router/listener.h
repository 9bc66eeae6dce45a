/*
 * listener: a bound socket from the supervisor, shared by all workers.
 *
 * Immutable; the fd is closed with the last reference, in any thread.
 */
#ifndef MSVC_ROUTER_LISTENER_H
#define MSVC_ROUTER_LISTENER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct lifeline_listener;

struct listener {
	int fd;
	unsigned kind; /* enum lifeline_listener_kind */
	bool is_sp_allowed;
	bool is_tcp;
	ino_t inode; /* tells whether two fds are one socket */
	char *address;
	atomic_uint refs;
};

/* Takes fd in any case, makes it non-blocking. NULL when out of memory. */
struct listener *listener_new(const struct lifeline_listener *from, int fd);
struct listener *listener_ref(struct listener *listener);
void listener_unref(struct listener **listenerp);

/* The same socket in the same role. */
bool listener_is_same(const struct listener *a, const struct listener *b);

#endif
