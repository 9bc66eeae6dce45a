#include "conf_fallback.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf_json.h"
#include "conf_load.h"
#include "conf_value.h"
#include "conf_words.h"

/* What follows the word and white space, or NULL. */
static const char *
word_cut(const char *text, const char *word)
{
	size_t len = strlen(word), space;

	if (strncmp(text, word, len) != 0)
		return NULL;
	space = strspn(text + len, " \t");
	return space == 0 || text[len + space] == '\0' ? NULL
						       : text + len + space;
}

static int
text_keep(char **field, const char *text, struct conf_why *why)
{
	*field = strdup(text);
	if (*field != NULL)
		return 0;
	conf_why_set(why, "does not fit into memory");
	return -1;
}

static int
json_keep(struct conf_fallback *fallback, const char *text,
    struct conf_why *why)
{
	struct conf_why what;

	if (strlen(text) > CONF_FALLBACK_MAX) {
		conf_why_set(why, "is over 64k long; shorten it");
		return -1;
	}
	if (conf_json_check(text, &what) < 0) {
		conf_why_set(why, "has a text that %s", what.text);
		return -1;
	}
	if (text_keep(&fallback->type, "application/json", why) < 0 ||
	    text_keep(&fallback->text, text, why) < 0)
		return -1;
	fallback->kind = CONF_FALLBACK_BODY;
	return 0;
}

static int
path_keep(struct conf_fallback *fallback, const char *path,
    struct conf_why *why)
{
	if (text_keep(&fallback->path, path, why) < 0)
		return -1;
	fallback->kind = CONF_FALLBACK_BODY;
	return 0;
}

static int
service_keep(struct conf_fallback *fallback, const char *name,
    struct conf_why *why)
{
	if (conf_value_name(name, why) < 0) {
		conf_why_set(why, "names no service; write service NAME");
		return -1;
	}
	if (text_keep(&fallback->text, name, why) < 0)
		return -1;
	fallback->kind = CONF_FALLBACK_SERVICE;
	return 0;
}

int
conf_fallback_parse(const char *text, struct conf_fallback *fallback,
    struct conf_why *why)
{
	const char *rest;
	int rc = -1;

	*fallback = (struct conf_fallback){ .kind = CONF_FALLBACK_NONE };
	if ((rest = word_cut(text, "file")) != NULL)
		rc = path_keep(fallback, rest, why);
	else if ((rest = word_cut(text, "json")) != NULL)
		rc = json_keep(fallback, rest, why);
	else if ((rest = word_cut(text, "service")) != NULL)
		rc = service_keep(fallback, rest, why);
	else
		conf_why_set(why,
		    "is neither file PATH, json TEXT nor service NAME");
	if (rc < 0)
		conf_fallback_fini(fallback);
	return rc;
}

void
conf_fallback_fini(struct conf_fallback *fallback)
{
	free(fallback->path);
	free(fallback->text);
	free(fallback->type);
	*fallback = (struct conf_fallback){ .kind = CONF_FALLBACK_NONE };
}

static bool
text_is_equal(const char *left, const char *right)
{
	if (left == NULL || right == NULL)
		return left == right;
	return strcmp(left, right) == 0;
}

bool
conf_fallback_is_equal(const struct conf_fallback *left,
    const struct conf_fallback *right)
{
	return left->kind == right->kind &&
	       text_is_equal(left->text, right->text) &&
	       text_is_equal(left->type, right->type);
}

/* The words stand in the order of the bits of enum conf_failure. */
int
conf_fallback_failures(const char *text, unsigned *failures_r,
    struct conf_why *why)
{
	static const char *const words[] = { "down", "timeout", "5xx", NULL };
	struct conf_strings items = { NULL, 0 };
	int rc = conf_words_list(&items, text, why);
	unsigned index, failures = 0;
	char shown[CONF_SHOW_MAX];
	struct conf_why what;

	for (size_t i = 0; rc == 0 && i < items.count; i++) {
		rc = conf_value_word(items.items[i], words, &index, &what);
		if (rc == 0)
			failures |= 1U << index;
		else
			conf_why_set(why, "has an item \"%s\" that %s",
			    conf_show(shown, items.items[i]), what.text);
	}
	conf_words_fini(&items);
	if (rc == 0)
		*failures_r = failures;
	return rc;
}

const struct conf_fallback *
conf_route_fallback(const struct conf *conf, const struct conf_route *route,
    unsigned *failures_r)
{
	const struct conf_service *service =
	    conf_find_service(conf, route->service);

	*failures_r =
	    route->fallback_on != 0 ? route->fallback_on : service->fallback_on;
	return route->fallback.kind != CONF_FALLBACK_NONE ? &route->fallback
							  : &service->fallback;
}

/* A key of a section, for its mistakes. */
struct entry {
	struct conf_loader *loader;
	const struct conf_section *section;
	struct conf_fallback *fallback;
	const char *service; /* whose failures it stands in for; or NULL */
	unsigned line;
};

