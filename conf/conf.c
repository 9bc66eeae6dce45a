#include "conf.h"

#include <stdlib.h>
#include <string.h>

#include "conf_keys.h"
#include "conf_load.h"
#include "conf_words.h"

static void
service_free(struct conf_service *service)
{
	if (service == NULL)
		return;
	free(service->name);
	conf_key_fini_section(CONF_SECTION_SERVICE, service);
	free(service);
}

void
conf_free(struct conf **confp)
{
	struct conf *conf = *confp;

	if (conf == NULL)
		return;
	*confp = NULL;
	for (size_t i = 0; i < conf->service_count; i++)
		service_free(conf->services[i]);
	for (size_t i = 0; i < conf->route_count; i++) {
		free(conf->routes[i].name);
		conf_key_fini_section(CONF_SECTION_ROUTE, &conf->routes[i]);
	}
	for (size_t i = 0; i < conf->group_count; i++) {
		free(conf->groups[i].name);
		conf_key_fini_section(CONF_SECTION_GROUP, &conf->groups[i]);
	}
	free(conf->groups);
	free(conf->services);
	free(conf->by_name);
	free(conf->start_order);
	free(conf->routes);
	conf_key_fini_section(CONF_SECTION_ROUTER, &conf->router);
	conf_key_fini_section(CONF_SECTION_MSVC, conf);
	conf_words_fini(&conf->files);
	conf_text_fini(conf);
	free(conf->path);
	free(conf);
}

static int
name_compare(const void *name, const void *item)
{
	const struct conf_service *const *service = item;

	return strcmp(name, (*service)->name);
}

struct conf_service *
conf_find_service(const struct conf *conf, const char *name)
{
	struct conf_service **found;

	if (conf->service_count == 0)
		return NULL;
	found = bsearch(name, conf->by_name, conf->service_count,
	    sizeof(struct conf_service *), name_compare);
	return found == NULL ? NULL : *found;
}

const struct conf_group *
conf_find_group(const struct conf *conf, const char *service)
{
	for (size_t i = 0; i < conf->group_count; i++)
		for (size_t j = 0; j < conf->groups[i].services.count; j++)
			if (strcmp(conf->groups[i].services.items[j],
				service) == 0)
				return &conf->groups[i];
	return NULL;
}

enum conf_change
conf_service_compare(const struct conf_service *before,
    const struct conf_service *after)
{
	enum conf_change change = CONF_SAME;

	for (enum conf_key_id id = 0; id < CONF_KEY_COUNT; id++) {
		const struct conf_key *key = conf_key_get(id);

		if (key->section != CONF_SECTION_SERVICE ||
		    conf_key_is_equal(id, before, after))
			continue;
		if (key->change == CONF_KEY_RESTART)
			return CONF_RESTART;
		change = CONF_APPLY;
	}
	return change;
}
