#include "sockets_bind.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/conf_addr.h"
#include "conf/conf_value.h"
#include "ipc/err.h"
#include "spawn_user.h"

enum {
	SOCKETS_BACKLOG = 4096
};

/* Close it and keep errno. */
static int
bind_failed(int sock)
{
	int cause = errno;

	if (sock >= 0)
		close(sock);
	errno = cause;
	return -1;
}

static int
bind_address(const struct addrinfo *info, bool is_dual)
{
	int on = 1, only6 = !is_dual;
	int sock = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return -1;
	if (setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (info->ai_family == AF_INET6 &&
		setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &only6,
		    sizeof(only6)) < 0) ||
	    bind(sock, info->ai_addr, info->ai_addrlen) < 0)
		return bind_failed(sock);
	return sock;
}

static int
bind_host(const char *host, const char *port, bool is_dual, const char *text,
    struct err *err_r)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *all = NULL;
	int sock = -1, rc;

	/* Numeric addresses first: they need no name service. */
	rc = getaddrinfo(host, port, &hints, &all);
	if (rc != 0) {
		hints.ai_flags &= ~AI_NUMERICHOST;
		rc = getaddrinfo(host, port, &hints, &all);
	}
	if (rc != 0) {
		err_set(err_r, "%s: %s", text,
		    rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
		return -1;
	}
	for (const struct addrinfo *info = all; info != NULL && sock < 0;
	     info = info->ai_next) {
		sock = bind_address(info, is_dual);
		if (sock < 0)
			err_set_errno(err_r, "%s", text);
		if (sock < 0 && errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)
			break;
	}
	freeaddrinfo(all);
	return sock;
}

int
sockets_bind_tcp(const char *text, struct err *err_r)
{
	struct conf_listen listen;
	struct conf_why why;
	int sock = -1;

	if (conf_addr_listen(text + strlen("tcp:"), &listen, &why) < 0)
		err_set(err_r, "%s: %s", text, why.text);
	else if (listen.host[0] != '\0')
		sock = bind_host(listen.host, listen.port, false, text, err_r);
	else {
		sock = bind_host("::", listen.port, true, text, err_r);
		/* A machine without IPv6. */
		if (sock < 0 &&
		    (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
			sock = bind_host("0.0.0.0", listen.port, false, text,
			    err_r);
	}
	free(listen.host);
	free(listen.port);
	return sock;
}

/* Does nobody listen on the socket at that path? */
static bool
is_stale(const struct sockaddr_un *addr)
{
	int sock =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool is_refused;

	if (sock < 0)
		return false;
	is_refused =
	    connect(sock, (const struct sockaddr *)addr, sizeof(*addr)) < 0 &&
	    errno == ECONNREFUSED;
	close(sock);
	return is_refused;
}

/* Remove what an earlier run has left there; anything else is refused. */
static int
make_room(const struct sockaddr_un *addr, const struct spawn_user *user,
    struct err *err_r)
{
	const char *path = addr->sun_path;
	struct stat st;

	if (lstat(path, &st) < 0 && errno == ENOENT)
		return 0;
	if (lstat(path, &st) < 0)
		err_set_errno(err_r, "%s", path);
	else if (!S_ISSOCK(st.st_mode))
		err_set(err_r, "%s: is there and no socket", path);
	else if (st.st_uid != geteuid() &&
		 (user->name == NULL || st.st_uid != user->uid))
		err_set(err_r, "%s: is there and of another user (uid %u)",
		    path, (unsigned)st.st_uid);
	else if (!is_stale(addr))
		err_set(err_r, "%s: Address already in use", path);
	else if (unlink(path) < 0)
		err_set_errno(err_r, "%s", path);
	else
		return 0;
	return -1;
}

int
sockets_bind_unix(const char *path, const struct spawn_user *user,
    struct err *err_r)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mode_t before;
	int sock, rc;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		err_set(err_r, "%s: too long for a socket", path);
		return -1;
	}
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (make_room(&addr, user, err_r) < 0)
		return -1;
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0) {
		err_set_errno(err_r, "%s", path);
		return -1;
	}
	/* 0660 from the start: a path cannot be changed without a race. */
	before = umask(0117);
	rc = bind(sock, (const struct sockaddr *)&addr, sizeof(addr));
	(void)umask(before);
	if (rc == 0)
		return sock;
	err_set_errno(err_r, "%s", path);
	return bind_failed(sock);
}

int
sockets_listen(int sock, const char *text, struct err *err_r)
{
	if (listen(sock, SOCKETS_BACKLOG) == 0)
		return 0;
	err_set_errno(err_r, "%s", text);
	return -1;
}
