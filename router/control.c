#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "ipc/loop.h"

#include "admin.h"
#include "bus.h"
#include "listener.h"
#include "note.h"
#include "picture.h"
#include "report.h"
#include "roster.h"
#include "snapshot.h"
#include "status.h"
#include "worker.h"

enum {
	PACKETS_PER_TURN = 64,
	WORKERS_MAX = 64,
	OUTBOX_MAX = 1024 * 1024
};

struct control {
	struct loop *loop;
	struct loop_io lifeline;
	struct buf outbox; /* packets that did not fit: length, bytes */
	uint8_t *packet;   /* LIFELINE_PACKET_MAX + 1 */
	struct picture drawn, applied;
	struct roster *roster;
	struct bus *bus;
	struct admin *admin;
	struct worker *workers[WORKERS_MAX];
	size_t worker_count;
	struct worker_host host;
	atomic_size_t connections;
	struct loop_timer drain;
	bool is_stopping;
};

static void
watch_lifeline(struct control *control)
{
	uint32_t events = EPOLLIN;

	if (buf_count(&control->outbox) != 0)
		events |= EPOLLOUT;
	if (control->lifeline.events != events && control->lifeline.fd != -1)
		loop_io_set(control->loop, &control->lifeline, events);
}

static void
flush_outbox(struct control *control)
{
	struct buf *outbox = &control->outbox;

	while (buf_count(outbox) != 0) {
		uint32_t len;

		memcpy(&len, buf_front(outbox), sizeof(len));
		if (lifeline_send(control->lifeline.fd,
			buf_front(outbox) + sizeof(len), len, -1) == 1)
			break;
		buf_consume(outbox, sizeof(len) + len);
	}
	watch_lifeline(control);
}

/* Packets keep their order; a supervisor that does not read loses the last. */
static void
tell(struct control *control, const struct lifeline_msg *msg)
{
	struct buf packet = { 0 };
	uint32_t len;

	if (control->lifeline.fd == -1)
		return;
	lifeline_encode(&packet, msg);
	len = (uint32_t)buf_count(&packet);
	if (packet.is_failed || buf_count(&control->outbox) > OUTBOX_MAX) {
		log_errorx("lifeline: cannot tell the supervisor, dropped");
	} else {
		buf_append(&control->outbox, &len, sizeof(len));
		buf_append(&control->outbox, buf_front(&packet), len);
		if (control->outbox.is_failed)
			buf_clear(&control->outbox);
		flush_outbox(control);
	}
	buf_fini(&packet);
}

/* Letters of the workers, delivered by report.c in this thread. */
static void
on_linked(void *arg, const struct report_link *link)
{
	struct control *control = arg;
	struct lifeline_msg msg = { .type = link->is_up ? LIFELINE_LINKED
							: LIFELINE_UNLINKED,
		.u.linked = { link->service, link->index, link->generation } };

	if (roster_linked(control->roster, link->service, link->index,
		link->generation, link->is_up))
		tell(control, &msg);
}

static void
on_bus(void *arg, const struct report_bus *peer)
{
	struct control *control = arg;

	if (control->bus == NULL || control->is_stopping)
		close(peer->fd);
	else
		bus_accept(control->bus, peer->fd, peer->transport,
		    peer->protocol, peer->initial, peer->len, peer->label);
}

static void
on_done(void *arg)
{
	struct control *control = arg;

	if (control->is_stopping && atomic_load_explicit(&control->connections,
					memory_order_relaxed) == 0)
		loop_stop(control->loop);
}

static void
on_kick(void *arg, struct note *note)
{
	struct control *control = arg;

	for (size_t i = 0; i < control->worker_count; i++)
		worker_post_kick(control->workers[i], note);
}

static size_t
wanted_workers(const struct lifeline_settings *settings)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t count = settings->workers != 0 ? (size_t)settings->workers
		       : cores > 1            ? (size_t)cores / 2
					      : 1;

	return count > WORKERS_MAX ? WORKERS_MAX : count;
}

/* The number of workers is the first picture's for the life of the router. */
static int
start_workers(struct control *control, struct err *err_r)
{
	size_t count = wanted_workers(&control->drawn.snapshot->settings);

	if (control->worker_count != 0)
		return 0;
	while (control->worker_count < count) {
		struct worker *worker =
		    worker_new((unsigned)control->worker_count, &control->host,
			err_r);

		if (worker == NULL)
			return -1;
		control->workers[control->worker_count++] = worker;
		if (worker_start(worker, err_r) == -1)
			return -1;
	}
	return 0;
}

