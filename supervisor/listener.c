#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "conf/conf.h"
#include "ipc/err.h"
#include "ipc/launch.h"
#include "keep.h"
#include "rundir.h"
#include "supervisor.h"

enum {
	LISTENER_BACKLOG = 4096,
	/* For what a killed supervisor has left to be closed. */
	LISTENER_WAIT_MS = 1000,
	LISTENER_PAUSE_MS = 10
};

void
listeners_fini(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->count; i++) {
		close(listeners->items[i].fd);
		free(listeners->items[i].key);
	}
	free(listeners->items);
	*listeners = (struct listeners){ 0 };
}

/* Add a socket, which is owned on success. */
static int
listeners_add(struct listeners *out, int fd, enum lifeline_listener_kind kind,
    bool is_sp_allowed, const char *key, const char *address)
{
	struct listener *items;

	items = reallocarray(out->items, out->count + 1, sizeof(*out->items));
	if (items == NULL)
		return -1;
	out->items = items;
	items += out->count;
	*items = (struct listener){ .fd = fd,
		.kind = kind,
		.is_sp_allowed = is_sp_allowed,
		.key = strdup(key) };
	if (items->key == NULL)
		return -1;
	snprintf(items->address, sizeof(items->address), "%s", address);
	out->count++;
	return 0;
}

/* Take over the sockets of that key. Returns their number, -1 on failure. */
static int
listeners_keep(struct listeners *out, const struct listeners *before,
    const char *key, bool is_sp_allowed, struct err *err_r)
{
	const struct listener *old;
	int fd, kept = 0;

	for (size_t i = 0; before != NULL && i < before->count; i++) {
		old = &before->items[i];
		if (strcmp(old->key, key) != 0)
			continue;
		fd = fcntl(old->fd, F_DUPFD_CLOEXEC, 3);
		if (fd < 0 || listeners_add(out, fd, old->kind, is_sp_allowed,
				  key, old->address) < 0) {
			err_set_errno(err_r, "%s", old->address);
			if (fd >= 0)
				close(fd);
			return -1;
		}
		kept++;
	}
	return kept;
}

static void
listener_address(int fd, char *text, size_t size)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char host[48] = "?", port[8] = "?";

	if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0)
		(void)getnameinfo((struct sockaddr *)&addr, len, host,
		    sizeof(host), port, sizeof(port),
		    NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(text, size, addr.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
	    host, port);
}

static int
listener_try(const struct addrinfo *info)
{
	int sock, cause, on = 1;

	sock = socket(info->ai_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return -1;
	if (setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (info->ai_family != AF_INET6 ||
		setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) ==
		    0) &&
	    bind(sock, info->ai_addr, info->ai_addrlen) == 0 &&
	    listen(sock, LISTENER_BACKLOG) == 0)
		return sock;
	cause = errno;
	close(sock);
	errno = cause;
	return -1;
}

/*
 * A process with threads that was killed counts as gone a moment before the
 * last of them has closed its files.
 */
static int
listener_bind(const struct addrinfo *info, bool is_patient)
{
	const struct timespec pause = { .tv_nsec =
					    LISTENER_PAUSE_MS * 1000000 };
	int sock = listener_try(info);

	for (int i = 0; is_patient && sock < 0 && errno == EADDRINUSE &&
			i < LISTENER_WAIT_MS / LISTENER_PAUSE_MS;
	     i++) {
		(void)nanosleep(&pause, NULL);
		sock = listener_try(info);
	}
	return sock;
}

/* Numeric addresses first: they need no name service. */
static int
listener_resolve(const char *host, const char *port, const char *name,
    struct addrinfo **info_r, struct err *err_r)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV };
	const char *node = host[0] != '\0' ? host : NULL;
	int rc;

	rc = getaddrinfo(node, port, &hints, info_r);
	if (rc != 0) {
		hints.ai_flags &= ~AI_NUMERICHOST;
		rc = getaddrinfo(node, port, &hints, info_r);
	}
	if (rc == 0)
		return 0;
	err_set(err_r, "%s: %s", name,
	    rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
	return -1;
}

/*
 * A name may stand for several addresses. One of a family that this machine
 * does not have is skipped as long as another works.
 */
static int
listeners_bind(struct listeners *out, const struct addrinfo *info,
    enum lifeline_listener_kind kind, bool is_sp_allowed, const char *key,
    bool is_patient, struct err *err_r)
{
	size_t before = out->count;
	char address[64];
	int sock;

	for (; info != NULL; info = info->ai_next) {
		sock = listener_bind(info, is_patient);
		if (sock < 0) {
			err_set_errno(err_r, "%s", key);
			if (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)
				continue;
			return -1;
		}
		listener_address(sock, address, sizeof(address));
		if (listeners_add(out, sock, kind, is_sp_allowed, key,
			address) < 0) {
			err_set_errno(err_r, "%s", key);
			close(sock);
			return -1;
		}
	}
	return out->count > before ? 0 : -1;
}

