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
	size_t next; /* the first of its names not looked at */
};

/* What puts one service behind another; the strongest first. */
static const enum conf_key_id order_keys[] = { CONF_KEY_SERVICE_requires,
	CONF_KEY_SERVICE_wants, CONF_KEY_SERVICE_after };

enum {
	ORDER_KEYS = sizeof(order_keys) / sizeof(order_keys[0])
};

/*
 * A walk in depth over these, with a stack of its own: a chain may be as
 * long as the config. A service is placed when all before it are, so the
 * order of the file stays wherever "after" does not speak.
 */
struct order {
	struct conf_loader *loader;
	struct node *nodes;   /* one for each service */
	size_t *stack, depth; /* of services */
	size_t *placed, placed_count;
};

static const struct conf_strings *
names_of(const struct conf_service *service, enum conf_key_id key)
{
	return key == CONF_KEY_SERVICE_requires ? &service->requires
	       : key == CONF_KEY_SERVICE_wants  ? &service->wants
						: &service->after;
}

/* Name number next of a service, over all keys; NULL behind the last. */
static const char *
name_at(const struct conf_service *service, size_t next,
    enum conf_key_id *key_r)
{
	for (size_t i = 0; i < ORDER_KEYS; i++) {
		const struct conf_strings *names =
		    names_of(service, order_keys[i]);

		*key_r = order_keys[i];
		if (next < names->count)
			return names->items[next];
		next -= names->count;
	}
	return NULL;
}

/* Where it says that it comes after the other one, looked at last. */
static enum conf_key_id
key_of(const struct node *node)
{
	enum conf_key_id key;

	(void)name_at(node->section->object, node->next - 1, &key);
	return key;
}

/* "a (line 3) -> b (line 9) -> a" for the end of the stack from start on. */
static void
cycle_tell(struct order *order, size_t start)
{
	const struct node *top = &order->nodes[order->stack[start]];
	const struct conf_section *first = top->section;
	char where[CONF_WHERE_MAX], *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL) {
		order->loader->is_out_of_memory = true;
		return;
	}
	for (size_t i = start; i < order->depth; i++) {
		const struct node *node = &order->nodes[order->stack[i]];

		if (i - start == CYCLE_SHOWN_MAX) {
			fprintf(out, "... -> ");
			break;
		}
		fprintf(out, "%s (%s) -> ", node->section->name,
		    conf_section_where(order->loader, node->section,
			node->section->lines[key_of(node)], first->file,
			where));
	}
	if (fclose(out) == 0)
		conf_section_mistake(order->loader, first,
		    first->lines[key_of(top)],
		    "%s goes in a circle, %s%s; drop one of these",
		    conf_key_get(key_of(top))->name, text, first->name);
	free(text);
}

/* What is wrong with naming that service, or NULL. */
static const char *
name_complaint(const struct conf_section *section, enum conf_key_id key,
    const struct conf_section *named)
{
	const struct conf_service *service = named->object;
	const struct conf_service *own = section->object;

	if (named == section)
		return "is the service itself; drop it";
	if (service->url != NULL)
		return "is on another machine, so there is no start to wait "
		       "for; drop it";
	if (key == CONF_KEY_SERVICE_requires && service->schedule.is_set)
		return "runs by a schedule, so it is not there all the time; "
		       "write after or drop it";
	if (key == CONF_KEY_SERVICE_requires && own->is_enabled &&
	    !service->is_enabled)
		return "is not enabled, so this one could never start; enable "
		       "it or drop it";
	return NULL;
}

/* The service that name stands for, or NULL with a mistake told. */
static const struct conf_section *
name_find(struct order *order, const struct conf_section *section,
    enum conf_key_id key, const char *name)
{
	const struct conf_section *named =
	    conf_section_find(order->loader, CONF_SECTION_SERVICE, name);
	unsigned line = section->lines[key];
	const char *complaint;
	char shown[CONF_SHOW_MAX];
	struct conf_why why;

	conf_show(shown, name);
	if (named == NULL) {
		conf_section_guess_service(order->loader, name, &why);
		conf_section_mistake(order->loader, section, line,
		    "%s \"%s\" is not a service of this config; %s",
		    conf_key_get(key)->name, shown, why.text);
		return NULL;
	}
	complaint = name_complaint(section, key, named);
	if (complaint == NULL)
		return named;
	conf_section_mistake(order->loader, section, line, "%s \"%s\" %s",
	    conf_key_get(key)->name, shown, complaint);
	return NULL;
}

static void
push(struct order *order, size_t index)
{
	order->nodes[index].mark = MARK_OPEN;
	order->stack[order->depth++] = index;
}

/* Look at one more name of the service on top of the stack. */
static void
step(struct order *order)
{
	size_t index = order->stack[order->depth - 1], start = 0;
	struct node *node = &order->nodes[index];
	const struct conf_section *named;
	enum conf_key_id key;
	const char *name = name_at(node->section->object, node->next++, &key);

	if (name == NULL) {
		node->mark = MARK_DONE;
		order->placed[order->placed_count++] = index;
		order->depth--;
		return;
	}
	named = name_find(order, node->section, key, name);
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
