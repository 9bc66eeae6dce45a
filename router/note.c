#include "note.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/lifeline.h"

struct note *
note_new(const struct lifeline_instance *from)
{
	struct note *note = calloc(1, sizeof(*note));

	if (note == NULL)
		return NULL;
	atomic_init(&note->refs, 1);
	note->service = strdup(from->service);
	note->listen = strdup(from->listen);
	note->reason = strdup(from->reason);
	note->index = from->index;
	note->generation = from->generation;
	note->retry_ms = from->retry_ms;
	note->state = (unsigned)from->state;
	note->death = (unsigned)from->death;
	note->is_beside = from->is_beside;
	note->is_asleep = from->is_asleep;
	note->restarts = from->restarts;
	note->restart_limit = from->restart_limit;
	if (note->service == NULL || note->listen == NULL ||
	    note->reason == NULL)
		note_unref(&note);
	return note;
}

struct note *
note_ref(struct note *note)
{
	atomic_fetch_add_explicit(&note->refs, 1, memory_order_relaxed);
	return note;
}

void
note_unref(struct note **notep)
{
	struct note *note = *notep;

	if (note == NULL)
		return;
	*notep = NULL;
	if (atomic_fetch_sub_explicit(&note->refs, 1, memory_order_acq_rel) !=
	    1)
		return;
	free(note->service);
	free(note->listen);
	free(note->reason);
	free(note);
}
