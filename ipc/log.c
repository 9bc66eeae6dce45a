#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * A pipe takes up to PIPE_BUF (4096) bytes whole or not at all, so lines of
 * several threads or processes never mix, and a full pipe never holds half a
 * line.
 */
enum {
	LOG_LINE_MAX = 4096,
	LOG_TEXT_MAX = 3072
};

static atomic_int log_fd = STDERR_FILENO;
static atomic_int log_level = LOG_LEVEL_INFO;
static atomic_ulong log_dropped;

static const char *const log_level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_ERROR] = "error",
};

void
log_init(int fd, enum log_level level)
{
	atomic_store(&log_fd, fd);
	atomic_store(&log_level, (int)level);
	atomic_store(&log_dropped, 0);
}

/*
 * Control bytes could forge a line or drive the terminal of the reader. The
 * C1 controls are two bytes in UTF-8: 0xc2 and 0x80 to 0x9f.
 */
static bool
log_is_control(const unsigned char *text)
{
	return text[0] < 0x20 || text[0] == 0x7f ||
	       (text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0x9f);
}

/* Returns the length of the line, which always ends with a newline. */
static size_t
log_escape(char *line, size_t at, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *byte = (const unsigned char *)text;

	for (; *byte != '\0' && at < LOG_LINE_MAX - 8; byte++) {
		if (!log_is_control(byte)) {
			line[at++] = (char)*byte;
			continue;
		}
		line[at++] = '\\';
		line[at++] = 'x';
		line[at++] = hex[*byte >> 4];
		line[at++] = hex[*byte & 0xf];
	}
	if (*byte != '\0') {
		memcpy(line + at, "...", 3);
		at += 3;
	}
	line[at++] = '\n';
	return at;
}

static bool
log_put(const char *line, size_t len)
{
	ssize_t done;

	do
		done = write(atomic_load(&log_fd), line, len);
	while (done < 0 && errno == EINTR);
	return done >= 0;
}

static void
log_write(enum log_level level, const char *text)
{
	unsigned long dropped = atomic_exchange(&log_dropped, 0);
	char line[LOG_LINE_MAX];
	int len;

	if (dropped > 0) {
		len = snprintf(line, sizeof(line),
		    "%s log: %lu lines dropped, the reader was too slow\n",
		    log_level_names[LOG_LEVEL_WARN], dropped);
		if (!log_put(line, (size_t)len)) {
			atomic_fetch_add(&log_dropped, dropped + 1);
			return;
		}
	}
	len = snprintf(line, sizeof(line), "%s ", log_level_names[level]);
	if (!log_put(line, log_escape(line, (size_t)len, text)))
		atomic_fetch_add(&log_dropped, 1);
}

/* error is an errno to append, or 0. Keeps the caller's errno. */
static void
log_vwrite(enum log_level level, int error, const char *fmt, va_list args)
{
	int saved = errno;
	char text[LOG_TEXT_MAX], reason[128];
	int len;

	if ((int)level < atomic_load(&log_level))
		return;
	len = vsnprintf(text, sizeof(text), fmt, args);
	if (len < 0)
		len = 0;
	if ((size_t)len >= sizeof(text)) {
		len = sizeof(text) - 1;
		memcpy(text + len - 3, "...", 3);
	}
	if (error != 0)
		snprintf(text + len, sizeof(text) - (size_t)len, ": %s",
		    strerror_r(error, reason, sizeof(reason)));
	log_write(level, text);
	errno = saved;
}

#define LOG_BODY(level, error)                       \
	do {                                         \
		va_list args;                        \
                                                     \
		va_start(args, fmt);                 \
		log_vwrite(level, error, fmt, args); \
		va_end(args);                        \
	} while (0)

void
log_debug(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_DEBUG, 0);
}

void
log_info(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_INFO, 0);
}

void
log_warn(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_WARN, errno);
}

void
log_warnx(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_WARN, 0);
}

void
log_error(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_ERROR, errno);
}

void
log_errorx(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_ERROR, 0);
}

void
fatal(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_ERROR, errno);
	exit(1);
}

void
fatalx(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_ERROR, 0);
	exit(1);
}

void
bug_at(const char *file, int line, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_errorx("bug: %s:%d: %s", file, line, text);
	abort();
}
