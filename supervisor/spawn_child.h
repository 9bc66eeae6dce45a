/*
 * spawn_child: what the child does until it is the program. For spawn.c alone.
 */
#ifndef MSVC_SUPERVISOR_SPAWN_CHILD_H
#define MSVC_SUPERVISOR_SPAWN_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct spawn;

/*
 * Become the program, or write why not to report_fd, which closes on exec, and
 * exit with a code of ipc/launch.h. parent is the supervisor; is_outside: we
 * are not yet in our control group.
 */
__attribute__((noreturn)) void spawn_become(const struct spawn *spawn,
    int report_fd, pid_t parent, bool is_outside);

#endif
