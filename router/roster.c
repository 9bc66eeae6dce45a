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

static struct record *
record_find(struct roster *roster, const char *service, uint64_t index)
{
	struct record *record;

	LIST_FOREACH (record, &roster->buckets[bucket_of(service)], link) {
		if (record->index == index &&
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

/* Is the last part of the record's socket path this name? */
static bool
is_socket_of(const struct record *record, int watch, const char *name)
{
	const char *slash;

	if (record->note == NULL || record->watch != watch)
		return false;
	slash = strrchr(record->note->listen, '/');
	return slash != NULL && strcmp(slash + 1, name) == 0;
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
			} else if (event->len != 0 &&
				   is_socket_of(record, event->wd,
				       event->name)) {
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

struct note *
roster_note(struct roster *roster, const struct lifeline_instance *instance)
{
	struct record *record =
	    record_find(roster, instance->service, instance->index);
	struct note *note;

	if (record != NULL && instance->generation < record->generation)
		return NULL;
	note = note_new(instance);
	if (note != NULL && record == NULL)
		record = record_add(roster, instance->service, instance->index);
	if (note == NULL || record == NULL) {
		log_errorx("%s: out of memory", instance->service);
		note_unref(&note);
		return NULL;
	}
	if (instance->generation != record->generation) {
		record->links = 0;
		record->is_told = false;
	}
	record->generation = instance->generation;
	/* Watched before any worker dials, so that no appearance is missed. */
	record->watch =
	    note->state == STATE_STARTING || note->state == STATE_READY
		? watch_directory(roster, note->listen)
		: -1;
	note->is_watched = record->watch != -1;
	note_unref(&record->note);
	record->note = note;
	return note;
}

bool
roster_linked(struct roster *roster, const char *service, uint64_t index,
    uint64_t generation, bool is_up)
{
	struct record *record = record_find(roster, service, index);

	/* Only remote services link before anything was said of them. */
	if (record == NULL && generation == 0 && is_up)
		record = record_add(roster, service, index);
	if (record == NULL || record->generation != generation)
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
