/* The checks of [group NAME]. */
#include <string.h>

#include "conf_load.h"
#include "conf_value.h"
#include "conf_words.h"

static bool
strings_have(const struct conf_strings *strings, const char *name)
{
	for (size_t i = 0; i < strings->count; i++)
		if (strcmp(strings->items[i], name) == 0)
			return true;
	return false;
}

/* What is wrong with naming that service, or NULL. */
static const char *
name_complaint(const struct conf_section *named)
{
	const struct conf_service *service = named->object;

	if (service->url != NULL)
		return "is on another machine and not restarted here; drop it";
	if (service->kind == CONF_KIND_ONESHOT)
		return "is a oneshot, which ends by itself; drop it";
	return NULL;
}

/* The group section before this one, or this one, that has it already. */
static const struct conf_section *
group_of(const struct conf_loader *loader, const struct conf_section *section,
    size_t own_count, const char *name)
{
	for (size_t i = 0; i < loader->section_count; i++) {
		const struct conf_section *other = loader->sections[i];
		const struct conf_group *group = other->object;
		size_t count;

		if (other->kind != CONF_SECTION_GROUP)
			continue;
		count = other == section ? own_count : group->services.count;
		for (size_t j = 0; j < count; j++)
			if (strcmp(group->services.items[j], name) == 0)
				return other;
		if (other == section)
			return NULL;
	}
	return NULL;
}

static void
name_check(struct conf_loader *loader, const struct conf_section *section,
    size_t index)
{
	const struct conf_group *group = section->object;
	const char *name = group->services.items[index], *complaint;
	unsigned line = section->lines[CONF_KEY_GROUP_services];
	const struct conf_section *named =
	    conf_section_find(loader, CONF_SECTION_SERVICE, name);
	const struct conf_section *other =
	    group_of(loader, section, index, name);
	char shown[CONF_SHOW_MAX], where[CONF_WHERE_MAX];
	struct conf_why why;

	conf_show(shown, name);
	if (named == NULL) {
		conf_section_guess_service(loader, name, &why);
		conf_section_mistake(loader, section, line,
		    "services \"%s\" is not in this config; %s", shown,
		    why.text);
		return;
	}
	complaint = name_complaint(named);
	if (complaint != NULL)
		conf_section_mistake(loader, section, line,
		    "services \"%s\" %s", shown, complaint);
	if (other != NULL)
		conf_section_mistake(loader, section, line,
		    "services \"%s\" is in group \"%s\" already (%s); drop one",
		    shown, other->name,
		    conf_section_where(loader, other,
			other->lines[CONF_KEY_GROUP_services], section->file,
			where));
}

/* The services of a group start one after the other, and stop in reverse. */
static void
group_chain(struct conf_loader *loader, const struct conf_group *group)
{
	for (size_t i = 1; i < group->services.count; i++) {
		const char *before = group->services.items[i - 1];
		struct conf_section *section = conf_section_find(loader,
		    CONF_SECTION_SERVICE, group->services.items[i]);
		struct conf_service *service;

		if (section == NULL ||
		    conf_section_find(loader, CONF_SECTION_SERVICE, before) ==
			NULL)
			continue;
		service = section->object;
		if (strings_have(&service->requires, before) ||
		    strings_have(&service->wants, before) ||
		    strings_have(&service->after, before))
			continue;
		if (conf_words_add(&service->after, before, strlen(before)) < 0)
			loader->is_out_of_memory = true;
		/* For a message about a circle. */
		if (section->lines[CONF_KEY_SERVICE_after] == 0)
			section->lines[CONF_KEY_SERVICE_after] = section->line;
	}
}

void
conf_group_check(struct conf_loader *loader)
{
	for (size_t i = 0; i < loader->section_count; i++) {
		const struct conf_section *section = loader->sections[i];
		const struct conf_group *group = section->object;

		if (section->kind != CONF_SECTION_GROUP)
			continue;
		if (section->lines[CONF_KEY_GROUP_services] == 0 &&
		    section->is_known)
			conf_section_mistake(loader, section, section->line,
			    "no services; write services = NAME, NAME");
		for (size_t j = 0; j < group->services.count; j++)
			name_check(loader, section, j);
		if (group->strategy != CONF_STRATEGY_ONE_FOR_ONE)
			group_chain(loader, group);
	}
}
