#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "ipc/sp.h"

#include "caller.h"
#include "fallback.h"
#include "http.h"
#include "listener.h"
#include "worker.h"

static void on_io(struct loop_io *io, uint32_t events);
static void on_timer(struct loop_timer *timer);
static void on_task(struct loop_task *task);

static const struct lifeline_settings *
settings(const struct conn *conn)
{
	return &conn->worker->view->snapshot->settings;
}

static void
set_timer(struct conn *conn, uint64_t delay_ms)
{
	struct loop *loop = conn->worker->loop;

	loop_timer_set(loop, &conn->timer,
	    loop_now_us(loop) + (int64_t)delay_ms * 1000);
}

static uint64_t
idle_ms(const struct conn *conn)
{
	return settings(conn)->idle_timeout;
}

/* A request in flight has its own deadline, and a refusal its own bound. */
static void
arm(struct conn *conn)
{
	if (conn->is_blocked && conn->phase != CONN_CLOSED) {
		set_timer(conn, settings(conn)->write_timeout);
		return;
	}
	switch (conn->phase) {
	case CONN_SNIFF:
	case CONN_HEAD:
		set_timer(conn, settings(conn)->header_timeout);
		break;
	case CONN_IDLE:
		conn->is_trimmed = false;
		set_timer(conn, idle_ms(conn) < CONN_TRIM_MS ? idle_ms(conn)
							     : CONN_TRIM_MS);
		break;
	case CONN_BUSY:
		if (conn->has_ended)
			set_timer(conn, CONN_PROBE_MS);
		break;
	case CONN_STREAM:
		/* Writing tells whether the client is there; silence cannot. */
		if (conn->has_ended)
			set_timer(conn, idle_ms(conn));
		break;
	case CONN_BODY:
		set_timer(conn, settings(conn)->body_timeout);
		break;
	case CONN_LINGER:
		set_timer(conn, CONN_LINGER_US / 1000);
		break;
	default:
		break;
	}
}

void
conn_set_phase(struct conn *conn, enum conn_phase phase)
{
	conn->phase = phase;
	arm(conn);
}

/*
 * Tell epoll what we can use now; a system call only when that changes. That
 * the client ended its half is read in its place, behind what it sent; a reset
 * is told unasked.
 */
static void
watch(struct conn *conn)
{
	uint32_t events = 0;

	if (!conn->has_ended && buf_count(&conn->in) <= CONN_IN_MAX)
		events |= EPOLLIN;
	if (conn->is_blocked)
		events |= EPOLLOUT;
	if (events != conn->io.events)
		loop_io_set(conn->worker->loop, &conn->io, events);
}

void
conn_open(struct worker *worker, int fd, const struct listener *listener,
    const char *client)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	struct err err = { "out of memory" };

	if (conn == NULL ||
	    (conn->io.fn = on_io, loop_io_add(worker->loop, &conn->io, fd,
				      EPOLLIN, &err) == -1)) {
		log_warnx("connection from %s: %s", client, err.text);
		free(conn);
		close(fd);
		atomic_fetch_sub_explicit(worker->host->connections, 1,
		    memory_order_relaxed);
		return;
	}
	conn->worker = worker;
	conn->timer.fn = on_timer;
	conn->task.fn = on_task;
	conn->is_tcp = listener->is_tcp;
	conn->is_http_allowed = listener->kind != LISTENER_IPC;
	conn->is_sp_allowed =
	    listener->is_sp_allowed || listener->kind == LISTENER_IPC;
	memcpy(conn->client, client, strlen(client) + 1);
	exchange_init(&conn->ex, worker, &conn_source);
	TAILQ_INSERT_TAIL(&worker->conns, conn, link);
	worker_count(&worker->counters.connections);
	worker_count(&worker->counters.connections_open);
	conn_set_phase(conn, CONN_SNIFF);
}

