#include "cmd_status.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/mp.h"

#include "cmd.h"
#include "cmd_json.h"
#include "cmd_map.h"
#include "cmd_model.h"
#include "cmd_tree.h"
#include "cmd_usage.h"
#include "control.h"

enum {
	STATUS_NAME_MIN = 16,
	STATUS_NAME_MAX = 30,
	/* Widths of the other columns: STATE PID GEN SINCE, and the blanks. */
	STATUS_FIXED = 1 + 8 + 1 + 7 + 1 + 5 + 1 + 7 + 1
};

void
cmd_status_duration(int64_t seconds, char text_r[16])
{
	long long s = seconds;

	if (s < 0)
		snprintf(text_r, 16, "-");
	else if (s < 60)
		snprintf(text_r, 16, "%llds", s);
	else if (s < 60 * 60)
		snprintf(text_r, 16, "%lldm%02llds", s / 60, s % 60);
	else if (s < 24 * 60 * 60)
		snprintf(text_r, 16, "%lldh%02lldm", s / 3600, s / 60 % 60);
	else if (s < 1000LL * 24 * 60 * 60)
		snprintf(text_r, 16, "%lldd%02lldh", s / 86400, s / 3600 % 24);
	else
		snprintf(text_r, 16, "%lldd", s / 86400 % 1000000);
}

void
cmd_status_name(const char *name, size_t len, unsigned instance, size_t width,
    char *text_r, size_t size)
{
	char suffix[16] = "";
	size_t room;

	if (instance != 0)
		snprintf(suffix, sizeof(suffix), "/%u", instance);
	room = width - strlen(suffix);
	if (len <= room)
		snprintf(text_r, size, "%.*s%s", (int)len, name, suffix);
	else
		snprintf(text_r, size, "%.*s~%s", (int)(room - 1), name,
		    suffix);
}

/* The value of a key, all of it and nothing behind it. */
static bool
status_find(struct mp_reader map, const char *key, struct mp_reader *value_r)
{
	struct mp_reader end = cmd_map_find(map, key);

	*value_r = end;
	if (mp_skip(&end) == -1)
		return false;
	value_r->end = end.pos;
	return true;
}

static bool
status_open(const struct buf *answer, struct mp_reader *status_r)
{
	return buf_count(answer) > 0 &&
	       status_find(cmd_map_open(answer), "status", status_r);
}

static bool
status_is_named(struct mp_reader service, const char *name)
{
	return name == NULL || cmd_text_is(cmd_map_text(service, "name"), name);
}

/* "127.0.0.1:8080, [::1]:80", cut at room bytes. */
static void
status_print_listen(struct mp_reader supervisor, unsigned room, FILE *out)
{
	struct mp_reader reader;
	uint32_t count = cmd_map_items(supervisor, "listen", &reader);
	const char *str;
	size_t len;

	if (count == 0)
		fputs("-", out);
	for (uint32_t i = 0; i < count; i++) {
		if (mp_get_str(&reader, &str, &len) == -1)
			return;
		if (len + 6 > room) {
			fputs(" ...", out);
			return;
		}
		fprintf(out, "%s%.*s", i > 0 ? ", " : "", (int)len, str);
		room -= (unsigned)len + 2;
	}
}

static void
status_print_helper(struct mp_reader supervisor, const char *name, FILE *out)
{
	struct mp_reader map;
	struct cmd_text state;
	int64_t restarts;

	if (!status_find(supervisor, name, &map))
		return;
	state = cmd_map_text(map, "state");
	restarts = cmd_map_int(map, "restarts");
	fprintf(out, "%-8s %.*s, pid %lld", name, (int)state.len, state.str,
	    (long long)cmd_map_int(map, "pid"));
	if (restarts > 0)
		fprintf(out, ", restarts %lld", (long long)restarts);
	putc('\n', out);
}

static void
status_print_head(struct mp_reader supervisor,
    const struct cmd_status_view *view, FILE *out)
{
	struct cmd_text version = cmd_map_text(supervisor, "version"),
			state = cmd_map_text(supervisor, "state"),
			config = cmd_map_text(supervisor, "config");
	char uptime[16];

	cmd_status_duration(view->now - cmd_map_int(supervisor, "since"),
	    uptime);
	fprintf(out, "%-8s %.*s, pid %lld, up %s, version %.*s\n", "msvc",
	    (int)state.len, state.str,
	    (long long)cmd_map_int(supervisor, "pid"), uptime, (int)version.len,
	    version.str);
	status_print_helper(supervisor, "router", out);
	status_print_helper(supervisor, "logger", out);
	fprintf(out, "%-8s ", "config");
	cmd_map_print(config, view->width - 9, out);
	fprintf(out, "\n%-8s ", "listen");
	status_print_listen(supervisor, view->width - 9, out);
	fputs("\n\n", out);
}

