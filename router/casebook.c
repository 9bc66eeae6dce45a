#include "casebook.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/lifeline.h"

#include "note.h"
#include "worker.h"

void
casebook_init(struct casebook *book)
{
	*book = (struct casebook){ .unnoted = 0 };
	TAILQ_INIT(&book->files);
}

void
casebook_fini(struct casebook *book)
{
	while (!TAILQ_EMPTY(&book->files))
		casebook_drop(book, TAILQ_FIRST(&book->files));
}

static void
body_free(struct casebook *book, struct casefile *file, struct casebody *body)
{
	TAILQ_REMOVE(&file->bodies, body, link);
	file->taken_count -= body->is_taken ? 1 : 0;
	book->body_count--;
	book->bytes -=
	    buf_count(&body->casualty) + buf_count(&body->quarantine);
	buf_fini(&body->casualty);
	buf_fini(&body->quarantine);
	free(body);
}

void
casebook_drop(struct casebook *book, struct casefile *file)
{
	while (!TAILQ_EMPTY(&file->bodies))
		body_free(book, file, TAILQ_FIRST(&file->bodies));
	TAILQ_REMOVE(&book->files, file, link);
	book->unnoted -= file->note == NULL ? 1 : 0;
	note_unref(&file->note);
	free(file->service);
	free(file);
}

void
casebook_set_note(struct casebook *book, struct casefile *file,
    struct note *note)
{
	book->unnoted -= file->note == NULL ? 1 : 0;
	note_unref(&file->note);
	if (note != NULL)
		file->note = note_ref(note);
	else
		book->unnoted++;
}

bool
casefile_has_died(const struct casefile *file)
{
	return file->note != NULL && file->note->death != DEATH_NONE;
}

void
casebook_forget(struct casebook *book, struct casefile *file, int64_t now_us)
{
	struct casebody *body;

	while (!casefile_has_died(file) &&
	       (body = TAILQ_FIRST(&file->bodies)) != NULL &&
	       now_us - body->at_us >= CASEBOOK_US)
		body_free(book, file, body);
}

struct casefile *
casebook_find(const struct casebook *book, const char *service, uint64_t index,
    uint64_t generation)
{
	struct casefile *file;

	TAILQ_FOREACH (file, &book->files, link) {
		if (file->index == index && file->generation == generation &&
		    strcmp(file->service, service) == 0)
			return file;
	}
	return NULL;
}

struct casefile *
casebook_open(struct casebook *book, const char *service, uint64_t index,
    uint64_t generation)
{
	struct casefile *file = casebook_find(book, service, index, generation);

	if (file != NULL)
		return file;
	file = calloc(1, sizeof(*file));
	if (file == NULL || (file->service = strdup(service)) == NULL) {
		free(file);
		return NULL;
	}
	file->index = index;
	file->generation = generation;
	TAILQ_INIT(&file->bodies);
	TAILQ_INSERT_TAIL(&book->files, file, link);
	book->unnoted++;
	return file;
}

/*
 * Let the oldest file go that nobody waits for, other than keep. Returns
 * whether there was one.
 */
static bool
evict(struct casebook *book, const struct casefile *keep)
{
	struct casefile *file;

	TAILQ_FOREACH (file, &book->files, link) {
		if (file->note == NULL && file != keep) {
			casebook_drop(book, file);
			return true;
		}
	}
	return false;
}

/* Room for one more request, of so many bytes. */
static void
make_room(struct casebook *book, const struct casefile *file, size_t size)
{
	while (book->unnoted > CASEBOOK_FILE_MAX ||
	       book->bytes + size > CASEBOOK_BYTES_MAX ||
	       book->body_count >= CASEBOOK_BODY_MAX) {
		if (!evict(book, file))
			break;
	}
}

void
casebook_add(struct casebook *book, struct casefile *file,
    const struct worker_casualty *casualty, int64_t now_us)
{
	size_t size =
	    buf_count(casualty->casualty) + buf_count(casualty->quarantine);
	struct casebody *body;

	casebook_forget(book, file, now_us);
	make_room(book, file, size);
	if (book->body_count >= CASEBOOK_BODY_MAX ||
	    (body = calloc(1, sizeof(*body))) == NULL)
		return;
	if (book->bytes + size <= CASEBOOK_BYTES_MAX) {
		buf_append(&body->casualty, buf_front(casualty->casualty),
		    buf_count(casualty->casualty));
		buf_append(&body->quarantine, buf_front(casualty->quarantine),
		    buf_count(casualty->quarantine));
	}
	body->print = casualty->print;
	body->is_taken = casualty->is_taken;
	body->at_us = now_us;
	file->taken_count += body->is_taken ? 1 : 0;
	book->body_count++;
	book->bytes +=
	    buf_count(&body->casualty) + buf_count(&body->quarantine);
	TAILQ_INSERT_TAIL(&file->bodies, body, link);
}
