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
#include "morgue.h"
#include "note.h"
#include "outbox.h"
#include "picture.h"
#include "report.h"
#include "roster.h"
#include "snapshot.h"
#include "status.h"
#include "tally.h"
#include "watchlist.h"
#include "worker.h"

enum {
	PACKETS_PER_TURN = 64,
	WORKERS_MAX = 64
};

_Static_assert((int)WORKERS_MAX <= (int)MORGUE_WORKER_MAX &&
		   (int)WORKERS_MAX <= (int)TALLY_WORKERS_MAX,
    "a number of each worker");

struct control {
	struct loop *loop;
	struct loop_io lifeline;
	struct outbox outbox;
	uint8_t *packet; /* LIFELINE_PACKET_MAX + 1 */
	struct picture drawn, applied;
	struct roster *roster;
	struct morgue *morgue;
	struct tally *tally;
	struct bus *bus;
	struct admin *admin;
	struct worker *workers[WORKERS_MAX];
	size_t worker_count;
	struct worker_host hosts[WORKERS_MAX]; /* by number */
	atomic_size_t connections;
	struct loop_timer drain;
	bool is_stopping;
};

/* Wait for room in the socket only while something is to go there. */
static void
watch_lifeline(struct control *control, bool is_empty)
{
	uint32_t events = is_empty ? EPOLLIN : EPOLLIN | EPOLLOUT;

	if (control->lifeline.events != events && control->lifeline.fd != -1)
		loop_io_set(control->loop, &control->lifeline, events);
}

static void
tell_packet(void *arg, const struct buf *packet, bool is_needed)
{
	struct control *control = arg;

	if (control->lifeline.fd == -1)
		return;
	outbox_send(&control->outbox, control->lifeline.fd, packet, is_needed);
	watch_lifeline(control, outbox_is_empty(&control->outbox));
}

static void
tell(struct control *control, const struct lifeline_msg *msg)
{
	struct buf packet = { 0 };

	lifeline_encode(&packet, msg);
	/* Of statistics there are newer ones soon. */
	tell_packet(control, &packet, msg->type != LIFELINE_STATS);
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
on_gone(void *arg, unsigned worker, const struct worker_key *key, bool is_dead)
{
	struct control *control = arg;

	morgue_gone(control->morgue, worker, key, is_dead);
}

static void
on_hung(void *arg, const struct worker_key *key, const char *what,
    int64_t age_us)
{
	struct lifeline_msg msg = { .type = LIFELINE_HUNG,
		.u.hung = { key->service, key->index, key->generation, what,
		    (uint64_t)age_us / 1000 } };

	tell(arg, &msg);
}

static void
on_stats(void *arg, unsigned worker, const struct worker_key *key,
    const struct worker_stats *stats)
{
	struct control *control = arg;
	struct worker_stats sum;
	struct lifeline_msg msg = { .type = LIFELINE_STATS };

	tally_add(control->tally, worker, key, stats,
	    loop_now_us(control->loop), &sum);
	msg.u.stats = (struct lifeline_stats){ key->service, key->index,
		key->generation, sum.requests, sum.failures, sum.latency_us };
	tell(control, &msg);
}

static void
on_casualty(void *arg, const struct worker_casualty *casualty)
{
	struct control *control = arg;

	morgue_casualty(control->morgue, casualty);
}

static void
on_cleared(void *arg, const char *service, const struct poison_print *print)
{
	struct control *control = arg;

	morgue_cleared(control->morgue, service, print);
}

/* The morgue's words. */
static void
on_idle(void *arg, const struct worker_key *key)
{
	struct lifeline_msg msg = { .type = LIFELINE_IDLE,
		.u.linked = { key->service, key->index, key->generation } };

	tell(arg, &msg);
}

static void
on_poison(void *arg, const struct poison *poison)
{
	struct control *control = arg;
	struct watchlist *list = watchlist_new(poison);

	for (size_t i = 0; i < control->worker_count; i++)
		worker_post_watchlist(control->workers[i], list);
	watchlist_unref(&list);
}

static void
on_resolved(void *arg, struct note *note)
{
	struct control *control = arg;

	for (size_t i = 0; i < control->worker_count; i++)
		worker_post_resolved(control->workers[i], note);
}

static int64_t
quarantine_us(void *arg, const char *service)
{
	const struct control *control = arg;
	const struct snapshot_service *found = NULL;

	if (control->applied.snapshot != NULL)
		found = snapshot_find(control->applied.snapshot, service,
		    strlen(service));
	return found == NULL ? 0 : (int64_t)found->rules.quarantine_ms * 1000;
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
	for (size_t i = 0; i < count; i++)
		control->hosts[i].worker_count = count;
	while (control->worker_count < count) {
		size_t number = control->worker_count;
		struct worker *worker = worker_new((unsigned)number,
		    &control->hosts[number], err_r);

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
	morgue_prune(control->morgue, control->applied.snapshot);
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

	if (note != NULL)
		morgue_note(control->morgue, note, control->worker_count);
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
	case LIFELINE_QUARANTINE:
		morgue_quarantine(control->morgue, &msg->u.quarantine);
		break;
	case LIFELINE_RELEASE:
		morgue_release(control->morgue, msg->u.release.print);
		break;
	case LIFELINE_FAULT:
		for (size_t i = 0; i < control->worker_count; i++)
			worker_post_fault(control->workers[i], &msg->u.fault);
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
		watch_lifeline(control, outbox_flush(&control->outbox, io->fd));
	for (int i = 0; i < PACKETS_PER_TURN && receive_one(control); i++)
		continue;
}

static int
init_parts(struct control *control, struct err *err_r)
{
	const struct report_handler reports = { .arg = control,
		.linked = on_linked,
		.bus = on_bus,
		.done = on_done,
		.gone = on_gone,
		.hung = on_hung,
		.stats = on_stats,
		.casualty = on_casualty,
		.cleared = on_cleared };
	const struct morgue_handler deaths = { .arg = control,
		.tell = tell_packet,
		.idle = on_idle,
		.changed = on_poison,
		.resolved = on_resolved,
		.quarantine_us = quarantine_us };

	control->roster = roster_new(control->loop, on_kick, control, err_r);
	if (control->roster == NULL)
		return -1;
	control->morgue = morgue_new(control->loop, &deaths, err_r);
	if (control->morgue == NULL)
		return -1;
	control->tally = tally_new();
	if (control->packet == NULL || control->tally == NULL) {
		err_set(err_r, "out of memory");
		return -1;
	}
	return report_init(control->hosts, WORKERS_MAX, control->loop, &reports,
	    err_r);
}

static int
control_init(struct control *control, int lifeline, struct err *err_r)
{
	control->lifeline.fn = on_lifeline;
	control->lifeline.fd = -1;
	control->drain.fn = on_drain_timeout;
	control->packet = malloc(LIFELINE_PACKET_MAX + 1);
	control->loop = loop_new(err_r);
	if (control->loop == NULL || init_parts(control, err_r) == -1)
		return -1;
	for (size_t i = 0; i < WORKERS_MAX; i++)
		control->hosts[i].connections = &control->connections;
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
	report_fini(control->hosts);
	bus_free(&control->bus);
	roster_free(&control->roster);
	morgue_free(&control->morgue);
	tally_free(&control->tally);
	picture_fini(&control->drawn);
	picture_fini(&control->applied);
	if (control->loop != NULL)
		loop_free(&control->loop);
	outbox_fini(&control->outbox);
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
