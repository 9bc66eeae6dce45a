#include "probe.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/conf.h"

static void
probe_close(struct probe *probe)
{
	int fd = probe->io.fd;

	free(probe->request);
	probe->request = NULL;
	if (fd < 0)
		return;
	loop_io_drop(probe->loop, &probe->io);
	close(fd);
	probe->io.fd = -1;
}

void
probe_finish(struct probe *probe, enum probe_outcome outcome)
{
	probe_close(probe);
	probe->is_running = false;
	probe->done(probe, outcome);
}

void
probe_fail(struct probe *probe, const char *what, int error)
{
	enum probe_outcome outcome = PROBE_BAD;

	switch (error) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case EAGAIN:
	case EADDRNOTAVAIL: /* all local ports are in use */
		outcome = PROBE_UNTRIED;
		break;
	default:
		break;
	}
	snprintf(probe->why, sizeof(probe->why), "%s: %s", what,
	    strerror(error));
	if (error == ECONNREFUSED)
		snprintf(probe->why, sizeof(probe->why),
		    "refused the connection");
	probe_finish(probe, outcome);
}

static void
probe_bad(struct probe *probe, const char *why)
{
	snprintf(probe->why, sizeof(probe->why), "%s", why);
	probe_finish(probe, PROBE_BAD);
}

/* One that is connected takes a request as short as this in one piece. */
static void
probe_send(struct probe *probe)
{
	size_t len = strlen(probe->request);
	ssize_t sent = send(probe->io.fd, probe->request, len, MSG_NOSIGNAL);

	if (sent < 0 && errno == EINTR)
		return;
	if (sent < 0)
		probe_fail(probe, "did not take the request", errno);
	else if ((size_t)sent < len)
		probe_bad(probe, "did not take the request");
	else if (loop_io_set(probe->loop, &probe->io, EPOLLIN) < 0)
		probe_fail(probe, "epoll", errno);
}

static void
probe_read(struct probe *probe)
{
	/* Beyond the head it is read so that the other side sees no reset
	 * while it writes a short answer. */
	char bytes[4096];
	ssize_t got = recv(probe->io.fd, bytes, sizeof(bytes), 0);
	size_t len = got > 0 ? (size_t)got : 0;
	int status;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len > sizeof(probe->head) - probe->head_len)
		len = sizeof(probe->head) - probe->head_len;
	memcpy(probe->head + probe->head_len, bytes, len);
	probe->head_len += len;
	status = probe_http_status(probe->head, probe->head_len);
	if (status < 0)
		probe_bad(probe, "did not answer in HTTP");
	else if (status == 0 && got <= 0)
		probe_bad(probe, "closed the connection without an answer");
	else if (status >= 200 && status <= 399)
		probe_finish(probe, PROBE_WELL);
	else if (status != 0) {
		snprintf(probe->why, sizeof(probe->why), "answered %d", status);
		probe_finish(probe, PROBE_BAD);
	}
}

static void
probe_on_io(struct loop_io *io, uint32_t events)
{
	struct probe *probe = loop_owner(io, struct probe, io);
	socklen_t size = sizeof(int);
	int error = 0;

	if ((io->events & EPOLLIN) != 0) {
		probe_read(probe);
		return;
	}
	if (getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error != 0)
		probe_fail(probe, "could not be reached", error);
	else if ((events & EPOLLOUT) == 0)
		probe_bad(probe, "closed the connection");
	else if (probe->request == NULL)
		probe_finish(probe, PROBE_WELL);
	else
		probe_send(probe);
}

void
probe_init(struct probe *probe, struct loop *loop,
    void (*done)(struct probe *probe, enum probe_outcome outcome))
{
	*probe = (struct probe){ .done = done,
		.loop = loop,
		.io = { .fn = probe_on_io, .fd = -1 } };
}

/* Numeric, so that nothing is looked up: that could take seconds. */
static struct addrinfo *
probe_address(const struct conf_probe *conf)
{
	static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	const char *host =
	    strcmp(conf->host, "localhost") == 0 ? "127.0.0.1" : conf->host;
	struct addrinfo *info = NULL;
	int rc = getaddrinfo(host, conf->port, &hints, &info);

	if (rc == 0)
		return info;
	/* Such as the zone of an interface that is not there. */
	errno = rc == EAI_MEMORY ? ENOMEM : ENETUNREACH;
	return NULL;
}

/* Returns 0 when it is under way, or -1 with errno. */
static int
probe_dial(struct probe *probe, const struct addrinfo *info)
{
	int error, sock = socket(info->ai_family,
		       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (sock < 0)
		return -1;
	if ((connect(sock, info->ai_addr, info->ai_addrlen) < 0 &&
		errno != EINPROGRESS) ||
	    loop_io_add(probe->loop, &probe->io, sock, EPOLLOUT, NULL) < 0) {
		error = errno;
		close(sock);
		errno = error;
		return -1;
	}
	return 0;
}

void
probe_connect(struct probe *probe, const struct conf_probe *conf)
{
	struct addrinfo *info;
	int rc = -1;

	probe->is_running = true;
	probe->head_len = 0;
	if (conf->kind == CONF_PROBE_HTTP) {
		probe->request =
		    probe_http_request(conf->host, conf->port, conf->path);
		if (probe->request == NULL) {
			probe_fail(probe, "request", ENOMEM);
			return;
		}
	}
	info = probe_address(conf);
	if (info != NULL)
		rc = probe_dial(probe, info);
	if (rc < 0)
		probe_fail(probe, "could not be reached", errno);
	if (info != NULL)
		freeaddrinfo(info);
}

void
probe_cancel(struct probe *probe)
{
	probe_close(probe);
	probe_kill(probe);
	probe->is_running = false;
}
