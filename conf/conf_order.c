#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_load.h"
#include "conf_value.h"

enum {
	CYCLE_SHOWN_MAX = 10 /* services of a cycle that a message names */
};

enum mark {
	MARK_NEW,
	MARK_OPEN, /* on the path that is being walked */
	MARK_DONE
};

struct node {
	const struct conf_section *section;
	enum mark mark;
	size_t next; /* the first of its "after" not looked at */
};

/*
 * A walk in depth over "after", with a stack of its own: a chain may be as
 * long as the config. A service is placed when all before it are, so the
 * order of the file stays wherever "after" does not speak.
 */
struct order {
	struct conf_loader *loader;
	struct node *nodes;   /* one for each service */
	size_t *stack, depth; /* of services */
	size_t *placed, placed_count;
};

/* "a (line 3) -> b (line 9) -> a" for the end of the stack from start on. */
static void
cycle_tell(struct order *order, size_t start)
{
	const struct conf_section *first =
	    order->nodes[order->stack[start]].section;
	char where[CONF_WHERE_MAX], *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL) {
		order->loader->is_out_of_memory = true;
		return;
	}
	for (size_t i = start; i < order->depth; i++) {
		const struct conf_section *section =
		    order->nodes[order->stack[i]].section;

		if (i - start == CYCLE_SHOWN_MAX) {
			fprintf(out, "... -> ");
			break;
		}
		fprintf(out, "%s (%s) -> ", section->name,
		    conf_section_where(order->loader, section,
			section->lines[CONF_KEY_SERVICE_after], first->file,
			where));
	}
	if (fclose(out) == 0)
		conf_section_mistake(order->loader, first,
		    first->lines[CONF_KEY_SERVICE_after],
		    "after goes in a circle, %s%s; drop one of these", text,
		    first->name);
	free(text);
}

/* What is wrong with naming that service, or NULL. */
static const char *
name_complaint(const struct conf_section *section,
    const struct conf_section *named)
{
	const struct conf_service *service = named->object;

	if (named == section)
		return "is the service itself; drop it";
	if (service->url != NULL)
		return "is on another machine, so there is no start to wait "
		       "for; drop it";
	return NULL;
}

/* The service that name stands for, or NULL with a mistake told. */
static const struct conf_section *
name_find(struct order *order, const struct conf_section *section,
    const char *name)
{
	const struct conf_section *named =
	    conf_section_find(order->loader, CONF_SECTION_SERVICE, name);
	unsigned line = section->lines[CONF_KEY_SERVICE_after];
	const char *complaint;
	char shown[CONF_SHOW_MAX];
	struct conf_why why;

	conf_show(shown, name);
	if (named == NULL) {
		conf_section_guess_service(order->loader, name, &why);
		conf_section_mistake(order->loader, section, line,
		    "after \"%s\" is not a service of this config; %s", shown,
		    why.text);
		return NULL;
	}
	complaint = name_complaint(section, named);
	if (complaint == NULL)
		return named;
	conf_section_mistake(order->loader, section, line, "after \"%s\" %s",
	    shown, complaint);
	return NULL;
}

static void
push(struct order *order, size_t index)
{
	order->nodes[index].mark = MARK_OPEN;
	order->stack[order->depth++] = index;
}

/* Look at one more "after" of the service on top of the stack. */
static void
step(struct order *order)
{
	size_t index = order->stack[order->depth - 1], start = 0;
	struct node *node = &order->nodes[index];
	const struct conf_service *service = node->section->object;
	const struct conf_section *named;

	if (node->next == service->after.count) {
		node->mark = MARK_DONE;
		order->placed[order->placed_count++] = index;
		order->depth--;
		return;
	}
	named =
	    name_find(order, node->section, service->after.items[node->next++]);
	if (named == NULL || order->nodes[named->index].mark == MARK_DONE)
		return;
	if (order->nodes[named->index].mark == MARK_NEW) {
		push(order, named->index);
		return;
	}
	while (order->stack[start] != named->index)
		start++;
	cycle_tell(order, start);
}

void
conf_order_find(struct conf_loader *loader)
{
	size_t count = loader->conf->service_count;
	struct order order = { .loader = loader,
		.nodes = calloc(count + 1, sizeof(order.nodes[0])),
		.stack = calloc(count + 1, sizeof(order.stack[0])),
		.placed = calloc(count + 1, sizeof(order.placed[0])) };

	if (order.nodes == NULL || order.stack == NULL ||
	    order.placed == NULL) {
		loader->is_out_of_memory = true;
		goto out;
	}
	for (size_t i = 0; i < loader->section_count; i++) {
		const struct conf_section *section = loader->sections[i];

		if (section->kind == CONF_SECTION_SERVICE && section->is_known)
			order.nodes[section->index].section = section;
	}
	for (size_t i = 0; i < count; i++) {
		if (order.nodes[i].mark == MARK_NEW)
			push(&order, i);
		while (order.depth > 0)
			step(&order);
	}
	loader->conf->start_order = order.placed;
	order.placed = NULL;
out:
	free(order.nodes);
	free(order.stack);
	free(order.placed);
}
