#include "quarantine.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/log.h"
#include "keep.h"
#include "supervisor.h"

/* The strings of an entry, to be copied one like the other. */
static const size_t quarantine_strings[] = {
	offsetof(struct lifeline_quarantine, service),
	offsetof(struct lifeline_quarantine, print),
	offsetof(struct lifeline_quarantine, method),
	offsetof(struct lifeline_quarantine, target),
	offsetof(struct lifeline_quarantine, route),
	offsetof(struct lifeline_quarantine, client),
	offsetof(struct lifeline_quarantine, fields),
	offsetof(struct lifeline_quarantine, body),
};

enum {
	QUARANTINE_STRINGS = sizeof(quarantine_strings) / sizeof(size_t),
	QUARANTINE_LOG_MAX = 200 /* bytes of a target in the log */
};

static const char **
quarantine_string(struct lifeline_quarantine *entry, size_t i)
{
	return (const char **)(void *)((char *)entry + quarantine_strings[i]);
}

void
quarantines_init(struct quarantines *set)
{
	TAILQ_INIT(&set->all);
	set->count = 0;
	set->size = 0;
}

void
quarantines_drop(struct quarantines *set, struct quarantine **itemp)
{
	struct quarantine *item = *itemp;

	*itemp = NULL;
	TAILQ_REMOVE(&set->all, item, link);
	set->count--;
	set->size -= item->size;
	free(item);
}

void
quarantines_fini(struct quarantines *set)
{
	struct quarantine *item;

	/* Zeroed, it was never used. */
	if (set->all.tqh_last == NULL)
		return;
	while ((item = TAILQ_FIRST(&set->all)) != NULL)
		quarantines_drop(set, &item);
}

static struct quarantine *
quarantine_new(const struct lifeline_quarantine *entry, int64_t now_us)
{
	struct lifeline_quarantine copy = *entry;
	size_t size = sizeof(struct quarantine), len;
	struct quarantine *item;
	char *at;

	for (size_t i = 0; i < QUARANTINE_STRINGS; i++)
		size += strlen(*quarantine_string(&copy, i)) + 1;
	item = malloc(size);
	if (item == NULL)
		return NULL;
	at = item->text;
	for (size_t i = 0; i < QUARANTINE_STRINGS; i++) {
		const char **text = quarantine_string(&copy, i);

		len = strlen(*text) + 1;
		*text = memcpy(at, *text, len);
		at += len;
	}
	item->entry = copy;
	item->size = size;
	item->until_us = now_us + (int64_t)entry->left_ms * 1000;
	return item;
}

/* In place of an item the same without fields and body, if it has any. */
static void
quarantines_strip(struct quarantines *set, struct quarantine *item)
{
	struct lifeline_quarantine entry = item->entry;
	struct quarantine *less;

	if (entry.fields[0] == '\0' && entry.body[0] == '\0')
		return;
	entry.fields = entry.body = "";
	less = quarantine_new(&entry, 0);
	if (less == NULL)
		return;
	less->until_us = item->until_us;
	TAILQ_INSERT_AFTER(&set->all, item, less, link);
	set->count++;
	set->size += less->size;
	quarantines_drop(set, &item);
}

/* Make room for one more. */
static void
quarantines_shrink(struct quarantines *set, size_t size)
{
	struct quarantine *item, *next;

	for (item = TAILQ_FIRST(&set->all);
	     item != NULL && set->size + size > QUARANTINE_BYTES_MAX;
	     item = next) {
		next = TAILQ_NEXT(item, link);
		quarantines_strip(set, item);
	}
	while (set->count > 0 && (set->count >= QUARANTINE_MAX ||
				     set->size + size > QUARANTINE_BYTES_MAX)) {
		item = TAILQ_FIRST(&set->all);
		quarantines_drop(set, &item);
	}
}

void
quarantines_look(struct quarantines *set, int64_t now_us)
{
	struct quarantine *item, *next;

	for (item = TAILQ_FIRST(&set->all); item != NULL; item = next) {
		next = TAILQ_NEXT(item, link);
		if (item->until_us <= now_us)
			quarantines_drop(set, &item);
		else
			item->entry.left_ms =
			    (uint64_t)(item->until_us - now_us + 999) / 1000;
	}
}

bool
quarantines_add(struct quarantines *set,
    const struct lifeline_quarantine *entry, int64_t now_us)
{
	struct quarantine *item = quarantine_new(entry, now_us), *old;
	bool is_new = true;

	if (item == NULL)
		return false;
	TAILQ_FOREACH (old, &set->all, link) {
		if (strcmp(old->entry.print, entry->print) != 0)
			continue;
		quarantines_drop(set, &old);
		is_new = false;
		break;
	}
	quarantines_look(set, now_us);
	quarantines_shrink(set, item->size);
	TAILQ_INSERT_TAIL(&set->all, item, link);
	set->count++;
	set->size += item->size;
	return is_new;
}

