#include "crash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conf/conf.h"
#include "crash_json.h"
#include "crash_oom.h"
#include "ipc/buf.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "keep.h"
#include "supervisor.h"

enum {
	/* Leaves room in a packet for the facts and its other items. */
	CRASH_BYTES_MAX = LIFELINE_PACKET_MAX - 32 * 1024
};

struct crash {
	TAILQ_ENTRY(crash) link;
	struct crashes *crashes; /* borrowed */
	int64_t due_us;          /* when it has waited long enough */
	char id[CRASH_ID_MAX];
	char service[64];
	unsigned index;
	uint64_t generation, stream;
	struct buf facts, requests; /* JSON, see crash_json.h */
	unsigned listed;
	uint64_t total;
};

static void crash_on_timer(struct loop_timer *timer);

static void
crash_free(struct crash **crashp)
{
	struct crash *crash = *crashp;

	*crashp = NULL;
	TAILQ_REMOVE(&crash->crashes->pending, crash, link);
	crash->crashes->count--;
	buf_fini(&crash->facts);
	buf_fini(&crash->requests);
	free(crash);
}

void
crashes_init(struct crashes *crashes, struct supervise *sup)
{
	crashes->sup = sup;
	crashes->timer = (struct loop_timer){ .fn = crash_on_timer };
	crashes->count = 0;
	crashes->oom_fd = crash_oom_open();
	crashes->oom_known = crash_oom_read(crashes->oom_fd);
	TAILQ_INIT(&crashes->pending);
}

void
crashes_fini(struct crashes *crashes)
{
	struct crash *crash;

	if (crashes->sup == NULL)
		return;
	while ((crash = TAILQ_FIRST(&crashes->pending)) != NULL)
		crash_free(&crash);
	loop_timer_drop(crashes->sup->loop, &crashes->timer);
	if (crashes->oom_fd != -1)
		close(crashes->oom_fd);
	crashes->sup = NULL;
}

/* All wait for as long: the queue is in the order in which they are due. */
static void
crash_wait(struct crash *crash)
{
	struct crashes *crashes = crash->crashes;
	struct loop *loop = crashes->sup->loop;

	crash->due_us = loop_now_us(loop) + CRASH_WAIT_MS * 1000LL;
	TAILQ_REMOVE(&crashes->pending, crash, link);
	TAILQ_INSERT_TAIL(&crashes->pending, crash, link);
	if (!loop_timer_is_set(&crashes->timer))
		loop_timer_set(loop, &crashes->timer, crash->due_us);
}

static void
crash_send(const struct crash *crash, const char *json)
{
	struct supervise *sup = crash->crashes->sup;
	struct lifeline_msg msg = { .type = LIFELINE_CRASH };
	char label[96];

	snprintf(label, sizeof(label), "%s/%u", crash->service, crash->index);
	msg.u.crash = (struct lifeline_crash){
		.id = crash->id,
		.dir = sup->conf->crash_dir,
		.keep = sup->conf->crash_keep,
		.max_size = sup->conf->crash_max_size,
		.stream = crash->stream,
		.name = crash->service,
		.label = label,
		.json = json,
	};
	feed_send(&sup->logger.feed, &msg, -1);
}

/* All is known, or nobody will tell: give it to the logger. */
static void
crash_finish(struct crash *crash)
{
	struct buf json = { 0 };

	crash_json_join(&json, &crash->facts, &crash->requests, crash->total);
	buf_append_byte(&json, '\0');
	if (json.is_failed)
		log_errorx("%s/%u: crash bundle %s: out of memory",
		    crash->service, crash->index, crash->id);
	else
		crash_send(crash, (const char *)buf_front(&json));
	buf_fini(&json);
	crash_free(&crash);
}

/* A logger that is about to be there again is worth to be waited for. */
static void
crash_on_timer(struct loop_timer *timer)
{
	struct crashes *crashes = loop_owner(timer, struct crashes, timer);
	struct loop *loop = crashes->sup->loop;
	struct crash *crash;

	while ((crash = TAILQ_FIRST(&crashes->pending)) != NULL &&
	       crash->due_us <= loop_now_us(loop)) {
		if (feed_is_open(&crashes->sup->logger.feed))
			crash_finish(crash);
		else
			crash_wait(crash);
	}
	if (crash != NULL)
		loop_timer_set(loop, timer, crash->due_us);
}

static struct crash *
crash_find(const struct supervise *sup, const char *service, uint64_t index,
    uint64_t generation)
{
	struct crash *crash;

	TAILQ_FOREACH (crash, &sup->failures.crashes.pending, link) {
		if (crash->generation == generation && crash->index == index &&
		    strcmp(crash->service, service) == 0)
			return crash;
	}
	return NULL;
}

