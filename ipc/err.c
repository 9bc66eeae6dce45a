#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * Texts are put together aside, because an argument may well be err->text
 * itself.
 */
static void
err_format(struct err *err, const char *fmt, va_list args, const char *tail)
{
	char text[sizeof(err->text)];
	int len = vsnprintf(text, sizeof(text), fmt, args);

	if (len < 0)
		len = 0;
	if (tail != NULL && (size_t)len < sizeof(text))
		snprintf(text + len, sizeof(text) - (size_t)len, ": %s", tail);
	text[sizeof(text) - 1] = '\0';
	memcpy(err->text, text, sizeof(text));
}

void
err_set(struct err *err, const char *fmt, ...)
{
	va_list args;

	if (err == NULL)
		return;
	va_start(args, fmt);
	err_format(err, fmt, args, NULL);
	va_end(args);
}

void
err_set_errno(struct err *err, const char *fmt, ...)
{
	int saved = errno;
	char reason[128];
	va_list args;

	if (err == NULL)
		return;
	va_start(args, fmt);
	err_format(err, fmt, args, strerror_r(saved, reason, sizeof(reason)));
	va_end(args);
	errno = saved;
}

void
err_prefix(struct err *err, const char *fmt, ...)
{
	char tail[sizeof(err->text)];
	va_list args;

	if (err == NULL)
		return;
	memcpy(tail, err->text, sizeof(tail));
	va_start(args, fmt);
	err_format(err, fmt, args, tail);
	va_end(args);
}
