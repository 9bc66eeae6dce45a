#include <stdlib.h>
#include <string.h>

#include "conf_load.h"
#include "conf_value.h"

void
conf_seen_free(struct conf_seen **seenp)
{
	struct conf_seen *seen, *next;

	HASH_ITER(hh, *seenp, seen, next)
	{
		HASH_DEL(*seenp, seen);
		free(seen);
	}
}

/* Remember a key of this section; false when it was there already. */
static bool
key_see(struct conf_loader *loader, unsigned line, const char *name)
{
	struct conf_seen *seen;
	size_t len = strlen(name);

	HASH_FIND(hh, loader->seen, name, len, seen);
	if (seen != NULL) {
		conf_section_mistake(loader, loader->current, line,
		    "key \"%s\" is set already (line %u); drop one", name,
		    seen->line);
		return false;
	}
	seen = calloc(1, sizeof(*seen) + len + 1);
	if (seen == NULL) {
		loader->is_out_of_memory = true;
		return true;
	}
	seen->line = line;
	memcpy(seen->name, name, len);
	HASH_ADD(hh, loader->seen, name, len, seen);
	return true;
}

/* Keep a pattern of files for when the main file has been read. */
static void
include_keep(struct conf_loader *loader, unsigned line, const char *text,
    struct conf_why *why)
{
	struct conf_include *includes;

	if (loader->file != 0) {
		conf_section_mistake(loader, loader->current, line,
		    "include within an included file; write it in \"%s\"",
		    loader->names.items[0]);
		return;
	}
	if (*text == '\0') {
		conf_section_mistake(loader, loader->current, line,
		    "include \"\" %s", why->text);
		return;
	}
	includes = reallocarray(loader->includes, loader->include_count + 1,
	    sizeof(includes[0]));
	if (includes == NULL) {
		loader->is_out_of_memory = true;
		return;
	}
	loader->includes = includes;
	includes[loader->include_count].line = line;
	includes[loader->include_count].pattern = strdup(text);
	if (includes[loader->include_count].pattern == NULL)
		loader->is_out_of_memory = true;
	else
		loader->include_count++;
}

static void
key_apply(struct conf_loader *loader, unsigned line, enum conf_key_id id,
    const char *name, const char *value)
{
	struct conf_section *section = loader->current;
	struct conf_place place = { loader->conf->files.items[section->file],
		line };
	char shown[CONF_SHOW_MAX], shown_name[CONF_SHOW_MAX];
	struct conf_why why;

	if (section->lines[id] == 0 &&
	    conf_key_clear(id, section->object) < 0) {
		loader->is_out_of_memory = true;
		return;
	}
	section->lines[id] = line;
	if (conf_key_set(id, section->object, name, value, &place, &why) < 0)
		conf_section_mistake(loader, section, line, "%s \"%s\" %s",
		    conf_show(shown_name, name), conf_show(shown, value),
		    why.text);
}

void
conf_entry_add(void *arg, unsigned line, const char *name, const char *value)
{
	struct conf_loader *loader = arg;
	struct conf_section *section = loader->current;
	enum conf_key_id id;
	struct conf_why why = { "is empty; write a value or drop the line" };

	if (section == NULL) {
		conf_mistake_add(&loader->mistakes, loader->file, line,
		    "key \"%s\" before any section; write [msvc], [router], "
		    "[service NAME], [route NAME] or [group NAME] above it",
		    name);
		return;
	}
	if (section->kind == CONF_SECTION_UNKNOWN)
		return;
	id = conf_key_find(section->kind, name);
	if (id == CONF_KEY_COUNT) {
		conf_key_guess(section->kind, name, &why);
		conf_section_mistake(loader, section, line,
		    "unknown key \"%s\"; %s", name, why.text);
		return;
	}
	if (!conf_key_is_list(id) && !key_see(loader, line, name))
		return;
	if (conf_key_get(id)->type == CONF_TYPE_INCLUDE)
		include_keep(loader, line, value, &why);
	else
		key_apply(loader, line, id, name, value);
}
