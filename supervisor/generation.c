#include "generation.h"

#include <stdlib.h>
#include <string.h>

#include "keep.h"
#include "supervisor.h"

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

void
keep_save_generations(const struct supervise *sup, struct keep_out *out)
{
	const struct generations *gone = &sup->services.gone;
	const struct generation_name *entry;

	mp_put_array(&out->bytes, (uint32_t)(1 + 2 * gone->count));
	mp_put_uint(&out->bytes, gone->floor);
	LIST_FOREACH (entry, &gone->names, link) {
		mp_put_cstr(&out->bytes, entry->name);
		mp_put_uint(&out->bytes, entry->last);
	}
}

int
keep_load_generations(struct supervise *sup, struct keep_in *in,
    struct mp_reader *reader)
{
	struct generations *gone = &sup->services.gone;
	uint64_t last, floor;
	uint32_t count;
	char *name;

	if (keep_get_array(in, reader, &count) < 0 || count % 2 != 1 ||
	    keep_get_uint(in, reader, &floor) < 0)
		return keep_bad(in, "generations");
	for (; count > 1; count -= 2) {
		if (keep_get_text(in, reader, &name) < 0)
			return -1;
		if (name == NULL || keep_get_uint(in, reader, &last) < 0) {
			free(name);
			return keep_bad(in, "generations");
		}
		generations_keep(gone, name, last);
		free(name);
	}
	/* Last: what is not above it need not be remembered. */
	if (gone->floor < floor)
		gone->floor = floor;
	return 0;
}
