/* logs: the last lines of some logs or of all, and those that come. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "conf/conf.h"
#include "ipc/buf.h"
#include "ipc/err.h"
#include "logger/regex.h"

#include "cmd.h"
#include "cmd_json.h"
#include "logs_line.h"
#include "logs_merge.h"

enum {
	LOGS_TRIES = 30, /* to find a directory that was removed again */
	LOGS_TRY_MS = 100
};

struct logs {
	char *dir;          /* owned */
	char *const *names; /* borrowed; none: all logs */
	size_t name_count;
	bool is_counted; /* the last count lines, or all that pass */
	size_t count;
	bool is_json, is_following;
	struct logs_filter filter;
	struct regex *grep; /* of the filter; owned */
	struct logs_merge *merge;
	struct buf scratch, out;
};

static void
logs_fini(struct logs *logs)
{
	logs_merge_free(&logs->merge);
	regex_free(&logs->grep);
	buf_fini(&logs->scratch);
	buf_fini(&logs->out);
	free(logs->dir);
}

static bool
logs_is_filtered(const struct logs *logs)
{
	return logs->grep != NULL || logs->filter.since[0] != '\0' ||
	       logs->filter.until[0] != '\0';
}

/* The next line that passes. Returns false when there is none yet. */
static bool
logs_next(struct logs *logs, struct logs_next *next, struct logrec *rec)
{
	while (logs_merge_next(logs->merge, next)) {
		logs_line_read(next->name, next->time, next->line, next->len,
		    &logs->scratch, rec);
		if (logs_line_passes(&logs->filter, rec))
			return true;
	}
	return false;
}

/* Print what there is. The first skip lines are left out. */
static void
logs_print(struct logs *logs, size_t skip)
{
	struct logs_next next;
	struct logrec rec;

	while (logs_next(logs, &next, &rec) && !ferror(stdout)) {
		if (skip > 0) {
			skip--;
			continue;
		}
		buf_clear(&logs->out);
		logs_line_put(&logs->out, logs->is_json, next.line, next.len,
		    &rec);
		fwrite(buf_front(&logs->out), 1, buf_count(&logs->out), stdout);
	}
	fflush(stdout);
}

/* Open the logs from start on. Returns 0, or -1 after saying why. */
static int
logs_open(struct logs *logs, const struct logs_start *start)
{
	logs_merge_free(&logs->merge);
	logs->merge = logs_merge_new(logs->dir, logs->names, logs->name_count);
	if (logs->merge != NULL && logs_merge_scan(logs->merge, start) == 0)
		return 0;
	cmd_say("%s: %s", logs->dir, strerror(errno));
	return -1;
}

/*
 * Open the logs and find out how many of their lines come too early: each log
 * gives its own last lines, and only the last of all are wanted. With a filter
 * nobody knows where those begin, so all are read twice, once to be counted.
 */
