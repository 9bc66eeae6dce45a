#include "logs_merge.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/err.h"
#include "logger/logrec.h"

#include "cmd.h"
#include "cmd_tail.h"

struct logs_source {
	struct tail *tail;
	const char *line; /* the next one, or NULL; borrowed from tail */
	size_t len;
	char time[LOGREC_TIME_LEN]; /* of it, or of the last that had one */
};

struct logs_merge {
	const char *dir;
	char *const *names;
	size_t name_count;
	struct logs_source *sources;
	size_t count;
	struct logs_source *given; /* its line is the caller's; or NULL */
};

struct logs_merge *
logs_merge_new(const char *dir, char *const *names, size_t name_count)
{
	struct logs_merge *merge = calloc(1, sizeof(*merge));

	if (merge == NULL)
		return NULL;
	merge->dir = dir;
	merge->names = names;
	merge->name_count = name_count;
	return merge;
}

void
logs_merge_free(struct logs_merge **mergep)
{
	struct logs_merge *merge = *mergep;

	if (merge == NULL)
		return;
	*mergep = NULL;
	for (size_t i = 0; i < merge->count; i++)
		tail_free(&merge->sources[i].tail);
	free(merge->sources);
	free(merge);
}

static bool
logs_merge_has(const struct logs_merge *merge, const char *name)
{
	for (size_t i = 0; i < merge->count; i++) {
		if (strcmp(tail_name(merge->sources[i].tail), name) == 0)
			return true;
	}
	return false;
}

static bool
logs_merge_wants(const struct logs_merge *merge, const char *name)
{
	for (size_t i = 0; i < merge->name_count; i++) {
		if (strcmp(merge->names[i], name) == 0)
			return true;
	}
	return merge->name_count == 0;
}

/* Returns 0; or -1 with errno ENOENT when there is no such log. */
static int
logs_merge_add(struct logs_merge *merge, const char *name,
    const struct logs_start *start, struct err *err_r)
{
	struct logs_source *sources;
	struct tail *tail;

	if (start->is_counted)
		tail = tail_new(merge->dir, name, start->count, err_r);
	else
		tail = tail_new_since(merge->dir, name, start->since, err_r);
	if (tail == NULL)
		return -1;
	sources =
	    realloc(merge->sources, (merge->count + 1) * sizeof(*sources));
	if (sources == NULL) {
		err_set_errno(err_r, "%s", name);
		tail_free(&tail);
		return -1;
	}
	merge->sources = sources;
	memset(&sources[merge->count], 0, sizeof(*sources));
	sources[merge->count++].tail = tail;
	return 0;
}

/* Add NAME if file is "NAME.log" and wanted. */
static void
logs_merge_add_file(struct logs_merge *merge, const char *file,
    const struct logs_start *start)
{
	size_t len = strlen(file);
	char name[NAME_MAX + 1];
	struct err err = { "" };

	if (len <= 4 || len > NAME_MAX || file[0] == '.' ||
	    strcmp(file + len - 4, ".log") != 0)
		return;
	memcpy(name, file, len - 4);
	name[len - 4] = '\0';
	if (!logs_merge_wants(merge, name) || logs_merge_has(merge, name))
		return;
	if (logs_merge_add(merge, name, start, &err) == -1 && errno != ENOENT)
		cmd_say("%s", err.text);
}

int
logs_merge_scan(struct logs_merge *merge, const struct logs_start *start)
{
	DIR *dir = opendir(merge->dir);
	struct dirent *entry;

	if (dir == NULL)
		return -1;
	merge->given = NULL;
	while ((entry = readdir(dir)) != NULL)
		logs_merge_add_file(merge, entry->d_name, start);
	closedir(dir);
	return 0;
}

size_t
logs_merge_count(const struct logs_merge *merge)
{
	return merge->count;
}

size_t
logs_merge_total(const struct logs_merge *merge)
{
	size_t total = 0;

	for (size_t i = 0; i < merge->count; i++)
		total += tail_count(merge->sources[i].tail);
	return total;
}

static void
logs_source_step(struct logs_source *source)
{
	const char *time;

	source->line = tail_next(source->tail, &source->len);
	if (source->line == NULL)
		return;
	time = logrec_time(source->line, source->len);
	if (time != NULL)
		memcpy(source->time, time, LOGREC_TIME_LEN);
}

/* The source with the oldest line, or NULL when no source has one. */
static struct logs_source *
logs_merge_oldest(struct logs_merge *merge)
{
	struct logs_source *oldest = NULL;

	for (size_t i = 0; i < merge->count; i++) {
		struct logs_source *source = &merge->sources[i];

		if (source->line == NULL)
			continue;
		if (oldest == NULL ||
		    memcmp(source->time, oldest->time, LOGREC_TIME_LEN) < 0)
			oldest = source;
	}
	return oldest;
}

bool
logs_merge_next(struct logs_merge *merge, struct logs_next *next_r)
{
	struct logs_source *source;

	if (merge->given != NULL) {
		logs_source_step(merge->given);
	} else {
		/* The first call, or the first after there were none. */
		for (size_t i = 0; i < merge->count; i++) {
			if (merge->sources[i].line == NULL)
				logs_source_step(&merge->sources[i]);
		}
	}
	source = merge->given = logs_merge_oldest(merge);
	if (source == NULL)
		return false;
	next_r->name = tail_name(source->tail);
	next_r->time = source->time[0] != '\0' ? source->time : NULL;
	next_r->line = source->line;
	next_r->len = source->len;
	return true;
}
