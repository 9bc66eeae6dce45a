/*
 * cmd_fault: what "msvc fault" was asked for, read from its words. Pure but
 * for the messages on standard error.
 */
#ifndef MSVC_SUPERVISOR_CMD_FAULT_H
#define MSVC_SUPERVISOR_CMD_FAULT_H

#include <stdint.h>

struct cmd_fault {
	const char *kind; /* "kill", "stop", "delay", "error", "none" */
	int64_t value;    /* milliseconds of a delay, status of an error */
	int64_t percent;  /* of the requests */
	int64_t for_ms;
};

/*
 * what               "kill", "delay=200", "error=503" and so on
 * percent, duration  the options, or NULL
 *
 * Returns 0, or -1 after having said what is wrong.
 */
int cmd_fault_read(const char *what, const char *percent, const char *duration,
    struct cmd_fault *fault_r);

#endif