static int
logs_seek(struct logs *logs, size_t *skip_r)
{
	const char *since = logs->filter.since;
	struct logs_start start = { .since = since[0] != '\0' ? since : NULL };
	size_t total = 0;
	struct logs_next next;
	struct logrec rec;

	*skip_r = 0;
	if (logs->is_counted && !logs_is_filtered(logs)) {
		start.is_counted = true;
		start.count = logs->count;
	}
	if (logs_open(logs, &start) == -1)
		return -1;
	if (start.is_counted) {
		total = logs_merge_total(logs->merge);
	} else if (logs->is_counted) {
		while (logs_next(logs, &next, &rec))
			total++;
		if (logs_open(logs, &start) == -1)
			return -1;
	}
	if (logs->is_counted && total > logs->count)
		*skip_r = total - logs->count;
	return 0;
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
logs_watch_dir(int watch, const char *dir)
{
	return inotify_add_watch(watch, dir,
	    IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF |
		IN_MOVE_SELF | IN_ONLYDIR);
}

/*
 * It may be another directory of that name by now; one that was removed is made
 * anew by the logger with the next line.
 */
static int
logs_watch_again(int watch, const char *dir)
{
	for (int i = 0; i < LOGS_TRIES; i++) {
		if (logs_watch_dir(watch, dir) != -1)
			return 0;
		if (errno != ENOENT)
			break;
		(void)poll(NULL, 0, LOGS_TRY_MS);
	}
	return logs_watch_dir(watch, dir) == -1 ? -1 : 0;
}

static int
logs_follow(struct logs *logs, int watch)
{
	/* A log that is new to us is shown from its first line. */
	const struct logs_start start = { .is_counted = false };

	while (!ferror(stdout) && logs_wait(watch)) {
		if (logs_watch_again(watch, logs->dir) == -1) {
			cmd_say("%s: %s", logs->dir, strerror(errno));
			return CMD_FAILED;
		}
		if (logs_merge_scan(logs->merge, &start) == -1) {
			cmd_say("%s: %s", logs->dir, strerror(errno));
			return CMD_FAILED;
		}
		logs_print(logs, 0);
	}
	return CMD_DONE;
}

static int
logs_watch(const char *dir)
{
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (watch != -1 && logs_watch_dir(watch, dir) != -1)
		return watch;
	cmd_say("%s: %s", dir, strerror(errno));
	if (watch != -1)
		close(watch);
	return -1;
}

static int
logs_show(struct logs *logs)
{
	int watch = -1, rc = CMD_FAILED;
	size_t skip;

	/* Watch first: what is written while we look is not missed. */
	if (logs->is_following && (watch = logs_watch(logs->dir)) == -1)
		return CMD_FAILED;
	if (logs_seek(logs, &skip) == -1)
		goto out;
	if (logs_merge_count(logs->merge) == 0 && !logs->is_following) {
		cmd_say("%s/%s.log: nothing was logged yet", logs->dir,
		    logs->name_count == 1 ? logs->names[0] : "*");
		goto out;
	}
	/* Objects follow, a line each: there may be none, or no end. */
	if (logs->is_json)
		(void)cmd_json_out();
	logs_print(logs, skip);
	rc = logs->is_following ? logs_follow(logs, watch) : CMD_DONE;
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

static int
logs_read_count(const char *text, struct logs *logs)
{
	int64_t count = cmd_number(text, 0, CMD_LINES_MAX);

	if (count == -1) {
		cmd_say("-n \"%s\": must be a number from 0 to %d", text,
		    CMD_LINES_MAX);
		return -1;
	}
	logs->is_counted = true;
	logs->count = (size_t)count;
	return 0;
}

/* An option's point in time; text may be NULL. */
static int
logs_read_time(const char *option, const char *text,
    char time_r[LOGREC_TIME_LEN + 1])
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (text == NULL ||
	    logs_time_read(text,
		(int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
		time_r) == 0)
		return 0;
	cmd_say("%s \"%s\": must be a duration such as 10m, or a time such as "
		"2026-11-22T11:20:30Z",
	    option, text);
	return -1;
}

static int
logs_read_grep(const struct cmd_line *line, struct logs *logs)
{
	struct err err = { "" };

	if (line->grep == NULL)
		return 0;
	logs->grep = regex_new(line->grep, line->is_caseless, &err);
	logs->filter.grep = logs->grep;
	if (logs->grep != NULL)
		return 0;
	cmd_say("--grep \"%s\": %s", line->grep, err.text);
	return -1;
}

/* Returns 0, or -1 after saying which option is wrong. */
static int
logs_read_options(const struct cmd_line *line, struct logs *logs)
{
	logs->names = line->args;
	logs->name_count = line->arg_count;
	logs->is_json = line->is_json;
	logs->is_following = line->is_following;
	/* Who names the time wants all of it. */
	logs->is_counted = line->since == NULL && line->until == NULL;
	logs->count = CMD_LINES_DEFAULT;
	if (line->until != NULL && line->is_following) {
		cmd_say("-f goes on for ever, --until does not");
		return -1;
	}
	if (line->count != NULL && logs_read_count(line->count, logs) == -1)
		return -1;
	if (logs_read_time("--since", line->since, logs->filter.since) == -1 ||
	    logs_read_time("--until", line->until, logs->filter.until) == -1)
		return -1;
	return logs_read_grep(line, logs);
}

int
cmd_logs(const struct cmd_line *line)
{
	struct logs logs = { 0 };
	int rc = CMD_USAGE;

	if (logs_read_options(line, &logs) == -1)
		goto out;
	rc = logs_find_dir(line, &logs.dir);
	for (size_t i = 0; rc == CMD_DONE && i < logs.name_count; i++) {
		if (logs_is_known(line, logs.names[i]))
			continue;
		cmd_say("unknown service \"%s\"", logs.names[i]);
		rc = CMD_FAILED;
	}
	if (rc == CMD_DONE)
		rc = logs_show(&logs);
out:
	logs_fini(&logs);
	return rc;
}
