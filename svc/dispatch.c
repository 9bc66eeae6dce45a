#include "core.h"

#include <string.h>

#include "ipc/log.h"

static const struct svc_handler *
find_op(const struct svc *svc, const char *op)
{
	size_t len = strlen(svc->name);
	const struct svc_handler *handler;

	if (strncmp(op, svc->name, len) == 0 && op[len] == '.')
		op += len + 1;
	handler = SLIST_FIRST(&svc->handlers);
	while (handler != NULL && strcmp(handler->what, op) != 0)
		handler = SLIST_NEXT(handler, link);
	return handler;
}

static const struct svc_handler *
find_handler(struct svc_request *req)
{
	if (*req->method == '\0')
		return find_op(req->svc, req->op);
	if (pattern_set_match(req->svc->patterns, req->method,
		strlen(req->method), req->path, req->path_len, &req->match))
		return req->match.data;
	return NULL;
}

static void
reply_unknown(struct svc_request *req)
{
	if (*req->method == '\0') {
		svc_reply_error(req, 404, "%s has no operation \"%s\"",
		    req->svc->name, req->op);
	} else if (req->match.is_path_known) {
		svc_reply_header(req, "allow", req->match.allow);
		svc_reply_error(req, 405, "%s is not allowed on %s",
		    req->method, req->path);
	} else {
		svc_reply_error(req, 404, "%s has no %s", req->svc->name,
		    req->path);
	}
}

void
dispatch_settle(struct svc_request *req)
{
	if (req->is_answered || req->is_deferred || req->calls > 0)
		return;
	log_errorx("%s %s%s: the handler gave no answer", req->method,
	    req->path, req->op);
	svc_reply_error(req, 500, "the service gave no answer");
}

static void
dispatch_one(struct svc_request *req)
{
	const struct svc_handler *handler;

	req->state = REQUEST_RUNNING;
	req->match.param_count = 0;
	handler = find_handler(req);
	if (handler == NULL)
		reply_unknown(req);
	else
		handler->fn(req, handler->arg);
	dispatch_settle(req);
	if (req->is_answered && req->calls == 0) {
		request_recycle(req);
	} else {
		req->state = REQUEST_DEFERRED;
		TAILQ_INSERT_TAIL(&req->svc->deferred, req, queue);
	}
}

static void
run_again(struct loop_timer *timer)
{
	struct svc *svc = loop_owner(timer, struct svc, run_timer);

	loop_task_add(svc->loop, &svc->run_task);
}

/*
 * Requests run at the end of the turn in which they came, so that a cancel
 * right behind a request still finds it; and not for long without a look at
 * the sockets, for the same reason.
 */
static void
run_queue(struct loop_task *task)
{
	struct svc *svc = loop_owner(task, struct svc, run_task);
	int64_t start_us = core_now_us(), now_us = start_us;
	struct svc_request *req;

	while ((req = TAILQ_FIRST(&svc->queue)) != NULL) {
		if (now_us - start_us > CORE_SLICE_US) {
			loop_timer_set(svc->loop, &svc->run_timer, now_us);
			break;
		}
		TAILQ_REMOVE(&svc->queue, req, queue);
		/* Work that nobody waits for, or that another does by now. */
		if (request_is_stale(req, now_us) || !request_claim(req))
			request_recycle(req);
		else
			dispatch_one(req);
		now_us = core_now_us();
	}
	svc->last_request_us = now_us;
}

void
dispatch_init(struct svc *svc)
{
	svc->run_task.fn = run_queue;
	svc->run_timer.fn = run_again;
}

void
dispatch_fini(struct svc *svc)
{
	loop_task_drop(svc->loop, &svc->run_task);
	loop_timer_drop(svc->loop, &svc->run_timer);
}
