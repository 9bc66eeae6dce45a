/*
 * exit_text: a wait status in words, and what it means for requests. Pure.
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

/*
 * Of what kind was the end of a process that had become its program, as a
 * value of enum lifeline_death?
 *
 * codes      exits that are a success: never the fault of a request
 * was_ready  before it is ready no request reaches it
 * is_asked   an operator or we have asked it to end
 * is_hung    it hung, so that we made an end of it
 */
unsigned exit_death(int status, const uint8_t codes[32], bool was_ready,
    bool is_asked, bool is_hung);

#endif
