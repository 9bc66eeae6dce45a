/* quarantine: the requests that are not delivered, shown and released. */
#include <stdio.h>
#include <string.h>

#include "ipc/buf.h"
#include "ipc/mp.h"
#include "ipc/utf8.h"

#include "cmd.h"
#include "cmd_json.h"
#include "cmd_map.h"
#include "control.h"

enum {
	ROW_PRINT = 12, /* digits, as the log has them */
	ROW_SERVICE = 16,
	TEXT_WIDTH = INT_MAX
};

static void
quarantine_print_row(struct mp_reader item)
{
	struct cmd_text print = cmd_map_text(item, "print"),
			service = cmd_map_text(item, "service");
	int done;

	if (print.len > ROW_PRINT)
		print.len = ROW_PRINT;
	done = cmd_map_print(print, ROW_PRINT, stdout);
	printf("%*s", ROW_PRINT - done + 1, "");
	done = cmd_map_print(service, ROW_SERVICE, stdout);
	printf("%*s%6llds ", ROW_SERVICE - done + 1, "",
	    (long long)(cmd_map_int(item, "left_ms") + 999) / 1000);
	cmd_map_print(cmd_map_text(item, "method"), 16, stdout);
	putchar(' ');
	cmd_map_print(cmd_map_text(item, "target"), TEXT_WIDTH, stdout);
	putchar('\n');
}

static void
quarantine_print_list(struct mp_reader answer)
{
	struct mp_reader items, item;
	uint32_t count = cmd_map_items(answer, "quarantine", &items);

	if (count == 0) {
		cmd_say("no request is quarantined");
		return;
	}
	printf("%-*s %-*s %7s %s\n", ROW_PRINT, "PRINT", ROW_SERVICE, "SERVICE",
	    "LEFT", "REQUEST");
	for (uint32_t i = 0; i < count && cmd_map_next(&items, &item); i++)
		quarantine_print_row(item);
}

static int
quarantine_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes of a body if they are text for a terminal, else its hex digits. */
static void
quarantine_print_body(struct cmd_text hex)
{
	struct buf body = { 0 };
	bool is_text;

	for (size_t i = 0; i + 1 < hex.len; i += 2) {
		int high = quarantine_digit(hex.str[i]),
		    low = quarantine_digit(hex.str[i + 1]);

		if (high < 0 || low < 0)
			break;
		buf_append_byte(&body, (uint8_t)(high * 16 + low));
	}
	is_text = !body.is_failed && buf_count(&body) == hex.len / 2 &&
		  utf8_is_valid(buf_front(&body), buf_count(&body)) &&
		  memchr(buf_front(&body), '\0', buf_count(&body)) == NULL;
	if (is_text)
		hex = (struct cmd_text){ (const char *)buf_front(&body),
			buf_count(&body) };
	printf("%s\n  ", is_text ? "body" : "body, in hex");
	cmd_map_print(hex, TEXT_WIDTH, stdout);
	putchar('\n');
	buf_fini(&body);
}

/* "name: value" lines, each indented. */
static void
quarantine_print_fields(struct cmd_text fields)
{
	struct cmd_text line;
	const char *end;

	puts("fields");
	while (fields.len > 0) {
		end = memchr(fields.str, '\n', fields.len);
		line = fields;
		if (end != NULL)
			line.len = (size_t)(end - fields.str);
		fputs("  ", stdout);
		cmd_map_print(line, TEXT_WIDTH, stdout);
		putchar('\n');
		fields.str += line.len + (end != NULL ? 1 : 0);
		fields.len -= line.len + (end != NULL ? 1 : 0);
	}
}

static void
quarantine_print_entry(struct mp_reader entry)
{
	static const struct {
		const char *title, *key;
	} rows[] = {
		{ "print", "print" },
		{ "service", "service" },
		{ "route", "route" },
		{ "method", "method" },
		{ "target", "target" },
		{ "client", "client" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		printf("%-8s ", rows[i].title);
		cmd_map_print(cmd_map_text(entry, rows[i].key), TEXT_WIDTH,
		    stdout);
		putchar('\n');
	}
	printf("%-8s %llds\n%-8s %lld bytes\n", "left",
	    (long long)(cmd_map_int(entry, "left_ms") + 999) / 1000, "body",
	    (long long)cmd_map_int(entry, "body_bytes"));
	quarantine_print_fields(cmd_map_text(entry, "fields"));
	if (cmd_map_has(entry, "body"))
		quarantine_print_body(cmd_map_text(entry, "body"));
}

static int
quarantine_print(const char *action, const struct buf *answer, bool is_json)
{
	struct mp_reader map = cmd_map_open(answer);
	const char *key = strcmp(action, "list") == 0   ? "quarantine"
			  : strcmp(action, "show") == 0 ? "entry"
							: "count";

	/* Of a release there is nothing to show but that it is done. */
	if (is_json)
		return cmd_json_print(strcmp(action, "release") == 0
					  ? map
					  : cmd_map_find(map, key));
	if (strcmp(action, "list") == 0)
		quarantine_print_list(map);
	else if (strcmp(action, "show") == 0)
		quarantine_print_entry(cmd_map_find(map, key));
	else
		printf("released: %lld\n", (long long)cmd_map_int(map, key));
	return CMD_DONE;
}

int
cmd_quarantine(const struct cmd_line *line)
{
	const char *action = line->arg_count > 0 ? line->args[0] : "list";
	bool is_list = strcmp(action, "list") == 0;
	struct buf args = { 0 }, answer = { 0 };
	char run_dir[PATH_MAX];
	int rc;

	if (!is_list && strcmp(action, "show") != 0 &&
	    strcmp(action, "release") != 0) {
		cmd_say("quarantine: \"%s\": must be list, show or release",
		    action);
		return CMD_USAGE;
	}
	if (is_list == (line->arg_count == 2)) {
		cmd_say("quarantine: %s %s", action,
		    is_list ? "takes no argument" : "needs a print");
		return CMD_USAGE;
	}
	if (cmd_run_dir(line, run_dir) == -1)
		return CMD_FAILED;
	mp_put_map(&args, 2);
	mp_put_cstr(&args, "action");
	mp_put_cstr(&args, action);
	mp_put_cstr(&args, "print");
	mp_put_cstr(&args, is_list ? "" : line->args[1]);
	rc = cmd_converse_args(run_dir, CONTROL_QUARANTINE, NULL, 0, &args,
	    &answer);
	if (rc == CMD_DONE)
		rc = quarantine_print(action, &answer, line->is_json);
	buf_fini(&args);
	buf_fini(&answer);
	return rc;
}
