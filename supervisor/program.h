/*
 * program: the file that this process runs.
 */
#ifndef MSVC_SUPERVISOR_PROGRAM_H
#define MSVC_SUPERVISOR_PROGRAM_H

#include <limits.h>

/*
 * Its absolute path; without /proc, as the kernel was given it at exec.
 * Returns 0, or -1 with errno set.
 */
int program_path(char path_r[PATH_MAX]);

#endif
