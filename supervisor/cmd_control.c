/*
 * The commands that are one request to the supervisor: stop, restart, drain,
 * undrain, reload.
 */
#include <stdio.h>
#include <string.h>

#include "ipc/buf.h"
#include "ipc/mp.h"

#include "cmd.h"
#include "control.h"

int
cmd_stop(const struct cmd_line *line)
{
	char run_dir[PATH_MAX];
	const char *service = line->arg_count == 1 ? line->args[0] : NULL;

	if (cmd_run_dir(line, run_dir) == -1)
		return CMD_FAILED;
	return cmd_converse(run_dir, CONTROL_STOP, service, 0, NULL);
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

static uint64_t
cmd_answer_count(const struct buf *answer, const char *key)
{
	struct mp_reader value;
	uint64_t count = 0;

	if (mp_map_find(buf_front(answer), buf_count(answer), key, &value))
		mp_get_uint(&value, &count);
	return count;
}

static bool
cmd_answer_has(const struct buf *answer, const char *key)
{
	struct mp_reader value;

	return mp_map_find(buf_front(answer), buf_count(answer), key, &value);
}

/* The names are the answer's and the printed ones. */
static void
cmd_reload_print(const struct buf *answer, bool is_json)
{
	static const char *const names[] = { "added", "removed", "restarted",
		"applied", "kept" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		unsigned long long count = cmd_answer_count(answer, names[i]);

		if (is_json)
			printf("%s\"%s\":%llu", i == 0 ? "{" : ",", names[i],
			    count);
		else
			printf("%s%llu %s", i == 0 ? "services: " : ", ", count,
			    names[i]);
	}
	puts(is_json ? "}" : "");
}

int
cmd_reload(const struct cmd_line *line)
{
	struct buf answer = { 0 };
	char run_dir[PATH_MAX];
	int rc;

	if (cmd_run_dir(line, run_dir) == -1)
		return CMD_FAILED;
	rc = cmd_converse(run_dir, CONTROL_RELOAD, NULL, 0, &answer);
	/* What was rolled back was told; the rest is as it says. */
	if (rc == CMD_DONE || cmd_answer_has(&answer, "restarted"))
		cmd_reload_print(&answer, line->is_json);
	buf_fini(&answer);
	return rc;
}
