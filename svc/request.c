#include "core.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ipc/ledger.h"
#include "ipc/log.h"
#include "ipc/mp.h"

int64_t
core_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct request_bucket *
bucket_of(struct svc *svc, uint32_t id)
{
	return &svc->buckets[id & (CORE_BUCKET_COUNT - 1)];
}

static struct svc_request *
request_new(struct svc *svc)
{
	struct svc_request *req = TAILQ_FIRST(&svc->spare);

	if (req != NULL) {
		TAILQ_REMOVE(&svc->spare, req, queue);
		svc->spare_count--;
	} else {
		req = calloc(1, sizeof(*req));
		if (req == NULL)
			return NULL;
		req->svc = svc;
		req->method = req->path = req->query = req->op = "";
	}
	svc->request_count++;
	return req;
}

static void
request_free(struct svc_request *req)
{
	buf_fini(&req->bytes);
	buf_fini(&req->decoded);
	buf_fini(&req->query_pairs);
	buf_fini(&req->headers);
	buf_fini(&req->stream);
	buf_fini(&req->type);
	payload_fini(&req->meta);
	payload_fini(&req->payload);
	free(req);
}

/*
 * Take it out of the reach of its caller; nothing is sent from now on. With
 * that it is done for the ledger as well, whether it was answered, or its
 * caller gave it up and this process is awake enough to have seen that.
 */
static void
request_detach(struct svc_request *req)
{
	if (req->conn == NULL)
		return;
	if (req->is_taken)
		ledger_done(link_ledger(req->conn->peer), req->id);
	loop_timer_drop(req->svc->loop, &req->due_timer);
	LIST_REMOVE(req, bucket);
	req->conn = NULL;
	if (req->is_stuck)
		req->svc->stuck_count--;
	req->is_stuck = false;
}

static void
request_reset(struct svc_request *req)
{
	buf_clear(&req->bytes);
	buf_shrink(&req->bytes, CORE_BUF_KEEP);
	buf_clear(&req->headers);
	buf_shrink(&req->headers, CORE_BUF_KEEP);
	req->header_count = 0;
	access_clear(req);
	payload_clear(&req->meta);
	payload_clear(&req->payload);
	buf_fini(&req->stream);
	buf_fini(&req->type);
	req->method = req->path = req->query = req->op = "";
	req->path_len = 0;
	req->is_answered = req->is_deferred = req->is_cancelled = false;
	req->is_in_ledger = req->is_taken = false;
	req->is_structured = req->is_stream = req->is_whole = false;
	req->cancel_fn = req->room_fn = NULL;
	req->raw = NULL;
	req->raw_len = 0;
	req->due_us = 0;
}

void
request_recycle(struct svc_request *req)
{
	struct svc *svc = req->svc;

	request_detach(req);
	svc->request_count--;
	svc->request_bytes -= buf_count(&req->bytes);
	if (svc->spare_count >= CORE_REQUEST_SPARE_MAX) {
		request_free(req);
		return;
	}
	request_reset(req);
	TAILQ_INSERT_HEAD(&svc->spare, req, queue);
	svc->spare_count++;
}

void
request_release(struct svc_request *req)
{
	if (!req->is_answered || req->calls > 0 ||
	    req->state != REQUEST_DEFERRED)
		return;
	/* Not at once: the callback that answered may still look at it. */
	TAILQ_REMOVE(&req->svc->deferred, req, queue);
	req->state = REQUEST_DONE;
	TAILQ_INSERT_TAIL(&req->svc->done, req, queue);
	loop_task_add(req->svc->loop, &req->svc->done_task);
}

void
request_answered(struct svc_request *req)
{
	req->is_answered = true;
	request_detach(req);
	request_release(req);
}

