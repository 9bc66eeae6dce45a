#include "core.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "ipc/launch.h"

/* For ever stays what it is: a timeout of 0 would be just that. */
static int
notify_flags(int fd, int wait_ms)
{
	const struct timeval timeout = { .tv_sec = wait_ms / 1000,
		.tv_usec = wait_ms % 1000 * 1000 };

	if (wait_ms == 0)
		return MSG_NOSIGNAL | MSG_DONTWAIT;
	if (wait_ms > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout,
		    sizeof(timeout));
	return MSG_NOSIGNAL;
}

/*
 * Source: sd_notify(3). A leading @ stands for the abstract namespace. Few
 * messages fit the queue of a supervisor that does not read, and those of all
 * services share it (net.unix.max_dgram_qlen).
 */
int
notify_send(const char *text, int wait_ms)
{
	const char *path = getenv(LAUNCH_ENV_NOTIFY);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = path != NULL ? strlen(path) : 0;
	ssize_t sent;
	int fd;

	if (len == 0)
		return 0;
	if ((*path != '/' && *path != '@') || len >= sizeof(address.sun_path)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(address.sun_path, path, len);
	if (*path == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	sent = sendto(fd, text, strlen(text), notify_flags(fd, wait_ms),
	    (const struct sockaddr *)&address,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
	return sent < 0 ? -1 : 0;
}