const char *
cmd_status_colour(struct cmd_text state)
{
	static const struct {
		const char *state, *colour;
	} rows[] = {
		{ "ready", "\033[32m" },
		{ "failed", "\033[31m" },
		{ "backoff", "\033[31m" },
		{ "starting", "\033[33m" },
		{ "draining", "\033[33m" },
		{ "stopping", "\033[33m" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (cmd_text_is(state, rows[i].state))
			return rows[i].colour;
	}
	return "\033[2m";
}

static void
status_print_state(struct mp_reader map, const struct cmd_status_view *view,
    FILE *out)
{
	struct cmd_text state = cmd_map_text(map, "state");

	fprintf(out, "%s%-8.*s%s",
	    view->is_colour ? cmd_status_colour(state) : "",
	    state.len < 8 ? (int)state.len : 8, state.str,
	    view->is_colour ? CMD_STATUS_PLAIN : "");
}

/* What is known of the last exit, and of what comes next. */
static void
status_print_last(struct mp_reader instance, size_t room, FILE *out)
{
	struct cmd_text reason = cmd_map_text(instance, "reason"),
			last = cmd_map_text(instance, "last_exit");
	struct cmd_text text = cmd_text_is(reason, "-") ? last : reason;

	putc(' ', out);
	cmd_map_print(text, room, out);
}

static void
status_print_instance(struct mp_reader service, struct mp_reader instance,
    const struct cmd_status_view *view, size_t name_width, FILE *out)
{
	struct cmd_text name = cmd_map_text(service, "name");
	int64_t pid = cmd_map_int(instance, "pid"),
		generation = cmd_map_int(instance, "generation");
	bool is_beside = cmd_map_bool(instance, "beside");
	char label[64], uptime[16], pid_text[24] = "-";

	/* "users/1+": a second generation beside the one in the place. */
	cmd_status_name(name.str, name.len,
	    (unsigned)cmd_map_int(instance, "index"), name_width - is_beside,
	    label, sizeof(label) - 1);
	if (is_beside)
		strcat(label, "+");
	fprintf(out, "%-*s ", (int)name_width, label);
	status_print_state(instance, view, out);
	if (pid > 0)
		snprintf(pid_text, sizeof(pid_text), "%lld", (long long)pid);
	cmd_status_duration(view->now - cmd_map_int(instance, "since"), uptime);
	fprintf(out, " %7s %5lld %7s", pid_text,
	    (long long)(generation < 99999 ? generation : 99999), uptime);
	status_print_last(instance, view->width - name_width - STATUS_FIXED,
	    out);
	putc('\n', out);
}

/* Why its last rolling restart was not to be. */
static void
status_print_rolled_back(struct mp_reader service,
    const struct cmd_status_view *view, FILE *out)
{
	struct cmd_text text = cmd_map_text(service, "rolled_back");

	if (cmd_text_is(text, "-"))
		return;
	fputs("  ", out);
	cmd_map_print(text, view->width - 2, out);
	putc('\n', out);
}

/* A service without instances is disabled, or runs on another machine. */
static void
status_print_service(struct mp_reader service,
    const struct cmd_status_view *view, size_t name_width, FILE *out)
{
	struct cmd_text name = cmd_map_text(service, "name");
	struct mp_reader instance;
	struct mp_reader reader;
	uint32_t count = cmd_map_items(service, "instances", &reader);
	char label[64];

	for (uint32_t i = 0; i < count; i++) {
		if (!cmd_map_next(&reader, &instance))
			return;
		status_print_instance(service, instance, view, name_width, out);
	}
	status_print_rolled_back(service, view, out);
	if (count > 0)
		return;
	cmd_status_name(name.str, name.len, 0, name_width, label,
	    sizeof(label));
	fprintf(out, "%-*s ", (int)name_width, label);
	status_print_state(service, view, out);
	putc('\n', out);
}

static size_t
status_name_width(struct mp_reader status, const struct cmd_status_view *view)
{
	struct mp_reader reader;
	struct mp_reader service;
	size_t width = STATUS_NAME_MIN, len;
	uint32_t count = cmd_map_items(status, "services", &reader);

	for (uint32_t i = 0; i < count && cmd_map_next(&reader, &service);
	     i++) {
		/* A slash and, for most, one or two digits. */
		len = cmd_map_text(service, "name").len + 3;
		if (status_is_named(service, view->service) && len > width)
			width = len;
	}
	return width < STATUS_NAME_MAX ? width : STATUS_NAME_MAX;
}

int
cmd_status_print(const struct buf *answer, const struct cmd_status_view *view,
    FILE *out)
{
	struct mp_reader status, supervisor, service;
	struct mp_reader reader;
	size_t width;
	uint32_t count, found = 0;

	if (!status_open(answer, &status))
		return -1;
	if (view->service == NULL &&
	    status_find(status, "supervisor", &supervisor))
		status_print_head(supervisor, view, out);
	width = status_name_width(status, view);
	count = cmd_map_items(status, "services", &reader);
	for (uint32_t i = 0; i < count && cmd_map_next(&reader, &service);
	     i++) {
		if (!status_is_named(service, view->service))
			continue;
		if (found++ == 0)
			fprintf(out, "%-*s %-8s %7s %5s %7s %s\n", (int)width,
			    "SERVICE/INSTANCE", "STATE", "PID", "GEN", "SINCE",
			    "LAST EXIT, REASON");
		status_print_service(service, view, width, out);
	}
	return view->service != NULL && found == 0 ? -1 : 0;
}

void
cmd_status_print_summary(const struct buf *answer, FILE *out)
{
	struct mp_reader status, supervisor;
	struct mp_reader reader;

	if (!status_open(answer, &status) ||
	    !status_find(status, "supervisor", &supervisor))
		return;
	fprintf(out, "msvc is up: pid %lld, services %u, listening on ",
	    (long long)cmd_map_int(supervisor, "pid"),
	    cmd_map_items(status, "services", &reader));
	status_print_listen(supervisor, 1000, out);
	putc('\n', out);
}

static void
status_append(struct buf *out, struct mp_reader value)
{
	buf_append(out, value.pos, (size_t)(value.end - value.pos));
}

int
cmd_status_filter(const struct buf *answer, const char *service,
    struct buf *out)
{
	struct mp_reader status, supervisor, item;
	struct mp_reader reader, groups;
	uint32_t count;
	bool has_groups;

	if (!status_open(answer, &status) ||
	    !status_find(status, "supervisor", &supervisor))
		return -1;
	if (service == NULL) {
		status_append(out, status);
		return 0;
	}
	count = cmd_map_items(status, "services", &reader);
	for (uint32_t i = 0; i < count && cmd_map_next(&reader, &item); i++) {
		if (!status_is_named(item, service))
			continue;
		has_groups = status_find(status, "groups", &groups);
		mp_put_map(out, has_groups ? 3 : 2);
		mp_put_cstr(out, "supervisor");
		status_append(out, supervisor);
		if (has_groups) {
			mp_put_cstr(out, "groups");
			status_append(out, groups);
		}
		mp_put_cstr(out, "services");
		mp_put_array(out, 1);
		status_append(out, item);
		return 0;
	}
	return -1;
}

/* The terminal's width; 80 for a pipe, so that its text is always the same. */
static unsigned
status_terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == -1 || size.ws_col < 80)
		return 80;
	return size.ws_col;
}

