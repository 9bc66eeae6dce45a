/*
 * crash_oom: has the kernel killed a process for want of memory?
 *
 * The counter oom_kill of our cgroup (memory.events, cgroup v2; it counts what
 * is below it too) or, where that is not to be read, of the whole machine
 * (/proc/vmstat, proc(5)). There, a kill of somebody else's process at the time
 * of somebody's SIGKILL here is taken for the cause of it.
 */
#ifndef MSVC_SUPERVISOR_CRASH_OOM_H
#define MSVC_SUPERVISOR_CRASH_OOM_H

#include <stdbool.h>
#include <stdint.h>

struct supervise;

/* The file that counts, or -1: this system does not tell. */
int crash_oom_open(void);

/* One pread(2) of a kernel's file, which never waits; 0 when fd is -1. */
uint64_t crash_oom_read(int fd);

/* The counter among the lines of such a file; 0 when it is not there. Pure. */
uint64_t crash_oom_parse(const char *text);

/* The counter in this turn; to be kept with a process when it is started. */
uint64_t crash_oom_count(struct supervise *sup);

/*
 * Was an end such a kill? It was when it is a SIGKILL, nobody here has asked
 * for it, and the counter has risen since the start. Each kill has one victim:
 * to be asked once for each death.
 *
 * status   of wait(2)
 * is_asked  a signal of ours or a stop came before
 */
bool crash_is_oom(struct supervise *sup, int status, uint64_t count_at_start,
    bool is_asked);

#endif
