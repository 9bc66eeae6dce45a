#include "passfd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for the control message of one descriptor, aligned as cmsg(3) says. */
union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static void
drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
passfd_init(struct passfd *passfd)
{
	*passfd = (struct passfd){ .in = -1, .out = -1 };
}

void
passfd_fini(struct passfd *passfd)
{
	drop(&passfd->in);
	drop(&passfd->out);
}

static ssize_t
send_with(int sock, const void *data, size_t len, int fd)
{
	union control control = { .bytes = "" };
	/* sendmsg() does not write through this pointer. */
	struct iovec part = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	return sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Errors of the socket itself are met again without the descriptor. */
ssize_t
passfd_send(struct passfd *passfd, int sock, uint64_t at, const void *data,
    size_t len)
{
	ssize_t count;

	if (passfd->out >= 0 && passfd->out_at == at) {
		count = send_with(sock, data, len, passfd->out);
		if (count < 0 &&
		    (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
			return count;
		drop(&passfd->out);
		if (count >= 0)
			return count;
	}
	if (passfd->out >= 0 && passfd->out_at - at < len)
		len = (size_t)(passfd->out_at - at);
	return send(sock, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
keep_one(const struct cmsghdr *head, int *fd_r)
{
	size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int fd;

	for (size_t i = 0; i < count; i++) {
		memcpy(&fd, CMSG_DATA(head) + i * sizeof(fd), sizeof(fd));
		if (*fd_r < 0)
			*fd_r = fd;
		else
			close(fd);
	}
}

/* What does not fit the control message is closed by the kernel. */
ssize_t
passfd_recv(struct passfd *passfd, int sock, void *data, size_t len)
{
	union control control;
	struct iovec part = { data, len };
	struct msghdr msg = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t count = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *head;

	if (count < 0)
		return count;
	for (head = CMSG_FIRSTHDR(&msg); head != NULL;
	     head = CMSG_NXTHDR(&msg, head))
		if (head->cmsg_level == SOL_SOCKET &&
		    head->cmsg_type == SCM_RIGHTS)
			keep_one(head, &passfd->in);
	return count;
}

int
passfd_take(struct passfd *passfd)
{
	int fd = passfd->in;

	passfd->in = -1;
	return fd;
}

void
passfd_drop_in(struct passfd *passfd)
{
	drop(&passfd->in);
}