int
cmd_status_print_json(const struct buf *answer, const char *service)
{
	struct buf value = { 0 }, full = { 0 };
	int rc = CMD_FAILED;

	if (cmd_status_filter(answer, service, &value) == -1)
		cmd_say("unknown service \"%s\"", service);
	else if (cmd_usage_put(&value, &full) == -1)
		cmd_say("the supervisor's answer makes no sense");
	else
		rc = cmd_json_print_buf(&full);
	buf_fini(&value);
	buf_fini(&full);
	return rc;
}

int
cmd_status(const struct cmd_line *line)
{
	struct cmd_status_view view = { .now = time(NULL),
		.width = status_terminal_width(),
		.is_colour = cmd_is_colour(STDOUT_FILENO),
		.service = line->arg_count == 1 ? line->args[0] : NULL };
	struct buf answer = { 0 };
	char run_dir[PATH_MAX];
	int rc;

	if (cmd_run_dir(line, run_dir) == -1)
		return CMD_FAILED;
	rc = cmd_converse(run_dir, CONTROL_STATUS, NULL, 0, &answer);
	if (rc != CMD_DONE)
		goto out;
	if (line->is_json) {
		rc = cmd_status_print_json(&answer, view.service);
	} else if (line->is_tree) {
		rc = cmd_tree(&answer, &view);
	} else if (cmd_status_print(&answer, &view, stdout) == -1) {
		cmd_say("unknown service \"%s\"",
		    view.service != NULL ? view.service : "-");
		rc = CMD_FAILED;
	}
out:
	buf_fini(&answer);
	return rc;
}
