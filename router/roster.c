#include "roster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <unistd.h>

#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "ipc/loop.h"

#include "note.h"
#include "snapshot.h"

enum {
	BUCKETS = 1024
};

/* One instance. A remote one has no note: it exists through its links. */
struct record {
	LIST_ENTRY(record) link;
	char *service;
	uint64_t index, generation;
	struct note *note; /* NULL: remote */
	int watch;         /* of its directory; -1: none */
	unsigned links;    /* workers that are linked to this generation */
	bool is_told;      /* the supervisor knows of the first */
	bool is_beside;    /* another generation stands for the index */
	bool is_over;      /* its process is gone */
};

struct roster {
	struct loop *loop;
	void (*kick)(void *arg, struct note *note);
	void *arg;
	struct loop_io io; /* inotify */
	LIST_HEAD(, record) buckets[BUCKETS];
};

static size_t
bucket_of(const char *service)
{
	uint32_t hash = 2166136261U; /* FNV-1a; names are the operator's */

	for (; *service != '\0'; service++)
		hash = (hash ^ (uint8_t)*service) * 16777619U;
	return hash % BUCKETS;
}

/* The generation that stands for the index. */
static struct record *
record_find(struct roster *roster, const char *service, uint64_t index)
{
	struct record *record;

	LIST_FOREACH (record, &roster->buckets[bucket_of(service)], link) {
		if (record->index == index && !record->is_beside &&
		    strcmp(record->service, service) == 0)
			return record;
	}
	return NULL;
}

/* That one, whether it stands for the index or is beside it. */
static struct record *
record_find_generation(struct roster *roster, const char *service,
    uint64_t index, uint64_t generation)
{
	struct record *record;

	LIST_FOREACH (record, &roster->buckets[bucket_of(service)], link) {
		if (record->index == index &&
		    record->generation == generation &&
		    strcmp(record->service, service) == 0)
			return record;
	}
	return NULL;
}

static struct record *
record_add(struct roster *roster, const char *service, uint64_t index)
{
	struct record *record = calloc(1, sizeof(*record));

	if (record == NULL || (record->service = strdup(service)) == NULL) {
		free(record);
		return NULL;
	}
	record->index = index;
	record->watch = -1;
	LIST_INSERT_HEAD(&roster->buckets[bucket_of(service)], record, link);
	return record;
}

static void
record_drop(struct record *record)
{
	LIST_REMOVE(record, link);
	note_unref(&record->note);
	free(record->service);
	free(record);
}

/* May this tell that the record's socket is there? */
static bool
is_news_of(const struct record *record, const struct inotify_event *event)
{
	const char *slash;

	if (record->note == NULL || record->watch == -1)
		return false;
	/* The kernel had more to tell than it could keep: look everywhere. */
	if ((event->mask & IN_Q_OVERFLOW) != 0)
		return true;
	if (record->watch != event->wd || event->len == 0)
		return false;
	slash = strrchr(record->note->listen, '/');
	return slash != NULL && strcmp(slash + 1, event->name) == 0;
}

static void
on_appeared(struct roster *roster, const struct inotify_event *event)
{
	struct record *record;

	for (size_t i = 0; i < BUCKETS; i++) {
		LIST_FOREACH (record, &roster->buckets[i], link) {
			if ((event->mask & IN_IGNORED) != 0) {
				if (record->watch == event->wd)
					record->watch = -1;
			} else if (is_news_of(record, event)) {
				roster->kick(roster->arg, record->note);
			}
		}
	}
}

static void
on_io(struct loop_io *io, uint32_t events)
{
	struct roster *roster = loop_owner(io, struct roster, io);
	_Alignas(struct inotify_event) char bytes[4096];
	ssize_t len = read(io->fd, bytes, sizeof(bytes));
	const struct inotify_event *event;

	(void)events;
	for (ssize_t at = 0; at < len;
	     at += (ssize_t)(sizeof(*event) + event->len)) {
		event = (const void *)(bytes + at);
		on_appeared(roster, event);
	}
}

struct roster *
roster_new(struct loop *loop, void (*kick)(void *arg, struct note *note),
    void *arg, struct err *err_r)
{
	struct roster *roster = calloc(1, sizeof(*roster));
	int fd;

	if (roster == NULL) {
		err_set(err_r, "out of memory");
		return NULL;
	}
	roster->loop = loop;
	roster->kick = kick;
	roster->arg = arg;
	roster->io.fn = on_io;
	roster->io.fd = -1;
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd == -1)
		err_set_errno(err_r, "inotify_init1");
	if (fd == -1 ||
	    loop_io_add(loop, &roster->io, fd, EPOLLIN, err_r) == -1) {
		if (fd != -1)
			close(fd);
		free(roster);
		return NULL;
	}
	return roster;
}

void
roster_free(struct roster **rosterp)
{
	struct roster *roster = *rosterp;
	int fd;

	if (roster == NULL)
		return;
	*rosterp = NULL;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (!LIST_EMPTY(&roster->buckets[i]))
			record_drop(LIST_FIRST(&roster->buckets[i]));
	}
	fd = roster->io.fd;
	loop_io_drop(roster->loop, &roster->io);
	close(fd);
	free(roster);
}

