/* cmd_size: a number of bytes in at most five columns. Pure. */
#ifndef MSVC_SUPERVISOR_CMD_SIZE_H
#define MSVC_SUPERVISOR_CMD_SIZE_H

#include <stdint.h>

/* "900", "4.0k", "12k", "1.5g"; k is 1024. */
void cmd_size_format(uint64_t bytes, char text_r[16]);

#endif
