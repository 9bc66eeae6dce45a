/*
 * cmd_crash_text: a crash bundle as text for people.
 *
 * Bundles are files that anybody may have changed: whatever is in them is
 * printed without control bytes, and what is missing is shown as "-".
 */
#ifndef MSVC_SUPERVISOR_CMD_CRASH_TEXT_H
#define MSVC_SUPERVISOR_CMD_CRASH_TEXT_H

#include <stdio.h>

struct buf;

/* The list: its head, and a line of it. mp is the bundle as MessagePack. */
void cmd_crash_text_head(FILE *out);
void cmd_crash_text_row(const char *id, const struct buf *mp, FILE *out);

/*
 * One object of the JSON list, which has less than the bundle: {"id", "time",
 * "service", "instance", "generation", "reason", "in_flight_total"}; before is
 * printed in front of it.
 */
void cmd_crash_text_item(const char *id, const struct buf *mp,
    const char *before, FILE *out);

/* All of it, on as many lines as it takes. */
void cmd_crash_text_print(const struct buf *mp, FILE *out);

#endif
