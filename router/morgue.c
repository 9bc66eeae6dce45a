#include "morgue.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "ipc/loop.h"

#include "casebook.h"
#include "fingerprint.h"
#include "note.h"
#include "poison.h"
#include "snapshot.h"
#include "worker.h"

enum {
	EXPIRE_US = 10000000
};

struct morgue {
	struct loop *loop;
	struct morgue_handler handler;
	struct poison *poison;
	struct casebook book;
	struct loop_timer sweep;   /* while there is anything */
	struct loop_task announce; /* that poison has changed */
};

static void
arm(struct morgue *morgue)
{
	if (!loop_timer_is_set(&morgue->sweep))
		loop_timer_set(morgue->loop, &morgue->sweep,
		    loop_now_us(morgue->loop) + EXPIRE_US);
}

/* Tell of what has changed in poison. */
static void
announce(struct morgue *morgue)
{
	loop_task_drop(morgue->loop, &morgue->announce);
	morgue->handler.changed(morgue->handler.arg, morgue->poison);
}

static void
on_announce(struct loop_task *task)
{
	announce(loop_owner(task, struct morgue, announce));
}

/* Of a request of which there is no more than its print. */
static void
tell_print(struct morgue *morgue, const struct casefile *file, const char *text)
{
	struct lifeline_msg msg = { .type = LIFELINE_QUARANTINE };
	struct buf packet = { 0 };

	msg.u.quarantine = (struct lifeline_quarantine){
		.service = file->service,
		.print = text,
		.left_ms =
		    (uint64_t)morgue->handler.quarantine_us(morgue->handler.arg,
			file->service) /
		    1000,
		.method = "",
		.target = "",
		.route = "",
		.client = "",
		.fields = "",
		.body = "",
	};
	lifeline_encode(&packet, &msg);
	if (!packet.is_failed)
		morgue->handler.tell(morgue->handler.arg, &packet, true);
	buf_fini(&packet);
}

static void
tell_quarantined(struct morgue *morgue, const struct casefile *file,
    const struct poison_print *print)
{
	char text[LIFELINE_PRINT_LEN + 1];
	const struct casebody *body;

	fingerprint_show(print, text);
	/* The supervisor has a line for it, with more that one can read. */
	log_debug("%s: request %s is quarantined", file->service, text);
	TAILQ_FOREACH (body, &file->bodies, link) {
		if (body->is_taken && body->print.a == print->a &&
		    body->print.b == print->b &&
		    buf_count(&body->quarantine) != 0) {
			morgue->handler.tell(morgue->handler.arg,
			    &body->quarantine, true);
			return;
		}
	}
	tell_print(morgue, file, text);
}

/* Which of the requests can have been the cause? */
static void
judge(struct morgue *morgue, struct casefile *file)
{
	int64_t quarantine_us =
	    morgue->handler.quarantine_us(morgue->handler.arg, file->service);
	size_t count = 0, out_count = 0;
	struct poison_print *prints, *out;
	const struct casebody *body;

	if (quarantine_us == 0 || file->taken_count == 0)
		return;
	prints = calloc(file->taken_count + 1, 2 * sizeof(*prints));
	if (prints == NULL)
		return;
	out = prints + file->taken_count + 1;
	TAILQ_FOREACH (body, &file->bodies, link) {
		if (body->is_taken)
			prints[count++] = body->print;
	}
	poison_death(morgue->poison, file->service, prints, count,
	    quarantine_us, loop_now_us(morgue->loop), out, &out_count);
	for (size_t i = 0; i < out_count; i++)
		tell_quarantined(morgue, file, &out[i]);
	free(prints);
	announce(morgue);
}

/* All workers have told all: the supervisor gets it, and it is judged. */
static void
close_case(struct morgue *morgue, struct casefile *file)
{
	struct lifeline_msg end = { .type = LIFELINE_CASUALTIES_END };
	struct buf packet = { 0 };
	const struct casebody *body;

	TAILQ_FOREACH (body, &file->bodies, link) {
		if (buf_count(&body->casualty) != 0)
			morgue->handler.tell(morgue->handler.arg,
			    &body->casualty, false);
	}
	end.u.linked = (struct lifeline_linked){ file->service, file->index,
		file->generation };
	lifeline_encode(&packet, &end);
	if (!packet.is_failed)
		morgue->handler.tell(morgue->handler.arg, &packet, true);
	buf_fini(&packet);
	if (file->note->death == DEATH_SUSPECT)
		judge(morgue, file);
	morgue->handler.resolved(morgue->handler.arg, file->note);
	casebook_drop(&morgue->book, file);
}

static size_t
poison_count(const struct morgue *morgue)
{
	return poison_suspect_count(morgue->poison) +
	       poison_quarantine_count(morgue->poison);
}

static void
on_sweep(struct loop_timer *timer)
{
	struct morgue *morgue = loop_owner(timer, struct morgue, sweep);
	int64_t now = loop_now_us(morgue->loop);
	struct casefile *file = TAILQ_FIRST(&morgue->book.files);
	size_t before;

	while (file != NULL) {
		struct casefile *next = TAILQ_NEXT(file, link);

		casebook_forget(&morgue->book, file, now);
		/* A worker that stands must not hide what is known. */
		if (now >= file->until_us && casefile_has_died(file))
			close_case(morgue, file);
		else if (now >= file->until_us)
			casebook_drop(&morgue->book, file);
		file = next;
	}
	before = poison_count(morgue);
	poison_expire(morgue->poison, now);
	if (poison_count(morgue) != before)
		announce(morgue);
	if (!TAILQ_EMPTY(&morgue->book.files) || poison_count(morgue) != 0)
		arm(morgue);
}

