/*
 * stream: the pipes through which children speak to the logger.
 *
 * A child gets the write end; the read end goes to the logger, and a copy
 * stays here until the logger has seen end of file, so that what is in the
 * pipe outlives a logger that dies. A new logger is given all that is left.
 */
#ifndef MSVC_SUPERVISOR_STREAM_H
#define MSVC_SUPERVISOR_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct err;
struct feed;
struct keep_in;
struct keep_out;
struct mp_reader;
struct stream;

enum {
	STREAM_BUCKETS = 1024,
	STREAM_OLD_MAX = 4, /* undrained streams kept for one owner */
};

LIST_HEAD(stream_list, stream);

struct streams {
	struct stream_list buckets[STREAM_BUCKETS]; /* by id */
	struct feed *logger;                        /* borrowed */
	uint64_t last_id;
};

void streams_init(struct streams *streams, struct feed *logger);
void streams_fini(struct streams *streams);

/*
 * Make a pipe and give its read end to the logger.
 *
 * name, label  as in struct lifeline_stream; copied
 * pattern      the logger is to tell once when a line matches; copied, or NULL
 * owner        the streams of one writer: beyond STREAM_OLD_MAX, the oldest is
 *              let go, since a grandchild that holds its pipe for ever must
 *              not cost a descriptor for each restart. NULL: not counted
 *
 * Returns the write end, close-on-exec, the caller's; or -1.
 */
int streams_open(struct streams *streams, const char *name, const char *label,
    const char *pattern, struct stream_list *owner, struct err *err_r);

/* A line of it has matched: a new logger need not look for one again. */
void streams_matched(struct streams *streams, uint64_t id);

/* The owner's memory goes away; its streams stay until drained. */
void streams_disown(struct stream_list *owner);

/* The logger is new: give it all streams. */
void streams_send_all(struct streams *streams);

/* Which streams are the owner's, across an exec; see keep.h. */
void streams_save_owned(const struct stream_list *owner, struct keep_out *out);
int streams_load_owned(struct streams *streams, struct stream_list *owner,
    struct keep_in *in, struct mp_reader *reader);

/* The logger has seen the end of that stream; unknown ids are ignored. */
void streams_drained(struct streams *streams, uint64_t id);

#endif
