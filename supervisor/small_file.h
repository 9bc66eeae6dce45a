/*
 * small_file: all of a file that is not large, read without ever waiting for a
 * pipe or a device.
 */
#ifndef MSVC_SUPERVISOR_SMALL_FILE_H
#define MSVC_SUPERVISOR_SMALL_FILE_H

#include <stddef.h>

struct err;

/*
 * Read the regular file path, of at most max bytes. text_r is set to its
 * content with a NUL behind it, the caller's to free; len_r may be NULL.
 * Returns 0, or -1 with err, which begins with the path.
 */
int small_file_read(const char *path, size_t max, char **text_r, size_t *len_r,
    struct err *err_r);

#endif
