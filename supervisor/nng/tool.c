#include "tool.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/json.h"
#include "ipc/mp.h"
#include "ipc/mp_text.h"
#include "ipc/nngclient.h"

enum {
	READ_LEN = 64 * 1024
};

static bool tool_is_printed;
static char tool_said[1024]; /* the last one: there is only one */

void
tool_say(const char *fmt, ...)
{
	va_list args;

	(void)fflush(stdout);
	va_start(args, fmt);
	vsnprintf(tool_said, sizeof(tool_said), fmt, args);
	va_end(args);
	fprintf(stderr, "msvc: %s\n", tool_said);
}

void
tool_printed(void)
{
	tool_is_printed = true;
}

void
tool_finish_json(int code)
{
	struct buf value = { .data = NULL };

	if (tool_is_printed)
		return;
	mp_put_map(&value, code == TOOL_OK ? 1 : 3);
	mp_put_cstr(&value, "ok");
	mp_put_bool(&value, code == TOOL_OK);
	if (code != TOOL_OK) {
		mp_put_cstr(&value, "exit");
		mp_put_int(&value, code);
		mp_put_cstr(&value, "error");
		mp_put_text(&value, tool_said, strlen(tool_said),
		    sizeof(tool_said));
	}
	(void)tool_print_json(buf_front(&value), buf_count(&value), false);
	buf_fini(&value);
}

int
tool_failed(unsigned result, const struct err *err)
{
	if (result != NNGCLIENT_ABSENT) {
		tool_say("%s", err->text);
		return TOOL_FAILED;
	}
	tool_say("%s; is msvc running?", err->text);
	return TOOL_ABSENT;
}

static int
read_all(FILE *file, struct buf *out)
{
	size_t count = 1;

	while (count > 0) {
		uint8_t *to = buf_reserve(out, READ_LEN);

		if (to == NULL || buf_count(out) > NNGCLIENT_MESSAGE_MAX) {
			tool_say("standard input: more than %d bytes",
			    NNGCLIENT_MESSAGE_MAX);
			return -1;
		}
		count = fread(to, 1, READ_LEN, file);
		out->len += count;
	}
	if (ferror(file) == 0)
		return 0;
	tool_say("standard input: cannot read");
	return -1;
}

int
tool_put_json(struct buf *out, const char *operand)
{
	struct buf text = { .data = NULL };
	struct err err;
	int rc = -1;

	if (operand == NULL) {
		mp_put_nil(out);
		return 0;
	}
	if (strcmp(operand, "-") != 0)
		buf_append_str(&text, operand);
	else if (read_all(stdin, &text) < 0)
		goto out;
	rc = json_to_mp((const char *)buf_front(&text), buf_count(&text), out,
	    NULL, &err);
	if (rc < 0)
		tool_say("the JSON is wrong: %s", err.text);
out:
	buf_fini(&text);
	return rc;
}

static void
print_break(int depth)
{
	putchar('\n');
	while (depth-- > 0)
		fputs("  ", stdout);
}

/* Compact, correct JSON laid out for a person. */
static void
print_indented(const char *text, size_t len)
{
	bool is_string = false;
	int depth = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		bool is_open = !is_string && (c == '{' || c == '[');
		bool is_close = !is_string && (c == '}' || c == ']');

		if (is_close && text[i - 1] != c - 2)
			print_break(depth - 1);
		depth += is_open - is_close;
		putchar(c);
		if (is_string && c == '\\')
			putchar(text[++i]);
		else if (c == '"')
			is_string = !is_string;
		if (is_open ? text[i + 1] != c + 2 : !is_string && c == ',')
			print_break(depth);
		if (!is_string && c == ':')
			putchar(' ');
	}
}

int
tool_print_json(const uint8_t *value, size_t len, bool is_indented)
{
	struct buf text = { .data = NULL };
	struct err err;
	int rc = json_from_mp(value, len, &text, &err);

	if (rc < 0)
		tool_say("what came is no JSON: %s", err.text);
	else if (is_indented)
		print_indented((const char *)buf_front(&text),
		    buf_count(&text));
	else
		fwrite(buf_front(&text), 1, buf_count(&text), stdout);
	if (rc == 0) {
		tool_printed();
		putchar('\n');
	}
	buf_fini(&text);
	return rc;
}