static void
recycle_done(struct loop_task *task)
{
	struct svc *svc = loop_owner(task, struct svc, done_task);
	struct svc_request *req;

	while ((req = TAILQ_FIRST(&svc->done)) != NULL) {
		TAILQ_REMOVE(&svc->done, req, queue);
		if (req->calls == 0) {
			request_recycle(req);
			continue;
		}
		/* Behind its answer it called somebody on its behalf. */
		req->state = REQUEST_DEFERRED;
		TAILQ_INSERT_TAIL(&svc->deferred, req, queue);
	}
}

/* Copy len bytes and a NUL behind them to *pos, which moves on. */
static uint8_t *
copy_text(uint8_t **pos, const void *bytes, size_t len)
{
	uint8_t *copy = *pos;

	if (len > 0)
		memcpy(copy, bytes, len);
	copy[len] = '\0';
	*pos += len + 1;
	return copy;
}

/* "GET /a?b" in three, or the name of an operation. */
static void
request_set_op(struct svc_request *req, uint8_t **pos, const char *op,
    size_t op_len)
{
	char *text = (char *)copy_text(pos, op, op_len);
	char *space = memchr(text, ' ', op_len), *mark;

	if (space == NULL) {
		req->op = text;
		return;
	}
	*space = '\0';
	req->method = text;
	req->path = space + 1;
	req->path_len = op_len - (size_t)(req->path - text);
	mark = memchr(req->path, '?', req->path_len);
	if (mark == NULL)
		return;
	*mark = '\0';
	req->query = mark + 1;
	req->path_len = (size_t)(mark - req->path);
}

static void
request_set_due(struct svc_request *req, const struct frame *frame)
{
	const int64_t day_ms = 24 * 3600 * 1000;
	struct mp_reader reader;
	int64_t left_ms;

	if (!mp_map_find(frame->meta, frame->meta_len, ":deadline-ms",
		&reader) ||
	    mp_get_int(&reader, &left_ms) != 0)
		return;
	if (left_ms < 0)
		left_ms = 0;
	if (left_ms > day_ms)
		left_ms = day_ms;
	req->due_us = loop_now_us(req->svc->loop) + left_ms * 1000;
}

/* Copy what the request needs; the frame is gone when this turn is over. */
static int
request_fill(struct svc_request *req, const struct frame *frame)
{
	size_t size = frame->op_len + frame->meta_len + frame->payload_len + 3;
	uint8_t *pos = buf_reserve(&req->bytes, size), *copy;
	struct mp_reader reader;

	if (pos == NULL)
		return -1;
	req->bytes.len += size;
	req->svc->request_bytes += size;
	request_set_op(req, &pos, frame->op, frame->op_len);
	request_set_due(req, frame);
	copy = copy_text(&pos, frame->meta, frame->meta_len);
	payload_set(&req->meta, copy, frame->meta_len);
	copy = copy_text(&pos, frame->payload, frame->payload_len);
	payload_set(&req->payload, copy, frame->payload_len);
	reader = (struct mp_reader){ copy, copy + frame->payload_len };
	req->is_structured = mp_peek(&reader) != MP_BIN;
	if (!req->is_structured)
		(void)mp_get_bin(&reader, &req->raw, &req->raw_len);
	return 0;
}

bool
request_claim(struct svc_request *req)
{
	if (req->is_in_ledger)
		req->is_taken =
		    ledger_take(link_ledger(req->conn->peer), req->id);
	return req->is_taken || !req->is_in_ledger;
}

/* Answer without having looked at the request. */
static void
request_refuse(struct svc_request *req)
{
	req->state = REQUEST_RUNNING;
	if (request_claim(req)) {
		svc_reply_header(req, "retry-after", "1");
		svc_reply_error(req, 503, "%s/%s holds too many requests",
		    req->svc->name, req->svc->instance);
	}
	request_recycle(req);
}

