#include "reload_plan.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/mp.h"

const char *
reload_act_name(enum reload_act act)
{
	static const char *const names[] = { "stop", "start", "restart",
		"change", "keep" };

	return names[act];
}

void
reload_plan_fini(struct reload_plan *plan)
{
	free(plan->items);
	*plan = (struct reload_plan){ 0 };
}

/* Returns a new item for the caller to fill, or NULL. */
static struct reload_item *
plan_item(struct reload_plan *plan, enum conf_section_kind section,
    const char *name, enum reload_act act)
{
	size_t cap = plan->cap > 0 ? plan->cap * 2 : 64;
	struct reload_item *items;

	if (plan->count == plan->cap) {
		items = reallocarray(plan->items, cap, sizeof(*items));
		if (items == NULL)
			return NULL;
		plan->items = items;
		plan->cap = cap;
	}
	items = &plan->items[plan->count++];
	*items = (struct reload_item){ .section = section,
		.name = name,
		.act = act };
	return items;
}

/* Mark the keys of a section in which the two differ. Returns how many. */
static size_t
plan_compare(enum conf_section_kind section, const void *before,
    const void *after, bool differs[CONF_KEY_COUNT])
{
	size_t count = 0;

	for (enum conf_key_id id = 0; id < CONF_KEY_COUNT; id++) {
		const struct conf_key *key = conf_key_get(id);

		if (key->section != section || key->type == CONF_TYPE_INCLUDE ||
		    conf_key_is_equal(id, before, after))
			continue;
		differs[id] = true;
		count++;
	}
	return count;
}

/* Of one that the file had before and has now. */
static enum reload_act
plan_act(const struct reload_present *present, const struct conf_service *conf)
{
	bool was_on = present->conf->is_enabled;

	if (was_on != conf->is_enabled)
		return was_on ? RELOAD_STOP : RELOAD_START;
	if (present->change == CONF_SAME)
		return RELOAD_KEEP;
	/* What does not run is not restarted either. */
	if (present->change == CONF_RESTART && was_on && present->is_wanted)
		return RELOAD_RESTART;
	return RELOAD_CHANGE;
}

int
reload_plan_add(struct reload_plan *plan, const struct reload_present *present,
    const struct conf_service *conf)
{
	bool is_new = present->conf == NULL;
	struct reload_item *item;
	enum reload_act act;

	if (conf == NULL)
		act = RELOAD_STOP;
	else if (is_new)
		act = conf->is_enabled ? RELOAD_START : RELOAD_KEEP;
	else
		act = plan_act(present, conf);
	item = plan_item(plan, CONF_SECTION_SERVICE, present->name, act);
	if (item == NULL)
		return -1;
	item->conf = conf;
	item->is_new = is_new;
	if (conf == NULL || is_new)
		return 0;
	item->change = present->change;
	plan_compare(CONF_SECTION_SERVICE, present->conf, conf, item->differs);
	if (present->other != NULL)
		plan_compare(CONF_SECTION_SERVICE, present->other, conf,
		    item->differs);
	return 0;
}

/* A section of which one or none is before, and one or none after. */
static int
plan_add_one(struct reload_plan *plan, enum conf_section_kind section,
    const char *name, const void *before, const void *after)
{
	bool differs[CONF_KEY_COUNT] = { false };
	enum reload_act act = RELOAD_CHANGE;
	struct reload_item *item;

	if (before == NULL)
		act = RELOAD_START;
	else if (after == NULL)
		act = RELOAD_STOP;
	else if (plan_compare(section, before, after, differs) == 0)
		return 0;
	item = plan_item(plan, section, name, act);
	if (item == NULL)
		return -1;
	memcpy(item->differs, differs, sizeof(differs));
	return 0;
}

/* Most of thousands are where they were: the look begins behind the last. */
static const struct conf_route *
plan_find_route(const struct conf *conf, const char *name, size_t *hint)
{
	size_t at;

	for (size_t i = 0; i < conf->route_count; i++) {
		at = (*hint + i) % conf->route_count;
		if (strcmp(conf->routes[at].name, name) == 0) {
			*hint = at + 1;
			return &conf->routes[at];
		}
	}
	return NULL;
}

