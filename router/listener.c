#include "listener.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/lifeline.h"

static bool
is_inet(int fd)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	       (domain == AF_INET || domain == AF_INET6);
}

struct listener *
listener_new(const struct lifeline_listener *from, int fd)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	struct stat st;

	if (listener == NULL) {
		close(fd);
		return NULL;
	}
	atomic_init(&listener->refs, 1);
	listener->fd = fd;
	listener->kind = (unsigned)from->kind;
	listener->is_sp_allowed = from->is_sp_allowed;
	listener->is_tcp = is_inet(fd);
	if (fstat(fd, &st) == 0)
		listener->inode = st.st_ino;
	listener->address = strdup(from->address);
	if (listener->address == NULL ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == -1)
		listener_unref(&listener);
	return listener;
}

struct listener *
listener_ref(struct listener *listener)
{
	atomic_fetch_add_explicit(&listener->refs, 1, memory_order_relaxed);
	return listener;
}

void
listener_unref(struct listener **listenerp)
{
	struct listener *listener = *listenerp;

	if (listener == NULL)
		return;
	*listenerp = NULL;
	if (atomic_fetch_sub_explicit(&listener->refs, 1,
		memory_order_acq_rel) != 1)
		return;
	close(listener->fd);
	free(listener->address);
	free(listener);
}

bool
listener_is_same(const struct listener *a, const struct listener *b)
{
	return a->inode == b->inode && a->kind == b->kind &&
	       a->is_sp_allowed == b->is_sp_allowed;
}
