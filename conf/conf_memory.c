#include "conf_keys.h"

#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "conf_fallback.h"
#include "conf_probe.h"
#include "conf_words.h"

/* How a field of a type is held in memory. */
enum form {
	FORM_NONE,    /* not a field */
	FORM_PLAIN,   /* bytes */
	FORM_STRING,  /* char *, owned, NULL for none */
	FORM_TEXT,    /* char *, owned, "" for none */
	FORM_STRINGS, /* struct conf_strings */
	FORM_SET,     /* struct conf_strings whose order means nothing */
	FORM_LISTENS,
	FORM_FALLBACK,
	FORM_LIMIT,
	FORM_PROBE,
	FORM_READY,    /* a word, or a probe in a field of its own */
	FORM_INSTANCES /* two fields */
};

static enum form
key_form(const struct conf_key *key)
{
	switch (key->type) {
	case CONF_TYPE_INCLUDE:
		return FORM_NONE;
	case CONF_TYPE_PATH:
	case CONF_TYPE_TEXT:
	case CONF_TYPE_URL:
	case CONF_TYPE_PATTERN:
	case CONF_TYPE_OP:
	case CONF_TYPE_ZONE:
		return FORM_STRING;
	case CONF_TYPE_ADDRESS:
		return FORM_TEXT;
	case CONF_TYPE_ARGV:
	case CONF_TYPE_PATHS:
	case CONF_TYPE_SOCKETS:
		return FORM_STRINGS;
	case CONF_TYPE_NAMES:
	case CONF_TYPE_PREFIXES:
	case CONF_TYPE_ENV:
	case CONF_TYPE_SECRET:
	case CONF_TYPE_CAPABILITIES:
		return FORM_SET;
	case CONF_TYPE_LISTEN:
		return FORM_LISTENS;
	case CONF_TYPE_LIMIT:
		return FORM_LIMIT;
	case CONF_TYPE_FALLBACK:
		return FORM_FALLBACK;
	case CONF_TYPE_PROBE:
		return FORM_PROBE;
	case CONF_TYPE_READY:
		return FORM_READY;
	case CONF_TYPE_INSTANCES:
		return FORM_INSTANCES;
	default:
		return FORM_PLAIN;
	}
}

static void
listens_clear(struct conf_router *router)
{
	for (size_t i = 0; i < router->listen_count; i++) {
		free(router->listens[i].host);
		free(router->listens[i].port);
	}
	free(router->listens);
	router->listens = NULL;
	router->listen_count = 0;
}

void
conf_key_fini(enum conf_key_id id, void *base)
{
	const struct conf_key *key = conf_key_get(id);
	void *field = (char *)base + key->offset;

	switch (key_form(key)) {
	case FORM_STRING:
	case FORM_TEXT:
		free(*(char **)field);
		*(char **)field = NULL;
		break;
	case FORM_STRINGS:
	case FORM_SET:
		conf_words_fini(field);
		break;
	case FORM_LISTENS:
		listens_clear(base);
		break;
	case FORM_FALLBACK:
		conf_fallback_fini(field);
		break;
	case FORM_PROBE:
		conf_probe_fini(field);
		break;
	case FORM_READY:
		conf_probe_fini(&((struct conf_service *)base)->ready_probe);
		break;
	default:
		break;
	}
	if (key->type == CONF_TYPE_PREFIXES) {
		struct conf_service *service = base;

		free(service->prefix_places);
		service->prefix_places = NULL;
	}
}

int
conf_key_clear(enum conf_key_id id, void *base)
{
	const struct conf_key *key = conf_key_get(id);
	void *field = (char *)base + key->offset;

	conf_key_fini(id, base);
	switch (key_form(key)) {
	case FORM_STRINGS:
	case FORM_SET:
		conf_words_init(field);
		return 0;
	case FORM_TEXT:
		*(char **)field = strdup("");
		return *(char **)field == NULL ? -1 : 0;
	default:
		return 0;
	}
}

static bool
strings_are_equal(const struct conf_strings *left,
    const struct conf_strings *right)
{
	if (left->count != right->count)
		return false;
	for (size_t i = 0; i < left->count; i++)
		if (strcmp(left->items[i], right->items[i]) != 0)
			return false;
	return true;
}

static int
string_compare(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Equal but for the order; false also when out of memory, which is safe. */
static bool
sets_are_equal(const struct conf_strings *left,
    const struct conf_strings *right)
{
	size_t count = left->count;
	bool is_equal = false;
	struct conf_strings a, b;

	if (strings_are_equal(left, right))
		return true;
	if (count != right->count)
		return false;
	a = (struct conf_strings){ calloc(count, sizeof(char *)), count };
	b = (struct conf_strings){ calloc(count, sizeof(char *)), count };
	if (a.items != NULL && b.items != NULL) {
		memcpy(a.items, left->items, count * sizeof(char *));
		memcpy(b.items, right->items, count * sizeof(char *));
		qsort(a.items, count, sizeof(char *), string_compare);
		qsort(b.items, count, sizeof(char *), string_compare);
		is_equal = strings_are_equal(&a, &b);
	}
	free(a.items);
	free(b.items);
	return is_equal;
}

static bool
texts_are_equal(const char *left, const char *right)
{
	if (left == NULL || right == NULL)
		return left == right;
	return strcmp(left, right) == 0;
}

static bool
listens_are_equal(const struct conf_router *left,
    const struct conf_router *right)
{
	if (left->listen_count != right->listen_count)
		return false;
	for (size_t i = 0; i < left->listen_count; i++) {
		const struct conf_listen *a = &left->listens[i];
		const struct conf_listen *b = &right->listens[i];

		if (strcmp(a->host, b->host) != 0 ||
		    strcmp(a->port, b->port) != 0 ||
		    a->is_sp_allowed != b->is_sp_allowed)
			return false;
	}
	return true;
}

static bool
limits_are_equal(const struct conf_limit *left, const struct conf_limit *right)
{
	return left->count == right->count &&
	       left->period_ms == right->period_ms;
}

/* No capability is something else than those that there are. */
static bool
have_alike(const struct conf_service *left, const struct conf_service *right)
{
	return left->has_capabilities == right->has_capabilities;
}

bool
conf_key_is_equal(enum conf_key_id id, const void *left, const void *right)
{
	const struct conf_key *key = conf_key_get(id);
	const void *a = (const char *)left + key->offset;
	const void *b = (const char *)right + key->offset;

	switch (key_form(key)) {
	case FORM_STRING:
	case FORM_TEXT:
		return texts_are_equal(*(char *const *)a, *(char *const *)b);
	case FORM_STRINGS:
		return strings_are_equal(a, b);
	case FORM_SET:
		return sets_are_equal(a, b) &&
		       (key->type != CONF_TYPE_CAPABILITIES ||
			   have_alike(left, right));
	case FORM_LISTENS:
		return listens_are_equal(left, right);
	case FORM_FALLBACK:
		return conf_fallback_is_equal(a, b);
	case FORM_LIMIT:
		return limits_are_equal(a, b);
	case FORM_PROBE:
		return conf_probe_is_equal(a, b);
	case FORM_READY:
		return memcmp(a, b, key->width) == 0 &&
		       conf_probe_is_equal(&((const struct conf_service *)left)
						->ready_probe,
			   &((const struct conf_service *)right)->ready_probe);
	case FORM_INSTANCES:
		return memcmp(a, b, key->width) == 0 &&
		       ((const struct conf_service *)left)->instances_max ==
			   ((const struct conf_service *)right)->instances_max;
	case FORM_PLAIN:
		return memcmp(a, b, key->width) == 0;
	default:
		return true;
	}
}
