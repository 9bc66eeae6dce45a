#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipc/err.h"
#include "ipc/log.h"

#include "access.h"
#include "caller.h"
#include "conn.h"
#include "door.h"
#include "listener.h"
#include "note.h"
#include "peer.h"
#include "upstream.h"
#include "watchlist.h"

static void
on_burial(struct loop_task *task)
{
	struct worker *worker = loop_owner(task, struct worker, burial);

	conn_bury(worker);
}

struct worker *
worker_new(unsigned number, const struct worker_host *host, struct err *err_r)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	if (worker == NULL) {
		err_set(err_r, "out of memory");
		return NULL;
	}
	worker->number = number;
	worker->host = host;
	TAILQ_INIT(&worker->conns);
	TAILQ_INIT(&worker->buried);
	TAILQ_INIT(&worker->callers);
	TAILQ_INIT(&worker->peers);
	worker->burial.fn = on_burial;
	trace_random_init(&worker->random);
	worker->loop = loop_new(err_r);
	worker->scratch = malloc(WORKER_SCRATCH);
	if (worker->loop != NULL)
		worker->access = access_log_new(worker->loop, STDOUT_FILENO);
	if (worker->scratch == NULL || worker->access == NULL) {
		if (worker->loop != NULL)
			err_set(err_r, "out of memory");
		worker_free(&worker);
	}
	return worker;
}

static void *
run(void *arg)
{
	struct worker *worker = arg;
	struct err err;

	if (loop_run(worker->loop, &err) == -1)
		log_errorx("worker %u: %s", worker->number, err.text);
	return NULL;
}

int
worker_start(struct worker *worker, struct err *err_r)
{
	int rc = pthread_create(&worker->thread, NULL, run, worker);

	if (rc == 0)
		return 0;
	errno = rc;
	err_set_errno(err_r, "worker %u: pthread_create", worker->number);
	worker->thread = 0;
	return -1;
}

static void
close_all(struct worker *worker)
{
	struct conn *conn;
	struct caller *caller;
	struct peer *peer;

	while ((conn = TAILQ_FIRST(&worker->conns)) != NULL)
		conn_close(conn);
	conn_bury(worker);
	while ((caller = TAILQ_FIRST(&worker->callers)) != NULL)
		caller_free(caller);
	while ((peer = TAILQ_FIRST(&worker->peers)) != NULL) {
		peer_close(peer, "stopping");
		peer_bury(peer);
	}
}

void
worker_free(struct worker **workerp)
{
	struct worker *worker = *workerp;

	if (worker == NULL)
		return;
	*workerp = NULL;
	if (worker->thread != 0)
		pthread_join(worker->thread, NULL);
	for (size_t i = 0; i < worker->door_count; i++)
		door_free(&worker->doors[i]);
	free(worker->doors);
	worker->is_stopping = true;
	worker->is_over = true;
	close_all(worker);
	/* Letters under way own memory: let them arrive. */
	if (worker->loop != NULL)
		loop_turn(worker->loop, 0, NULL);
	for (size_t i = 0; i < worker->upstream_count; i++)
		upstream_free(&worker->upstreams[i]);
	free(worker->upstreams);
	view_unref(&worker->view);
	watchlist_unref(&worker->watchlist);
	access_log_free(&worker->access);
	for (size_t i = 0; i < worker->spare_count; i++)
		buf_fini(&worker->spare[i]);
	buf_fini(&worker->op);
	buf_fini(&worker->text);
	buf_fini(&worker->body);
	free(worker->scratch);
	if (worker->loop != NULL) {
		loop_task_drop(worker->loop, &worker->burial);
		loop_free(&worker->loop);
	}
	free(worker);
}

struct view *
view_ref(struct view *view)
{
	view->refs++;
	return view;
}

void
view_unref(struct view **viewp)
{
	struct view *view = *viewp;

	*viewp = NULL;
	if (view == NULL || --view->refs != 0)
		return;
	snapshot_unref(&view->snapshot);
	free(view->upstreams);
	free(view);
}

/* The place of the name among the sorted upstreams, or where it would be. */
static size_t
upstream_place(const struct worker *worker, const char *name, bool *is_there)
{
	size_t low = 0, high = worker->upstream_count;

	*is_there = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(name, worker->upstreams[mid]->name);

		if (order == 0) {
			*is_there = true;
			return mid;
		}
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static void *
need(void *memory)
{
	if (memory == NULL)
		bug("out of memory while taking over a new picture");
	return memory;
}

struct upstream *
worker_upstream(struct worker *worker, const char *name)
{
	bool is_there;
	size_t at = upstream_place(worker, name, &is_there);

	if (is_there)
		return worker->upstreams[at];
	if (worker->upstream_count == worker->upstream_cap) {
		worker->upstream_cap += worker->upstream_cap + 16;
		worker->upstreams = need(realloc(worker->upstreams,
		    worker->upstream_cap * sizeof(struct upstream *)));
	}
	memmove(&worker->upstreams[at + 1], &worker->upstreams[at],
	    (worker->upstream_count - at) * sizeof(struct upstream *));
	worker->upstreams[at] = need(upstream_new(worker, name));
	worker->upstream_count++;
	return worker->upstreams[at];
}

const char *
worker_date(struct worker *worker)
{
	int64_t now = loop_now_us(worker->loop);

	if (now >= worker->date_us) {
		int64_t wall = access_log_now_us(worker->access);
		time_t seconds = (time_t)(wall / 1000000);
		struct tm tm;

		gmtime_r(&seconds, &tm);
		strftime(worker->date, sizeof(worker->date),
		    "%a, %d %b %Y %H:%M:%S GMT", &tm);
		worker->date_us = now + 1000000 - wall % 1000000;
	}
	return worker->date;
}

void
worker_lend(struct worker *worker, struct buf *buf)
{
	if (buf->cap == 0 && worker->spare_count != 0)
		*buf = worker->spare[--worker->spare_count];
}

void
worker_regain(struct worker *worker, struct buf *buf)
{
	buf_clear(buf);
	if (buf->cap == 0)
		return;
	if (buf->cap > WORKER_SPARE_BYTES ||
	    worker->spare_count == WORKER_SPARE_MAX)
		buf_fini(buf);
	else
		worker->spare[worker->spare_count++] = *buf;
	*buf = (struct buf){ 0 };
}

void
worker_left(struct worker *worker)
{
	for (size_t i = 0; i < worker->door_count; i++)
		door_reopen(worker->doors[i]);
	if (worker->is_stopping && TAILQ_EMPTY(&worker->conns) &&
	    TAILQ_EMPTY(&worker->callers))
		worker->host->done(worker->host->arg);
}
