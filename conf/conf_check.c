#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_load.h"
#include "conf_value.h"

/* What a section with url must not have: all that describes a process. */
static void
url_check(struct conf_loader *loader, const struct conf_section *section)
{
	unsigned url_line = section->lines[CONF_KEY_SERVICE_url];

	for (enum conf_key_id id = 0; id < CONF_KEY_COUNT; id++) {
		const struct conf_key *key = conf_key_get(id);

		if (key->section != CONF_SECTION_SERVICE ||
		    key->where != CONF_KEY_LOCAL || section->lines[id] == 0)
			continue;
		conf_section_mistake(loader, section, section->lines[id],
		    "key \"%s%s\" is for a process of this machine, but url "
		    "(line %u) names another; drop one of them",
		    key->name, conf_key_is_open(id) ? ".*" : "", url_line);
	}
}

static void
delay_check(struct conf_loader *loader, const struct conf_section *section)
{
	const struct conf_service *service = section->object;
	unsigned first = section->lines[CONF_KEY_SERVICE_restart_delay];
	unsigned max = section->lines[CONF_KEY_SERVICE_restart_delay_max];

	/* With several the last one is the longest wait. */
	if (service->restart_delays.count > 1 ||
	    service->restart_delays.items_ms[0] <=
		service->restart_delay_max_ms)
		return;
	conf_section_mistake(loader, section, first > max ? first : max,
	    "restart_delay %lldms is over restart_delay_max %lldms; lower the "
	    "one or raise the other",
	    (long long)service->restart_delays.items_ms[0],
	    (long long)service->restart_delay_max_ms);
}

/* What only has a meaning for what goes on running. */
static void
oneshot_check_keys(struct conf_loader *loader,
    const struct conf_section *section)
{
	static const struct {
		enum conf_key_id id;
		const char *why;
	} keys[] = {
		{ CONF_KEY_SERVICE_health, "is never ready, so never probed" },
		{ CONF_KEY_SERVICE_watchdog, "is never ready, so not watched" },
		{ CONF_KEY_SERVICE_idle_stop, "ends by itself" },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (section->lines[keys[i].id] != 0)
			conf_section_mistake(loader, section,
			    section->lines[keys[i].id],
			    "key \"%s\" does not fit type = oneshot, which "
			    "%s; drop one of them",
			    conf_key_get(keys[i].id)->name, keys[i].why);
	}
}

/* What a oneshot is unless it is said otherwise. */
static void
oneshot_check(struct conf_loader *loader, const struct conf_section *section)
{
	struct conf_service *service = section->object;

	if (service->kind != CONF_KIND_ONESHOT)
		return;
	if (section->lines[CONF_KEY_SERVICE_restart] == 0)
		service->restart = CONF_RESTART_NEVER;
	else if (service->restart == CONF_RESTART_ALWAYS)
		conf_section_mistake(loader, section,
		    section->lines[CONF_KEY_SERVICE_restart],
		    "restart \"always\" does not fit type = oneshot, which "
		    "ends by itself; write on-failure or never");
	/* Its work may take any time. */
	if (section->lines[CONF_KEY_SERVICE_ready_timeout] == 0)
		service->ready_timeout_ms = 0;
	/* Of one with a schedule conf_schedule_check() has told. */
	if (!service->schedule.is_set)
		oneshot_check_keys(loader, section);
}

/* Looking up a user reads files, so the last answer is kept. */
struct account {
	const char *name; /* borrowed; NULL before the first */
	bool is_known;
	unsigned id;
};

static void
user_find(struct account *account, const char *name)
{
	const struct passwd *found;

	if (account->name != NULL && strcmp(account->name, name) == 0)
		return;
	found = getpwnam(name);
	account->name = name;
	account->is_known = found != NULL;
	account->id = found != NULL ? found->pw_uid : 0;
}

static void
group_find(struct account *account, const char *name)
{
	const struct group *found;

	if (account->name != NULL && strcmp(account->name, name) == 0)
		return;
	found = getgrnam(name);
	account->name = name;
	account->is_known = found != NULL;
	account->id = found != NULL ? found->gr_gid : 0;
}

static void
account_check(struct conf_loader *loader, const struct conf_section *section,
    enum conf_key_id id, const struct account *account, unsigned own_id)
{
	const char *key = conf_key_get(id)->name;
	char shown[CONF_SHOW_MAX];

	conf_show(shown, account->name);
	if (!account->is_known)
		conf_section_mistake(loader, section, section->lines[id],
		    "%s \"%s\" is not known here; name one that exists or "
		    "create it",
		    key, shown);
	else if (geteuid() != 0 && account->id != own_id)
		conf_section_mistake(loader, section, section->lines[id],
		    "%s \"%s\" can only be set by root; drop the line or run "
		    "msvc as root",
		    key, shown);
}

static void
service_check(struct conf_loader *loader, const struct conf_section *section,
    struct account *user, struct account *group)
{
	const struct conf_service *service = section->object;

	if (section->lines[CONF_KEY_SERVICE_url] != 0)
		url_check(loader, section);
	else if (section->lines[CONF_KEY_SERVICE_command] == 0 &&
		 section->is_known)
		conf_section_mistake(loader, section, section->line,
		    "neither command nor url; write command = PROGRAM");
	delay_check(loader, section);
	conf_schedule_check(loader, section);
	oneshot_check(loader, section);
	if (service->user != NULL) {
		user_find(user, service->user);
		account_check(loader, section, CONF_KEY_SERVICE_user, user,
		    geteuid());
	}
	if (service->group != NULL) {
		group_find(group, service->group);
		account_check(loader, section, CONF_KEY_SERVICE_group, group,
		    getegid());
	}
}

static void
route_check(struct conf_loader *loader, const struct conf_section *section)
{
	const struct conf_route *route = section->object;
	unsigned line = section->lines[CONF_KEY_ROUTE_service];
	char shown[CONF_SHOW_MAX];
	struct conf_why why;

	if (section->lines[CONF_KEY_ROUTE_match] == 0 && section->is_known)
		conf_section_mistake(loader, section, section->line,
		    "no match; write match = GET /PATH");
	if (line == 0 && section->is_known)
		conf_section_mistake(loader, section, section->line,
		    "no service; write service = NAME");
	if (route->service == NULL ||
	    conf_section_find(loader, CONF_SECTION_SERVICE, route->service) !=
		NULL)
		return;
	conf_section_guess_service(loader, route->service, &why);
	conf_section_mistake(loader, section, line,
	    "service \"%s\" is not in this config; %s",
	    conf_show(shown, route->service), why.text);
}

void
conf_check_sections(struct conf_loader *loader)
{
	struct account user = { NULL, false, 0 }, group = { NULL, false, 0 };

	for (size_t i = 0; i < loader->section_count; i++) {
		const struct conf_section *section = loader->sections[i];

		if (section->kind == CONF_SECTION_SERVICE)
			service_check(loader, section, &user, &group);
		else if (section->kind == CONF_SECTION_ROUTE)
			route_check(loader, section);
	}
	for (size_t i = 0; i < loader->section_count; i++) {
		if (loader->sections[i]->kind == CONF_SECTION_ROUTE)
			conf_schedule_check_route(loader, loader->sections[i]);
	}
	conf_socket_check(loader);
}
