/*
 * log: one line an event on standard error, and the two ways to die.
 *
 * A line is "LEVEL text\n" (level debug, info, warn or error), written with
 * one write(2), control bytes in the text escaped as \xNN, so that nothing a
 * peer says can forge a line. msvc-logger adds time and name. The file
 * descriptor may be non-blocking: a line that does not fit is dropped and
 * counted, and the next line that fits is preceded by one that tells how many.
 *
 * Thread-safe. log_warn and log_error append strerror(errno), the *x forms
 * do not.
 */
#ifndef MSVC_IPC_LOG_H
#define MSVC_IPC_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARN,
	LOG_LEVEL_ERROR
};

/* Write to fd from now on (default 2), dropping lines below level. */
void log_init(int fd, enum log_level level);

void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_errorx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The environment failed: log and exit 1. Only in main.c and cmd_*.c. */
void fatal(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));
void fatalx(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));

/* A broken invariant of our own: log and abort(). Never for bad input. */
#define bug(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
void bug_at(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));

#endif