struct quarantine *
quarantines_find(const struct quarantines *set, const char *print,
    bool *is_several_r)
{
	struct quarantine *item, *found = NULL;
	size_t len = strlen(print);

	*is_several_r = false;
	TAILQ_FOREACH (item, &set->all, link) {
		if (strncmp(item->entry.print, print, len) != 0)
			continue;
		if (found != NULL) {
			*is_several_r = true;
			return NULL;
		}
		found = item;
	}
	return len > 0 ? found : NULL;
}

/* Longer than a year is no time that the configuration allows. */
static bool
quarantine_is_good(const struct lifeline_quarantine *entry)
{
	return strlen(entry->print) <= LIFELINE_PRINT_LEN &&
	       entry->print[0] != '\0' &&
	       entry->left_ms < 366LL * 24 * 60 * 60 * 1000;
}

void
quarantine_add(struct supervise *sup, const struct lifeline_quarantine *entry)
{
	if (!quarantine_is_good(entry)) {
		log_warnx("router: a quarantine that makes no sense, ignored");
		return;
	}
	if (!quarantines_add(&sup->failures.quarantines, entry,
		loop_now_us(sup->loop)))
		return;
	log_warnx("%s: \"%s %.*s\" is quarantined for %llu ms, \"msvc "
		  "quarantine show %.12s\" tells more",
	    entry->service, entry->method, QUARANTINE_LOG_MAX, entry->target,
	    (unsigned long long)entry->left_ms, entry->print);
}

void
quarantine_send(struct supervise *sup)
{
	struct lifeline_msg msg = { .type = LIFELINE_QUARANTINE };
	const struct quarantine *item;

	quarantines_look(&sup->failures.quarantines, loop_now_us(sup->loop));
	TAILQ_FOREACH (item, &sup->failures.quarantines.all, link) {
		msg.u.quarantine = item->entry;
		feed_send(&sup->router.feed, &msg, -1);
	}
}

void
quarantine_release(struct supervise *sup, struct quarantine **itemp)
{
	struct lifeline_msg msg = { .type = LIFELINE_RELEASE };

	msg.u.release.print = (*itemp)->entry.print;
	feed_send(&sup->router.feed, &msg, -1);
	log_info("%s: request %.12s released from quarantine",
	    (*itemp)->entry.service, (*itemp)->entry.print);
	quarantines_drop(&sup->failures.quarantines, itemp);
}

/* As the router is told: an entry is a message of the lifeline. */
void
keep_save_quarantines(const struct supervise *sup, struct keep_out *out)
{
	const struct quarantines *set = &sup->failures.quarantines;
	struct lifeline_msg msg = { .type = LIFELINE_QUARANTINE };
	const struct quarantine *item;
	struct buf bytes = { 0 };

	mp_put_array(&out->bytes, 2 * set->count);
	TAILQ_FOREACH (item, &set->all, link) {
		msg.u.quarantine = item->entry;
		buf_clear(&bytes);
		lifeline_encode(&bytes, &msg);
		mp_put_bin(&out->bytes, buf_front(&bytes), buf_count(&bytes));
		mp_put_int(&out->bytes, item->until_us);
		out->bytes.is_failed |= bytes.is_failed;
	}
	buf_fini(&bytes);
}

static struct quarantine *
quarantine_load(struct keep_in *in, struct mp_reader *reader)
{
	struct quarantine *item = NULL;
	struct lifeline_msg msg;
	const uint8_t *bytes;
	uint8_t *copy;
	size_t len;

	if (keep_get_bytes(in, reader, &bytes, &len) < 0)
		return NULL;
	/* Decoding writes into it. */
	copy = malloc(len + 1);
	if (copy != NULL && len > 0)
		memcpy(copy, bytes, len);
	if (copy != NULL && lifeline_decode(copy, len, &msg, &in->err) == 0 &&
	    msg.type == LIFELINE_QUARANTINE)
		item = quarantine_new(&msg.u.quarantine, 0);
	free(copy);
	return item;
}

int
keep_load_quarantines(struct supervise *sup, struct keep_in *in,
    struct mp_reader *reader)
{
	struct quarantines *set = &sup->failures.quarantines;
	struct quarantine *item;
	int64_t until_us;
	uint32_t count;

	if (keep_get_array(in, reader, &count) < 0 || count % 2 != 0)
		return keep_bad(in, "quarantines");
	for (; count > 0; count -= 2) {
		item = quarantine_load(in, reader);
		if (item == NULL || keep_get_int(in, reader, &until_us) < 0) {
			free(item);
			return keep_bad(in, "quarantines");
		}
		item->until_us = until_us;
		TAILQ_INSERT_TAIL(&set->all, item, link);
		set->count++;
		set->size += item->size;
	}
	return 0;
}
