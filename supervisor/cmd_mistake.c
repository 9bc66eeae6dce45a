#include "cmd_mistake.h"

#include <stdlib.h>
#include <string.h>

void
cmd_mistake_split(const char *line, struct cmd_mistake *mistake_r)
{
	const char *end = strstr(line, ": "), *digits;
	size_t len;

	*mistake_r = (struct cmd_mistake){ .text = line };
	if (end == NULL)
		return;
	len = (size_t)(end - line);
	mistake_r->file = line;
	mistake_r->text = end + 2;
	for (digits = end;
	     digits > line && digits[-1] >= '0' && digits[-1] <= '9'; digits--)
		continue;
	if (digits < end && digits > line + 1 && digits[-1] == ':') {
		mistake_r->line = strtol(digits, NULL, 10);
		len = (size_t)(digits - 1 - line);
	}
	mistake_r->file_len = len;
}
