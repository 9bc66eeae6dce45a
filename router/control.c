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
#include "note.h"
#include "report.h"
#include "roster.h"
#include "snapshot.h"

enum {
	PACKETS_PER_TURN = 64
};

/* Wait for room in the socket only while something is to go there. */
static void
watch_lifeline(struct control *control, bool is_empty)
{
	uint32_t events = is_empty ? EPOLLIN : EPOLLIN | EPOLLOUT;

	if (control->lifeline.events != events && control->lifeline.fd != -1)
		loop_io_set(control->loop, &control->lifeline, events);
}

void
control_tell_packet(void *arg, const struct buf *packet, bool is_needed)
{
	struct control *control = arg;

	if (control->lifeline.fd == -1)
		return;
	outbox_send(&control->outbox, control->lifeline.fd, packet, is_needed);
	watch_lifeline(control, outbox_is_empty(&control->outbox));
}

void
control_tell(struct control *control, const struct lifeline_msg *msg)
{
	struct buf packet = { 0 };

	lifeline_encode(&packet, msg);
	/* Of statistics there are newer ones soon. */
	control_tell_packet(control, &packet, msg->type != LIFELINE_STATS);
	buf_fini(&packet);
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
		control_commit(control);
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
control_init(struct control *control, int lifeline, struct err *err_r)
{
	control->lifeline.fn = on_lifeline;
	control->lifeline.fd = -1;
	control->drain.fn = on_drain_timeout;
	control->packet = malloc(LIFELINE_PACKET_MAX + 1);
	control->loop = loop_new(err_r);
	if (control->loop == NULL || control_listen(control, err_r) == -1)
		return -1;
	for (size_t i = 0; i < CONTROL_WORKERS_MAX; i++)
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
	loads_free(&control->loads);
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