/* Everything but the socket; it may live on with another owner. */
static void
let_go(struct conn *conn)
{
	struct worker *worker = conn->worker;

	if (conn->phase == CONN_BUSY || conn->phase == CONN_STREAM)
		conn_log(conn, CONN_STATUS_LEFT);
	conn->phase = CONN_CLOSED;
	exchange_fini(&conn->ex);
	loop_io_drop(worker->loop, &conn->io);
	loop_timer_drop(worker->loop, &conn->timer);
	loop_task_drop(worker->loop, &conn->task);
	TAILQ_REMOVE(&worker->conns, conn, link);
	TAILQ_INSERT_TAIL(&worker->buried, conn, link);
	loop_task_add(worker->loop, &worker->burial);
	worker_count_by(&worker->counters.connections_open, (uint64_t)-1);
}

void
conn_close(struct conn *conn)
{
	struct worker *worker = conn->worker;
	int fd = conn->io.fd;

	if (conn->phase == CONN_CLOSED)
		return;
	let_go(conn);
	close(fd);
	atomic_fetch_sub_explicit(worker->host->connections, 1,
	    memory_order_relaxed);
}

void
conn_bury(struct worker *worker)
{
	struct conn *conn;

	while ((conn = TAILQ_FIRST(&worker->buried)) != NULL) {
		TAILQ_REMOVE(&worker->buried, conn, link);
		if (worker->body_owner == &conn->ex)
			worker->body_owner = NULL;
		fallback_free(&conn->fallback);
		http_parser_free(&conn->parser);
		view_unref(&conn->view);
		buf_fini(&conn->in);
		worker_regain(worker, &conn->out);
		free(conn);
	}
	worker_left(worker);
}

void
conn_drain(struct worker *worker)
{
	struct conn *conn = TAILQ_FIRST(&worker->conns);

	while (conn != NULL) {
		struct conn *next = TAILQ_NEXT(conn, link);

		if (conn->phase == CONN_SNIFF ||
		    (conn->phase == CONN_IDLE && buf_count(&conn->out) == 0))
			conn_close(conn);
		else if (conn->phase == CONN_IDLE)
			conn_set_phase(conn, CONN_FLUSH);
		conn = next;
	}
}

void
conn_touch(struct conn *conn)
{
	if (conn->phase != CONN_CLOSED)
		loop_task_add(conn->worker->loop, &conn->task);
}

static bool
can_parse(const struct conn *conn)
{
	return (conn->phase == CONN_IDLE || conn->phase == CONN_HEAD ||
		   conn->phase == CONN_BODY) &&
	       buf_count(&conn->out) <= CONN_OUT_MAX;
}

size_t
conn_feed(struct conn *conn, const uint8_t *bytes, size_t len)
{
	size_t at = 0, used;

	while (at < len && can_parse(conn)) {
		enum http_progress progress =
		    http_parser_feed(conn->parser, bytes + at, len - at, &used);

		at += used;
		switch (progress) {
		case HTTP_MORE:
			if (conn->phase == CONN_BODY)
				arm(conn); /* it makes progress */
			else if (conn->phase == CONN_IDLE &&
				 !http_parser_is_idle(conn->parser))
				conn_set_phase(conn, CONN_HEAD);
			break;
		case HTTP_HEAD:
			conn_set_phase(conn, CONN_BODY);
			conn_on_head(conn);
			break;
		case HTTP_DONE:
			conn_on_request(conn);
			break;
		case HTTP_REFUSE:
			conn_refuse(conn, http_parser_status(conn->parser),
			    "bad-request", http_parser_reason(conn->parser));
			break;
		}
	}
	return at;
}

/* Once it is clear who speaks, hand the socket over with what was read. */
static void
become_sp(struct conn *conn)
{
	struct worker *worker = conn->worker;
	const uint8_t *bytes = buf_front(&conn->in);
	unsigned peer = sp_handshake_decode(bytes);
	enum sp_transport transport = conn->is_tcp ? SP_TCP : SP_IPC;
	int fd = conn->io.fd;

	if (peer == SP_REQ && !worker->is_stopping) {
		let_go(conn);
		caller_open(worker, fd, transport, conn->client, bytes,
		    buf_count(&conn->in));
	} else if ((peer == SP_PUB || peer == SP_SUB) && !worker->is_stopping) {
		let_go(conn);
		/* The bus bounds its own peers. */
		atomic_fetch_sub_explicit(worker->host->connections, 1,
		    memory_order_relaxed);
		worker->host->bus(worker->host->arg, fd, transport, peer, bytes,
		    buf_count(&conn->in), conn->client);
	} else {
		worker_count(&worker->counters.bad_requests);
		conn_close(conn);
	}
}

