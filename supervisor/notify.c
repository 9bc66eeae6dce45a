#include "notify.h"

#include <errno.h>
#include <limits.h>
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
#include "ipc/utf8.h"

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

/*
 * copy has room for NOTIFY_STATUS_MAX + 1 bytes. What is no character that can
 * be shown becomes "?": it goes to terminals and into JSON.
 */
static void
notify_copy(char *copy, const char *text, size_t len)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t pos = 0, step;

	while (pos < len) {
		step = utf8_printable(at + pos, len - pos);
		if (pos + (step > 0 ? step : 1) > NOTIFY_STATUS_MAX)
			break;
		if (step > 0)
			memcpy(copy + pos, at + pos, step);
		else
			copy[pos] = '?';
		pos += step > 0 ? step : 1;
	}
	copy[pos] = '\0';
}

static void
notify_parse_status(const char *text, size_t len, struct notify_msg *msg_r)
{
	notify_copy(msg_r->status, text, len);
	msg_r->flags |= NOTIFY_STATUS;
}

/* Digits only, cut at most; -1 for what is none: as an unknown key. */
static int64_t
notify_number(const char *text, size_t len, int64_t most)
{
	int64_t value = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
		if (value > most)
			value = most;
	}
	return len > 0 ? value : -1;
}

static void
notify_parse_period(const char *text, size_t len, struct notify_msg *msg_r)
{
	int64_t value = notify_number(text, len, NOTIFY_PERIOD_MAX_US);

	if (value < 0)
		return;
	msg_r->watchdog_us = value;
	msg_r->flags |= NOTIFY_PERIOD;
}

static void
notify_parse_extend(const char *text, size_t len, struct notify_msg *msg_r)
{
	int64_t value = notify_number(text, len, NOTIFY_PERIOD_MAX_US);

	if (value < 0)
		return;
	msg_r->extend_us = value;
	msg_r->flags |= NOTIFY_EXTEND;
}

static void
notify_parse_errno(const char *text, size_t len, struct notify_msg *msg_r)
{
	int64_t value = notify_number(text, len, INT_MAX);

	if (value < 0)
		return;
	msg_r->error[0] = '\0';
	if (value > 0)
		snprintf(msg_r->error, sizeof(msg_r->error), "%s (errno %d)",
		    strerror((int)value), (int)value);
	msg_r->flags |= NOTIFY_ERROR;
}

static void
notify_parse_buserror(const char *text, size_t len, struct notify_msg *msg_r)
{
	notify_copy(msg_r->error, text, len);
	msg_r->flags |= NOTIFY_ERROR;
}

static void
notify_parse_mainpid(const char *text, size_t len, struct notify_msg *msg_r)
{
	int64_t value = notify_number(text, len, INT_MAX);

	msg_r->main_pid = value > 0 ? value : 0;
}

/* refused: as in struct notify_msg, NULL for what is welcome. */
static const struct {
	const char *key, *refused;
	void (*parse)(const char *text, size_t len, struct notify_msg *msg_r);
} keys[] = {
	{ "STATUS=", NULL, notify_parse_status },
	{ "WATCHDOG_USEC=", NULL, notify_parse_period },
	{ "EXTEND_TIMEOUT_USEC=", NULL, notify_parse_extend },
	{ "ERRNO=", NULL, notify_parse_errno },
	{ "BUSERROR=", NULL, notify_parse_buserror },
	{ "MAINPID=", "MAINPID", notify_parse_mainpid },
	{ "NOTIFYACCESS=", "NOTIFYACCESS", NULL },
	{ "FDSTORE=", "FDSTORE", NULL },
	{ "FDSTOREREMOVE=", "FDSTOREREMOVE", NULL },
	{ "FDNAME=", "FDNAME", NULL },
};

static bool
notify_has_key(const char *text, size_t len, const char *key)
{
	return len >= strlen(key) && memcmp(text, key, strlen(key)) == 0;
}

static void
notify_parse_line(const char *text, size_t len, struct notify_msg *msg_r)
{
	const char *key;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (len == strlen(lines[i].line) &&
		    memcmp(text, lines[i].line, len) == 0)
			msg_r->flags |= lines[i].flag;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		key = keys[i].key;
		if (!notify_has_key(text, len, key))
			continue;
		if (keys[i].parse != NULL)
			keys[i].parse(text + strlen(key), len - strlen(key),
			    msg_r);
		if (keys[i].refused != NULL) {
			msg_r->refused = keys[i].refused;
			msg_r->flags |= NOTIFY_REFUSED;
		}
	}
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
/* Open all the time: without descriptors a watchdog must be fed all the same.
 */
static int parent_sock = -1;

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
		parent_sock = socket(AF_UNIX,
		    SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	}
	(void)unsetenv("NOTIFY_SOCKET");
}

void
notify_parent(const char *text)
{
	if (parent_len == 0)
		return;
	/* Nobody acts on a failure here; the parent has its own timeout. */
	(void)!sendto(parent_sock, text, strlen(text), MSG_NOSIGNAL,
	    (struct sockaddr *)&parent_addr, parent_len);
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
