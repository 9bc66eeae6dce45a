/*
 * err: the text of one failure, handed up to whoever can act on it.
 *
 * Libraries fill a struct err and return -1; programs log it once, where they
 * handle it. Every function here accepts a NULL err, for callers that do not
 * want the text.
 */
#ifndef MSVC_IPC_ERR_H
#define MSVC_IPC_ERR_H

struct err {
	char text[256]; /* NUL-terminated; empty when nothing was set */
};

/* Set the text, cut at the size of err. */
void err_set(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Set the text followed by ": " and strerror(errno); errno is kept. */
void err_set_errno(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Put "fmt: " in front of the text that is there. */
void err_prefix(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