static const struct conf_group *
plan_find_group(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->group_count; i++) {
		if (strcmp(conf->groups[i].name, name) == 0)
			return &conf->groups[i];
	}
	return NULL;
}

static int
plan_add_routes(struct reload_plan *plan, const struct conf *before,
    const struct conf *after)
{
	const struct conf_route *route;
	size_t hint = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < before->route_count; i++) {
		route = &before->routes[i];
		rc = plan_add_one(plan, CONF_SECTION_ROUTE, route->name, route,
		    plan_find_route(after, route->name, &hint));
	}
	hint = 0;
	for (size_t i = 0; rc == 0 && i < after->route_count; i++) {
		route = &after->routes[i];
		if (plan_find_route(before, route->name, &hint) == NULL)
			rc = plan_add_one(plan, CONF_SECTION_ROUTE, route->name,
			    NULL, route);
	}
	return rc;
}

static int
plan_add_groups(struct reload_plan *plan, const struct conf *before,
    const struct conf *after)
{
	const struct conf_group *group;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < before->group_count; i++) {
		group = &before->groups[i];
		rc = plan_add_one(plan, CONF_SECTION_GROUP, group->name, group,
		    plan_find_group(after, group->name));
	}
	for (size_t i = 0; rc == 0 && i < after->group_count; i++) {
		group = &after->groups[i];
		if (plan_find_group(before, group->name) == NULL)
			rc = plan_add_one(plan, CONF_SECTION_GROUP, group->name,
			    NULL, group);
	}
	return rc;
}

int
reload_plan_add_rest(struct reload_plan *plan, const struct conf *before,
    const struct conf *after)
{
	if (plan_add_one(plan, CONF_SECTION_MSVC, "", before, after) < 0 ||
	    plan_add_one(plan, CONF_SECTION_ROUTER, "", &before->router,
		&after->router) < 0 ||
	    plan_add_routes(plan, before, after) < 0)
		return -1;
	return plan_add_groups(plan, before, after);
}

struct reload_counts
reload_plan_count(const struct reload_plan *plan)
{
	struct reload_counts counts = { 0 };
	const struct reload_item *item;

	for (size_t i = 0; i < plan->count; i++) {
		item = &plan->items[i];
		if (item->section != CONF_SECTION_SERVICE)
			continue;
		if (item->conf == NULL)
			counts.removed++;
		else if (item->is_new)
			counts.added++;
		else if (item->change == CONF_RESTART &&
			 item->act != RELOAD_CHANGE)
			counts.restarted++;
		else if (item->change != CONF_SAME)
			counts.applied++;
		else
			counts.kept++;
	}
	return counts;
}

static void
plan_put_keys(const struct reload_item *item, struct buf *out)
{
	uint32_t count = 0;

	for (enum conf_key_id id = 0; id < CONF_KEY_COUNT; id++)
		count += item->differs[id];
	mp_put_array(out, count);
	for (enum conf_key_id id = 0; id < CONF_KEY_COUNT; id++) {
		if (item->differs[id])
			mp_put_cstr(out, conf_key_get(id)->name);
	}
}

void
reload_plan_put(const struct reload_plan *plan, struct buf *out)
{
	const struct reload_item *item;

	mp_put_array(out, (uint32_t)plan->count);
	for (size_t i = 0; i < plan->count; i++) {
		item = &plan->items[i];
		mp_put_map(out, 4);
		mp_put_cstr(out, "section");
		mp_put_cstr(out, conf_key_section_name(item->section));
		mp_put_cstr(out, "name");
		if (item->name[0] != '\0')
			mp_put_cstr(out, item->name);
		else
			mp_put_nil(out);
		mp_put_cstr(out, "act");
		mp_put_cstr(out, reload_act_name(item->act));
		mp_put_cstr(out, "keys");
		plan_put_keys(item, out);
	}
}
