/*
 * cmd_status: the supervisor's status (control.h), as a person reads it.
 *
 * All of this is pure but for the FILE it prints to. The bytes come from
 * another process; what is missing or of another type prints as "-".
 */
#ifndef MSVC_SUPERVISOR_CMD_STATUS_H
#define MSVC_SUPERVISOR_CMD_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cmd_map.h"

struct buf;

struct cmd_status_view {
	const char *service; /* this one only; NULL for all */
	int64_t now;         /* Unix seconds */
	unsigned width;      /* columns, at least 80; no line is wider */
	bool is_colour;
};

/*
 * Print the table. answer is the last message of a status request. Returns
 * 0, or -1 when there is no such service (or no status).
 */
int cmd_status_print(const struct buf *answer,
    const struct cmd_status_view *view, FILE *out);

/*
 * Print the status object as JSON on standard output, of one service only
 * unless it is NULL. Returns an exit code; a failure has been explained.
 */
int cmd_status_print_json(const struct buf *answer, const char *service);

/* "msvc is up: pid 12, services 4, listening on 127.0.0.1:8080". */
void cmd_status_print_summary(const struct buf *answer, FILE *out);

/* Append the status object with nothing but that service; as above. */
int cmd_status_filter(const struct buf *answer, const char *service,
    struct buf *out);

/* Colour for a state, and what ends it. */
const char *cmd_status_colour(struct cmd_text state);
#define CMD_STATUS_PLAIN "\033[0m"

/* "45s", "3m12s", "2h05m", "3d04h"; at most 7 bytes, "-" when negative. */
void cmd_status_duration(int64_t seconds, char text_r[16]);

/*
 * "NAME/INSTANCE", the name cut to fit into width bytes and marked with "~";
 * instance 0: the name alone. width is at least 16.
 */
void cmd_status_name(const char *name, size_t len, unsigned instance,
    size_t width, char *text_r, size_t size);

#endif
