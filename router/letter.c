/*
 * The letters of the control thread to a worker: worker_post_*() run in the
 * sender's thread, on_*() in the worker's, which frees the letter.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"

#include "caller.h"
#include "conn.h"
#include "door.h"
#include "listener.h"
#include "note.h"
#include "peer.h"
#include "upstream.h"
#include "watchlist.h"
#include "worker.h"

struct letter {
	struct loop_mail mail;
	struct worker *worker;
	struct snapshot *snapshot;
	struct note *note;
	struct watchlist *watchlist;
	struct lifeline_fault fault;
	char *service; /* of the fault */
	bool is_forced;
	size_t listener_count;
	struct listener *listeners[];
};

static struct letter *
letter_new(struct worker *worker, void (*fn)(struct loop_mail *), size_t count)
{
	struct letter *letter =
	    calloc(1, sizeof(*letter) + count * sizeof(struct listener *));

	if (letter == NULL)
		bug("out of memory for a letter to a worker");
	letter->mail.fn = fn;
	letter->worker = worker;
	letter->listener_count = count;
	return letter;
}

static void
letter_free(struct letter *letter)
{
	snapshot_unref(&letter->snapshot);
	note_unref(&letter->note);
	watchlist_unref(&letter->watchlist);
	free(letter->service);
	for (size_t i = 0; i < letter->listener_count; i++)
		listener_unref(&letter->listeners[i]);
	free(letter);
}

/* Every service of the picture gets its upstream, the others are told. */
static void
apply_view(struct worker *worker, struct snapshot *snapshot)
{
	struct view *view = calloc(1, sizeof(*view));

	if (view != NULL)
		view->upstreams = calloc(snapshot->service_count + 1,
		    sizeof(struct upstream *));
	if (view == NULL || view->upstreams == NULL)
		bug("out of memory while taking over a new picture");
	view->refs = 1;
	view->snapshot = snapshot_ref(snapshot);
	for (size_t i = 0; i < snapshot->service_count; i++)
		view->upstreams[i] =
		    worker_upstream(worker, snapshot->services[i]->name);
	view_unref(&worker->view);
	worker->view = view;
	for (size_t i = 0; i < worker->upstream_count; i++) {
		struct upstream *upstream = worker->upstreams[i];

		upstream_apply(upstream, snapshot_find(snapshot, upstream->name,
					     strlen(upstream->name)));
	}
}

static struct door *
take_door(struct worker *worker, const struct listener *listener)
{
	for (size_t i = 0; i < worker->door_count; i++) {
		struct door *door = worker->doors[i];

		if (door != NULL && door_listener(door) == listener) {
			worker->doors[i] = NULL;
			return door;
		}
	}
	return NULL;
}

static void
close_doors(struct worker *worker)
{
	for (size_t i = 0; i < worker->door_count; i++)
		door_free(&worker->doors[i]);
	free(worker->doors);
	worker->doors = NULL;
	worker->door_count = 0;
}

static void
apply_doors(struct worker *worker, struct letter *letter)
{
	struct door **doors =
	    calloc(letter->listener_count + 1, sizeof(struct door *));
	size_t count = 0;
	struct err err;

	if (doors == NULL)
		bug("out of memory while taking over a new picture");
	for (size_t i = 0; i < letter->listener_count; i++) {
		struct listener *listener = letter->listeners[i];
		struct door *door = take_door(worker, listener);

		if (door == NULL)
			door = door_new(worker, listener, &err);
		if (door == NULL)
			log_errorx("worker %u: %s", worker->number, err.text);
		else
			doors[count++] = door;
	}
	close_doors(worker);
	worker->doors = doors;
	worker->door_count = count;
}

static void
on_apply(struct loop_mail *mail)
{
	struct letter *letter = loop_owner(mail, struct letter, mail);

	apply_view(letter->worker, letter->snapshot);
	if (!letter->worker->is_stopping)
		apply_doors(letter->worker, letter);
	letter_free(letter);
}

