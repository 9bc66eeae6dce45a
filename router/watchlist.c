#include "watchlist.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "poison.h"

struct entry {
	const char *service; /* one of the names */
	struct poison_print print;
	enum watchlist_kind kind;
	int64_t until_us;
};

struct watchlist {
	atomic_uint refs;
	size_t name_count, count;
	char **names; /* owned; of each service once */
	struct entry entries[];
};

/* The list's own copy of a name; NULL: no memory. */
static const char *
intern(struct watchlist *list, const char *name)
{
	for (size_t i = 0; i < list->name_count; i++) {
		if (strcmp(list->names[i], name) == 0)
			return list->names[i];
	}
	list->names[list->name_count] = strdup(name);
	if (list->names[list->name_count] == NULL)
		return NULL;
	return list->names[list->name_count++];
}

/* Returns -1 when out of memory. */
static int
add(struct watchlist *list, const struct poison_entry *from,
    enum watchlist_kind kind)
{
	const char *service = intern(list, from->service);

	if (service == NULL)
		return -1;
	list->entries[list->count++] =
	    (struct entry){ service, from->print, kind, from->until_us };
	return 0;
}

static struct watchlist *
list_new(size_t max)
{
	struct watchlist *list =
	    calloc(1, sizeof(*list) + max * sizeof(struct entry));

	if (list == NULL)
		return NULL;
	list->names = calloc(max, sizeof(char *));
	if (list->names == NULL) {
		free(list);
		return NULL;
	}
	atomic_init(&list->refs, 1);
	return list;
}

struct watchlist *
watchlist_new(const struct poison *poison)
{
	size_t suspects = poison_suspect_count(poison);
	size_t quarantined = poison_quarantine_count(poison);
	struct watchlist *list = NULL;
	int rc = 0;

	if (suspects + quarantined != 0)
		list = list_new(suspects + quarantined);
	if (list == NULL)
		return NULL;
	/* Quarantine first: who is in both is not delivered. */
	for (size_t i = 0; rc == 0 && i < quarantined; i++)
		rc = add(list, poison_quarantine_at(poison, i),
		    WATCHLIST_QUARANTINED);
	for (size_t i = 0; rc == 0 && i < suspects; i++)
		rc = add(list, poison_suspect_at(poison, i), WATCHLIST_SUSPECT);
	return list;
}

struct watchlist *
watchlist_ref(struct watchlist *list)
{
	if (list != NULL)
		atomic_fetch_add_explicit(&list->refs, 1, memory_order_relaxed);
	return list;
}

void
watchlist_unref(struct watchlist **listp)
{
	struct watchlist *list = *listp;

	*listp = NULL;
	if (list == NULL || atomic_fetch_sub_explicit(&list->refs, 1,
				memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < list->name_count; i++)
		free(list->names[i]);
	free(list->names);
	free(list);
}

bool
watchlist_has(const struct watchlist *list, const char *service)
{
	for (size_t i = 0; list != NULL && i < list->name_count; i++) {
		if (strcmp(list->names[i], service) == 0)
			return true;
	}
	return false;
}

enum watchlist_kind
watchlist_find(const struct watchlist *list, const char *service,
    const struct poison_print *print, int64_t now_us, int64_t *until_us_r)
{
	for (size_t i = 0; list != NULL && i < list->count; i++) {
		const struct entry *entry = &list->entries[i];

		if (entry->print.a != print->a || entry->print.b != print->b ||
		    now_us >= entry->until_us ||
		    strcmp(entry->service, service) != 0)
			continue;
		*until_us_r = entry->until_us;
		return entry->kind;
	}
	return WATCHLIST_NONE;
}