void
request_take(struct conn *conn, const struct frame *frame,
    const struct sp_header *header)
{
	struct svc *svc = conn->svc;
	struct svc_request *req = request_new(svc);

	if (req == NULL) {
		log_warnx("out of memory, a request is not answered");
		return;
	}
	req->conn = conn;
	req->id = frame->id;
	req->header = *header;
	/* Now: one that came before the ledger was never offered in it. */
	req->is_in_ledger = ledger_has(link_ledger(conn->peer), req->id);
	LIST_INSERT_HEAD(bucket_of(svc, req->id), req, bucket);
	if (svc->request_count > CORE_REQUEST_MAX ||
	    svc->request_bytes > CORE_REQUEST_BYTES_MAX ||
	    request_fill(req, frame) != 0) {
		request_refuse(req);
		return;
	}
	req->state = REQUEST_QUEUED;
	TAILQ_INSERT_TAIL(&svc->queue, req, queue);
	loop_task_add(svc->loop, &svc->run_task);
}

bool
request_is_stale(const struct svc_request *req, int64_t now_us)
{
	return req->conn == NULL || (req->due_us != 0 && now_us >= req->due_us);
}

struct svc_request *
request_find(const struct conn *conn, uint32_t id)
{
	struct svc_request *req;

	LIST_FOREACH (req, bucket_of(conn->svc, id), bucket)
		if (req->id == id && req->conn == conn)
			return req;
	return NULL;
}

static void
request_abandon(struct svc_request *req)
{
	request_detach(req);
	req->is_cancelled = true;
	if (req->cancel_fn != NULL && !req->is_answered)
		req->cancel_fn(req, req->cancel_arg);
}

/* A stream that has begun was in time, and may go on. */
static void
on_due(struct loop_timer *timer)
{
	struct svc_request *req =
	    loop_owner(timer, struct svc_request, due_timer);

	if (!req->is_stream)
		request_abandon(req);
}

void
request_watch_due(struct svc_request *req)
{
	req->due_timer.fn = on_due;
	if (req->conn != NULL && req->due_us != 0)
		loop_timer_set(req->svc->loop, &req->due_timer, req->due_us);
}

void
request_cancel(struct conn *conn, uint32_t id)
{
	struct svc_request *req = request_find(conn, id);

	if (req != NULL)
		request_abandon(req);
}

static struct svc_request *
bucket_first_of(struct request_bucket *bucket, const struct conn *conn)
{
	struct svc_request *req;

	LIST_FOREACH (req, bucket, bucket)
		if (req->conn == conn)
			return req;
	return NULL;
}

void
request_conn_gone(struct conn *conn)
{
	struct svc *svc = conn->svc;
	struct svc_request *req;

	/* Abandoned ones leave the bucket, so each search starts anew. */
	for (size_t i = 0; i < CORE_BUCKET_COUNT; i++)
		while ((req = bucket_first_of(&svc->buckets[i], conn)) != NULL)
			request_abandon(req);
}

static size_t
owed_of(const struct request_queue *queue, int64_t now_us)
{
	const struct svc_request *req;
	size_t count = 0;

	TAILQ_FOREACH (req, queue, queue)
		count += !request_is_stale(req, now_us);
	return count;
}

size_t
request_owed(const struct svc *svc, int64_t now_us)
{
	return owed_of(&svc->queue, now_us) + owed_of(&svc->deferred, now_us);
}

void
request_init(struct svc *svc)
{
	TAILQ_INIT(&svc->queue);
	TAILQ_INIT(&svc->deferred);
	TAILQ_INIT(&svc->done);
	TAILQ_INIT(&svc->spare);
	svc->done_task.fn = recycle_done;
}

static void
free_queue(struct request_queue *queue)
{
	struct svc_request *req;

	while ((req = TAILQ_FIRST(queue)) != NULL) {
		TAILQ_REMOVE(queue, req, queue);
		request_detach(req);
		request_free(req);
	}
}

void
request_fini(struct svc *svc)
{
	loop_task_drop(svc->loop, &svc->done_task);
	free_queue(&svc->queue);
	free_queue(&svc->deferred);
	free_queue(&svc->done);
	free_queue(&svc->spare);
}