static void
on_note(struct loop_mail *mail)
{
	struct letter *letter = loop_owner(mail, struct letter, mail);

	upstream_note(worker_upstream(letter->worker, letter->note->service),
	    letter->note);
	letter_free(letter);
}

static void
on_kick(struct loop_mail *mail)
{
	struct letter *letter = loop_owner(mail, struct letter, mail);
	const struct note *note = letter->note;

	upstream_kick(worker_upstream(letter->worker, note->service),
	    note->index, note->generation);
	letter_free(letter);
}

static void
on_watchlist(struct loop_mail *mail)
{
	struct letter *letter = loop_owner(mail, struct letter, mail);
	struct worker *worker = letter->worker;

	watchlist_unref(&worker->watchlist);
	worker->watchlist = letter->watchlist;
	letter->watchlist = NULL;
	for (size_t i = 0; i < worker->upstream_count; i++)
		worker->upstreams[i]->is_watched =
		    watchlist_has(worker->watchlist,
			worker->upstreams[i]->name);
	letter_free(letter);
}

static void
on_resolved(struct loop_mail *mail)
{
	struct letter *letter = loop_owner(mail, struct letter, mail);

	peers_resolve(worker_upstream(letter->worker, letter->note->service),
	    letter->note);
	letter_free(letter);
}

static void
on_fault(struct loop_mail *mail)
{
	struct letter *letter = loop_owner(mail, struct letter, mail);

	upstream_set_fault(worker_upstream(letter->worker, letter->service),
	    &letter->fault);
	letter_free(letter);
}

static void
on_stop(struct loop_mail *mail)
{
	struct letter *letter = loop_owner(mail, struct letter, mail);
	struct worker *worker = letter->worker;

	close_doors(worker);
	worker->is_stopping = true;
	if (letter->is_forced) {
		loop_stop(worker->loop);
	} else {
		conn_drain(worker);
		caller_drain(worker);
		worker_left(worker);
	}
	letter_free(letter);
}

void
worker_post_apply(struct worker *worker, struct snapshot *snapshot,
    struct listener **listeners, size_t count)
{
	struct letter *letter = letter_new(worker, on_apply, count);

	letter->snapshot = snapshot_ref(snapshot);
	for (size_t i = 0; i < count; i++)
		letter->listeners[i] = listener_ref(listeners[i]);
	loop_post(worker->loop, &letter->mail);
}

static void
post_note(struct worker *worker, struct note *note,
    void (*fn)(struct loop_mail *))
{
	struct letter *letter = letter_new(worker, fn, 0);

	letter->note = note_ref(note);
	loop_post(worker->loop, &letter->mail);
}

void
worker_post_note(struct worker *worker, struct note *note)
{
	post_note(worker, note, on_note);
}

void
worker_post_kick(struct worker *worker, struct note *note)
{
	post_note(worker, note, on_kick);
}

void
worker_post_stop(struct worker *worker, bool is_forced)
{
	struct letter *letter = letter_new(worker, on_stop, 0);

	letter->is_forced = is_forced;
	loop_post(worker->loop, &letter->mail);
}

void
worker_post_watchlist(struct worker *worker, struct watchlist *watchlist)
{
	struct letter *letter = letter_new(worker, on_watchlist, 0);

	letter->watchlist = watchlist_ref(watchlist);
	loop_post(worker->loop, &letter->mail);
}

void
worker_post_resolved(struct worker *worker, struct note *note)
{
	post_note(worker, note, on_resolved);
}

void
worker_post_fault(struct worker *worker, const struct lifeline_fault *fault)
{
	struct letter *letter = letter_new(worker, on_fault, 0);

	letter->fault = *fault;
	letter->service = strdup(fault->service);
	if (letter->service == NULL)
		bug("out of memory for a letter to a worker");
	letter->fault.service = letter->service;
	loop_post(worker->loop, &letter->mail);
}