/* Returns true when it is HTTP and the bytes are the parser's. */
static bool
sniff(struct conn *conn, const uint8_t *bytes, size_t len)
{
	struct http_limits limits = {
		.max_head = (size_t)settings(conn)->max_head,
		.max_headers = (size_t)settings(conn)->max_headers,
		.max_body = (size_t)settings(conn)->max_body,
	};
	uint8_t first =
	    buf_count(&conn->in) == 0 ? bytes[0] : *buf_front(&conn->in);

	if (first == 0x00 && conn->is_sp_allowed) {
		buf_append(&conn->in, bytes, len);
		if (buf_count(&conn->in) >= SP_HANDSHAKE_LEN)
			become_sp(conn);
		return false;
	}
	if (conn->is_http_allowed)
		conn->parser = http_parser_new(&limits);
	if (conn->parser == NULL) {
		conn_close(conn);
		return false;
	}
	/* Not armed: the header timeout runs from accept. */
	conn->phase = CONN_HEAD;
	return true;
}

static void
on_bytes(struct conn *conn, const uint8_t *bytes, size_t len)
{
	size_t used = 0;

	if (conn->phase == CONN_SNIFF && !sniff(conn, bytes, len))
		return;
	if (conn->phase == CONN_LINGER || conn->phase == CONN_FLUSH) {
		conn->lingered += len;
		if (conn->lingered > CONN_LINGER_MAX)
			conn_close(conn);
		return;
	}
	if (buf_count(&conn->in) == 0)
		used = conn_feed(conn, bytes, len);
	if (conn->phase == CONN_CLOSED || used == len)
		return;
	buf_append(&conn->in, bytes + used, len - used);
	if (buf_count(&conn->in) > CONN_IN_MAX)
		watch(conn);
}

/*
 * Behind the client's last byte: what is not a whole request never will be.
 * Answers are still written.
 */
static void
end_if_over(struct conn *conn)
{
	switch (conn->phase) {
	case CONN_IDLE:
	case CONN_HEAD:
	case CONN_BODY:
		if (buf_count(&conn->in) != 0)
			return; /* complete requests, once there is room */
		break;
	case CONN_SNIFF:
	case CONN_LINGER:
		break;
	default:
		return;
	}
	if (buf_count(&conn->out) == 0)
		conn_close(conn);
	else
		conn->phase = CONN_FLUSH;
}

static void
on_end(struct conn *conn)
{
	conn->has_ended = true;
	end_if_over(conn);
	if (conn->phase == CONN_CLOSED)
		return;
	watch(conn);
	arm(conn);
}

static void
read_some(struct conn *conn)
{
	struct worker *worker = conn->worker;
	ssize_t n = recv(conn->io.fd, worker->scratch, WORKER_SCRATCH, 0);

	if (n > 0) {
		on_bytes(conn, worker->scratch, (size_t)n);
		return;
	}
	if (n == 0)
		on_end(conn);
	else if (errno != EAGAIN && errno != EINTR)
		conn_close(conn);
}

/* All is written: what now? */
static void
on_written(struct conn *conn)
{
	uint64_t credit = conn->uncredited;

	worker_regain(conn->worker, &conn->out);
	if (conn->is_blocked) {
		conn->is_blocked = false;
		watch(conn);
		arm(conn);
	} else if (conn->phase == CONN_STREAM) {
		arm(conn);
	}
	if (credit >= CONN_IN_MAX) {
		conn->uncredited = 0;
		exchange_credit(&conn->ex, credit);
	}
	if (buf_count(&conn->in) != 0)
		conn_touch(conn); /* it waited for room, perhaps */
	if (conn->phase != CONN_FLUSH)
		return;
	if (!conn->must_linger || conn->has_ended) {
		conn_close(conn);
		return;
	}
	shutdown(conn->io.fd, SHUT_WR);
	conn_set_phase(conn, CONN_LINGER);
}