static unsigned
health(void *arg, struct buf *json)
{
	const struct control *control = arg;

	return status_health(json, control->workers, control->worker_count,
	    control->bus, control->is_stopping);
}

static unsigned
ready(void *arg, struct buf *json)
{
	const struct control *control = arg;

	return status_ready(json, control->applied.snapshot, control->roster,
	    control->is_stopping);
}

/* The listener of the picture that the control thread serves itself. */
static void
apply_admin(struct control *control)
{
	static const struct admin_source source = { health, ready };
	struct listener *listener = NULL;
	struct err err;

	for (size_t i = 0; i < control->applied.listener_count; i++) {
		if (control->applied.listeners[i]->kind == LISTENER_ADMIN)
			listener = control->applied.listeners[i];
	}
	if (control->admin != NULL &&
	    admin_listener(control->admin) == listener)
		return;
	admin_free(&control->admin);
	if (listener == NULL)
		return;
	control->admin =
	    admin_new(control->loop, listener, &source, control, &err);
	if (control->admin == NULL)
		log_errorx("%s: %s", listener->address, err.text);
}

static void
apply_bus(struct control *control)
{
	size_t queue = (size_t)control->applied.snapshot->settings.event_queue;
	struct err err;

	if (control->bus != NULL) {
		bus_set_queue_max(control->bus, queue);
		return;
	}
	control->bus = bus_new(control->loop, queue, &err);
	if (control->bus == NULL)
		log_errorx("bus: %s", err.text);
}

static void
post_picture(struct control *control)
{
	struct listener *listeners[PICTURE_LISTENER_MAX];
	size_t count = 0;

	for (size_t i = 0; i < control->applied.listener_count; i++) {
		if (control->applied.listeners[i]->kind != LISTENER_ADMIN)
			listeners[count++] = control->applied.listeners[i];
	}
	for (size_t i = 0; i < control->worker_count; i++)
		worker_post_apply(control->workers[i],
		    control->applied.snapshot, listeners, count);
}

static void
on_commit(struct control *control)
{
	struct lifeline_msg msg = { .type = LIFELINE_APPLIED };
	struct err err;

	if (control->drawn.snapshot == NULL || control->is_stopping)
		return;
	snapshot_seal(control->drawn.snapshot);
	if (start_workers(control, &err) == -1)
		fatalx("%s", err.text);
	picture_reuse(&control->drawn, &control->applied);
	picture_fini(&control->applied);
	control->applied = control->drawn;
	control->drawn = (struct picture){ 0 };
	roster_prune(control->roster, control->applied.snapshot);
	apply_bus(control);
	apply_admin(control);
	post_picture(control);
	tell(control, &msg);
	log_info("picture applied: %zu services, %zu routes, %zu workers",
	    control->applied.snapshot->service_count,
	    control->applied.snapshot->route_count, control->worker_count);
}

static void
on_instance(struct control *control, const struct lifeline_instance *instance)
{
	struct note *note = roster_note(control->roster, instance);

	for (size_t i = 0; note != NULL && i < control->worker_count; i++)
		worker_post_note(control->workers[i], note);
}

static void
on_drain_timeout(struct loop_timer *timer)
{
	struct control *control = loop_owner(timer, struct control, drain);

	log_warnx("drain_timeout passed, closing %zu connections",
	    atomic_load_explicit(&control->connections, memory_order_relaxed));
	loop_stop(control->loop);
}

static void
stop(struct control *control, const char *why)
{
	uint64_t timeout_ms = 0;

	if (control->is_stopping)
		return;
	control->is_stopping = true;
	log_info("%s, stopping", why);
	if (control->applied.snapshot != NULL)
		timeout_ms = control->applied.snapshot->settings.drain_timeout;
	for (size_t i = 0; i < control->worker_count; i++)
		worker_post_stop(control->workers[i], false);
	if (control->worker_count == 0)
		loop_stop(control->loop);
	else
		loop_timer_set(control->loop, &control->drain,
		    loop_now_us(control->loop) + (int64_t)timeout_ms * 1000);
}

