/*
 * console: log lines on standard output, for `msvc run`.
 *
 * A terminal that is stopped (Ctrl-S) or a pipe whose reader sleeps must not
 * stop the services: lines wait up to a bound, then they are dropped, and a
 * line tells how many. Standard output itself stays blocking, because its
 * flags are shared with the shell that owns the terminal.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_CONSOLE_H
#define MSVC_SUPERVISOR_LOGGER_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

struct console;
struct err;
struct loop;

enum {
	CONSOLE_QUEUE_MAX = 1024 * 1024
};

/* fd is borrowed (1, but in tests). Returns NULL with err_r set. */
struct console *console_new(struct loop *loop, int fd, struct err *err_r);

/* Gives a slow reader a little time for what is queued, then closes. */
void console_free(struct console **consolep);

/* Write whole lines, or count them as dropped. Never blocks. */
void console_write(struct console *console, const uint8_t *bytes, size_t len);

#endif
