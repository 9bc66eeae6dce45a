/*
 * logzip: rotated log files, compressed with gzip beside the daily work.
 *
 * The logger is one thread: a file is read and written in slices of
 * LOGZIP_SLICE with LOGZIP_PAUSE_US between them, one file at a time, so
 * that no pipe waits for it. NAME.log.gz.tmp takes NAME.log.N's place only when
 * it is whole; a logger that dies meanwhile leaves the plain file, and the next
 * one begins anew. A compressed file keeps the time of the plain one and names
 * its inode in the header's comment, so that who follows the plain one knows
 * where it went (logzip_inode()).
 */
#ifndef MSVC_SUPERVISOR_LOGGER_LOGZIP_H
#define MSVC_SUPERVISOR_LOGGER_LOGZIP_H

#include <stdint.h>

struct err;
struct logzip;
struct loop;

enum {
	LOGZIP_SLICE = 64 * 1024,
	LOGZIP_PAUSE_US = 2 * 1000,
	LOGZIP_HEADER_MAX = 64 /* bytes of a file that logzip_inode() needs */
};

struct logzip *logzip_new(struct loop *loop, struct err *err_r);

/* What is half done is removed. */
void logzip_free(struct logzip **zipp);

/*
 * Compress all rotated files of a log that are not compressed yet. A failure
 * is logged; the file then stays plain until the log is added again.
 */
void logzip_add(struct logzip *zip, const char *dir, const char *name);

/* The inode that the start of a compressed file tells of, or 0. Pure. */
uint64_t logzip_inode(const uint8_t *bytes, uint64_t len);

#endif
