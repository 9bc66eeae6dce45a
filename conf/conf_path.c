#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_load.h"
#include "conf_value.h"

enum {
	SOCKET_PATH_MAX = 107, /* sun_path, without its NUL */
	GENERATION_DIGITS = 10
};

/* An absolute path from the environment; others are void (XDG base dirs). */
static const char *
env_path(const char *name)
{
	const char *path = getenv(name);

	return path != NULL && path[0] == '/' ? path : NULL;
}

static char *
run_dir_default(void)
{
	const char *dir = env_path("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		return strdup("/run/msvc");
	return dir == NULL ? NULL : conf_path_resolve(dir, "msvc");
}

static char *
log_dir_default(void)
{
	const char *dir = env_path("XDG_STATE_HOME");

	if (geteuid() == 0)
		return strdup("/var/log/msvc");
	if (dir != NULL)
		return conf_path_resolve(dir, "msvc/log");
	dir = env_path("HOME");
	return dir == NULL ? NULL
			   : conf_path_resolve(dir, ".local/state/msvc/log");
}

/* Replace *pathp by what it is seen from the main file's directory. */
static void
path_resolve(struct conf_loader *loader, char **pathp)
{
	char *path;

	if (*pathp == NULL || (*pathp)[0] == '/')
		return;
	path = conf_path_resolve(loader->dir, *pathp);
	if (path == NULL) {
		loader->is_out_of_memory = true;
		return;
	}
	free(*pathp);
	*pathp = path;
}

static void
paths_resolve(struct conf_loader *loader, struct conf_strings *paths)
{
	for (size_t i = 0; i < paths->count; i++)
		path_resolve(loader, &paths->items[i]);
}

/* "NAME=path" */
static void
secrets_resolve(struct conf_loader *loader, struct conf_strings *secrets)
{
	for (size_t i = 0; i < secrets->count; i++) {
		char *item = secrets->items[i], *path, *text;
		size_t len = strcspn(item, "=");

		path = conf_path_resolve(loader->dir, item + len + 1);
		if (path == NULL ||
		    asprintf(&text, "%.*s=%s", (int)len, item, path) < 0)
			loader->is_out_of_memory = true;
		else {
			free(item);
			secrets->items[i] = text;
		}
		free(path);
	}
}

static void
dirs_finish(struct conf_loader *loader)
{
	struct conf *conf = loader->conf;
	const struct conf_section *section =
	    conf_section_find(loader, CONF_SECTION_MSVC, "");
	size_t file = section == NULL ? 0 : section->file;
	unsigned line = section == NULL ? 0 : section->line;

	if (conf->run_dir == NULL)
		conf->run_dir = run_dir_default();
	if (conf->log_dir == NULL)
		conf->log_dir = log_dir_default();
	if (conf->run_dir == NULL)
		conf_mistake_add(&loader->mistakes, file, line,
		    "msvc: no run_dir, and XDG_RUNTIME_DIR is not set; write "
		    "run_dir = PATH");
	if (conf->log_dir == NULL)
		conf_mistake_add(&loader->mistakes, file, line,
		    "msvc: no log_dir, and HOME is not set; write log_dir = "
		    "PATH");
	path_resolve(loader, &conf->run_dir);
	path_resolve(loader, &conf->log_dir);
	if (conf->crash_dir == NULL && conf->log_dir != NULL)
		conf->crash_dir = conf_path_resolve(conf->log_dir, "crash");
	path_resolve(loader, &conf->crash_dir);
}

/* Bytes of RUN_DIR/svc/NAME/INSTANCE.GENERATION for the longest name. */
static size_t
socket_path_len(const struct conf *conf, size_t name_len, unsigned instances)
{
	size_t digits = 1;

	for (; instances >= 10; instances /= 10)
		digits++;
	return strlen(conf->run_dir) + strlen("/svc/") + name_len + 1 + digits +
	       1 + GENERATION_DIGITS;
}

bool
conf_path_fits(const struct conf *conf, const char *service, unsigned instances)
{
	return socket_path_len(conf, strlen(service), instances) <=
	       SOCKET_PATH_MAX;
}

static void
socket_check(struct conf_loader *loader, const struct conf_section *section)
{
	const struct conf_service *service = section->object;
	size_t len = socket_path_len(loader->conf, strlen(service->name),
	    service->instances_max);

	if (len > SOCKET_PATH_MAX && service->url == NULL)
		conf_section_mistake(loader, section, section->line,
		    "path of its sockets in run_dir \"%.128s\" is %zu bytes "
		    "too long; shorten run_dir or the name",
		    loader->conf->run_dir, len - SOCKET_PATH_MAX);
}

/* Is run_dir short enough for any service at all? Told once if not. */
static bool
run_dir_check(struct conf_loader *loader)
{
	const struct conf_section *section =
	    conf_section_find(loader, CONF_SECTION_MSVC, "");
	unsigned line =
	    section == NULL ? 0 : section->lines[CONF_KEY_MSVC_run_dir];
	size_t len;

	if (loader->conf->run_dir == NULL)
		return false;
	len = socket_path_len(loader->conf, 1, 1);
	if (len <= SOCKET_PATH_MAX)
		return true;
	conf_mistake_add(&loader->mistakes, line == 0 ? 0 : section->file, line,
	    "msvc: run_dir \"%.128s\" is %zu bytes too long for the sockets "
	    "in it; choose a shorter one",
	    loader->conf->run_dir, len - SOCKET_PATH_MAX);
	return false;
}

/* Without a slash it is looked up in PATH. */
static void
program_resolve(struct conf_loader *loader, struct conf_strings *argv)
{
	if (argv->count > 0 && strchr(argv->items[0], '/') != NULL)
		path_resolve(loader, &argv->items[0]);
}

void
conf_path_finish(struct conf_loader *loader)
{
	bool is_checked;

	dirs_finish(loader);
	is_checked = run_dir_check(loader);
	for (size_t i = 0; i < loader->section_count; i++) {
		struct conf_section *section = loader->sections[i];
		struct conf_service *service = section->object;

		if (section->kind != CONF_SECTION_SERVICE || !section->is_known)
			continue;
		path_resolve(loader, &service->dir);
		paths_resolve(loader, &service->env_files);
		paths_resolve(loader, &service->read_only);
		secrets_resolve(loader, &service->secrets);
		program_resolve(loader, &service->argv);
		program_resolve(loader, &service->health.argv);
		program_resolve(loader, &service->ready_probe.argv);
		if (is_checked)
			socket_check(loader, section);
	}
}
