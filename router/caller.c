#include "caller.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/link.h"
#include "ipc/log.h"
#include "ipc/mp.h"
#include "ipc/wire.h"

#include "access.h"
#include "call.h"
#include "conn.h"
#include "exchange.h"
#include "fallback.h"
#include "worker.h"

static void
update_reading(struct caller *caller)
{
	bool is_full = caller->flight_count >= CALLER_FLIGHT_MAX;

	if (is_full == caller->is_paused)
		return;
	caller->is_paused = is_full;
	if (is_full)
		link_pause(caller->link);
	else
		link_resume(caller->link);
}

static struct call *
call_take(struct caller *caller)
{
	struct call *call = TAILQ_FIRST(&caller->idle);

	if (call != NULL) {
		TAILQ_REMOVE(&caller->idle, call, link);
	} else {
		call = calloc(1, sizeof(*call));
		if (call == NULL)
			return NULL;
		call->caller = caller;
		exchange_init(&call->ex, caller->worker, &call_source);
	}
	TAILQ_INSERT_TAIL(&caller->flight, call, link);
	caller->flight_count++;
	update_reading(caller);
	return call;
}

/*
 * A caller that is to go leaves when its last answer is written and the turn is
 * over, not within a call.
 */
static void
leave_when_empty(struct caller *caller)
{
	if (caller->worker->is_stopping && caller->flight_count == 0 &&
	    link_queued(caller->link) == 0)
		loop_task_add(caller->worker->loop, &caller->task);
}

void
caller_give_back(struct call *call)
{
	struct caller *caller = call->caller;

	TAILQ_REMOVE(&caller->flight, call, link);
	TAILQ_INSERT_HEAD(&caller->idle, call, link);
	caller->flight_count--;
	buf_clear(&call->data);
	buf_shrink(&call->data, 4096);
	fallback_free(&call->fallback);
	view_unref(&call->view);
	if (caller->worker->body_owner == &call->ex)
		caller->worker->body_owner = NULL;
	update_reading(caller);
	leave_when_empty(caller);
}

static struct call *
call_find(struct caller *caller, uint32_t id)
{
	struct call *call;

	TAILQ_FOREACH (call, &caller->flight, link) {
		if (call->id == id)
			return call;
	}
	return NULL;
}

static void
on_request(struct caller *caller, const struct frame *frame,
    const struct sp_header *header)
{
	struct call *call = call_take(caller);

	if (call == NULL) {
		log_errorx("%s: out of memory for a call", caller->client);
		loop_task_add(caller->worker->loop, &caller->task);
		return;
	}
	call_start(call, frame, header);
}

static void
on_frame(void *arg, const struct frame *frame, const struct sp_header *header)
{
	struct caller *caller = arg;
	struct call *call;

	if (caller->task.is_queued)
		return;
	switch (frame->kind) {
	case FRAME_REQUEST:
		on_request(caller, frame, header);
		break;
	case FRAME_CANCEL:
		call = call_find(caller, frame->id);
		if (call != NULL)
			call_cancel(call);
		break;
	case FRAME_CREDIT:
		call = call_find(caller, frame->id);
		if (call != NULL)
			exchange_credit(&call->ex, frame->credit);
		break;
	default:
		break;
	}
}

static void
on_down(void *arg, const struct err *why)
{
	struct caller *caller = arg;

	if (link_is_cut(caller->link)) {
		worker_count(&caller->worker->counters.links_cut);
		log_warnx("%s: SP caller %s", caller->client, why->text);
	} else {
		log_debug("%s: SP caller left: %s", caller->client, why->text);
	}
	caller_free(caller);
}

static void
on_drained(void *arg)
{
	leave_when_empty(arg);
}

static void
on_task(struct loop_task *task)
{
	caller_free(loop_owner(task, struct caller, task));
}

static const struct link_handler handler = {
	.frame = on_frame,
	.down = on_down,
	.drained = on_drained,
};

static int
attach(struct caller *caller, int fd, enum sp_transport transport,
    const uint8_t *initial, size_t len, struct err *err_r)
{
	const struct lifeline_settings *settings =
	    &caller->worker->view->snapshot->settings;
	struct wire_limits limits = {
		.message_max =
		    (size_t)settings->max_body + CALLER_MESSAGE_SLACK,
		.queue_max = (size_t)settings->link_queue,
	};
	struct wire *wire =
	    wire_new(caller->worker->loop, fd, transport, SP_REP, &limits,
		&link_wire_handler, caller->link, initial, len, err_r);

	if (wire == NULL)
		return -1;
	link_attach(caller->link, wire);
	return 0;
}

void
caller_open(struct worker *worker, int fd, enum sp_transport transport,
    const char *client, const uint8_t *initial, size_t len)
{
	struct caller *caller = calloc(1, sizeof(*caller));
	struct err err = { "out of memory" };

	if (caller == NULL)
		goto fail;
	caller->worker = worker;
	caller->task.fn = on_task;
	caller->is_local = transport == SP_IPC;
	TAILQ_INIT(&caller->flight);
	TAILQ_INIT(&caller->idle);
	memcpy(caller->client, client, strlen(client) + 1);
	caller->link = link_new(LINK_SERVICE, &handler, caller);
	if (caller->link == NULL ||
	    attach(caller, fd, transport, initial, len, &err) == -1)
		goto fail;
	TAILQ_INSERT_TAIL(&worker->callers, caller, link_all);
	worker_count_by(&worker->counters.connections_open, 1);
	return;
fail:
	log_warnx("%s: SP caller: %s", client, err.text);
	if (caller != NULL)
		link_free(&caller->link);
	free(caller);
	close(fd);
	atomic_fetch_sub_explicit(worker->host->connections, 1,
	    memory_order_relaxed);
}

static void
call_free(struct call *call)
{
	exchange_fini(&call->ex);
	fallback_free(&call->fallback);
	view_unref(&call->view);
	buf_fini(&call->data);
	free(call);
}

void
caller_free(struct caller *caller)
{
	struct worker *worker = caller->worker;
	struct call *call;

	TAILQ_REMOVE(&worker->callers, caller, link_all);
	loop_task_drop(worker->loop, &caller->task);
	while ((call = TAILQ_FIRST(&caller->flight)) != NULL) {
		call_log(call, CONN_STATUS_LEFT);
		TAILQ_REMOVE(&caller->flight, call, link);
		if (worker->body_owner == &call->ex)
			worker->body_owner = NULL;
		call_free(call);
	}
	while ((call = TAILQ_FIRST(&caller->idle)) != NULL) {
		TAILQ_REMOVE(&caller->idle, call, link);
		call_free(call);
	}
	link_free(&caller->link);
	free(caller);
	worker_count_by(&worker->counters.connections_open, (uint64_t)-1);
	atomic_fetch_sub_explicit(worker->host->connections, 1,
	    memory_order_relaxed);
	worker_left(worker);
}

void
caller_drain(struct worker *worker)
{
	struct caller *caller;

	TAILQ_FOREACH (caller, &worker->callers, link_all) {
		leave_when_empty(caller);
	}
}
