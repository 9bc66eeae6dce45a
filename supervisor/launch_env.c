#include "launch_env.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "env_file.h"
#include "instance.h"
#include "ipc/err.h"
#include "ipc/launch.h"
#include "secret.h"
#include "service.h"
#include "spawn.h"
#include "supervisor.h"

/* A list that keeps the first value of each key. */
struct env_list {
	char **items;
	size_t count;
	bool is_failed;
};

static const char default_path[] =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

void
launch_env_free(char ***envp)
{
	char **env = *envp;

	if (env == NULL)
		return;
	*envp = NULL;
	for (size_t i = 0; env[i] != NULL; i++)
		free(env[i]);
	free(env);
}

static bool
env_has(const struct env_list *list, const char *item)
{
	size_t key_len = strcspn(item, "=");

	for (size_t i = 0; i < list->count; i++) {
		if (strncmp(list->items[i], item, key_len) == 0 &&
		    list->items[i][key_len] == '=')
			return true;
	}
	return false;
}

static void
env_add_item(struct env_list *list, char *item)
{
	char **items;

	if (item == NULL) {
		list->is_failed = true;
		return;
	}
	if (env_has(list, item)) {
		free(item);
		return;
	}
	items = reallocarray(list->items, list->count + 2, sizeof(*items));
	if (items == NULL) {
		list->is_failed = true;
		free(item);
		return;
	}
	list->items = items;
	items[list->count++] = item;
	items[list->count] = NULL;
}

__attribute__((format(printf, 2, 3))) static void
env_add(struct env_list *list, const char *fmt, ...)
{
	char *item = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&item, fmt, args) < 0)
		item = NULL;
	va_end(args);
	env_add_item(list, item);
}

static void
env_inherit(struct env_list *list, const char *key)
{
	const char *value = getenv(key);

	if (value != NULL)
		env_add(list, "%s=%s", key, value);
}

void
launch_env_url(const struct instance *inst, char *url)
{
	const struct service *svc = inst->service;

	snprintf(url, LAUNCH_ENV_URL_MAX, "ipc://%s/%s/%s/%u.%llu",
	    svc->sup->rundir.path, LAUNCH_PATH_SERVICE, svc->name, inst->index,
	    (unsigned long long)inst->generation);
}

static void
env_add_contract(struct env_list *list, const struct instance *inst)
{
	const char *run_dir = inst->service->sup->rundir.path;
	char url[LAUNCH_ENV_URL_MAX];

	launch_env_url(inst, url);
	env_add(list, "%s=%s", LAUNCH_ENV_SERVICE, inst->service->name);
	env_add(list, "%s=%u", LAUNCH_ENV_INSTANCE, inst->index);
	env_add(list, "%s=%llu", LAUNCH_ENV_GENERATION,
	    (unsigned long long)inst->generation);
	env_add(list, "%s=%s", LAUNCH_ENV_LISTEN, url);
	env_add(list, "%s=ipc://%s/%s", LAUNCH_ENV_ROUTER, run_dir,
	    LAUNCH_PATH_ROUTER);
	env_add(list, "%s=ipc://%s/%s", LAUNCH_ENV_PUB, run_dir,
	    LAUNCH_PATH_ROUTER);
	env_add(list, "%s=ipc://%s/%s", LAUNCH_ENV_SUB, run_dir,
	    LAUNCH_PATH_ROUTER);
	env_inherit(list, LAUNCH_ENV_RUN);
	env_add(list, "%s=%s/%s", LAUNCH_ENV_NOTIFY, run_dir,
	    LAUNCH_PATH_NOTIFY);
	/* sd_watchdog_enabled(3) takes it for any process without a pid. */
	if (inst->conf->watchdog_ms > 0)
		env_add(list, "%s=%lld", LAUNCH_ENV_WATCHDOG,
		    (long long)inst->conf->watchdog_ms * 1000);
}