/* Returns the watch on the directory of an ipc:// URL, or -1. */
static int
watch_directory(struct roster *roster, const char *url)
{
	const char *path = strncmp(url, "ipc://", 6) == 0 ? url + 6 : "";
	const char *slash = strrchr(path, '/');
	char *directory;
	int watch;

	if (slash == NULL || slash == path)
		return -1;
	directory = strndup(path, (size_t)(slash - path));
	if (directory == NULL)
		return -1;
	/* The same directory again is the same watch. */
	watch = inotify_add_watch(roster->io.fd, directory,
	    IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
	if (watch == -1)
		log_warn("%s: inotify_add_watch, trying at intervals",
		    directory);
	free(directory);
	return watch;
}

/* The record that a note is about, made if need be. NULL: no memory. */
static struct record *
record_for(struct roster *roster, const struct lifeline_instance *instance)
{
	struct record *present =
	    record_find(roster, instance->service, instance->index);
	struct record *record = record_find_generation(roster,
	    instance->service, instance->index, instance->generation);

	if (record == NULL && !instance->is_beside)
		record = present;
	if (record == NULL)
		record = record_add(roster, instance->service, instance->index);
	if (record == NULL)
		return NULL;
	/* The one beside takes over: the other is beside it from now on. */
	if (!instance->is_beside && present != NULL && present != record) {
		present->is_beside = true;
		/* It waited for the other without a process. */
		if (present->note != NULL && present->note->listen[0] == '\0')
			present->is_over = true;
	}
	record->is_beside = instance->is_beside;
	return record;
}

/* Keep the note, and watch for the socket that it tells of. */
static void
record_take(struct roster *roster, struct record *record, struct note *note)
{
	if (note->generation != record->generation) {
		record->links = 0;
		record->is_told = false;
	}
	record->generation = note->generation;
	/* Watched before any worker dials, so that no appearance is missed. */
	record->watch =
	    note->state == STATE_STARTING || note->state == STATE_READY
		? watch_directory(roster, note->listen)
		: -1;
	note->is_watched = record->watch != -1;
	note_unref(&record->note);
	record->note = note;
}

/* Those beside come to an end; the index stays. */
static void
drop_ended(struct roster *roster, const char *service)
{
	struct record *record =
	    LIST_FIRST(&roster->buckets[bucket_of(service)]);

	while (record != NULL) {
		struct record *next = LIST_NEXT(record, link);

		if (record->is_beside && record->is_over &&
		    strcmp(record->service, service) == 0)
			record_drop(record);
		record = next;
	}
}

struct note *
roster_note(struct roster *roster, const struct lifeline_instance *instance)
{
	struct record *record =
	    record_find(roster, instance->service, instance->index);
	struct note *note;

	if (record != NULL && !instance->is_beside &&
	    instance->generation < record->generation)
		return NULL;
	drop_ended(roster, instance->service);
	note = note_new(instance);
	record = note == NULL ? NULL : record_for(roster, instance);
	if (record == NULL) {
		log_errorx("%s: out of memory", instance->service);
		note_unref(&note);
		return NULL;
	}
	record_take(roster, record, note);
	record->is_over =
	    note->state != STATE_STARTING && note->state != STATE_READY &&
	    note->state != STATE_DRAINING && note->state != STATE_STOPPING;
	return note;
}

bool
roster_linked(struct roster *roster, const char *service, uint64_t index,
    uint64_t generation, bool is_up)
{
	struct record *record =
	    record_find_generation(roster, service, index, generation);

	/* Only remote services link before anything was said of them. */
	if (record == NULL && generation == 0 && is_up)
		record = record_add(roster, service, index);
	if (record == NULL)
		return false;
	if (!is_up && record->links != 0) {
		record->links--;
		return record->note == NULL && record->links == 0;
	}
	if (!is_up)
		return false;
	record->links++;
	if (record->note == NULL)
		return record->links == 1;
	if (record->is_told)
		return false;
	record->is_told = true;
	return true;
}

/* Local became remote, remote became local, or there are fewer of them. */
static bool
is_outdated(const struct record *record, const struct snapshot_service *service)
{
	bool is_remote = service->url[0] != '\0';

	if (record->note == NULL)
		return !is_remote;
	return is_remote || record->index > service->instances;
}

void
roster_prune(struct roster *roster, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct record *record = LIST_FIRST(&roster->buckets[i]);

		while (record != NULL) {
			struct record *next = LIST_NEXT(record, link);
			const struct snapshot_service *service =
			    snapshot_find(snapshot, record->service,
				strlen(record->service));

			if (service == NULL || is_outdated(record, service))
				record_drop(record);
			record = next;
		}
	}
}

bool
roster_is_ready(const struct roster *roster, const char *service,
    bool is_remote)
{
	const struct record *record;

	LIST_FOREACH (record, &roster->buckets[bucket_of(service)], link) {
		if (strcmp(record->service, service) != 0)
			continue;
		if (is_remote ? record->note == NULL && record->links != 0
			      : record->note != NULL &&
				    record->note->state == STATE_READY)
			return true;
	}
	return false;
}
