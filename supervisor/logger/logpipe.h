/*
 * logpipe: whole lines out of a pipe, and nothing else.
 *
 * The bytes are looked at with tee(2) into a pipe of our own and leave the
 * child's pipe only after its lines were handed on. So a logger that is killed
 * loses nothing: what it had not written, half a line included, is still in the
 * pipe, whose read end the supervisor keeps for the next logger. A line may
 * appear twice when the kill falls between the writing and the taking.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_LOGPIPE_H
#define MSVC_SUPERVISOR_LOGGER_LOGPIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct logpipe_view;

/* The pipe of our own and the bytes in it; one serves all children's pipes. */
struct logpipe_view *logpipe_view_new(struct err *err_r);
void logpipe_view_free(struct logpipe_view **viewp);

struct logpipe_sink {
	/* One line; text is borrowed until return. */
	void (*line)(void *arg, const uint8_t *text, size_t len, bool is_cut);
	/* After the last line of this pump, before its bytes are taken. */
	void (*commit)(void *arg);
};

enum logpipe_result {
	LOGPIPE_MORE,    /* some lines taken; there may be more */
	LOGPIPE_PARTIAL, /* nothing, or half a line, which stays in the pipe */
	LOGPIPE_END      /* end of file, all is taken; or no pipe at all */
};

/*
 * Hand on the whole lines that are in the pipe now, at most one pipe full.
 *
 * is_last   no writer is left (or there is no time to wait for one): half a
 *           line is a line too
 */
enum logpipe_result logpipe_pump(struct logpipe_view *view, int fd,
    bool is_last, const struct logpipe_sink *sink, void *arg);

#endif
