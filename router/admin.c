#include "admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/log.h"
#include "ipc/loop.h"

#include "http.h"
#include "listener.h"

struct visitor {
	struct admin *admin;
	TAILQ_ENTRY(visitor) link;
	struct loop_io io;
	struct loop_timer timer;
	struct http_parser *parser;
	struct buf out;
};

struct admin {
	struct loop *loop;
	struct listener *listener;
	const struct admin_source *source;
	void *arg;
	struct loop_io io;
	TAILQ_HEAD(, visitor) visitors;
	size_t count;
};

static void
visitor_free(struct visitor *visitor)
{
	struct admin *admin = visitor->admin;
	int fd = visitor->io.fd;

	TAILQ_REMOVE(&admin->visitors, visitor, link);
	admin->count--;
	loop_io_drop(admin->loop, &visitor->io);
	loop_timer_drop(admin->loop, &visitor->timer);
	close(fd);
	http_parser_free(&visitor->parser);
	buf_fini(&visitor->out);
	free(visitor);
}

/* Write what is left; everything is small, so the first try mostly does. */
static void
visitor_write(struct visitor *visitor)
{
	ssize_t n = send(visitor->io.fd, buf_front(&visitor->out),
	    buf_count(&visitor->out), MSG_NOSIGNAL);

	if (n > 0)
		buf_consume(&visitor->out, (size_t)n);
	else if (errno != EAGAIN && errno != EINTR)
		buf_clear(&visitor->out);
	if (buf_count(&visitor->out) == 0)
		visitor_free(visitor);
	else
		loop_io_set(visitor->admin->loop, &visitor->io, EPOLLOUT);
}

static void
answer(struct visitor *visitor, unsigned status, struct buf *json, bool is_head)
{
	buf_printf(&visitor->out,
	    "HTTP/1.1 %u %s\r\nContent-Type: application/json\r\n"
	    "Cache-Control: no-store\r\nConnection: close\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    status, http_status_phrase(status), buf_count(json));
	if (!is_head && buf_count(json) != 0)
		buf_append(&visitor->out, buf_front(json), buf_count(json));
	buf_fini(json);
	visitor_write(visitor);
}

static bool
is_path(const struct http_request *req, const char *path)
{
	return req->path_len == strlen(path) &&
	       memcmp(req->path, path, req->path_len) == 0;
}

static void
on_request(struct visitor *visitor)
{
	struct admin *admin = visitor->admin;
	const struct http_request *req = http_parser_request(visitor->parser);
	bool is_head = strcmp(req->method, "HEAD") == 0;
	struct buf json = { 0 };
	unsigned status = 404;

	if (!is_head && strcmp(req->method, "GET") != 0)
		status = 405;
	else if (is_path(req, "/-/health"))
		status = admin->source->health(admin->arg, &json);
	else if (is_path(req, "/-/ready"))
		status = admin->source->ready(admin->arg, &json);
	if (buf_count(&json) == 0)
		buf_append_str(&json, "{}");
	answer(visitor, status, &json, is_head);
}

static void
on_visitor(struct loop_io *io, uint32_t events)
{
	struct visitor *visitor = loop_owner(io, struct visitor, io);
	char bytes[4096];
	struct buf json = { 0 };
	ssize_t len;
	size_t used;

	if ((events & EPOLLOUT) != 0) {
		visitor_write(visitor);
		return;
	}
	len = recv(io->fd, bytes, sizeof(bytes), 0);
	if (len == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0) {
		visitor_free(visitor);
		return;
	}
	switch (http_parser_feed(visitor->parser, bytes, (size_t)len, &used)) {
	case HTTP_DONE:
		on_request(visitor);
		break;
	case HTTP_MORE:
		break;
	case HTTP_HEAD: /* nothing here takes a body */
		answer(visitor, 413, &json, false);
		break;
	case HTTP_REFUSE:
		answer(visitor, http_parser_status(visitor->parser), &json,
		    false);
		break;
	}
}

static void
on_timer(struct loop_timer *timer)
{
	visitor_free(loop_owner(timer, struct visitor, timer));
}

static void
on_accept(struct loop_io *io, uint32_t events)
{
	static const struct http_limits limits = { 8192, 64, 1024 };
	struct admin *admin = loop_owner(io, struct admin, io);
	int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct visitor *visitor;

	(void)events;
	if (fd == -1)
		return;
	visitor =
	    admin->count < ADMIN_CONN_MAX ? calloc(1, sizeof(*visitor)) : NULL;
	if (visitor == NULL) {
		close(fd);
		return;
	}
	visitor->admin = admin;
	visitor->io.fn = on_visitor;
	visitor->io.fd = -1;
	visitor->timer.fn = on_timer;
	visitor->parser = http_parser_new(&limits);
	if (visitor->parser == NULL ||
	    loop_io_add(admin->loop, &visitor->io, fd, EPOLLIN, NULL) == -1) {
		http_parser_free(&visitor->parser);
		free(visitor);
		close(fd);
		return;
	}
	TAILQ_INSERT_TAIL(&admin->visitors, visitor, link);
	admin->count++;
	loop_timer_set(admin->loop, &visitor->timer,
	    loop_now_us(admin->loop) + ADMIN_TIMEOUT_US);
}

struct admin *
admin_new(struct loop *loop, struct listener *listener,
    const struct admin_source *source, void *arg, struct err *err_r)
{
	struct admin *admin = calloc(1, sizeof(*admin));

	if (admin == NULL) {
		err_set(err_r, "out of memory");
		return NULL;
	}
	admin->loop = loop;
	admin->source = source;
	admin->arg = arg;
	admin->io.fn = on_accept;
	TAILQ_INIT(&admin->visitors);
	if (loop_io_add(loop, &admin->io, listener->fd, EPOLLIN, err_r) == -1) {
		free(admin);
		return NULL;
	}
	admin->listener = listener_ref(listener);
	return admin;
}

void
admin_free(struct admin **adminp)
{
	struct admin *admin = *adminp;

	if (admin == NULL)
		return;
	*adminp = NULL;
	while (!TAILQ_EMPTY(&admin->visitors))
		visitor_free(TAILQ_FIRST(&admin->visitors));
	loop_io_drop(admin->loop, &admin->io);
	listener_unref(&admin->listener);
	free(admin);
}

const struct listener *
admin_listener(const struct admin *admin)
{
	return admin->listener;
}