static int
listeners_add_tcp(struct listeners *out, const struct listeners *before,
    const struct rundir *rundir, enum lifeline_listener_kind kind,
    const char *host, const char *port, bool is_sp_allowed, struct err *err_r)
{
	struct addrinfo *info;
	char key[320];
	int rc;

	snprintf(key, sizeof(key), strchr(host, ':') ? "[%s]:%s" : "%s:%s",
	    host[0] != '\0' ? host : "*", port);
	rc = listeners_keep(out, before, key, is_sp_allowed, err_r);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (listener_resolve(host, port, key, &info, err_r) < 0)
		return -1;
	/* Only a start may wait: a reload is in the event loop. */
	rc = listeners_bind(out, info, kind, is_sp_allowed, key,
	    before == NULL && rundir->was_killed, err_r);
	freeaddrinfo(info);
	return rc;
}

static int
listeners_add_unix(struct listeners *out, const struct listeners *before,
    const struct rundir *rundir, enum lifeline_listener_kind kind,
    const char *name, mode_t mode, struct err *err_r)
{
	int fd, rc;

	rc = listeners_keep(out, before, name, kind == LISTENER_IPC, err_r);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	fd = rundir_listen(rundir, name, mode, err_r);
	if (fd < 0)
		return -1;
	if (listeners_add(out, fd, kind, kind == LISTENER_IPC, name, name) <
	    0) {
		err_set_errno(err_r, "%s", name);
		close(fd);
		return -1;
	}
	return 0;
}

/* "HOST:PORT", the host perhaps in brackets; "" is the unix socket. */
static int
listeners_add_admin(struct listeners *out, const struct listeners *before,
    const struct rundir *rundir, const char *admin, struct err *err_r)
{
	const char *colon = strrchr(admin, ':');
	char host[256];
	size_t len;

	if (admin[0] == '\0')
		return listeners_add_unix(out, before, rundir, LISTENER_ADMIN,
		    LAUNCH_PATH_ADMIN, 0600, err_r);
	len = colon != NULL ? (size_t)(colon - admin) : 0;
	if (len >= 2 && admin[0] == '[' && admin[len - 1] == ']') {
		admin++;
		len -= 2;
	}
	if (colon == NULL || len >= sizeof(host)) {
		err_set(err_r, "admin \"%s\" is not HOST:PORT", admin);
		return -1;
	}
	memcpy(host, admin, len);
	host[len] = '\0';
	return listeners_add_tcp(out, before, rundir, LISTENER_ADMIN, host,
	    colon + 1, false, err_r);
}

int
listeners_open(struct listeners *out_r, const struct conf_router *router,
    const struct rundir *rundir, const struct listeners *before,
    struct err *err_r)
{
	const struct conf_listen *item;

	*out_r = (struct listeners){ 0 };
	for (size_t i = 0; i < router->listen_count; i++) {
		item = &router->listens[i];
		if (listeners_add_tcp(out_r, before, rundir, LISTENER_PUBLIC,
			item->host, item->port, item->is_sp_allowed, err_r) < 0)
			goto fail;
	}
	if (listeners_add_unix(out_r, before, rundir, LISTENER_IPC,
		LAUNCH_PATH_ROUTER, 0666, err_r) < 0 ||
	    listeners_add_admin(out_r, before, rundir, router->admin, err_r) <
		0)
		goto fail;
	return 0;
fail:
	listeners_fini(out_r);
	return -1;
}

static const struct keep_field listener_fields[] = {
	KEEP_FIELD(KEEP_FD, listener, fd),
	KEEP_FIELD(KEEP_UINT, listener, kind),
	KEEP_FIELD(KEEP_BOOL, listener, is_sp_allowed),
	KEEP_FIELD(KEEP_TEXT, listener, key),
	KEEP_FIELD(KEEP_CHARS, listener, address),
};

void
keep_save_listeners(const struct supervise *sup, struct keep_out *out)
{
	const struct listeners *listeners = &sup->listeners;

	mp_put_array(&out->bytes, (uint32_t)listeners->count);
	for (size_t i = 0; i < listeners->count; i++)
		keep_put(out, listener_fields, KEEP_COUNT(listener_fields),
		    &listeners->items[i]);
}

int
keep_load_listeners(struct supervise *sup, struct keep_in *in,
    struct mp_reader *reader)
{
	struct listeners *listeners = &sup->listeners;
	uint32_t count;

	if (keep_get_array(in, reader, &count) < 0)
		return -1;
	listeners->items = calloc(count + 1, sizeof(*listeners->items));
	if (listeners->items == NULL)
		return keep_bad(in, "listeners");
	for (uint32_t i = 0; i < count; i++) {
		listeners->items[i].fd = -1;
		listeners->count++;
		if (keep_get(in, reader, listener_fields,
			KEEP_COUNT(listener_fields), &listeners->items[i]) < 0)
			return -1;
		if (listeners->items[i].key == NULL)
			return keep_bad(in, "listeners");
	}
	return 0;
}
