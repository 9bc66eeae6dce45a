/*
 * cmd_json: what commands print with -o json.
 *
 * Each prints one JSON value on standard output, whatever happens. One that
 * has a result prints it through here; for one that has none, or has failed
 * before there was any, cmd_main() prints {"ok": true}, or {"ok": false,
 * "exit": code, "error": what standard error says as well}.
 */
#ifndef MSVC_SUPERVISOR_CMD_JSON_H
#define MSVC_SUPERVISOR_CMD_JSON_H

#include <stdio.h>

#include "ipc/mp.h"

struct buf;

/* Standard output, for a command that writes its JSON itself. */
FILE *cmd_json_out(void);

/*
 * Print one value and a newline; it may be followed by other bytes. Returns an
 * exit code; a failure has been explained.
 */
int cmd_json_print(struct mp_reader value);

/* The same with one value that is all of a buf. */
int cmd_json_print_buf(const struct buf *value);

/* Remember a line of cmd_say(), without its "msvc: ". */
void cmd_json_said(const char *line, size_t len);

/* At the end of a command: print what is still missing. */
void cmd_json_finish(int code);

#endif
