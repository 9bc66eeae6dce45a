#include "notify.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ipc/err.h"

static const struct {
	const char *line;
	unsigned flag;
} lines[] = {
	{ "READY=1", NOTIFY_READY },
	{ "STOPPING=1", NOTIFY_STOPPING },
	{ "RELOADING=1", NOTIFY_RELOADING },
	{ "WATCHDOG=1", NOTIFY_WATCHDOG },
	{ "WATCHDOG=trigger", NOTIFY_TRIGGER },
};

static const char status_key[] = "STATUS=";
static const char period_key[] = "WATCHDOG_USEC=";

static void
notify_parse_status(const char *text, size_t len, struct notify_msg *msg_r)
{
	unsigned char c;

	if (len > NOTIFY_STATUS_MAX)
		len = NOTIFY_STATUS_MAX;
	for (size_t i = 0; i < len; i++) {
		c = (unsigned char)text[i];
		msg_r->status[i] = c < ' ' || c == 0x7f ? '?' : text[i];
	}
	msg_r->status[len] = '\0';
	msg_r->flags |= NOTIFY_STATUS;
}

/* Digits only; what is none is skipped like an unknown key. */
static void
notify_parse_period(const char *text, size_t len, struct notify_msg *msg_r)
{
	int64_t value = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return;
		value = value * 10 + (text[i] - '0');
		if (value > NOTIFY_PERIOD_MAX_US)
			value = NOTIFY_PERIOD_MAX_US;
	}
	if (len == 0)
		return;
	msg_r->watchdog_us = value;
	msg_r->flags |= NOTIFY_PERIOD;
}

static bool
notify_has_key(const char *text, size_t len, const char *key)
{
	return len >= strlen(key) && memcmp(text, key, strlen(key)) == 0;
}

static void
notify_parse_line(const char *text, size_t len, struct notify_msg *msg_r)
{
	size_t status_len = sizeof(status_key) - 1,
	       period_len = sizeof(period_key) - 1;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (len == strlen(lines[i].line) &&
		    memcmp(text, lines[i].line, len) == 0)
			msg_r->flags |= lines[i].flag;
	}
	if (notify_has_key(text, len, status_key))
		notify_parse_status(text + status_len, len - status_len, msg_r);
	if (notify_has_key(text, len, period_key))
		notify_parse_period(text + period_len, len - period_len, msg_r);
}

void
notify_parse(const char *text, size_t len, struct notify_msg *msg_r)
{
	const char *end = text + len, *stop;

	*msg_r = (struct notify_msg){ 0 };
	while (text < end) {
		stop = memchr(text, '\n', (size_t)(end - text));
		if (stop == NULL)
			stop = end;
		notify_parse_line(text, (size_t)(stop - text), msg_r);
		text = stop + 1;
	}
}

int
notify_open(const char *path, struct err *err_r)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock, on = 1;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)unlink(path);
	if (sock < 0 ||
	    bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    chmod(path, 0666) < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0) {
		err_set_errno(err_r, "%s", path);
		if (sock >= 0)
			close(sock);
		return -1;
	}
	return sock;
}

/* Descriptors that a sender has attached are not wanted. */
static void
notify_close_fds(struct cmsghdr *cmsg)
{
	size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int fd;

	for (size_t i = 0; i < count; i++) {
		memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
		close(fd);
	}
}

int
notify_recv(int sock, pid_t *pid_r, struct notify_msg *msg_r)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred))];
	char bytes[NOTIFY_BYTES_MAX];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr hdr = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct ucred cred = { .pid = 0 };
	ssize_t len;

	len = recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC);
	if (len < 0)
		return errno == EINTR ? 0 : -1;
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr); cmsg != NULL;
	     cmsg = CMSG_NXTHDR(&hdr, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET)
			continue;
		if (cmsg->cmsg_type == SCM_CREDENTIALS)
			memcpy(&cred, CMSG_DATA(cmsg), sizeof(cred));
		else if (cmsg->cmsg_type == SCM_RIGHTS)
			notify_close_fds(cmsg);
	}
	if (cred.pid <= 0)
		return 0;
	*pid_r = cred.pid;
	notify_parse(bytes, (size_t)len, msg_r);
	return 1;
}

static struct sockaddr_un parent_addr;
static socklen_t parent_len; /* 0: nobody to tell */

void
notify_parent_init(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path != NULL ? strlen(path) : 0;

	if (len > 1 && len < sizeof(parent_addr.sun_path) &&
	    (path[0] == '/' || path[0] == '@')) {
		parent_addr.sun_family = AF_UNIX;
		memcpy(parent_addr.sun_path, path, len);
		/* The abstract namespace is written with a leading '@'. */
		if (path[0] == '@')
			parent_addr.sun_path[0] = '\0';
		parent_len =
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	}
	(void)unsetenv("NOTIFY_SOCKET");
}

void
notify_parent(const char *text)
{
	int sock;

	if (parent_len == 0)
		return;
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return;
	/* Nobody acts on a failure here; the parent has its own timeout. */
	(void)!sendto(sock, text, strlen(text), MSG_NOSIGNAL,
	    (struct sockaddr *)&parent_addr, parent_len);
	close(sock);
}

void
notify_parent_reloading(void)
{
	struct timespec now;
	char text[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld\n",
	    (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	notify_parent(text);
}
