#include "conf_keys.h"

#include <string.h>

#include "conf.h"
#include "conf_value.h"

#define STRUCT_MSVC    struct conf
#define STRUCT_ROUTER  struct conf_router
#define STRUCT_SERVICE struct conf_service
#define STRUCT_ROUTE   struct conf_route
#define STRUCT_GROUP   struct conf_group

static const struct conf_key keys[] = {
#define X(SECTION, key, TYPE, field, text, min, max, CHANGE, WHERE, help)  \
	{ CONF_SECTION_##SECTION, #key, CONF_TYPE_##TYPE,                  \
		offsetof(STRUCT_##SECTION, field),                         \
		sizeof(((STRUCT_##SECTION *)NULL)->field), text, min, max, \
		CONF_KEY_##CHANGE, CONF_KEY_##WHERE, help },
#include "conf_keys.def"
#undef X
};

const struct conf_key *
conf_key_get(enum conf_key_id id)
{
	return &keys[id];
}

const char *
conf_key_section_name(enum conf_section_kind kind)
{
	static const char *const names[] = { "msvc", "router", "service",
		"route", "group", "unknown" };

	return names[kind];
}

bool
conf_key_is_open(enum conf_key_id id)
{
	return keys[id].type == CONF_TYPE_ENV ||
	       keys[id].type == CONF_TYPE_RLIMIT ||
	       keys[id].type == CONF_TYPE_SECRET;
}

static bool
key_fits(enum conf_key_id id, const char *name)
{
	size_t len = strlen(keys[id].name);

	if (!conf_key_is_open(id))
		return strcmp(name, keys[id].name) == 0;
	return strncmp(name, keys[id].name, len) == 0 && name[len] == '.';
}

enum conf_key_id
conf_key_find(enum conf_section_kind kind, const char *name)
{
	for (enum conf_key_id id = 0; id < CONF_KEY_COUNT; id++) {
		const struct conf_key *key = &keys[id];

		if (key->section != kind)
			continue;
		if (key_fits(id, name))
			return id;
	}
	return CONF_KEY_COUNT;
}

bool
conf_key_is_list(enum conf_key_id id)
{
	return keys[id].type == CONF_TYPE_LISTEN ||
	       keys[id].type == CONF_TYPE_INCLUDE;
}

void
conf_key_guess(enum conf_section_kind kind, const char *name,
    struct conf_why *why)
{
	const struct conf_key *near = NULL, *elsewhere = NULL;
	unsigned least = 0;

	for (size_t i = 0; i < CONF_KEY_COUNT; i++) {
		unsigned distance = conf_value_distance(name, keys[i].name);

		if (keys[i].section != kind && distance == 0)
			elsewhere = &keys[i];
		if (keys[i].section == kind &&
		    conf_value_is_near(name, keys[i].name) &&
		    (near == NULL || distance < least)) {
			near = &keys[i];
			least = distance;
		}
	}
	if (near != NULL && least == 0)
		conf_why_set(why, "write %s.NAME = value", near->name);
	else if (elsewhere != NULL)
		conf_why_set(why, "it belongs in [%s%s]",
		    conf_key_section_name(elsewhere->section),
		    elsewhere->section >= CONF_SECTION_SERVICE ? " NAME" : "");
	else if (near != NULL)
		conf_why_set(why, "did you mean \"%s\"?", near->name);
	else
		conf_why_set(why, "msvc.ini(5) lists the keys of [%s%s]",
		    conf_key_section_name(kind),
		    kind >= CONF_SECTION_SERVICE ? " NAME" : "");
}

int
conf_key_init_section(enum conf_section_kind kind, void *base)
{
	static const struct conf_place nowhere = { "", 0 };
	struct conf_why why;

	for (enum conf_key_id id = 0; id < CONF_KEY_COUNT; id++) {
		const struct conf_key *key = &keys[id];

		if (key->section != kind || key->type == CONF_TYPE_INCLUDE)
			continue;
		if (conf_key_clear(id, base) < 0)
			return -1;
		if (key->default_text[0] != '\0' &&
		    conf_key_set(id, base, key->name, key->default_text,
			&nowhere, &why) < 0)
			return -1;
	}
	return 0;
}

void
conf_key_fini_section(enum conf_section_kind kind, void *base)
{
	for (enum conf_key_id id = 0; id < CONF_KEY_COUNT; id++)
		if (keys[id].section == kind)
			conf_key_fini(id, base);
}
