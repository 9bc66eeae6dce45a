/* reexec: have the running supervisor go on as another program. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include "cmd.h"
#include "ipc/buf.h"
#include "ipc/mp.h"

int
cmd_reexec(const struct cmd_line *line)
{
	char run_dir[PATH_MAX], program[PATH_MAX];
	struct buf args = { 0 };
	int rc;

	if (line->arg_count == 1 && realpath(line->args[0], program) == NULL) {
		cmd_say("%s: %s", line->args[0], strerror(errno));
		return CMD_FAILED;
	}
	if (cmd_run_dir(line, run_dir) == -1)
		return CMD_FAILED;
	mp_put_map(&args, line->arg_count == 1 ? 1 : 0);
	if (line->arg_count == 1) {
		mp_put_cstr(&args, "program");
		mp_put_cstr(&args, program);
	}
	rc = cmd_converse_args(run_dir, CONTROL_REEXEC, NULL, 0, &args, NULL);
	buf_fini(&args);
	return rc;
}