static void
write_some(struct conn *conn)
{
	size_t len = buf_count(&conn->out);
	ssize_t n;

	if (conn->out.is_failed) {
		log_warnx("%s: out of memory for a response", conn->client);
		conn_close(conn);
		return;
	}
	if (len == 0) {
		if (conn->phase == CONN_FLUSH)
			on_written(conn);
		return;
	}
	n = send(conn->io.fd, buf_front(&conn->out), len, MSG_NOSIGNAL);
	if (n == -1 && errno != EAGAIN && errno != EINTR) {
		conn_close(conn);
		return;
	}
	if (n > 0)
		buf_consume(&conn->out, (size_t)n);
	if (buf_count(&conn->out) == 0) {
		on_written(conn);
		return;
	}
	if (!conn->is_blocked || n > 0) {
		conn->is_blocked = true;
		watch(conn);
		arm(conn);
	}
}

/* Requests that came while another one was in flight. */
static void
go_on(struct conn *conn)
{
	size_t before = buf_count(&conn->in);

	while (buf_count(&conn->in) != 0 && can_parse(conn)) {
		size_t used =
		    conn_feed(conn, buf_front(&conn->in), buf_count(&conn->in));

		if (conn->phase == CONN_CLOSED)
			return;
		buf_consume(&conn->in, used);
	}
	if (before != 0 && buf_count(&conn->in) == 0)
		buf_fini(&conn->in);
	if (before > CONN_IN_MAX)
		watch(conn);
}

static void
on_task(struct loop_task *task)
{
	struct conn *conn = loop_owner(task, struct conn, task);

	go_on(conn);
	if (conn->has_ended)
		end_if_over(conn);
	if (conn->phase != CONN_CLOSED && !conn->is_blocked)
		write_some(conn);
}

static void
on_io(struct loop_io *io, uint32_t events)
{
	struct conn *conn = loop_owner(io, struct conn, io);

	if ((events & EPOLLOUT) != 0) {
		write_some(conn);
		if (conn->phase == CONN_CLOSED)
			return;
		conn_touch(conn);
	}
	if ((events & EPOLLIN) != 0)
		read_some(conn);
	else if ((events & (EPOLLHUP | EPOLLERR)) != 0)
		conn_close(conn);
}

void
conn_reset_on_close(struct conn *conn)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(conn->io.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* A client that takes nothing must not keep what the kernel holds for it. */
static void
cut_off(struct conn *conn)
{
	conn_reset_on_close(conn);
	conn_close(conn);
}

/* Idle for a while: first its memory goes, then the connection. */
static void
on_idle(struct conn *conn)
{
	if (conn->is_trimmed || idle_ms(conn) <= CONN_TRIM_MS) {
		conn_close(conn);
		return;
	}
	http_parser_trim(conn->parser);
	conn->is_trimmed = true;
	set_timer(conn, idle_ms(conn) - CONN_TRIM_MS);
}

/* See conn.h; an HTTP/1.0 client knows no interim answers. */
static void
probe(struct conn *conn)
{
	if (http_parser_request(conn->parser)->minor == 0)
		return;
	worker_lend(conn->worker, &conn->out);
	buf_append_str(&conn->out, HTTP_CONTINUE);
	conn_touch(conn);
}

static void
on_timer(struct loop_timer *timer)
{
	struct conn *conn = loop_owner(timer, struct conn, timer);

	if (conn->is_blocked) {
		cut_off(conn);
		return;
	}
	switch (conn->phase) {
	case CONN_HEAD:
		conn_refuse(conn, 408, "timeout",
		    "the request's head did not arrive in time");
		break;
	case CONN_BODY:
		conn_refuse(conn, 408, "timeout",
		    "the request's body did not arrive in time");
		break;
	case CONN_IDLE:
		on_idle(conn);
		break;
	case CONN_BUSY:
		if (conn->has_ended)
			probe(conn);
		break;
	case CONN_STREAM:
		if (conn->has_ended)
			conn_close(conn);
		break;
	case CONN_SNIFF:
	case CONN_LINGER:
		conn_close(conn);
		break;
	default:
		break;
	}
}
