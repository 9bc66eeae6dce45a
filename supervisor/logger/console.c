#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/loop.h"

enum {
	/* poll(2) promises that so much can be written without blocking. */
	CONSOLE_CHUNK = 4096,
	CONSOLE_LINGER_MS = 300
};

struct console {
	struct loop *loop;
	struct loop_io io; /* added while the queue waits */
	struct buf queue;
	int fd;
	int own_fd;       /* fd opened by us, or -1 */
	uint64_t dropped; /* lines since the last note */
	bool is_dead;     /* the reader is gone: nothing more to do */
};

/*
 * A second opening of the same terminal or pipe may be non-blocking without
 * changing the shell's. A regular file would get a second offset: not there.
 */
static int
console_reopen(int fd)
{
	char path[32];
	struct stat st;

	if (fstat(fd, &st) == -1 ||
	    (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode)))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool
console_is_writable(const struct console *console, int timeout_ms)
{
	struct pollfd pfd = { .fd = console->fd, .events = POLLOUT };

	return poll(&pfd, 1, timeout_ms) == 1 && (pfd.revents & POLLOUT) != 0;
}

/* Write what goes without waiting. */
static void
console_flush(struct console *console)
{
	struct buf *queue = &console->queue;

	while (buf_count(queue) > 0) {
		size_t len = buf_count(queue);
		ssize_t n;

		if (console->own_fd == -1 && len > CONSOLE_CHUNK)
			len = CONSOLE_CHUNK;
		if (console->own_fd == -1 && !console_is_writable(console, 0))
			return;
		n = write(console->fd, buf_front(queue), len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return;
		if (n <= 0) {
			console->is_dead = errno == EPIPE || errno == EIO;
			buf_clear(queue);
			return;
		}
		buf_consume(queue, (size_t)n);
	}
}

static void
console_put_note(struct console *console)
{
	if (console->dropped == 0)
		return;
	buf_printf(&console->queue,
	    "msvc-logger: %llu lines dropped: the terminal is too slow\n",
	    (unsigned long long)console->dropped);
	console->dropped = 0;
}

static void
console_watch(struct console *console)
{
	bool is_waiting = buf_count(&console->queue) > 0 && !console->is_dead;

	if (is_waiting && console->io.fd == -1) {
		/* What epoll refuses (a file) never waits for a reader. */
		if (loop_io_add(console->loop, &console->io, console->fd,
			EPOLLOUT, NULL) == -1)
			buf_clear(&console->queue);
	} else if (!is_waiting && console->io.fd != -1) {
		loop_io_drop(console->loop, &console->io);
	}
}

static void
console_ready(struct loop_io *io, uint32_t events)
{
	struct console *console = loop_owner(io, struct console, io);

	if ((events & EPOLLOUT) == 0 && (events & (EPOLLERR | EPOLLHUP)) != 0)
		console->is_dead = true;
	else
		console_flush(console);
	if (buf_count(&console->queue) == 0 && console->dropped > 0) {
		console_put_note(console);
		console_flush(console);
	}
	console_watch(console);
}

struct console *
console_new(struct loop *loop, int fd, struct err *err_r)
{
	struct console *console = calloc(1, sizeof(*console));

	if (console == NULL) {
		err_set_errno(err_r, "console");
		return NULL;
	}
	console->loop = loop;
	console->io.fd = -1;
	console->io.fn = console_ready;
	console->own_fd = console_reopen(fd);
	console->fd = console->own_fd != -1 ? console->own_fd : fd;
	return console;
}

void
console_free(struct console **consolep)
{
	struct console *console = *consolep;

	if (console == NULL)
		return;
	*consolep = NULL;
	if (!console->is_dead)
		console_put_note(console);
	while (buf_count(&console->queue) > 0 &&
	       console_is_writable(console, CONSOLE_LINGER_MS))
		console_flush(console);
	if (console->io.fd != -1)
		loop_io_drop(console->loop, &console->io);
	buf_fini(&console->queue);
	if (console->own_fd != -1)
		close(console->own_fd);
	free(console);
}

void
console_write(struct console *console, const uint8_t *bytes, size_t len)
{
	if (console->is_dead)
		return;
	if (buf_count(&console->queue) + len > CONSOLE_QUEUE_MAX) {
		for (size_t i = 0; i < len; i++)
			console->dropped += bytes[i] == '\n';
		return;
	}
	console_put_note(console);
	buf_append(&console->queue, bytes, len);
	if (console->queue.is_failed)
		buf_clear(&console->queue);
	if (console->io.fd == -1)
		console_flush(console);
	console_watch(console);
}