struct morgue *
morgue_new(struct loop *loop, const struct morgue_handler *handler,
    struct err *err_r)
{
	struct morgue *morgue = calloc(1, sizeof(*morgue));

	if (morgue != NULL)
		morgue->poison = poison_new();
	if (morgue == NULL || morgue->poison == NULL) {
		free(morgue);
		err_set(err_r, "out of memory");
		return NULL;
	}
	morgue->loop = loop;
	morgue->handler = *handler;
	morgue->sweep.fn = on_sweep;
	morgue->announce.fn = on_announce;
	casebook_init(&morgue->book);
	return morgue;
}

void
morgue_free(struct morgue **morguep)
{
	struct morgue *morgue = *morguep;

	if (morgue == NULL)
		return;
	*morguep = NULL;
	casebook_fini(&morgue->book);
	loop_timer_drop(morgue->loop, &morgue->sweep);
	loop_task_drop(morgue->loop, &morgue->announce);
	poison_free(&morgue->poison);
	free(morgue);
}

/* Its time begins anew, unless it drains. */
static struct casefile *
open_file(struct morgue *morgue, const char *service, uint64_t index,
    uint64_t generation)
{
	struct casefile *file =
	    casebook_open(&morgue->book, service, index, generation);

	if (file == NULL)
		return NULL;
	if (file->until_us != INT64_MAX)
		file->until_us = loop_now_us(morgue->loop) + CASEBOOK_US;
	arm(morgue);
	return file;
}

/* It takes requests, or its time to drain is over: nobody waits for it. */
static void
end_drain(struct morgue *morgue, struct casefile *file)
{
	file->until_us = loop_now_us(morgue->loop) + CASEBOOK_US;
	file->drained = 0;
	casebook_set_note(&morgue->book, file, NULL);
}

void
morgue_note(struct morgue *morgue, struct note *note, size_t worker_count)
{
	bool is_drain = note->state == STATE_DRAINING;
	struct casefile *file;

	if (note->death == DEATH_NONE && !is_drain) {
		file = casebook_find(&morgue->book, note->service, note->index,
		    note->generation);
		if (file != NULL && file->note != NULL &&
		    !casefile_has_died(file))
			end_drain(morgue, file);
		return;
	}
	file = open_file(morgue, note->service, note->index, note->generation);
	if (file == NULL)
		return;
	casebook_forget(&morgue->book, file, loop_now_us(morgue->loop));
	file->until_us = note->death == DEATH_NONE
			     ? INT64_MAX
			     : loop_now_us(morgue->loop) + CASEBOOK_US;
	casebook_set_note(&morgue->book, file, note);
	file->wanted = worker_count >= MORGUE_WORKER_MAX
			   ? UINT64_MAX
			   : (UINT64_C(1) << worker_count) - 1;
}

void
morgue_prune(struct morgue *morgue, const struct snapshot *snapshot)
{
	struct casefile *file;

	TAILQ_FOREACH (file, &morgue->book.files, link) {
		if (file->until_us == INT64_MAX &&
		    snapshot_find(snapshot, file->service,
			strlen(file->service)) == NULL)
			end_drain(morgue, file);
	}
}

void
morgue_casualty(struct morgue *morgue, const struct worker_casualty *casualty)
{
	const struct worker_key *key = &casualty->key;
	struct casefile *file =
	    open_file(morgue, key->service, key->index, key->generation);

	if (file != NULL)
		casebook_add(&morgue->book, file, casualty,
		    loop_now_us(morgue->loop));
}

void
morgue_gone(struct morgue *morgue, unsigned worker,
    const struct worker_key *key, bool is_dead)
{
	struct casefile *file = casebook_find(&morgue->book, key->service,
	    key->index, key->generation);
	uint64_t bit = UINT64_C(1) << worker;

	if (file == NULL || file->note == NULL ||
	    is_dead != casefile_has_died(file))
		return;
	if (is_dead) {
		file->dead |= bit;
		if (file->dead == file->wanted)
			close_case(morgue, file);
		return;
	}
	file->drained |= bit;
	if (file->drained != file->wanted || file->until_us != INT64_MAX)
		return;
	/* Known from now on; should it be asked again, workers answer again. */
	file->until_us = loop_now_us(morgue->loop) + CASEBOOK_US;
	morgue->handler.idle(morgue->handler.arg, key);
}

void
morgue_cleared(struct morgue *morgue, const char *service,
    const struct poison_print *print)
{
	if (poison_cleared(morgue->poison, service, print))
		loop_task_add(morgue->loop, &morgue->announce);
}

void
morgue_quarantine(struct morgue *morgue,
    const struct lifeline_quarantine *entry)
{
	struct poison_print print;

	if (fingerprint_parse(entry->print, &print) == -1)
		return;
	poison_quarantine(morgue->poison, entry->service, &print,
	    (int64_t)entry->left_ms * 1000, loop_now_us(morgue->loop));
	arm(morgue);
	loop_task_add(morgue->loop, &morgue->announce);
}

void
morgue_release(struct morgue *morgue, const char *text)
{
	struct poison_print print;

	if (fingerprint_parse(text, &print) == 0 &&
	    poison_release(morgue->poison, NULL, &print) != 0)
		loop_task_add(morgue->loop, &morgue->announce);
}
