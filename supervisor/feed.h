/*
 * feed: what the supervisor says to the router or the logger.
 *
 * One end of a lifeline with an outgoing queue: a packet that the socket does
 * not take waits, its descriptor duplicated, so that the supervisor never
 * blocks. A peer that lets FEED_QUEUE_MAX bytes pile up is broken. A closed
 * feed swallows what it is given: the next process gets the whole picture.
 */
#ifndef MSVC_SUPERVISOR_FEED_H
#define MSVC_SUPERVISOR_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "ipc/buf.h"
#include "ipc/lifeline.h"
#include "ipc/loop.h"

enum {
	/* Several whole pictures of the largest configurations. */
	FEED_QUEUE_MAX = 16 * 1024 * 1024,
	/* Messages handled at a time: a flood of them is not all there is. */
	FEED_BATCH = 256
};

struct feed_packet;
struct keep_in;
struct keep_out;
struct mp_reader;

struct feed_handler {
	/* A message from the other side; borrowed until return. */
	void (*message)(void *arg, const struct lifeline_msg *msg);
	/*
	 * The other side is gone, breaks the protocol, or does not read. The
	 * feed is closed by then; the process may still run.
	 */
	void (*broken)(void *arg, const char *why);
	void *arg;
};

struct feed {
	struct loop *loop;
	struct loop_io io;
	struct loop_task failed; /* tells broken() outside of feed_send() */
	TAILQ_HEAD(feed_queue, feed_packet) queue;
	size_t queued; /* bytes */
	int sock;      /* owned; -1 while closed */
	const char *why;
	struct feed_handler handler;
	struct buf scratch; /* one encoded message */
};

void feed_init(struct feed *feed, struct loop *loop,
    const struct feed_handler *handler);
void feed_fini(struct feed *feed);

/* sock is owned by the feed from success on. Returns 0 or -1. */
int feed_open(struct feed *feed, int sock, struct err *err_r);
void feed_close(struct feed *feed);
bool feed_is_open(const struct feed *feed);

/* Drop what still waits: what follows makes all of it out of date. */
void feed_forget(struct feed *feed);

/* The socket and what waits, across an exec; see keep.h. */
void feed_save(const struct feed *feed, struct keep_out *out);
int feed_load(struct feed *feed, struct keep_in *in, struct mp_reader *reader);

/* Send a message with an optional fd (-1: none), which stays the caller's. */
void feed_send(struct feed *feed, const struct lifeline_msg *msg, int fd);

#endif
