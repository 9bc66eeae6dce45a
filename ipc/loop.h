/*
 * loop: an epoll event loop with timers, end-of-turn tasks and a mailbox.
 *
 * One loop belongs to one thread; every call but loop_post() and loop_stop()
 * is for that thread. io, timer and task structs are embedded in their owner,
 * which finds itself again with loop_owner(). Callbacks may add, change or
 * drop anything, themselves and others of the same turn included, and may
 * free the memory of what they dropped.
 *
 * Time is CLOCK_MONOTONIC in microseconds, read once a turn.
 */
#ifndef MSVC_IPC_LOOP_H
#define MSVC_IPC_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/queue.h>

struct err;
struct loop;

/* The struct of this type in which ptr points at the named member. */
#define loop_owner(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* A file descriptor. fd is borrowed: drop the io before closing it. */
struct loop_io {
	void (*fn)(struct loop_io *io, uint32_t events);
	int fd;          /* -1 while not added */
	uint32_t events; /* EPOLLIN and so on, as last set */
};

/* A point in time. Set again before it fires, it moves. */
struct loop_timer {
	void (*fn)(struct loop_timer *timer);
	int64_t due_us;  /* when it should fire */
	int64_t heap_us; /* the key under which the heap holds it, <= due_us */
	size_t slot;     /* its place in the heap plus one; 0 while not set */
	struct loop_timer *next; /* where the heap could not grow */
};

/* Work to do once, after all events of this turn were handled. */
struct loop_task {
	void (*fn)(struct loop_task *task);
	TAILQ_ENTRY(loop_task) link;
	bool is_queued;
};

/* A letter from another thread; fn runs in the loop's thread and owns it. */
struct loop_mail {
	void (*fn)(struct loop_mail *mail);
	struct loop_mail *next; /* internal */
};

struct loop *loop_new(struct err *err_r);

/* Nothing is called any more; letters that still lie there are lost. */
void loop_free(struct loop **loopp);

/* Run turns until loop_stop(). Returns 0, or -1 when epoll itself fails. */
int loop_run(struct loop *loop, struct err *err_r);

/* One turn; waits at most timeout_ms (-1: no bound). For tests and fuzzers. */
int loop_turn(struct loop *loop, int timeout_ms, struct err *err_r);

/* Make loop_run() return after this turn. Any thread, not from a signal. */
void loop_stop(struct loop *loop);

/* Microseconds of CLOCK_MONOTONIC at the start of this turn. */
int64_t loop_now_us(const struct loop *loop);

int loop_io_add(struct loop *loop, struct loop_io *io, int fd, uint32_t events,
    struct err *err_r);
int loop_io_set(struct loop *loop, struct loop_io *io, uint32_t events);
void loop_io_drop(struct loop *loop, struct loop_io *io);

/*
 * Fire timer->fn once at due_us or soon after (never before). Moving a set
 * timer to a later time costs no heap operation, so an idle timeout may be
 * pushed ahead on each request. It never fails: without memory for a larger
 * heap a timer goes into a list, which is slow and not more than that.
 */
void loop_timer_set(struct loop *loop, struct loop_timer *timer,
    int64_t due_us);
void loop_timer_drop(struct loop *loop, struct loop_timer *timer);
bool loop_timer_is_set(const struct loop_timer *timer);

/*
 * Queue a task for the end of this turn; queued already, it stays where it
 * is. Tasks queued by tasks run in the same turn.
 */
void loop_task_add(struct loop *loop, struct loop_task *task);
void loop_task_drop(struct loop *loop, struct loop_task *task);

/* Any thread. Letters of one sender arrive in order. */
void loop_post(struct loop *loop, struct loop_mail *mail);

#endif
