#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_load.h"
#include "conf_value.h"

void
conf_section_mistake(struct conf_loader *loader,
    const struct conf_section *section, unsigned line, const char *fmt, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len < 0) {
		loader->is_out_of_memory = true;
		return;
	}
	if (section->name[0] == '\0')
		conf_mistake_add(&loader->mistakes, section->file, line,
		    "%s: %s", conf_key_section_name(section->kind), text);
	else
		conf_mistake_add(&loader->mistakes, section->file, line,
		    "%s \"%s\": %s", conf_key_section_name(section->kind),
		    section->name, text);
	free(text);
}

const char *
conf_section_where(const struct conf_loader *loader,
    const struct conf_section *section, unsigned line, size_t seen_from,
    char out[CONF_WHERE_MAX])
{
	if (section->file == seen_from)
		snprintf(out, CONF_WHERE_MAX, "line %u", line);
	else
		snprintf(out, CONF_WHERE_MAX, "%.200s:%u",
		    loader->names.items[section->file], line);
	return out;
}

/* The key of by_title: kind and name in small letters; NULL: no memory. */
static char *
title_make(enum conf_section_kind kind, const char *name)
{
	char *title;

	if (asprintf(&title, "%s %s", conf_key_section_name(kind), name) < 0)
		return NULL;
	for (char *c = title; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	return title;
}

static struct conf_section *
title_find(const struct conf_loader *loader, const char *title)
{
	struct conf_section *section;

	HASH_FIND_STR(loader->by_title, title, section);
	return section;
}

struct conf_section *
conf_section_find(const struct conf_loader *loader, enum conf_section_kind kind,
    const char *name)
{
	char *title = title_make(kind, name);
	struct conf_section *section =
	    title == NULL ? NULL : title_find(loader, title);

	free(title);
	if (section == NULL || strcmp(section->name, name) != 0)
		return NULL;
	return section;
}

void
conf_section_guess_service(const struct conf_loader *loader, const char *name,
    struct conf_why *why)
{
	unsigned distance, least = UINT_MAX;

	conf_why_set(why, "write the NAME of a [service NAME]");
	if (conf_mistake_is_full(&loader->mistakes))
		return;
	for (size_t i = 0; i < loader->section_count; i++) {
		const struct conf_section *section = loader->sections[i];

		if (section->kind != CONF_SECTION_SERVICE ||
		    !conf_value_is_near(name, section->name))
			continue;
		distance = conf_value_distance(name, section->name);
		if (distance < least) {
			conf_why_set(why, "did you mean \"%s\"?",
			    section->name);
			least = distance;
		}
	}
}

void
conf_section_free(struct conf_section *section)
{
	if (section == NULL)
		return;
	if (section->is_owner && section->object != NULL) {
		struct conf_service *service = section->object;
		struct conf_route *route = section->object;
		struct conf_group *group = section->object;

		if (section->kind == CONF_SECTION_SERVICE)
			free(service->name);
		if (section->kind == CONF_SECTION_ROUTE)
			free(route->name);
		if (section->kind == CONF_SECTION_GROUP)
			free(group->name);
		conf_key_fini_section(section->kind, section->object);
		free(section->object);
	}
	free(section->name);
	free(section->title);
	free(section);
}

/* Take the kind off the front of a header. name_r gets the rest. */
static enum conf_section_kind
header_split(const char *header, const char **name_r)
{
	size_t len = strcspn(header, " \t");

	*name_r = header + len + strspn(header + len, " \t");
	for (enum conf_section_kind kind = 0; kind < CONF_SECTION_UNKNOWN;
	     kind++) {
		const char *word = conf_key_section_name(kind);

		if (strlen(word) == len && memcmp(word, header, len) == 0)
			return kind;
	}
	return CONF_SECTION_UNKNOWN;
}

/* Tell what an unknown header should have been. */
static void
header_mistake(struct conf_loader *loader, unsigned line, const char *header)
{
	char shown[CONF_SHOW_MAX], word[CONF_SHOW_MAX];
	size_t len = strcspn(header, " \t");

	snprintf(word, sizeof(word), "%.*s", len > 100 ? 100 : (int)len,
	    header);
	for (enum conf_section_kind kind = 0; kind < CONF_SECTION_UNKNOWN;
	     kind++) {
		if (!conf_value_is_near(word, conf_key_section_name(kind)))
			continue;
		conf_mistake_add(&loader->mistakes, loader->file, line,
		    "unknown section \"%s\"; did you mean [%s%s]?",
		    conf_show(shown, header), conf_key_section_name(kind),
		    kind >= CONF_SECTION_SERVICE ? " NAME" : "");
		return;
	}
	conf_mistake_add(&loader->mistakes, loader->file, line,
	    "unknown section \"%s\"; write [msvc], [router], "
	    "[service NAME], [route NAME] or [group NAME]",
	    conf_show(shown, header));
}

/* Check the name behind the kind. Returns false when it was a mistake. */
static bool
header_check_name(struct conf_loader *loader, unsigned line,
    enum conf_section_kind kind, const char *name)
{
	const char *word = conf_key_section_name(kind);
	char shown[CONF_SHOW_MAX];
	struct conf_why why;

	if (kind < CONF_SECTION_SERVICE) {
		if (*name == '\0')
			return true;
		conf_mistake_add(&loader->mistakes, loader->file, line,
		    "section \"%s %s\" has a name; write [%s]", word,
		    conf_show(shown, name), word);
		return false;
	}
	if (*name == '\0')
		conf_mistake_add(&loader->mistakes, loader->file, line,
		    "section \"%s\" has no name; write [%s NAME]", word, word);
	else if (conf_value_name(name, &why) < 0)
		conf_mistake_add(&loader->mistakes, loader->file, line,
		    "%s \"%s\" %s", word, conf_show(shown, name), why.text);
	else
		return true;
	return false;
}

/* Enter the title; a second section of that title is told. */
static bool
section_register(struct conf_loader *loader, struct conf_section *section)
{
	const struct conf_section *first = title_find(loader, section->title);
	char where[CONF_WHERE_MAX];

	if (first == NULL) {
		HASH_ADD_KEYPTR(hh, loader->by_title, section->title,
		    strlen(section->title), section);
		return true;
	}
	conf_section_where(loader, first, first->line, section->file, where);
	if (strcmp(first->name, section->name) == 0)
		conf_section_mistake(loader, section, section->line,
		    "section is there already (%s); put all keys into one",
		    where);
	else
		conf_section_mistake(loader, section, section->line,
		    "name differs from \"%s\" (%s) in capitals only; choose "
		    "another",
		    first->name, where);
	return false;
}

/* Make the struct of a section, with defaults; -1 when out of memory. */
static int
section_fill(struct conf_loader *loader, struct conf_section *section)
{
	static const size_t sizes[] = {
		[CONF_SECTION_MSVC] = sizeof(struct conf),
		[CONF_SECTION_ROUTER] = sizeof(struct conf_router),
		[CONF_SECTION_SERVICE] = sizeof(struct conf_service),
		[CONF_SECTION_ROUTE] = sizeof(struct conf_route),
		[CONF_SECTION_GROUP] = sizeof(struct conf_group),
	};
	struct conf_place place = { loader->conf->files.items[section->file],
		section->line };
	struct conf_service *service;
	struct conf_route *route;
	struct conf_group *group;

	section->object = service = calloc(1, sizes[section->kind]);
	if (service == NULL ||
	    conf_key_init_section(section->kind, service) < 0)
		return -1;
	if (section->kind == CONF_SECTION_SERVICE) {
		service->place = place;
		service->name = strdup(section->name);
		return service->name == NULL ? -1 : 0;
	}
	if (section->kind == CONF_SECTION_ROUTE) {
		route = section->object;
		route->place = place;
		route->name = strdup(section->name);
		return route->name == NULL ? -1 : 0;
	}
	if (section->kind == CONF_SECTION_GROUP) {
		group = section->object;
		group->place = place;
		group->name = strdup(section->name);
		return group->name == NULL ? -1 : 0;
	}
	return 0;
}

static int
section_keep(struct conf_loader *loader, struct conf_section *section)
{
	if (loader->section_count == loader->section_cap) {
		size_t cap = 2 * loader->section_cap + 16;
		struct conf_section **sections = reallocarray(loader->sections,
		    cap, sizeof(struct conf_section *));

		if (sections == NULL)
			return -1;
		loader->sections = sections;
		loader->section_cap = cap;
	}
	loader->sections[loader->section_count++] = section;
	return 0;
}

/*
 * A section that cannot be part of the config (its name is bad or taken)
 * still gets a struct of its own, so that its keys are checked like others.
 */
static struct conf_section *
section_new(struct conf_loader *loader, unsigned line,
    enum conf_section_kind kind, const char *name)
{
	struct conf_section *section = calloc(1, sizeof(*section));

	if (section == NULL)
		return NULL;
	section->kind = kind;
	section->file = loader->file;
	section->line = line;
	section->is_owner = true;
	section->name = strdup(name);
	section->title = title_make(kind, name);
	if (section->name == NULL || section->title == NULL ||
	    section_fill(loader, section) < 0 ||
	    section_keep(loader, section) < 0) {
		conf_section_free(section);
		return NULL;
	}
	return section;
}

void
conf_section_start(void *arg, unsigned line, const char *header)
{
	struct conf_loader *loader = arg;
	const char *name;
	enum conf_section_kind kind;
	struct conf_section *section;
	bool is_good;

	conf_seen_free(&loader->seen);
	loader->current = &loader->unknown;
	if (header == NULL)
		return;
	kind = header_split(header, &name);
	if (kind == CONF_SECTION_UNKNOWN) {
		header_mistake(loader, line, header);
		return;
	}
	is_good = header_check_name(loader, line, kind, name);
	section = section_new(loader, line, kind, is_good ? name : "");
	if (section == NULL) {
		loader->is_out_of_memory = true;
		return;
	}
	loader->current = section;
	if (is_good)
		section->is_known = section_register(loader, section);
}
