/*
 * reload_plan: what a reload does, section by section, before it does it.
 *
 * The reload follows the plan that `msvc reload --dry-run` prints, so that the
 * two cannot disagree. Pure: it compares configurations and what it is told of
 * the services that run. Strings and configurations are borrowed; the plan
 * must not outlive them.
 */
#ifndef MSVC_SUPERVISOR_RELOAD_PLAN_H
#define MSVC_SUPERVISOR_RELOAD_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"
#include "conf/conf_keys.h"

struct buf;

/* What happens to the processes, or to the setting, of one section. */
enum reload_act {
	RELOAD_STOP,    /* is not in the file any more, or not enabled */
	RELOAD_START,   /* is new, or is enabled now */
	RELOAD_RESTART, /* new processes take the place of the old ones */
	RELOAD_CHANGE,  /* takes effect without a new process */
	RELOAD_KEEP
};

/* "stop" and so on. */
const char *reload_act_name(enum reload_act act);

/* A service as it runs; pointers may be the same. */
struct reload_present {
	const char *name;
	const struct conf_service *conf; /* NULL: there is none, or it leaves */
	/* On which a process runs still, after a roll back; or NULL. */
	const struct conf_service *other;
	enum conf_change change; /* to its new configuration */
	bool is_wanted; /* no operator has stopped it, nor does it sleep */
};

struct reload_item {
	enum conf_section_kind section;
	const char *name; /* of the section; "" when there is only one such */
	enum reload_act act;
	const struct conf_service *conf; /* the new one; NULL: none, or none */
	enum conf_change change;         /* of a service that stays */
	bool is_new;
	bool differs[CONF_KEY_COUNT];
};

/* All zero is a plan without items. */
struct reload_plan {
	struct reload_item *items; /* owned; those that leave come first */
	size_t count, cap;
};

struct reload_counts {
	unsigned added, removed, restarted, applied, kept;
};

void reload_plan_fini(struct reload_plan *plan);

/*
 * Add one service: conf is what the file says of it now, NULL when it does not
 * any more. Returns 0, or -1 when out of memory.
 */
int reload_plan_add(struct reload_plan *plan,
    const struct reload_present *present, const struct conf_service *conf);

/*
 * Add all other sections that differ: [msvc], [router], routes and groups.
 * Returns 0, or -1 when out of memory.
 */
int reload_plan_add_rest(struct reload_plan *plan, const struct conf *before,
    const struct conf *after);

/* How many services are added, removed and so on. */
struct reload_counts reload_plan_count(const struct reload_plan *plan);

/*
 * Append an array of {"section", "name" (null when there is only one), "act",
 * "keys": names of those that differ}.
 */
void reload_plan_put(const struct reload_plan *plan, struct buf *out);

#endif
