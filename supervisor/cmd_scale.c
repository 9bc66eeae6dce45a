/* msvc scale service=n ... */
#include <string.h>

#include "ipc/buf.h"
#include "ipc/mp.h"

#include "cmd.h"
#include "service_scale.h"

/* "users=3" as [name, count]. Returns -1 after saying what is wrong. */
static int
cmd_scale_put(struct buf *buf, const char *text)
{
	const char *mark = strchr(text, '=');
	int64_t count = -1;

	if (mark != NULL && mark != text)
		count = cmd_number(mark + 1, 0, SERVICE_SCALE_MAX);
	if (count == -1) {
		cmd_say("scale: \"%s\": must be SERVICE=N with N from 1 to %d, "
			"such as users=3",
		    text, SERVICE_SCALE_MAX);
		return -1;
	}
	if (count == 0) {
		cmd_say("scale: \"%s\": 0 is not a number of instances; \"msvc "
			"stop %.*s\" stops it",
		    text, (int)(mark - text), text);
		return -1;
	}
	mp_put_array(buf, 2);
	mp_put_str(buf, text, (size_t)(mark - text));
	mp_put_uint(buf, (uint64_t)count);
	return 0;
}

int
cmd_scale(const struct cmd_line *line)
{
	char run_dir[PATH_MAX];
	struct buf args = { 0 };
	int rc = CMD_USAGE;

	mp_put_map(&args, 1);
	mp_put_cstr(&args, "scale");
	mp_put_array(&args, (uint32_t)line->arg_count);
	for (size_t i = 0; i < line->arg_count; i++) {
		if (cmd_scale_put(&args, line->args[i]) == -1)
			goto out;
	}
	rc = CMD_FAILED;
	if (cmd_run_dir(line, run_dir) == -1)
		goto out;
	rc = cmd_converse_args(run_dir, CONTROL_SCALE, NULL, 0, &args, NULL);
out:
	buf_fini(&args);
	return rc;
}
