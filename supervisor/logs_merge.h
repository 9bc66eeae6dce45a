/*
 * logs_merge: the lines of several logs, in the order of their times.
 *
 * Each log is read by a tail (cmd_tail.h), so no more than a line or a block
 * of each is in memory. Lines without a time stay behind the line before them.
 */
#ifndef MSVC_SUPERVISOR_LOGS_MERGE_H
#define MSVC_SUPERVISOR_LOGS_MERGE_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct logs_merge;

/* Where each log begins. */
struct logs_start {
	bool is_counted;
	size_t count;      /* is_counted: the last so many lines of each */
	const char *since; /* else: as in tail_new_since() */
};

/*
 * dir         where the logs are; borrowed
 * names       of the logs wanted; borrowed
 * name_count  0: all there are
 *
 * Returns NULL when out of memory.
 */
struct logs_merge *logs_merge_new(const char *dir, char *const *names,
    size_t name_count);
void logs_merge_free(struct logs_merge **mergep);

/*
 * Look for logs that are not known yet. One that cannot be read is said on
 * standard error. Returns 0, or -1 with errno when the directory cannot be
 * read.
 */
int logs_merge_scan(struct logs_merge *merge, const struct logs_start *start);

/* Logs found so far, and lines at whose beginning a counted start put us. */
size_t logs_merge_count(const struct logs_merge *merge);
size_t logs_merge_total(const struct logs_merge *merge);

struct logs_next {
	const char *name; /* of its log */
	const char *time; /* LOGREC_TIME_LEN bytes; NULL: none seen yet */
	const char *line; /* without newline */
	size_t len;
};

/*
 * The next line of all. Returns false when there is none yet; a later call may
 * have one. next_r is borrowed until the next call.
 */
bool logs_merge_next(struct logs_merge *merge, struct logs_next *next_r);

#endif
