#include "conf_load.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_src.h"
#include "conf_value.h"
#include "conf_words.h"

static const struct conf_src_handler handler = { conf_section_start,
	conf_entry_add };

/* Enter a file into the lists; -1 when out of memory. */
static int
file_add(struct conf_loader *loader, const char *path, const char *name)
{
	if (conf_words_add(&loader->conf->files, path, strlen(path)) < 0 ||
	    conf_words_add(&loader->names, name, strlen(name)) < 0)
		return -1;
	loader->file = loader->names.count - 1;
	return 0;
}

static void
file_parse(struct conf_loader *loader, const char *text, size_t len)
{
	loader->current = NULL;
	conf_seen_free(&loader->seen);
	conf_src_parse(text, len, loader->file, &loader->mistakes, &handler,
	    loader);
}

/* Read the file that was entered last. */
static void
file_read(struct conf_loader *loader)
{
	const char *path = loader->conf->files.items[loader->file];
	struct conf_why why;
	const char *text;
	size_t len;

	if (conf_text_read(loader, path, &text, &len, &why) < 0) {
		conf_mistake_add(&loader->mistakes, loader->file, 0, "%s",
		    why.text);
		return;
	}
	file_parse(loader, text, len);
}

char *
conf_path_resolve(const char *dir, const char *path)
{
	char *out;

	if (path[0] == '/')
		return strdup(path);
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	if (asprintf(&out, "%s/%s", dir, path) < 0)
		return NULL;
	return out;
}

/* Two names may lead to one file, which is then read once. */
static bool
file_see(struct conf_loader *loader, const char *path)
{
	char *real = realpath(path, NULL);
	struct conf_seen *seen = NULL;
	size_t len = real == NULL ? 0 : strlen(real);

	/* What there is now may be another file than what was given. */
	if (real != NULL && loader->given == NULL)
		HASH_FIND(hh, loader->files, real, len, seen);
	if (real != NULL && seen == NULL) {
		struct conf_seen *added = calloc(1, sizeof(*added) + len + 1);

		if (added == NULL) {
			loader->is_out_of_memory = true;
		} else {
			memcpy(added->name, real, len);
			HASH_ADD(hh, loader->files, name, len, added);
		}
	}
	free(real);
	return seen == NULL;
}

/*
 * An included file is shown from where the main one was named: "etc/a.ini"
 * when that was "etc/msvc.ini".
 */
static void
include_read(struct conf_loader *loader, const char *path)
{
	const char *main_name = loader->names.items[0];
	const char *slash = strrchr(main_name, '/');
	size_t dir_len = strlen(loader->dir);
	char *name = NULL;

	if (!file_see(loader, path))
		return;
	if (strncmp(path, loader->dir, dir_len) == 0 && path[dir_len] == '/' &&
	    asprintf(&name, "%.*s%s",
		slash == NULL ? 0 : (int)(slash + 1 - main_name), main_name,
		path + dir_len + 1) < 0)
		name = NULL;
	if (file_add(loader, path, name != NULL ? name : path) < 0)
		loader->is_out_of_memory = true;
	else
		file_read(loader);
	free(name);
}

/* dir with what glob() would take for a wildcard escaped; caller frees. */
static char *
glob_escape(const char *dir)
{
	char *out = malloc(2 * strlen(dir) + 1), *end = out;

	for (; out != NULL && *dir != '\0'; dir++) {
		if (strchr("*?[]\\", *dir) != NULL)
			*end++ = '\\';
		*end++ = *dir;
	}
	if (out != NULL)
		*end = '\0';
	return out;
}

static void
include_glob(struct conf_loader *loader, unsigned line, const char *item)
{
	char *dir = glob_escape(loader->dir);
	char *pattern = dir == NULL ? NULL : conf_path_resolve(dir, item);
	char shown[CONF_SHOW_MAX];
	glob_t found;
	int rc =
	    pattern == NULL ? GLOB_NOSPACE : glob(pattern, 0, NULL, &found);

	free(dir);
	free(pattern);
	if (rc == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			include_read(loader, found.gl_pathv[i]);
		globfree(&found);
	} else if (rc != GLOB_NOMATCH) {
		conf_mistake_add(&loader->mistakes, 0, line,
		    "msvc: include \"%s\" cannot be looked up; check the "
		    "rights of its directory",
		    conf_show(shown, item));
	} else if (strpbrk(item, "*?[") == NULL) {
		conf_mistake_add(&loader->mistakes, 0, line,
		    "msvc: include \"%s\" is not there; name a file, or use a "
		    "wildcard that may match none",
		    conf_show(shown, item));
	}
}

/* Those that were found when the config was read first. */
static void
includes_read_given(struct conf_loader *loader)
{
	for (size_t i = 1; i < loader->given_files; i++)
		include_read(loader, loader->given[i].path);
}