static struct crash *
crash_new(struct crashes *crashes, const struct crash_facts *facts)
{
	struct crash *crash = calloc(1, sizeof(*crash));
	struct timespec now;

	if (crash == NULL)
		return NULL;
	clock_gettime(CLOCK_REALTIME, &now);
	crash->crashes = crashes;
	crash->index = facts->index;
	crash->generation = facts->generation;
	crash->stream = facts->stream;
	snprintf(crash->service, sizeof(crash->service), "%s", facts->service);
	crash_id_make(crash->id, facts->service, facts->index,
	    facts->generation, now.tv_sec);
	crash_json_facts(&crash->facts, crash->id,
	    (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, facts);
	TAILQ_INSERT_TAIL(&crashes->pending, crash, link);
	crashes->count++;
	return crash;
}

void
crash_begin(struct supervise *sup, const struct crash_facts *facts,
    char id_r[CRASH_ID_MAX])
{
	struct crashes *crashes = &sup->failures.crashes;
	struct crash *crash;

	id_r[0] = '\0';
	if (sup->conf->crash_keep == 0)
		return;
	if (crashes->count >= CRASH_PENDING_MAX)
		crash_finish(TAILQ_FIRST(&crashes->pending));
	crash = crash_new(crashes, facts);
	if (crash == NULL) {
		log_error("%s/%u: crash bundle", facts->service, facts->index);
		return;
	}
	memcpy(id_r, crash->id, CRASH_ID_MAX);
	if (sup->router.state == STATE_READY ||
	    !feed_is_open(&sup->logger.feed))
		crash_wait(crash);
	else
		crash_finish(crash);
}

void
crash_flush(struct supervise *sup)
{
	struct crash *crash;

	while ((crash = TAILQ_FIRST(&sup->failures.crashes.pending)) != NULL)
		crash_finish(crash);
}

void
crash_casualty(struct supervise *sup, const struct lifeline_casualty *casualty)
{
	struct crash *crash = crash_find(sup, casualty->service,
	    casualty->index, casualty->generation);
	struct buf request = { 0 };

	if (crash == NULL)
		return;
	crash->total++;
	if (crash->listed >= CRASH_REQUESTS_MAX)
		return;
	crash_json_request(&request, casualty);
	/* What does not fit any more is counted all the same. */
	if (!request.is_failed &&
	    buf_count(&crash->requests) + buf_count(&request) <
		CRASH_BYTES_MAX) {
		if (crash->listed++ > 0)
			buf_append_byte(&crash->requests, ',');
		buf_append(&crash->requests, buf_front(&request),
		    buf_count(&request));
	}
	buf_fini(&request);
}

void
crash_casualties_end(struct supervise *sup,
    const struct lifeline_linked *linked)
{
	struct crash *crash =
	    crash_find(sup, linked->service, linked->index, linked->generation);

	if (crash != NULL && feed_is_open(&sup->logger.feed))
		crash_finish(crash);
}

static const struct keep_field crash_fields[] = {
	KEEP_FIELD(KEEP_INT, crash, due_us),
	KEEP_FIELD(KEEP_CHARS, crash, id),
	KEEP_FIELD(KEEP_CHARS, crash, service),
	KEEP_FIELD(KEEP_UINT, crash, index),
	KEEP_FIELD(KEEP_UINT, crash, generation),
	KEEP_FIELD(KEEP_UINT, crash, stream),
	KEEP_FIELD(KEEP_BUF, crash, facts),
	KEEP_FIELD(KEEP_BUF, crash, requests),
	KEEP_FIELD(KEEP_UINT, crash, listed),
	KEEP_FIELD(KEEP_UINT, crash, total),
};

void
keep_save_crashes(const struct supervise *sup, struct keep_out *out)
{
	const struct crashes *crashes = &sup->failures.crashes;
	const struct crash *crash;

	mp_put_array(&out->bytes, 1 + crashes->count);
	mp_put_uint(&out->bytes, crashes->oom_known);
	TAILQ_FOREACH (crash, &crashes->pending, link)
		keep_put(out, crash_fields, KEEP_COUNT(crash_fields), crash);
}

int
keep_load_crashes(struct supervise *sup, struct keep_in *in,
    struct mp_reader *reader)
{
	struct crashes *crashes = &sup->failures.crashes;
	struct crash *crash;
	uint32_t count;

	if (keep_get_array(in, reader, &count) < 0 || count == 0 ||
	    keep_get_uint(in, reader, &crashes->oom_known) < 0)
		return keep_bad(in, "crashes");
	for (; count > 1; count--) {
		crash = calloc(1, sizeof(*crash));
		if (crash == NULL)
			return keep_bad(in, "crashes");
		crash->crashes = crashes;
		TAILQ_INSERT_TAIL(&crashes->pending, crash, link);
		crashes->count++;
		if (keep_get(in, reader, crash_fields, KEEP_COUNT(crash_fields),
			crash) < 0)
			return -1;
	}
	crash = TAILQ_FIRST(&crashes->pending);
	if (crash != NULL)
		loop_timer_set(sup->loop, &crashes->timer, crash->due_us);
	return 0;
}