static void
on_message(struct control *control, const struct lifeline_msg *msg, int fd)
{
	switch (msg->type) {
	case LIFELINE_SETTINGS:
	case LIFELINE_LISTENER:
	case LIFELINE_SERVICE:
	case LIFELINE_ROUTE:
		if (control->drawn.snapshot != NULL) {
			picture_add(&control->drawn, msg, fd);
			return;
		}
		log_errorx("lifeline: a picture without its begin");
		break;
	case LIFELINE_BEGIN:
		picture_begin(&control->drawn);
		break;
	case LIFELINE_COMMIT:
		on_commit(control);
		break;
	case LIFELINE_INSTANCE:
		on_instance(control, &msg->u.instance);
		break;
	case LIFELINE_STOP:
		stop(control, "the supervisor says stop");
		break;
	default:
		break;
	}
	if (fd != -1)
		close(fd);
}

/* Without a supervisor nobody would restart or stop us: finish. */
static void
on_hangup(struct control *control)
{
	loop_io_drop(control->loop, &control->lifeline);
	control->lifeline.fd = -1;
	stop(control, "the supervisor is gone");
}

static bool
receive_one(struct control *control)
{
	struct lifeline_msg msg;
	struct err err;
	int fd = -1;
	long len = lifeline_recv(control->lifeline.fd, control->packet,
	    LIFELINE_PACKET_MAX + 1, &fd);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (len <= 0) {
		on_hangup(control);
		return false;
	}
	if (lifeline_decode(control->packet, (size_t)len, &msg, &err) == 0) {
		on_message(control, &msg, fd);
		return true;
	}
	log_errorx("lifeline: %s, packet ignored", err.text);
	if (fd != -1)
		close(fd);
	return true;
}

static void
on_lifeline(struct loop_io *io, uint32_t events)
{
	struct control *control = loop_owner(io, struct control, lifeline);

	if ((events & EPOLLOUT) != 0)
		flush_outbox(control);
	for (int i = 0; i < PACKETS_PER_TURN && receive_one(control); i++)
		continue;
}

static int
control_init(struct control *control, int lifeline, struct err *err_r)
{
	control->lifeline.fn = on_lifeline;
	control->lifeline.fd = -1;
	control->drain.fn = on_drain_timeout;
	control->packet = malloc(LIFELINE_PACKET_MAX + 1);
	control->loop = loop_new(err_r);
	if (control->loop == NULL)
		return -1;
	control->roster = roster_new(control->loop, on_kick, control, err_r);
	if (control->roster == NULL)
		return -1;
	if (control->packet == NULL) {
		err_set(err_r, "out of memory");
		return -1;
	}
	if (report_init(&control->host, control->loop,
		&(struct report_handler){ control, on_linked, on_bus, on_done },
		err_r) == -1)
		return -1;
	control->host.connections = &control->connections;
	if (fcntl(lifeline, F_SETFL, fcntl(lifeline, F_GETFL) | O_NONBLOCK) ==
	    -1) {
		err_set_errno(err_r, "lifeline");
		return -1;
	}
	return loop_io_add(control->loop, &control->lifeline, lifeline, EPOLLIN,
	    err_r);
}

/* The workers first: their last letters still want to be delivered. */
static void
control_fini(struct control *control)
{
	size_t count = control->worker_count;

	control->is_stopping = true;
	control->worker_count = 0;
	for (size_t i = 0; i < count; i++)
		worker_post_stop(control->workers[i], true);
	for (size_t i = 0; i < count; i++)
		worker_free(&control->workers[i]);
	if (control->loop != NULL) {
		if (control->lifeline.fd != -1)
			loop_io_drop(control->loop, &control->lifeline);
		control->lifeline.fd = -1;
		loop_timer_drop(control->loop, &control->drain);
		admin_free(&control->admin);
		loop_turn(control->loop, 0, NULL);
	}
	report_fini(&control->host);
	bus_free(&control->bus);
	roster_free(&control->roster);
	picture_fini(&control->drawn);
	picture_fini(&control->applied);
	if (control->loop != NULL)
		loop_free(&control->loop);
	buf_fini(&control->outbox);
	free(control->packet);
}

int
control_run(int lifeline, struct err *err_r)
{
	struct control *control = calloc(1, sizeof(*control));
	int rc = -1;

	if (control == NULL) {
		err_set(err_r, "out of memory");
		return -1;
	}
	if (control_init(control, lifeline, err_r) == 0)
		rc = loop_run(control->loop, err_r);
	control_fini(control);
	free(control);
	return rc;
}