static void
includes_read(struct conf_loader *loader)
{
	for (size_t i = 0; i < loader->include_count; i++) {
		const struct conf_include *include = &loader->includes[i];
		struct conf_strings items = { NULL, 0 };
		char shown[CONF_SHOW_MAX];
		struct conf_why why;

		if (conf_words_list(&items, include->pattern, &why) < 0)
			conf_mistake_add(&loader->mistakes, 0, include->line,
			    "msvc: include \"%s\" %s",
			    conf_show(shown, include->pattern), why.text);
		for (size_t j = 0; j < items.count; j++)
			include_glob(loader, include->line, items.items[j]);
		conf_words_fini(&items);
	}
}

/* Move the fields of [msvc] and [router] to where they belong. */
static void
globals_move(struct conf_loader *loader)
{
	struct conf *conf = loader->conf;
	const struct conf_section *msvc =
	    conf_section_find(loader, CONF_SECTION_MSVC, "");
	const struct conf_section *router =
	    conf_section_find(loader, CONF_SECTION_ROUTER, "");

	if (msvc != NULL) {
		struct conf *from = msvc->object;

		conf_key_fini_section(CONF_SECTION_MSVC, conf);
		conf->run_dir = from->run_dir;
		conf->log_dir = from->log_dir;
		conf->log_max_size = from->log_max_size;
		conf->log_keep = from->log_keep;
		conf->log_max_age_ms = from->log_max_age_ms;
		conf->is_log_compressed = from->is_log_compressed;
		conf->log_format = from->log_format;
		conf->is_cgroup_used = from->is_cgroup_used;
		conf->crash_dir = from->crash_dir;
		conf->crash_keep = from->crash_keep;
		conf->crash_max_size = from->crash_max_size;
		from->run_dir = from->log_dir = from->crash_dir = NULL;
	}
	if (router != NULL) {
		struct conf_router *from = router->object;

		conf_key_fini_section(CONF_SECTION_ROUTER, &conf->router);
		conf->router = *from;
		*from = (struct conf_router){ 0 };
	}
}

static int
name_compare(const void *left, const void *right)
{
	const struct conf_service *const *a = left, *const *b = right;

	return strcmp((*a)->name, (*b)->name);
}

/* Move services and routes into their arrays; -1 when out of memory. */
static int
sections_move(struct conf_loader *loader)
{
	struct conf *conf = loader->conf;
	size_t count = loader->section_count + 1;

	conf->services = calloc(count, sizeof(struct conf_service *));
	conf->by_name = calloc(count, sizeof(struct conf_service *));
	conf->routes = calloc(count, sizeof(conf->routes[0]));
	conf->groups = calloc(count, sizeof(conf->groups[0]));
	if (conf->services == NULL || conf->by_name == NULL ||
	    conf->routes == NULL || conf->groups == NULL)
		return -1;
	for (size_t i = 0; i < loader->section_count; i++) {
		struct conf_section *section = loader->sections[i];
		struct conf_route *route = section->object;
		struct conf_group *group = section->object;

		if (section->kind == CONF_SECTION_SERVICE &&
		    section->is_known) {
			section->index = conf->service_count;
			section->is_owner = false;
			conf->by_name[conf->service_count] = section->object;
			conf->services[conf->service_count++] = section->object;
		} else if (section->kind == CONF_SECTION_ROUTE &&
			   section->is_known) {
			conf->routes[conf->route_count] = *route;
			free(route);
			section->is_owner = false;
			section->object = &conf->routes[conf->route_count++];
		} else if (section->kind == CONF_SECTION_GROUP &&
			   section->is_known) {
			conf->groups[conf->group_count] = *group;
			free(group);
			section->is_owner = false;
			section->object = &conf->groups[conf->group_count++];
		}
	}
	qsort(conf->by_name, conf->service_count, sizeof(struct conf_service *),
	    name_compare);
	return 0;
}

static void
loader_fini(struct conf_loader *loader)
{
	conf_seen_free(&loader->seen);
	conf_seen_free(&loader->files);
	HASH_CLEAR(hh, loader->by_title);
	for (size_t i = 0; i < loader->section_count; i++)
		conf_section_free(loader->sections[i]);
	free(loader->sections);
	for (size_t i = 0; i < loader->include_count; i++)
		free(loader->includes[i].pattern);
	free(loader->includes);
	conf_words_fini(&loader->names);
	conf_mistake_fini(&loader->mistakes);
	free(loader->dir);
	conf_free(&loader->conf);
}

