/* top_log: the end of one instance's log, followed. */
#ifndef MSVC_SUPERVISOR_TOP_LOG_H
#define MSVC_SUPERVISOR_TOP_LOG_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct tail;

enum {
	TOP_LOG_LINES = 500
};

/* All zero: no log is open. */
struct top_log {
	struct tail *tail;          /* owned */
	char label[80];             /* "users/2" */
	bool is_one;                /* all lines are its own */
	char *lines[TOP_LOG_LINES]; /* owned; a ring */
	size_t count, next;
};

/*
 * Open the log of the service that label, "users/2", is of. is_one: it has no
 * other instance. Returns 0 or -1 with err set.
 */
int top_log_open(struct top_log *log, const char *dir, const char *label,
    bool is_one, struct err *err_r);
void top_log_close(struct top_log *log);

/* Take in what was written since. */
void top_log_read(struct top_log *log);

/* A line, counted from the newest (0); borrowed, NULL when there is none. */
const char *top_log_line(const struct top_log *log, size_t back);

/* Is that a line of the instance: " users/2 " or so is in it? Pure. */
bool top_log_is_of(const char *line, size_t len, const char *label);

#endif
