/*
 * logline: the bytes that services write, as lines of a log.
 *
 * A written line is "TIME LABEL text\n", or "text\n" without a label. Lines
 * longer than LOGLINE_MAX are cut into pieces that end in a backslash. Control
 * bytes other than tab become \xNN, so that no service can send an escape
 * sequence to the terminal of whoever reads its log; a carriage return in
 * front of the newline is dropped; all other bytes are kept as they are. The
 * other form of a written line is JSON, see logrec.h. Pure.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_LOGLINE_H
#define MSVC_SUPERVISOR_LOGGER_LOGLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum {
	LOGLINE_MAX = 16 * 1024, /* bytes of text in one line */
	LOGLINE_TIME_SIZE = 25   /* "2026-11-22T11:20:30.123Z" and a NUL */
};

/* Where the first line of some bytes ends. */
struct logline_cut {
	size_t text_len; /* bytes of text, without line end */
	size_t len;      /* bytes that the line takes, with line end */
	bool is_cut;     /* a piece: the line goes on behind it */
};

/*
 * Find the first line of bytes from a pipe. Returns false, and leaves cut_r
 * alone, when they hold no whole line and are too few for a piece.
 */
bool logline_next(const uint8_t *bytes, size_t len, struct logline_cut *cut_r);

/* Wall clock milliseconds to "2026-11-22T11:20:30.123Z". */
void logline_time(int64_t ms, char text_r[LOGLINE_TIME_SIZE]);

/* The SGR parameter for a label, the same for all instances of a service. */
unsigned logline_colour(const char *label);

/*
 * Append one line.
 *
 * label    "" for the text alone
 * colour   0 for none, else as logline_colour() gives it
 */
void logline_put(struct buf *out, const char *time, const char *label,
    unsigned colour, const uint8_t *text, size_t len, bool is_cut);

/* The same as JSON; without a label too, the text alone and as it is. */
void logline_put_json(struct buf *out, const char *time, const char *label,
    const uint8_t *text, size_t len, bool is_cut);

/* A line of the logger itself, such as how many were dropped. */
void logline_put_note(struct buf *out, bool is_json, int64_t wall_ms,
    const char *text);

#endif
