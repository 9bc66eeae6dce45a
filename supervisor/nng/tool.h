/*
 * tool: what the commands of msvc-nng share. Each returns the exit code.
 */
#ifndef MSVC_SUPERVISOR_NNG_TOOL_H
#define MSVC_SUPERVISOR_NNG_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum {
	TOOL_OK = 0,
	TOOL_FAILED = 1,
	TOOL_USAGE = 2,
	TOOL_ABSENT = 3, /* no router there */
	TOOL_TIMEOUT_MS = 10000
};

struct tool_options {
	char url[256]; /* ipc:// of the router's socket */
	int timeout_ms;
	long count; /* sub: so many events; 0: no limit */
	bool is_json;
};

/* argv holds the operands of the command and a NULL; counts are checked. */
int tool_call(const struct tool_options *options, char **argv);
int tool_pub(const struct tool_options *options, char **argv);
int tool_sub(const struct tool_options *options, char **argv);

/* "msvc: text" and a newline on standard error. */
void tool_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Say err and turn an nngclient_result into an exit code. */
int tool_failed(unsigned result, const struct err *err);

/*
 * Append the MessagePack form of a JSON operand: text, "-" for what standard
 * input holds, NULL for nil. Returns 0, or -1 after having said why.
 */
int tool_put_json(struct buf *out, const char *operand);

/* A result is on standard output, or part of one. */
void tool_printed(void);

/*
 * With -o json every command prints a value: what is missing at its end, as
 * cmd_json.h has it.
 */
void tool_finish_json(int code);

/* Print one MessagePack value as a line of JSON. Returns 0 or -1. */
int tool_print_json(const uint8_t *value, size_t len, bool is_indented);

#endif
