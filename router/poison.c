#include "poison.h"

#include <stdlib.h>
#include <string.h>

/* Entries in the order of their last crash. */
struct poison_list {
	struct poison_entry *entries; /* owned, of max items */
	size_t count, max;
};

struct poison {
	struct poison_list suspects, quarantine;
};

/* One crash while it is looked into. */
struct crash {
	const char *service;
	const struct poison_print *suspects;
	size_t count;
	int64_t quarantine_us, now_us;
};

struct poison *
poison_new(void)
{
	struct poison *poison = calloc(1, sizeof(*poison));

	if (poison == NULL)
		return NULL;
	poison->suspects.max = POISON_SUSPECT_MAX;
	poison->quarantine.max = POISON_QUARANTINE_MAX;
	poison->suspects.entries =
	    calloc(POISON_SUSPECT_MAX, sizeof(struct poison_entry));
	poison->quarantine.entries =
	    calloc(POISON_QUARANTINE_MAX, sizeof(struct poison_entry));
	if (poison->suspects.entries == NULL ||
	    poison->quarantine.entries == NULL)
		poison_free(&poison);
	return poison;
}

static void
list_fini(struct poison_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->entries[i].service);
	free(list->entries);
}

void
poison_free(struct poison **poisonp)
{
	struct poison *poison = *poisonp;

	if (poison == NULL)
		return;
	*poisonp = NULL;
	list_fini(&poison->suspects);
	list_fini(&poison->quarantine);
	free(poison);
}

static bool
is_same(const struct poison_print *a, const struct poison_print *b)
{
	return a->a == b->a && a->b == b->b;
}

/* The entry that is not over at now_us, or NULL. */
static struct poison_entry *
list_find(const struct poison_list *list, const char *service,
    const struct poison_print *print, int64_t now_us)
{
	for (size_t i = 0; i < list->count; i++) {
		struct poison_entry *e = &list->entries[i];

		if (is_same(&e->print, print) && now_us < e->until_us &&
		    strcmp(e->service, service) == 0)
			return e;
	}
	return NULL;
}

static void
list_drop(struct poison_list *list, struct poison_entry *entry)
{
	struct poison_entry *end = list->entries + list->count;

	free(entry->service);
	memmove(entry, entry + 1, (size_t)(end - entry - 1) * sizeof(*entry));
	list->count--;
}

/* Add an entry as the latest, the oldest making room for it. */
static struct poison_entry *
list_add(struct poison_list *list, const struct crash *crash,
    const struct poison_print *print, int64_t until_us)
{
	char *service = strdup(crash->service);
	struct poison_entry *entry;

	if (service == NULL)
		return NULL;
	if (list->count == list->max)
		list_drop(list, list->entries);
	entry = &list->entries[list->count++];
	*entry = (struct poison_entry){ .service = service,
		.print = *print,
		.at_us = crash->now_us,
		.until_us = until_us };
	return entry;
}

static size_t
list_expire(struct poison_list *list, int64_t now_us)
{
	size_t was = list->count;

	for (size_t i = list->count; i-- > 0;) {
		if (now_us >= list->entries[i].until_us)
			list_drop(list, &list->entries[i]);
	}
	return was - list->count;
}

/*
 * Suspect a request, for the first time or once more. The entry moves to
 * the end, as the latest.
 */
static void
suspect(struct poison *poison, const struct crash *crash,
    const struct poison_print *print, bool is_alone)
{
	struct poison_list *list = &poison->suspects;
	struct poison_entry *e =
	    list_find(list, crash->service, print, crash->now_us);
	unsigned crashes = e == NULL ? 0 : e->crashes;

	if (e != NULL)
		list_drop(list, e);
	e = list_add(list, crash, print, crash->now_us + POISON_FADE_US);
	if (e == NULL)
		return;
	e->crashes = crashes + 1;
	e->was_alone = is_alone;
}

static bool
is_alone(const struct crash *crash)
{
	for (size_t i = 1; i < crash->count; i++) {
		if (!is_same(&crash->suspects[i], &crash->suspects[0]))
			return false;
	}
	return true;
}

/* Was it among the suspects before at? Two of the same count as one. */
static bool
is_repeated(const struct crash *crash, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (is_same(&crash->suspects[i], &crash->suspects[at]))
			return true;
	}
	return false;
}

/* A proven one weighs more than any number of crashes; 0: not known. */
static unsigned
weight(const struct poison *poison, const struct crash *crash, size_t at)
{
	const struct poison_entry *e = list_find(&poison->suspects,
	    crash->service, &crash->suspects[at], crash->now_us);

	if (e == NULL)
		return 0;
	return e->was_alone ? POISON_CRASHES_MAX : e->crashes;
}

