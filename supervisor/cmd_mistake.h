/*
 * cmd_mistake: a line of a conf_report, "FILE:LINE: TEXT", taken apart. Pure.
 */
#ifndef MSVC_SUPERVISOR_CMD_MISTAKE_H
#define MSVC_SUPERVISOR_CMD_MISTAKE_H

#include <stddef.h>

struct cmd_mistake {
	const char *file; /* borrowed, not ended by a NUL */
	size_t file_len;  /* 0: not told */
	long line;        /* 0: the file as a whole */
	const char *text;
};

void cmd_mistake_split(const char *line, struct cmd_mistake *mistake_r);

#endif
