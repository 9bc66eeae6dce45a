/*
 * crashfile: crash bundles in their directory.
 *
 * DIR/ID.json is written under another name first, so that whoever reads the
 * directory sees whole files only. Beyond a number and a size the oldest are
 * removed; what is no bundle's name is never touched.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_CRASHFILE_H
#define MSVC_SUPERVISOR_LOGGER_CRASHFILE_H

#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * Write DIR/ID.json, mode 0600. The directory is made when it is missing, mode
 * 0700. Returns 0, or -1 with err_r set and no file left.
 */
int crashfile_write(const char *dir, const char *id, const void *bytes,
    size_t len, struct err *err_r);

/*
 * Remove the oldest bundles until there are at most keep of them, and at most
 * max_size bytes in all. The newest stays, or spared instead unless it is NULL:
 * just written, but the oldest by its name if the clock was set back since the
 * others. Returns how many were removed.
 */
unsigned crashfile_prune(const char *dir, uint64_t keep, uint64_t max_size,
    const char *spared);

#endif
