/* From one picture to the next. */
#include "control.h"

#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"

#include "admin.h"
#include "bus.h"
#include "listener.h"
#include "roster.h"
#include "snapshot.h"
#include "status.h"

static size_t
wanted_workers(const struct lifeline_settings *settings)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t count = settings->workers != 0 ? (size_t)settings->workers
		       : cores > 1            ? (size_t)cores / 2
					      : 1;

	return count > CONTROL_WORKERS_MAX ? CONTROL_WORKERS_MAX : count;
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

void
control_commit(struct control *control)
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
	loads_prune(control->loads, control->applied.snapshot);
	apply_bus(control);
	apply_admin(control);
	post_picture(control);
	control_tell(control, &msg);
	log_info("picture applied: %zu services, %zu routes, %zu workers",
	    control->applied.snapshot->service_count,
	    control->applied.snapshot->route_count, control->worker_count);
}
