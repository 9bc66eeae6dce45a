#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "err.h"

union address {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static int
address_bad(struct err *err_r, const char *url, const char *right)
{
	err_set(err_r, "\"%s\": %s", url, right);
	errno = EINVAL;
	return -1;
}

static int
address_from_path(const char *url, const char *path, union address *address_r,
    socklen_t *len_r, struct err *err_r)
{
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(address_r->un.sun_path))
		return address_bad(err_r, url,
		    "the path must have 1 to 107 bytes");
	address_r->un.sun_family = AF_UNIX;
	memcpy(address_r->un.sun_path, path, len + 1);
	*len_r = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	return 0;
}

static int
port_parse(const char *text, uint16_t *port_r)
{
	char *end;
	unsigned long port;

	if (*text < '0' || *text > '9')
		return -1;
	port = strtoul(text, &end, 10);
	if (*end != '\0' || port > UINT16_MAX)
		return -1;
	*port_r = htons((uint16_t)port);
	return 0;
}

static int
address_from_host(const char *url, const char *rest, union address *address_r,
    socklen_t *len_r, struct err *err_r)
{
	const char *colon = strrchr(rest, ':');
	char host[INET6_ADDRSTRLEN];
	size_t len;
	uint16_t port;

	if (colon == NULL || port_parse(colon + 1, &port) < 0)
		return address_bad(err_r, url, "a port 0 to 65535 is missing");
	len = (size_t)(colon - rest);
	if (len >= 2 && rest[0] == '[' && rest[len - 1] == ']') {
		rest++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return address_bad(err_r, url, "the host must be numeric");
	memcpy(host, rest, len);
	host[len] = '\0';
	if (inet_pton(AF_INET, host, &address_r->in.sin_addr) == 1) {
		address_r->in.sin_family = AF_INET;
		address_r->in.sin_port = port;
		*len_r = sizeof(address_r->in);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &address_r->in6.sin6_addr) == 1) {
		address_r->in6.sin6_family = AF_INET6;
		address_r->in6.sin6_port = port;
		*len_r = sizeof(address_r->in6);
		return 0;
	}
	return address_bad(err_r, url, "the host must be numeric");
}

static int
address_from_url(const char *url, union address *address_r, socklen_t *len_r,
    enum sp_transport *transport_r, struct err *err_r)
{
	memset(address_r, 0, sizeof(*address_r));
	if (strncmp(url, "ipc://", 6) == 0) {
		*transport_r = SP_IPC;
		return address_from_path(url, url + 6, address_r, len_r, err_r);
	}
	if (strncmp(url, "tcp://", 6) == 0) {
		*transport_r = SP_TCP;
		return address_from_host(url, url + 6, address_r, len_r, err_r);
	}
	return address_bad(err_r, url, "must begin with ipc:// or tcp://");
}

/* A socket of the kind that the URL's address wants. */
static int
address_open(const char *url, union address *address_r, socklen_t *len_r,
    enum sp_transport *transport_r, struct err *err_r)
{
	int fd;

	if (address_from_url(url, address_r, len_r, transport_r, err_r) < 0)
		return -1;
	fd = socket(address_r->any.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		err_set_errno(err_r, "%s: socket", url);
	return fd;
}

static int
close_failed(int fd, const char *url, const char *what, struct err *err_r)
{
	int saved = errno;

	err_set_errno(err_r, "%s: %s", url, what);
	close(fd);
	errno = saved;
	return -1;
}

int
wire_dial(const char *url, enum sp_transport *transport_r, struct err *err_r)
{
	union address address;
	socklen_t len;
	int fd = address_open(url, &address, &len, transport_r, err_r);

	if (fd < 0)
		return -1;
	if (connect(fd, &address.any, len) == 0 || errno == EINPROGRESS)
		return fd;
	return close_failed(fd, url, "connect", err_r);
}

/* A socket file left behind keeps bind() from working; other files stay. */
static void
socket_file_drop(const char *path)
{
	struct stat status;

	if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode))
		(void)unlink(path);
}

int
wire_listen(const char *url, enum sp_transport *transport_r, struct err *err_r)
{
	union address address;
	socklen_t len;
	int fd = address_open(url, &address, &len, transport_r, err_r);

	if (fd < 0)
		return -1;
	if (*transport_r == SP_IPC)
		socket_file_drop(address.un.sun_path);
	else
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 },
		    sizeof(int));
	if (bind(fd, &address.any, len) < 0)
		return close_failed(fd, url, "bind", err_r);
	if (listen(fd, SOMAXCONN) < 0)
		return close_failed(fd, url, "listen", err_r);
	return fd;
}
