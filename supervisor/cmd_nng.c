/*
 * The commands that speak nng: call, pub, sub.
 *
 * libnng starts threads and must not be in a program that forks, so they live
 * in msvc-nng, beside our own executable, which takes our place.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"

static int
cmd_nng(const struct cmd_line *line)
{
	char run_dir[PATH_MAX], dir[PATH_MAX];
	char program[PATH_MAX + sizeof("/msvc-nng")];
	const char *argv[16];
	size_t argc = 0;

	if (cmd_run_dir(line, run_dir) == -1 || cmd_program_dir(dir) == -1)
		return CMD_FAILED;
	snprintf(program, sizeof(program), "%s/msvc-nng", dir);
	argv[argc++] = program;
	argv[argc++] = "-r";
	argv[argc++] = run_dir;
	argv[argc++] = "-o";
	argv[argc++] = line->is_json ? "json" : "table";
	if (line->timeout != NULL) {
		argv[argc++] = "-t";
		argv[argc++] = line->timeout;
	}
	argv[argc++] = line->cmd->name;
	if (line->count != NULL) {
		argv[argc++] = "-n";
		argv[argc++] = line->count;
	}
	argv[argc++] = "--";
	for (size_t i = 0; i < line->arg_count; i++)
		argv[argc++] = line->args[i];
	argv[argc] = NULL;
	execv(program, (char *const *)(uintptr_t)argv);
	cmd_say("%s: %s", program, strerror(errno));
	return CMD_FAILED;
}

int
cmd_call(const struct cmd_line *line)
{
	if (line->timeout != NULL &&
	    cmd_number(line->timeout, 1, INT32_MAX) == -1) {
		cmd_say("-t \"%s\": must be milliseconds, at least 1",
		    line->timeout);
		return CMD_USAGE;
	}
	return cmd_nng(line);
}

int
cmd_pub(const struct cmd_line *line)
{
	return cmd_nng(line);
}

int
cmd_sub(const struct cmd_line *line)
{
	if (line->count != NULL &&
	    cmd_number(line->count, 1, INT32_MAX) == -1) {
		cmd_say("-n \"%s\": must be a number of events, at least 1",
		    line->count);
		return CMD_USAGE;
	}
	return cmd_nng(line);
}
