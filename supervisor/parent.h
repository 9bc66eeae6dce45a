/*
 * parent: what the supervisor's own parent (systemd) wants of it.
 *
 * NOTIFY_SOCKET and WATCHDOG_USEC are read once and removed: they are not for
 * our children. They are put back for a program that takes our place. With a
 * watchdog, WATCHDOG=1 goes out twice in each period, from the event loop: a
 * supervisor that hangs is silent.
 */
#ifndef MSVC_SUPERVISOR_PARENT_H
#define MSVC_SUPERVISOR_PARENT_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* Begin; loop is borrowed until parent_stop(). */
void parent_start(struct loop *loop);
void parent_stop(void);

/*
 * Put the variables back for an exec, and remove them again. False when there
 * is no memory for it.
 */
bool parent_export(void);
void parent_conceal(void);

/*
 * How often to speak, in microseconds: half of what text says; 0 when text is
 * NULL or no number, or is meant for another process than pid. Pure.
 */
int64_t parent_watchdog_us(const char *text, const char *for_pid, int64_t pid);

#endif