static void
quarantine(struct poison *poison, const struct crash *crash,
    const struct poison_print *print)
{
	struct poison_entry *e =
	    list_find(&poison->suspects, crash->service, print, crash->now_us);
	unsigned crashes = e->crashes + 1;
	bool was_alone = e->was_alone;

	list_drop(&poison->suspects, e);
	e = list_add(&poison->quarantine, crash, print,
	    crash->now_us + crash->quarantine_us);
	if (e == NULL)
		return;
	e->crashes = crashes;
	e->was_alone = was_alone;
}

/*
 * The suspects of most weight explain the crash: quarantine or suspect them.
 * Returns how many were quarantined.
 */
static size_t
narrow(struct poison *poison, const struct crash *crash, unsigned most,
    struct poison_print *out)
{
	size_t guilty = 0, quarantined = 0;

	for (size_t i = 0; i < crash->count; i++)
		guilty +=
		    weight(poison, crash, i) == most && !is_repeated(crash, i)
			? 1
			: 0;
	for (size_t i = 0; i < crash->count; i++) {
		/* Seen to once, its weight is another: not twice. */
		if (weight(poison, crash, i) != most)
			continue;
		if (guilty > 1 && most + 1 < POISON_CRASHES_MAX) {
			suspect(poison, crash, &crash->suspects[i], false);
			continue;
		}
		out[quarantined++] = crash->suspects[i];
		quarantine(poison, crash, &crash->suspects[i]);
	}
	return quarantined;
}

void
poison_death(struct poison *poison, const char *service,
    const struct poison_print *suspects, size_t count, int64_t quarantine_us,
    int64_t now_us, struct poison_print *out, size_t *out_count)
{
	struct crash crash = { service, suspects, count, quarantine_us,
		now_us };
	unsigned most = 0;
	bool is_one;

	*out_count = 0;
	if (quarantine_us <= 0)
		return;
	if (crash.count > POISON_SUSPECT_MAX)
		crash.count = POISON_SUSPECT_MAX;
	list_expire(&poison->suspects, now_us);
	for (size_t i = 0; i < crash.count; i++) {
		unsigned w = weight(poison, &crash, i);

		if (list_find(&poison->quarantine, service, &suspects[i],
			now_us) != NULL)
			return;
		if (w > most)
			most = w;
	}
	if (most > 0) {
		*out_count = narrow(poison, &crash, most, out);
		return;
	}
	is_one = is_alone(&crash);
	for (size_t i = 0; i < crash.count; i++) {
		if (!is_repeated(&crash, i))
			suspect(poison, &crash, &suspects[i], is_one);
	}
}

void
poison_quarantine(struct poison *poison, const char *service,
    const struct poison_print *print, int64_t quarantine_us, int64_t now_us)
{
	struct crash crash = { service, print, 1, quarantine_us, now_us };
	struct poison_entry *e =
	    list_find(&poison->quarantine, service, print, now_us);

	if (e != NULL)
		list_drop(&poison->quarantine, e);
	(void)list_add(&poison->quarantine, &crash, print,
	    now_us + quarantine_us);
}

bool
poison_cleared(struct poison *poison, const char *service,
    const struct poison_print *print)
{
	struct poison_list *list = &poison->suspects;
	struct poison_entry *e;
	size_t was = list->count;

	/* One that has faded may still stand beside a newer one. */
	while ((e = list_find(list, service, print, INT64_MIN)) != NULL)
		list_drop(list, e);
	return list->count < was;
}

bool
poison_is_suspect(const struct poison *poison, const char *service,
    const struct poison_print *print, int64_t now_us)
{
	return list_find(&poison->suspects, service, print, now_us) != NULL;
}

bool
poison_is_quarantined(const struct poison *poison, const char *service,
    const struct poison_print *print, int64_t now_us)
{
	return list_find(&poison->quarantine, service, print, now_us) != NULL;
}

size_t
poison_release(struct poison *poison, const char *service,
    const struct poison_print *print)
{
	struct poison_list *list = &poison->quarantine;
	size_t was = list->count;

	for (size_t i = list->count; i-- > 0;) {
		struct poison_entry *e = &list->entries[i];

		if (is_same(&e->print, print) &&
		    (service == NULL || strcmp(e->service, service) == 0))
			list_drop(list, e);
	}
	return was - list->count;
}

size_t
poison_expire(struct poison *poison, int64_t now_us)
{
	list_expire(&poison->suspects, now_us);
	return list_expire(&poison->quarantine, now_us);
}

size_t
poison_suspect_count(const struct poison *poison)
{
	return poison->suspects.count;
}

const struct poison_entry *
poison_suspect_at(const struct poison *poison, size_t index)
{
	return &poison->suspects.entries[index];
}

size_t
poison_quarantine_count(const struct poison *poison)
{
	return poison->quarantine.count;
}

const struct poison_entry *
poison_quarantine_at(const struct poison *poison, size_t index)
{
	return &poison->quarantine.entries[index];
}
