/*
 * exit_text: a wait status in words. Pure.
 */
#ifndef MSVC_SUPERVISOR_EXIT_TEXT_H
#define MSVC_SUPERVISOR_EXIT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	EXIT_TEXT_MAX = 64
};

/* text has room for EXIT_TEXT_MAX bytes. */

/* "exited 3", "killed by signal 9 (Killed)", "... (core dumped)". */
void exit_text(int status, char *text);

/* "exit 3" or "signal 9". */
void exit_text_short(int status, char *text);

/* Is this an exit whose code is in the bit set of codes 0 to 255? */
bool exit_is_success(int status, const uint8_t codes[32]);

#endif
