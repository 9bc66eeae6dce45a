#include "cmd_json.h"

#include <stdbool.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/json.h"
#include "ipc/mp_text.h"

#include "cmd.h"

enum {
	JSON_ERROR_MAX = 64 * 1024
};

static bool json_is_printed;
static struct buf json_said;

FILE *
cmd_json_out(void)
{
	json_is_printed = true;
	return stdout;
}

int
cmd_json_print(struct mp_reader value)
{
	struct mp_reader end = value;
	struct err err = { "the answer makes no sense" };
	struct buf json = { 0 };
	int rc = CMD_FAILED;

	if (mp_skip(&end) == 0 &&
	    json_from_mp(value.pos, (size_t)(end.pos - value.pos), &json,
		&err) == 0) {
		fwrite(buf_front(&json), 1, buf_count(&json), cmd_json_out());
		putchar('\n');
		rc = CMD_DONE;
	} else
		cmd_say("%s", err.text);
	buf_fini(&json);
	return rc;
}

int
cmd_json_print_buf(const struct buf *value)
{
	struct mp_reader reader = { buf_front(value), buf_front(value) };

	if (!value->is_failed && buf_count(value) > 0)
		reader.end += buf_count(value);
	return cmd_json_print(reader);
}

void
cmd_json_said(const char *line, size_t len)
{
	if (buf_count(&json_said) > JSON_ERROR_MAX)
		return;
	if (buf_count(&json_said) > 0)
		buf_append_byte(&json_said, '\n');
	buf_append(&json_said, line, len);
}

void
cmd_json_finish(int code)
{
	struct buf value = { 0 };

	if (!json_is_printed) {
		mp_put_map(&value, code == CMD_DONE ? 1 : 3);
		mp_put_cstr(&value, "ok");
		mp_put_bool(&value, code == CMD_DONE);
	}
	if (!json_is_printed && code != CMD_DONE) {
		mp_put_cstr(&value, "exit");
		mp_put_int(&value, code);
		mp_put_cstr(&value, "error");
		buf_append_byte(&json_said, 0);
		mp_put_text(&value,
		    json_said.is_failed ? ""
					: (const char *)buf_front(&json_said),
		    json_said.is_failed ? 0 : buf_count(&json_said) - 1,
		    JSON_ERROR_MAX);
	}
	if (!json_is_printed && !value.is_failed)
		(void)cmd_json_print_buf(&value);
	buf_fini(&value);
	buf_fini(&json_said);
}