static void
env_add_user(struct env_list *list, const struct spawn_user *user)
{
	if (user == NULL || user->uid == geteuid()) {
		env_inherit(list, "HOME");
		env_inherit(list, "USER");
		env_inherit(list, "LOGNAME");
		env_inherit(list, "SHELL");
		return;
	}
	env_add(list, "HOME=%s", user->home);
	env_add(list, "USER=%s", user->name);
	env_add(list, "LOGNAME=%s", user->name);
	env_add(list, "SHELL=/bin/sh");
}

/* What the process is passed: sockets and secrets. */
static void
env_add_passed(struct env_list *list, const struct instance *inst,
    const struct spawn *spawn)
{
	const struct service *svc = inst->service;
	char path[SECRET_PATH_MAX];

	if (inst->conf->secrets.count > 0) {
		secret_path(svc->sup->rundir.path, svc->name, inst->index,
		    (unsigned long long)inst->generation, path);
		env_add(list, "%s=%s", LAUNCH_ENV_CREDENTIALS, path);
	}
	if (spawn->fd_count == 0)
		return;
	/* The child writes its pid over the zeroes. */
	env_add(list, "%s=%0*d", LAUNCH_ENV_LISTEN_PID, LAUNCH_LISTEN_PID_MAX,
	    0);
	env_add(list, "%s=%zu", LAUNCH_ENV_LISTEN_FDS, spawn->fd_count);
	if (spawn->fd_names != NULL)
		env_add(list, "%s=%s", LAUNCH_ENV_LISTEN_NAMES,
		    spawn->fd_names);
}

/* The last file wins, and in it the last line. */
static int
env_add_files(struct env_list *list, const struct conf_strings *files,
    struct err *err_r)
{
	struct env_items items = { 0 };
	int rc = 0;

	for (size_t i = files->count; rc == 0 && i-- > 0;) {
		rc = env_file_read(files->items[i], &items, err_r);
		for (size_t j = items.count; rc == 0 && j-- > 0;)
			env_add_item(list, strdup(items.items[j]));
		env_items_fini(&items);
	}
	return rc;
}

/* All of ours; what we were told by our own supervisor is not for others. */
static void
env_inherit_all(struct env_list *list)
{
	for (char **item = environ; item != NULL && *item != NULL; item++) {
		if (env_file_check_name(*item, strcspn(*item, "="), NULL) == 0)
			env_add_item(list, strdup(*item));
	}
}

static void
env_add_inherited(struct env_list *list, const struct conf_strings *names,
    bool is_all)
{
	for (size_t i = 0; i < names->count; i++) {
		if (strcmp(names->items[i], "*") == 0) {
			if (is_all)
				env_inherit_all(list);
		} else if (!is_all && env_file_check_name(names->items[i],
					  strlen(names->items[i]), NULL) == 0)
			env_inherit(list, names->items[i]);
	}
}

char **
launch_env_new(const struct instance *inst, const struct spawn *spawn,
    struct err *err_r)
{
	const struct conf_service *conf = inst->conf;
	struct env_list list = { 0 };

	env_add_contract(&list, inst);
	env_add_passed(&list, inst, spawn);
	for (size_t i = 0; i < conf->env.count; i++)
		env_add_item(&list, strdup(conf->env.items[i]));
	if (env_add_files(&list, &conf->env_files, err_r) < 0) {
		launch_env_free(&list.items);
		return NULL;
	}
	env_add_inherited(&list, &conf->env_inherit, false);
	env_add_user(&list, spawn->user);
	env_add_inherited(&list, &conf->env_inherit, true);
	env_inherit(&list, "PATH");
	env_add(&list, "PATH=%s", default_path);
	env_inherit(&list, "LANG");
	env_inherit(&list, "LC_ALL");
	env_inherit(&list, "TZ");
	if (list.is_failed) {
		err_set(err_r, "out of memory");
		launch_env_free(&list.items);
	}
	return list.items;
}
