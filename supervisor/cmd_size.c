#include "cmd_size.h"

#include <stdio.h>

void
cmd_size_format(uint64_t bytes, char text_r[16])
{
	static const char units[] = "kmgtpe";
	uint64_t tenths = bytes;
	const char *unit = units;

	if (bytes < 1024) {
		snprintf(text_r, 16, "%u", (unsigned)bytes);
		return;
	}
	/* In tenths of 1024: no rounding makes it a digit too long. */
	tenths = bytes / 1024 * 10 + bytes % 1024 * 10 / 1024;
	while (tenths >= 10240) {
		tenths /= 1024;
		unit++;
	}
	if (tenths < 100)
		snprintf(text_r, 16, "%u.%u%c", (unsigned)tenths / 10,
		    (unsigned)tenths % 10, *unit);
	else
		snprintf(text_r, 16, "%u%c", (unsigned)tenths / 10, *unit);
}