static const char *
type_of(const char *path)
{
	static const struct {
		const char *end, *type;
	} types[] = {
		{ ".json", "application/json" },
		{ ".html", "text/html; charset=utf-8" },
		{ ".xml", "application/xml" },
	};
	size_t len = strlen(path);

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t end_len = strlen(types[i].end);

		if (len > end_len &&
		    strcasecmp(path + len - end_len, types[i].end) == 0)
			return types[i].type;
	}
	return "text/plain; charset=utf-8";
}

/* What is wrong with those bytes as a body; 0, or -1 with why set. */
static int
bytes_check(const char *bytes, size_t len, struct conf_why *why)
{
	if (len > CONF_FALLBACK_MAX) {
		conf_why_set(why, "has over 64k; shorten it");
		return -1;
	}
	if (len > 0 && memchr(bytes, '\0', len) != NULL) {
		conf_why_set(why, "has a NUL byte; name a text file");
		return -1;
	}
	return 0;
}

/* Make the file's bytes the body; 0, or -1 with why set. */
static int
file_take(const struct entry *entry, struct conf_why *why)
{
	struct conf_fallback *fallback = entry->fallback;
	char *path = conf_path_resolve(entry->loader->dir, fallback->path);
	const char *bytes = NULL;
	size_t len = 0;
	int rc = -1;

	conf_why_set(why, "does not fit into memory");
	if (path == NULL ||
	    conf_text_read(entry->loader, path, &bytes, &len, why) < 0 ||
	    bytes_check(bytes, len, why) < 0)
		goto out;
	conf_why_set(why, "does not fit into memory");
	fallback->text = strndup(len == 0 ? "" : bytes, len);
	fallback->type = strdup(type_of(path));
	if (fallback->text == NULL || fallback->type == NULL)
		goto out;
	if (strcmp(fallback->type, "application/json") == 0 &&
	    conf_json_check(fallback->text, why) < 0)
		goto out;
	rc = 0;
out:
	free(path);
	return rc;
}

static void
file_check(const struct entry *entry)
{
	char shown[CONF_SHOW_MAX];
	struct conf_why why;

	if (file_take(entry, &why) < 0)
		conf_section_mistake(entry->loader, entry->section, entry->line,
		    "fallback file \"%s\" %s",
		    conf_show(shown, entry->fallback->path), why.text);
}

static void
service_check(const struct entry *entry)
{
	const char *name = entry->fallback->text;
	struct conf_why why;

	if (entry->service != NULL && strcmp(name, entry->service) == 0) {
		conf_section_mistake(entry->loader, entry->section, entry->line,
		    "fallback service \"%s\" is the one that fails; name "
		    "another",
		    name);
		return;
	}
	if (conf_section_find(entry->loader, CONF_SECTION_SERVICE, name) !=
	    NULL)
		return;
	conf_section_guess_service(entry->loader, name, &why);
	conf_section_mistake(entry->loader, entry->section, entry->line,
	    "fallback service \"%s\" is not in this config; %s", name,
	    why.text);
}

static void
section_check(struct conf_loader *loader, const struct conf_section *section)
{
	struct entry entry = { .loader = loader, .section = section };
	struct conf_service *service = section->object;
	struct conf_route *route = section->object;

	if (section->kind == CONF_SECTION_SERVICE) {
		entry.fallback = &service->fallback;
		entry.service = service->name;
		entry.line = section->lines[CONF_KEY_SERVICE_fallback];
	} else if (section->kind == CONF_SECTION_ROUTE) {
		entry.fallback = &route->fallback;
		entry.service = route->service;
		entry.line = section->lines[CONF_KEY_ROUTE_fallback];
	} else {
		return;
	}
	if (entry.fallback->path != NULL)
		file_check(&entry);
	else if (entry.fallback->kind == CONF_FALLBACK_SERVICE)
		service_check(&entry);
}

/* So many bytes travel to the router in one go; its queue is bounded. */
static size_t
total(const struct conf *conf)
{
	const struct conf_fallback *fallback;
	size_t bytes = 0;
	unsigned failures;

	for (size_t i = 0; i < conf->service_count; i++) {
		const struct conf_service *service = conf->services[i];

		if (service->fallback.text != NULL)
			bytes += service->prefixes.count *
				 strlen(service->fallback.text);
	}
	for (size_t i = 0; i < conf->route_count; i++) {
		if (conf->routes[i].service == NULL ||
		    conf_find_service(conf, conf->routes[i].service) == NULL)
			continue;
		fallback =
		    conf_route_fallback(conf, &conf->routes[i], &failures);
		if (fallback->text != NULL)
			bytes += strlen(fallback->text);
	}
	return bytes;
}

void
conf_fallback_check(struct conf_loader *loader)
{
	for (size_t i = 0; i < loader->section_count; i++)
		section_check(loader, loader->sections[i]);
	if (total(loader->conf) > CONF_FALLBACK_ALL_MAX)
		conf_mistake_add(&loader->mistakes, 0, 0,
		    "fallbacks of all routes are over 8m together; shorten "
		    "them");
}
