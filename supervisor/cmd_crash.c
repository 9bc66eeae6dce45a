/* crash: what is known of processes that crashed, from their bundles. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "ipc/buf.h"
#include "ipc/crash_id.h"
#include "ipc/err.h"
#include "ipc/json.h"
#include "ipc/mp.h"

#include "cmd.h"
#include "cmd_crash_text.h"
#include "cmd_json.h"

enum {
	CRASH_FILE_MAX = 16 * 1024 * 1024 /* bytes; ours are far smaller */
};

struct crash_ids {
	char (*items)[CRASH_ID_MAX];
	size_t count;
};

/*
 * Set dir_r, which the caller frees. Mistakes elsewhere in the configuration
 * do not matter: it is when something is wrong that one looks at crashes.
 * Returns an exit code, told why.
 */
static int
crash_find_dir(const struct cmd_line *line, char **dir_r)
{
	struct cmd_line other = *line;
	char *path = NULL;
	struct conf *conf;
	int rc;

	*dir_r = NULL;
	if (line->run_dir != NULL) {
		rc = cmd_ask_about(line->run_dir, "config", &path);
		if (rc != CMD_DONE)
			return rc;
		other.conf_path = path;
	}
	rc = CMD_DONE;
	if (conf_load_dirs(cmd_conf_path(&other), NULL, NULL, dir_r) == -1) {
		conf = cmd_load(&other);
		conf_free(&conf);
		rc = CMD_FAILED;
	}
	free(path);
	return rc;
}

static int
crash_compare(const void *a, const void *b)
{
	return crash_id_compare(a, b);
}

/* Returns 0 with the ids in order of time; a missing directory has none. */
static int
crash_scan(const char *path, struct crash_ids *ids)
{
	DIR *dir = opendir(path);
	char id[CRASH_ID_MAX];
	struct dirent *entry;
	void *items;

	if (dir == NULL && errno == ENOENT)
		return 0;
	if (dir == NULL) {
		cmd_say("%s: %s", path, strerror(errno));
		return -1;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (!crash_id_of_file(entry->d_name, id))
			continue;
		items = realloc(ids->items, (ids->count + 1) * sizeof(id));
		if (items == NULL)
			break;
		ids->items = items;
		memcpy(ids->items[ids->count++], id, sizeof(id));
	}
	closedir(dir);
	if (ids->count > 0)
		qsort(ids->items, ids->count, sizeof(id), crash_compare);
	return 0;
}

static int
crash_read_all(int fd, struct buf *text)
{
	uint8_t *to;
	ssize_t n;

	do {
		to = buf_reserve(text, 64 * 1024);
		n = to != NULL ? read(fd, to, 64 * 1024) : -1;
		if (n > 0)
			text->len += (size_t)n;
		if (buf_count(text) > CRASH_FILE_MAX) {
			errno = EFBIG;
			return -1;
		}
	} while (n > 0 || (n == -1 && to != NULL && errno == EINTR));
	return n == 0 ? 0 : -1;
}

/* The bundle's text and its value. Returns 0, or -1 with err set. */
static int
crash_read(const char *dir, const char *id, struct buf *text, struct buf *mp,
    struct err *err_r)
{
	char path[PATH_MAX];
	struct stat st;
	int fd, rc = -1;

	snprintf(path, sizeof(path), "%s/%s.json", dir, id);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1 || fstat(fd, &st) == -1) {
		err_set_errno(err_r, "%s", path);
		goto out;
	}
	errno = EINVAL;
	if (!S_ISREG(st.st_mode) || crash_read_all(fd, text) == -1) {
		err_set_errno(err_r, "%s", path);
		goto out;
	}
	rc = json_to_mp((const char *)buf_front(text), buf_count(text), mp,
	    NULL, err_r);
	if (rc == -1)
		err_prefix(err_r, "%s", path);
out:
	if (fd != -1)
		close(fd);
	return rc;
}