/* Make an empty conf with the main file's path; -1 with a mistake told. */
static int
loader_init(struct conf_loader *loader, const char *path)
{
	char *cwd = path[0] == '/' ? strdup("") : getcwd(NULL, 0);
	int rc = -1;

	*loader = (struct conf_loader){ .unknown.kind = CONF_SECTION_UNKNOWN,
		.conf = calloc(1, sizeof(*loader->conf)) };
	if (loader->conf == NULL || cwd == NULL)
		goto out;
	loader->conf->path = conf_path_resolve(cwd, path);
	if (loader->conf->path == NULL ||
	    file_add(loader, loader->conf->path, path) < 0)
		goto out;
	loader->dir = strndup(loader->conf->path,
	    (size_t)(strrchr(loader->conf->path, '/') - loader->conf->path));
	if (loader->dir != NULL &&
	    conf_key_init_section(CONF_SECTION_MSVC, loader->conf) == 0 &&
	    conf_key_init_section(CONF_SECTION_ROUTER, &loader->conf->router) ==
		0)
		rc = 0;
out:
	free(cwd);
	return rc;
}

/* Check what was read, and hand over the conf or the mistakes. */
static int
loader_finish(struct conf_loader *loader, struct conf **conf_r,
    struct conf_report *report)
{
	globals_move(loader);
	if (sections_move(loader) < 0)
		loader->is_out_of_memory = true;
	if (!loader->is_out_of_memory) {
		conf_check_sections(loader);
		conf_path_finish(loader);
		conf_group_check(loader);
		conf_order_find(loader);
		conf_route_check(loader);
		conf_fallback_check(loader);
	}
	if (loader->is_out_of_memory)
		conf_mistake_add(&loader->mistakes, 0, 0,
		    "does not fit into memory");
	if (conf_mistake_is_any(&loader->mistakes)) {
		conf_mistake_report(&loader->mistakes, &loader->names, report);
		return -1;
	}
	*conf_r = loader->conf;
	loader->conf = NULL;
	return 0;
}

/* Where the text comes from, unless it is to be read from the disk. */
struct load_source {
	const char *text; /* of the main file */
	size_t len;
	const struct conf_text *given; /* of all files */
	size_t given_count, given_files;
};

static int
load(const char *path, const struct load_source *source, struct conf **conf_r,
    struct conf_report *report)
{
	struct conf_loader loader;
	int rc = -1;

	*conf_r = NULL;
	if (loader_init(&loader, path) < 0) {
		conf_report_add(report, "%s: does not fit into memory", path);
		goto out;
	}
	loader.given = source->given;
	loader.given_count = source->given_count;
	loader.given_files = source->given_files;
	if (source->text != NULL)
		file_parse(&loader, source->text, source->len);
	else
		file_read(&loader);
	file_see(&loader, loader.conf->path);
	if (loader.given != NULL)
		includes_read_given(&loader);
	else
		includes_read(&loader);
	/* Without the main file everything else would be missing as well. */
	if (loader.section_count == 0 && conf_mistake_is_any(&loader.mistakes))
		conf_mistake_report(&loader.mistakes, &loader.names, report);
	else
		rc = loader_finish(&loader, conf_r, report);
out:
	loader_fini(&loader);
	return rc;
}

int
conf_load(const char *path, struct conf **conf_r, struct conf_report *report)
{
	const struct load_source source = { 0 };

	return load(path, &source, conf_r, report);
}

int
conf_load_text(const char *path, const char *text, size_t len,
    struct conf **conf_r, struct conf_report *report)
{
	const struct load_source source = { .text = text, .len = len };

	return load(path, &source, conf_r, report);
}

int
conf_load_texts(const char *path, const struct conf_text *texts, size_t count,
    size_t files, struct conf **conf_r, struct conf_report *report)
{
	const struct load_source source = { .given = texts,
		.given_count = count,
		.given_files = files };

	return load(path, &source, conf_r, report);
}

/* Hand a path over to whoever wants it. */
static void
dir_move(char **from, char **to)
{
	if (to == NULL)
		return;
	*to = *from;
	*from = NULL;
}

int
conf_load_dirs(const char *path, char **run_dir_r, char **log_dir_r,
    char **crash_dir_r)
{
	struct conf_loader loader;
	struct conf none = { 0 };
	struct conf *conf = &none;
	int rc = -1;

	if (loader_init(&loader, path) < 0)
		goto out;
	file_read(&loader);
	if (loader.section_count == 0 && conf_mistake_is_any(&loader.mistakes))
		goto out;
	globals_move(&loader);
	conf_path_finish(&loader);
	if (loader.conf->run_dir == NULL || loader.conf->log_dir == NULL ||
	    loader.conf->crash_dir == NULL)
		goto out;
	conf = loader.conf;
	rc = 0;
out:
	dir_move(&conf->run_dir, run_dir_r);
	dir_move(&conf->log_dir, log_dir_r);
	dir_move(&conf->crash_dir, crash_dir_r);
	loader_fini(&loader);
	return rc;
}
