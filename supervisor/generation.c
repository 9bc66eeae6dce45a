#include "generation.h"

#include <stdlib.h>
#include <string.h>

struct generation_name {
	LIST_ENTRY(generation_name) link;
	uint64_t last;
	char name[];
};

static void
generations_forget(struct generations *generations,
    struct generation_name *entry)
{
	LIST_REMOVE(entry, link);
	generations->count--;
	free(entry);
}

static struct generation_name *
generations_find(const struct generations *generations, const char *name)
{
	struct generation_name *entry;

	LIST_FOREACH (entry, &generations->names, link) {
		if (strcmp(entry->name, name) == 0)
			return entry;
	}
	return NULL;
}

void
generations_fini(struct generations *generations)
{
	while (!LIST_EMPTY(&generations->names))
		generations_forget(generations,
		    LIST_FIRST(&generations->names));
}

/* Too many names, or no memory for one: all go on behind the highest. */
static void
generations_raise(struct generations *generations, uint64_t last)
{
	struct generation_name *entry;

	if (generations->floor < last)
		generations->floor = last;
	while ((entry = LIST_FIRST(&generations->names)) != NULL) {
		if (generations->floor < entry->last)
			generations->floor = entry->last;
		generations_forget(generations, entry);
	}
}

void
generations_keep(struct generations *generations, const char *name,
    uint64_t last)
{
	struct generation_name *entry = generations_find(generations, name);
	size_t size = strlen(name) + 1;

	if (last <= generations->floor)
		return;
	if (entry == NULL && generations->count < GENERATION_NAMES_MAX) {
		entry = calloc(1, sizeof(*entry) + size);
		if (entry != NULL) {
			memcpy(entry->name, name, size);
			LIST_INSERT_HEAD(&generations->names, entry, link);
			generations->count++;
		}
	}
	if (entry == NULL)
		generations_raise(generations, last);
	else if (entry->last < last)
		entry->last = last;
}

uint64_t
generations_take(struct generations *generations, const char *name)
{
	struct generation_name *entry = generations_find(generations, name);
	uint64_t last = generations->floor;

	if (entry == NULL)
		return last;
	if (last < entry->last)
		last = entry->last;
	generations_forget(generations, entry);
	return last;
}