/* One of a list; what is no good bundle is named and left out. */
static void
crash_list_one(const char *dir, const char *id, bool is_json, unsigned *count)
{
	struct buf text = { 0 }, mp = { 0 };
	struct err err = { "" };

	if (crash_read(dir, id, &text, &mp, &err) == -1)
		cmd_say("%s", err.text);
	else if (is_json) {
		cmd_crash_text_item(id, &mp, (*count)++ == 0 ? "[" : ",",
		    cmd_json_out());
	} else {
		if ((*count)++ == 0)
			cmd_crash_text_head(stdout);
		cmd_crash_text_row(id, &mp, stdout);
	}
	buf_fini(&text);
	buf_fini(&mp);
}

static int
crash_list(const char *dir, const struct crash_ids *ids, bool is_json)
{
	unsigned count = 0;

	for (size_t i = 0; i < ids->count; i++)
		crash_list_one(dir, ids->items[i], is_json, &count);
	if (is_json)
		fputs(count == 0 ? "[]\n" : "]\n", cmd_json_out());
	else if (count == 0)
		cmd_say("no process has crashed (no bundles in %s)", dir);
	return CMD_DONE;
}

static int
crash_show(const char *dir, const char *id, bool is_json)
{
	struct buf text = { 0 }, mp = { 0 };
	struct err err = { "" };
	int rc = CMD_FAILED;

	if (crash_read(dir, id, &text, &mp, &err) == -1)
		cmd_say("%s", err.text);
	else {
		if (is_json)
			fwrite(buf_front(&text), 1, buf_count(&text),
			    cmd_json_out());
		else
			cmd_crash_text_print(&mp, stdout);
		rc = CMD_DONE;
	}
	buf_fini(&text);
	buf_fini(&mp);
	return rc;
}

static bool
crash_is_there(const struct crash_ids *ids, const char *id)
{
	for (size_t i = 0; i < ids->count; i++) {
		if (strcmp(ids->items[i], id) == 0)
			return true;
	}
	return false;
}

/* action is "list", "last" or "show", the last with an id. */
static int
crash_act(const char *dir, const struct crash_ids *ids, const char *action,
    const char *id, bool is_json)
{
	if (strcmp(action, "list") == 0)
		return crash_list(dir, ids, is_json);
	if (strcmp(action, "last") == 0 || strcmp(id, "last") == 0) {
		if (ids->count > 0)
			return crash_show(dir, ids->items[ids->count - 1],
			    is_json);
		cmd_say("no process has crashed (no bundles in %s)", dir);
		return CMD_FAILED;
	}
	/* Only what is in the directory is ever opened. */
	if (crash_is_there(ids, id))
		return crash_show(dir, id, is_json);
	cmd_say("there is no crash bundle \"%s\"; msvc crash list shows all",
	    id);
	return CMD_FAILED;
}

int
cmd_crash(const struct cmd_line *line)
{
	const char *action = line->arg_count > 0 ? line->args[0] : "list";
	bool is_show = strcmp(action, "show") == 0;
	struct crash_ids ids = { 0 };
	char *dir;
	int rc;

	if (!is_show && strcmp(action, "list") != 0 &&
	    strcmp(action, "last") != 0) {
		cmd_say("crash: \"%s\": must be list, last or show", action);
		return CMD_USAGE;
	}
	if (is_show != (line->arg_count == 2)) {
		cmd_say(is_show ? "crash: show needs an id; msvc crash list "
				  "shows all"
				: "crash: unexpected argument \"%s\"",
		    is_show ? "" : line->args[1]);
		return CMD_USAGE;
	}
	rc = crash_find_dir(line, &dir);
	if (rc == CMD_DONE)
		rc = crash_scan(dir, &ids) == 0
			 ? crash_act(dir, &ids, action,
			       is_show ? line->args[1] : "", line->is_json)
			 : CMD_FAILED;
	free(ids.items);
	free(dir);
	return rc;
}
