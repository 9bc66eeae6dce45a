/* logs: the last lines of one log or of all, and those that come. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "conf/conf.h"
#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/mp.h"

#include "cmd.h"
#include "cmd_tail.h"

/* One log among those that are merged. */
struct logs_source {
	struct tail *tail;
	const char *line; /* the next one, or NULL; borrowed from tail */
	size_t len;
	char time[TAIL_TIME_LEN]; /* of line, or of the last that had one */
};

struct logs {
	const char *dir;
	const char *only; /* this log; NULL for all */
	size_t count;     /* last lines wanted */
	struct logs_source *sources;
	size_t source_count;
};

static void
logs_fini(struct logs *logs)
{
	for (size_t i = 0; i < logs->source_count; i++)
		tail_free(&logs->sources[i].tail);
	free(logs->sources);
}

static void
logs_source_step(struct logs_source *source)
{
	const char *time;

	source->line = tail_next(source->tail, &source->len);
	if (source->line == NULL)
		return;
	time = tail_time(source->line, source->len);
	if (time != NULL)
		memcpy(source->time, time, TAIL_TIME_LEN);
}

static bool
logs_has(const struct logs *logs, const char *name)
{
	for (size_t i = 0; i < logs->source_count; i++) {
		if (strcmp(tail_name(logs->sources[i].tail), name) == 0)
			return true;
	}
	return false;
}

/* Returns 0; or -1 with errno ENOENT when there is no such log. */
static int
logs_add(struct logs *logs, const char *name, size_t count, struct err *err_r)
{
	struct logs_source *sources;
	struct tail *tail = tail_new(logs->dir, name, count, err_r);

	if (tail == NULL)
		return -1;
	sources =
	    realloc(logs->sources, (logs->source_count + 1) * sizeof(*sources));
	if (sources == NULL) {
		err_set_errno(err_r, "%s", name);
		tail_free(&tail);
		return -1;
	}
	logs->sources = sources;
	memset(&sources[logs->source_count], 0, sizeof(*sources));
	sources[logs->source_count++].tail = tail;
	return 0;
}

/* Add NAME if file is "NAME.log" and wanted. */
static void
logs_add_file(struct logs *logs, const char *file, size_t count)
{
	size_t len = strlen(file);
	char name[NAME_MAX + 1];
	struct err err = { "" };

	if (len <= 4 || len > NAME_MAX || file[0] == '.' ||
	    strcmp(file + len - 4, ".log") != 0)
		return;
	memcpy(name, file, len - 4);
	name[len - 4] = '\0';
	if (logs->only != NULL && strcmp(logs->only, name) != 0)
		return;
	if (logs_has(logs, name))
		return;
	if (logs_add(logs, name, count, &err) == -1 && errno != ENOENT)
		cmd_say("%s", err.text);
}

static int
logs_scan(struct logs *logs, size_t count)
{
	DIR *dir = opendir(logs->dir);
	struct dirent *entry;

	if (dir == NULL)
		return -1;
	while ((entry = readdir(dir)) != NULL)
		logs_add_file(logs, entry->d_name, count);
	closedir(dir);
	return 0;
}

/* The source with the oldest line, or NULL when no source has one. */
static struct logs_source *
logs_oldest(struct logs *logs)
{
	struct logs_source *oldest = NULL;

	for (size_t i = 0; i < logs->source_count; i++) {
		struct logs_source *source = &logs->sources[i];

		if (source->line == NULL)
			continue;
		if (oldest == NULL ||
		    memcmp(source->time, oldest->time, TAIL_TIME_LEN) < 0)
			oldest = source;
	}
	return oldest;
}

/*
 * Print what there is, merged by time. The first skip lines are left out:
 * each log gave its own last lines, and only the last of all are wanted.
 */
static void
logs_print(struct logs *logs, size_t skip)
{
	struct logs_source *source;

	for (size_t i = 0; i < logs->source_count; i++)
		logs_source_step(&logs->sources[i]);
	while ((source = logs_oldest(logs)) != NULL) {
		if (skip > 0) {
			skip--;
		} else {
			fwrite(source->line, 1, source->len, stdout);
			putchar('\n');
		}
		logs_source_step(source);
	}
	fflush(stdout);
}

static size_t
logs_total(const struct logs *logs)
{
	size_t total = 0;

	for (size_t i = 0; i < logs->source_count; i++)
		total += tail_count(logs->sources[i].tail);
	return total;
}

