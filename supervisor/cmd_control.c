/*
 * The commands that are one request to the supervisor: stop, restart, drain,
 * undrain, signal, reload.
 */
#include <stdio.h>
#include <string.h>

#include "conf/conf_value.h"
#include "ipc/buf.h"
#include "ipc/mp.h"

#include "cmd.h"
#include "cmd_json.h"
#include "cmd_map.h"
#include "control.h"

int
cmd_stop(const struct cmd_line *line)
{
	char run_dir[PATH_MAX];
	const char *service = line->arg_count == 1 ? line->args[0] : NULL;
	struct buf args = { 0 };
	int rc;

	if (cmd_run_dir(line, run_dir) == -1)
		return CMD_FAILED;
	if (line->is_forced) {
		mp_put_map(&args, 1);
		mp_put_cstr(&args, "force");
		mp_put_bool(&args, true);
	}
	rc = cmd_converse_args(run_dir, CONTROL_STOP, service, 0,
	    line->is_forced ? &args : NULL, NULL);
	buf_fini(&args);
	return rc;
}

/* The request of a command whose argument is [SERVICE[/INSTANCE]]. */
static int
cmd_ask(const struct cmd_line *line, enum control_command command)
{
	char run_dir[PATH_MAX];
	char *service = line->arg_count == 1 ? line->args[0] : NULL;
	unsigned instance = 0;

	if (service != NULL && cmd_split_instance(service, &instance) == -1) {
		cmd_say("%s: \"%s\": must be SERVICE or SERVICE/INSTANCE, "
			"such as users/2",
		    line->cmd->name, service);
		return CMD_USAGE;
	}
	if (cmd_run_dir(line, run_dir) == -1)
		return CMD_FAILED;
	return cmd_converse(run_dir, command, service, instance, NULL);
}

int
cmd_restart(const struct cmd_line *line)
{
	return cmd_ask(line, CONTROL_RESTART);
}

int
cmd_drain(const struct cmd_line *line)
{
	return cmd_ask(line, CONTROL_DRAIN);
}

int
cmd_undrain(const struct cmd_line *line)
{
	return cmd_ask(line, CONTROL_UNDRAIN);
}

int
cmd_signal(const struct cmd_line *line)
{
	struct buf args = { 0 }, answer = { 0 };
	char run_dir[PATH_MAX], *service = line->args[0];
	struct conf_why why;
	unsigned instance;
	int number, rc;

	if (cmd_split_instance(service, &instance) == -1) {
		cmd_say("signal: \"%s\": must be SERVICE or SERVICE/INSTANCE, "
			"such as users/2",
		    service);
		return CMD_USAGE;
	}
	if (conf_value_signal(line->args[1], &number, &why) == -1) {
		cmd_say("signal: \"%s\" %s", line->args[1], why.text);
		return CMD_USAGE;
	}
	if (cmd_run_dir(line, run_dir) == -1)
		return CMD_FAILED;
	mp_put_map(&args, 1);
	mp_put_cstr(&args, "signal");
	mp_put_int(&args, number);
	rc = cmd_converse_args(run_dir, CONTROL_SIGNAL, service, instance,
	    &args, &answer);
	if (rc == CMD_DONE && line->is_json)
		rc = cmd_json_print(cmd_map_open(&answer));
	buf_fini(&args);
	buf_fini(&answer);
	return rc;
}

static void
cmd_reload_print(struct mp_reader answer)
{
	static const char *const names[] = { "added", "removed", "restarted",
		"applied", "kept" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		printf("%s%lld %s", i == 0 ? "services: " : ", ",
		    (long long)cmd_map_int(answer, names[i]), names[i]);
	putchar('\n');
}

/* "change   router                idle_timeout, listen". */
static void
cmd_plan_print_item(struct mp_reader item)
{
	struct cmd_text act = cmd_map_text(item, "act"),
			section = cmd_map_text(item, "section"),
			name = cmd_map_text(item, "name"), key;
	struct mp_reader keys;
	uint32_t count = cmd_map_items(item, "keys", &keys);
	int width;

	width = printf("%-8.*s %.*s", (int)act.len, act.str, (int)section.len,
	    section.str);
	if (cmd_map_has(item, "name"))
		width += printf(" %.*s", (int)name.len, name.str);
	for (uint32_t i = 0; i < count; i++) {
		if (mp_get_str(&keys, &key.str, &key.len) == -1)
			break;
		if (i == 0)
			printf("%*s", width < 30 ? 30 - width : 1, "");
		printf("%s%.*s", i > 0 ? ", " : "", (int)key.len, key.str);
	}
	putchar('\n');
}

static void
cmd_plan_print(struct mp_reader answer)
{
	struct mp_reader items, item;
	uint32_t count = cmd_map_items(answer, "plan", &items);

	for (uint32_t i = 0; i < count && cmd_map_next(&items, &item); i++)
		cmd_plan_print_item(item);
	cmd_reload_print(answer);
}

int
cmd_reload(const struct cmd_line *line)
{
	struct buf answer = { 0 };
	char run_dir[PATH_MAX];
	struct mp_reader map;
	int rc;

	if (cmd_run_dir(line, run_dir) == -1)
		return CMD_FAILED;
	rc = cmd_converse(run_dir,
	    line->is_plan ? CONTROL_PLAN : CONTROL_RELOAD, NULL, 0, &answer);
	map = cmd_map_open(&answer);
	/* What was rolled back was told; the rest is as it says. */
	if (rc != CMD_DONE && !cmd_map_has(map, "restarted"))
		goto out;
	if (line->is_json && cmd_json_print(map) != CMD_DONE)
		rc = CMD_FAILED;
	else if (!line->is_json && line->is_plan)
		cmd_plan_print(map);
	else if (!line->is_json)
		cmd_reload_print(map);
out:
	buf_fini(&answer);
	return rc;
}
