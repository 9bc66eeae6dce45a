/* The checks of socket = over all services. */
#include <stdlib.h>
#include <string.h>

#include "conf_load.h"
#include "conf_value.h"

enum {
	SERVICE_SOCKETS_MAX = 64
};

struct item {
	const char *text;                   /* borrowed */
	const struct conf_section *section; /* borrowed */
};

struct items {
	struct item *items; /* owned */
	size_t count, cap;
};

/* By text; the same text in the order of the file. */
static int
item_compare(const void *a, const void *b)
{
	const struct item *one = a, *other = b;
	int order = strcmp(one->text, other->text);

	if (order != 0)
		return order;
	if (one->section->file != other->section->file)
		return one->section->file < other->section->file ? -1 : 1;
	return one->section->line < other->section->line   ? -1
	       : one->section->line > other->section->line ? 1
							   : 0;
}

static void
port_check(struct conf_loader *loader, const struct item *item)
{
	const char *port = strrchr(item->text, ':') + 1;
	char shown[CONF_SHOW_MAX];

	if (strncmp(item->text, "tcp:", 4) != 0 ||
	    strspn(port, "0") != strlen(port))
		return;
	conf_section_mistake(loader, item->section,
	    item->section->lines[CONF_KEY_SERVICE_socket],
	    "socket \"%s\" has port 0, where nobody would find it; write 1 to "
	    "65535",
	    conf_show(shown, item->text));
}

/* The router does not see what goes over a socket: it would stop in mid-talk.
 */
static void
idle_check(struct conf_loader *loader, const struct conf_section *section)
{
	const struct conf_service *service = section->object;

	if (service->sockets.count == 0 || service->idle_stop_ms == 0 ||
	    section->lines[CONF_KEY_SERVICE_idle_stop] == 0)
		return;
	conf_section_mistake(loader, section,
	    section->lines[CONF_KEY_SERVICE_idle_stop],
	    "key \"idle_stop\" does not fit a service with sockets of its own "
	    "(line %u), whose clients do not keep it awake; drop one of them",
	    section->lines[CONF_KEY_SERVICE_socket]);
}

static void
items_add(struct conf_loader *loader, struct items *items,
    const struct conf_section *section)
{
	const struct conf_service *service = section->object;
	struct item *grown;
	size_t need = items->count + service->sockets.count;

	if (service->sockets.count > SERVICE_SOCKETS_MAX)
		conf_section_mistake(loader, section,
		    section->lines[CONF_KEY_SERVICE_socket],
		    "socket has %zu items; %d are allowed",
		    service->sockets.count, SERVICE_SOCKETS_MAX);
	if (need > items->cap) {
		grown = reallocarray(items->items, 2 * need, sizeof(*grown));
		if (grown == NULL) {
			loader->is_out_of_memory = true;
			return;
		}
		items->items = grown;
		items->cap = 2 * need;
	}
	for (size_t i = 0; i < service->sockets.count; i++) {
		struct item item = { service->sockets.items[i], section };

		port_check(loader, &item);
		items->items[items->count++] = item;
	}
}

static void
twins_tell(struct conf_loader *loader, const struct item *first,
    const struct item *second)
{
	char where[CONF_WHERE_MAX], shown[CONF_SHOW_MAX];

	conf_section_mistake(loader, second->section,
	    second->section->lines[CONF_KEY_SERVICE_socket],
	    "socket \"%s\" is already taken by \"%s\" (%s)",
	    conf_show(shown, second->text), first->section->name,
	    conf_section_where(loader, first->section,
		first->section->lines[CONF_KEY_SERVICE_socket],
		second->section->file, where));
}

void
conf_socket_check(struct conf_loader *loader)
{
	struct items items = { NULL, 0, 0 };

	for (size_t i = 0; i < loader->section_count; i++) {
		if (loader->sections[i]->kind != CONF_SECTION_SERVICE)
			continue;
		idle_check(loader, loader->sections[i]);
		items_add(loader, &items, loader->sections[i]);
	}
	if (items.count > 0)
		qsort(items.items, items.count, sizeof(items.items[0]),
		    item_compare);
	for (size_t i = 1; i < items.count; i++) {
		const struct item *first = &items.items[i - 1],
				  *second = &items.items[i];

		if (first->section != second->section &&
		    strcmp(first->text, second->text) == 0)
			twins_tell(loader, first, second);
	}
	free(items.items);
}