/* Wait for a change in the directory. Returns false when nobody reads us. */
static bool
logs_wait(int watch)
{
	struct pollfd pfds[] = { { .fd = watch, .events = POLLIN },
		{ .fd = STDOUT_FILENO, .events = 0 } };
	char events[4096];

	if (poll(pfds, 2, -1) == -1)
		return errno == EINTR;
	if ((pfds[1].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
		return false;
	/* Which file it was does not matter: all are looked at, cheaply. */
	while (read(watch, events, sizeof(events)) > 0)
		continue;
	return true;
}

static int
logs_follow(struct logs *logs, int watch)
{
	while (logs_wait(watch)) {
		/* A log that is new to us is shown from its first line. */
		if (logs_scan(logs, CMD_LINES_MAX) == -1) {
			cmd_say("%s: %s", logs->dir, strerror(errno));
			return CMD_FAILED;
		}
		logs_print(logs, 0);
		if (ferror(stdout))
			break;
	}
	return CMD_DONE;
}

static int
logs_watch(const char *dir)
{
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (watch != -1 && inotify_add_watch(watch, dir,
			       IN_MODIFY | IN_CREATE | IN_MOVED_TO |
				   IN_DELETE_SELF | IN_ONLYDIR) != -1)
		return watch;
	cmd_say("%s: %s", dir, strerror(errno));
	if (watch != -1)
		close(watch);
	return -1;
}

static int
logs_show(struct logs *logs, bool is_following)
{
	int watch = -1, rc = CMD_FAILED;
	size_t total;

	/* Watch first: what is written while we look is not missed. */
	if (is_following && (watch = logs_watch(logs->dir)) == -1)
		return CMD_FAILED;
	if (logs_scan(logs, logs->count) == -1) {
		cmd_say("%s: %s", logs->dir, strerror(errno));
		goto out;
	}
	if (logs->source_count == 0 && !is_following) {
		cmd_say("%s/%s.log: nothing was logged yet", logs->dir,
		    logs->only != NULL ? logs->only : "*");
		goto out;
	}
	total = logs_total(logs);
	logs_print(logs, total > logs->count ? total - logs->count : 0);
	rc = is_following ? logs_follow(logs, watch) : CMD_DONE;
out:
	if (watch != -1)
		close(watch);
	return rc;
}

/* Logs that are no service's: what msvc itself and its helpers say. */
static bool
logs_is_ours(const char *name)
{
	static const char *const names[] = { "msvc", "router", "access" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/*
 * Without a configuration, or with mistakes in it, nobody can say, so the
 * name may do.
 */
static bool
logs_is_known(const struct cmd_line *line, const char *name)
{
	struct conf_report report = { 0 };
	struct conf *conf = NULL;
	bool is_known = line->run_dir != NULL || logs_is_ours(name);

	if (!is_known) {
		conf_load(cmd_conf_path(line), &conf, &report);
		is_known =
		    conf == NULL || conf_find_service(conf, name) != NULL;
	}
	conf_report_fini(&report);
	conf_free(&conf);
	return is_known;
}

/* Set dir_r, which the caller frees. Returns an exit code, told why. */
static int
logs_find_dir(const struct cmd_line *line, char **dir_r)
{
	*dir_r = NULL;
	if (line->run_dir != NULL)
		return cmd_ask_about(line->run_dir, "log_dir", dir_r);
	if (conf_load_dirs(cmd_conf_path(line), NULL, dir_r, NULL) == -1) {
		struct conf *conf = cmd_load(line);

		conf_free(&conf);
		return CMD_FAILED;
	}
	return CMD_DONE;
}

int
cmd_logs(const struct cmd_line *line)
{
	struct logs logs = { .count = CMD_LINES_DEFAULT };
	char *log_dir;
	int64_t count;
	int rc;

	if (line->count != NULL) {
		count = cmd_number(line->count, 0, CMD_LINES_MAX);
		if (count == -1) {
			cmd_say("-n \"%s\": must be a number from 0 to %d",
			    line->count, CMD_LINES_MAX);
			return CMD_USAGE;
		}
		logs.count = (size_t)count;
	}
	rc = logs_find_dir(line, &log_dir);
	if (rc != CMD_DONE)
		return rc;
	logs.dir = log_dir;
	if (line->arg_count == 1)
		logs.only = line->args[0];
	if (logs.only != NULL && !logs_is_known(line, logs.only)) {
		cmd_say("unknown service \"%s\"", logs.only);
		rc = CMD_FAILED;
	} else {
		rc = logs_show(&logs, line->is_following);
	}
	logs_fini(&logs);
	free(log_dir);
	return rc;
}
