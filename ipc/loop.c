#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "err.h"
#include "log.h"

enum {
	LOOP_BATCH_MAX = 256,
	LOOP_HEAP_MIN = 64
};

/* The slot of a timer in the list of those that the heap had no room for. */
#define LOOP_SPILLED SIZE_MAX

TAILQ_HEAD(loop_tasks, loop_task);

struct loop {
	int epoll_fd;
	int64_t now_us;
	struct loop_timer **heap; /* binary, least heap_us at 0 */
	size_t heap_count, heap_cap;
	struct loop_timer *spilled; /* in no order */
	struct loop_tasks tasks;
	struct loop_io wake; /* the eventfd; -1 until added */
	/* Newest first; pushed by any thread, taken whole by the loop. */
	_Atomic(struct loop_mail *) mail;
	atomic_bool is_stopped;
	int event_next, event_count; /* of the batch in hand */
	struct epoll_event events[LOOP_BATCH_MAX];
};

static int64_t
loop_clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/*
 * The mailbox.
 */

static struct loop_mail *
loop_mail_reverse(struct loop_mail *mail)
{
	struct loop_mail *first = NULL;

	while (mail != NULL) {
		struct loop_mail *next = mail->next;

		mail->next = first;
		first = mail;
		mail = next;
	}
	return first;
}

/*
 * The counter is read before the letters are taken: a letter that comes in
 * between finds the list not empty, writes no wakeup, and is taken here.
 */
static void
loop_on_wake(struct loop_io *io, uint32_t events)
{
	struct loop *loop = loop_owner(io, struct loop, wake);
	struct loop_mail *mail;
	uint64_t count;

	(void)events;
	if (read(io->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		bug("eventfd read failed");
	mail =
	    atomic_exchange_explicit(&loop->mail, NULL, memory_order_acquire);
	mail = loop_mail_reverse(mail);
	while (mail != NULL) {
		struct loop_mail *next = mail->next; /* fn owns mail */

		mail->fn(mail);
		mail = next;
	}
}

/* EAGAIN means that the counter is full: the loop will wake anyway. */
static void
loop_wake(struct loop *loop)
{
	uint64_t one = 1;
	ssize_t done;

	do
		done = write(loop->wake.fd, &one, sizeof(one));
	while (done < 0 && errno == EINTR);
}

void
loop_post(struct loop *loop, struct loop_mail *mail)
{
	struct loop_mail *head =
	    atomic_load_explicit(&loop->mail, memory_order_relaxed);

	do
		mail->next = head;
	while (!atomic_compare_exchange_weak_explicit(&loop->mail, &head, mail,
	    memory_order_release, memory_order_relaxed));
	/* mail belongs to the loop from here on: only head may be looked at. */
	if (head == NULL)
		loop_wake(loop);
}

/*
 * File descriptors.
 */

int
loop_io_add(struct loop *loop, struct loop_io *io, int fd, uint32_t events,
    struct err *err_r)
{
	struct epoll_event event = { .events = events, .data.ptr = io };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		err_set_errno(err_r, "epoll add of fd %d", fd);
		return -1;
	}
	io->fd = fd;
	io->events = events;
	return 0;
}

/*
 * The kernel refuses to change an entry with EPOLLEXCLUSIVE; it is made anew.
 * An edge or one-shot entry is armed again by setting what it has already.
 */
int
loop_io_set(struct loop *loop, struct loop_io *io, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = io };
	int op = EPOLL_CTL_MOD;

	if (events == io->events && !(events & (EPOLLET | EPOLLONESHOT)))
		return 0;
	if ((events | io->events) & EPOLLEXCLUSIVE) {
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
		op = EPOLL_CTL_ADD;
	}
	if (epoll_ctl(loop->epoll_fd, op, io->fd, &event) < 0)
		return -1;
	io->events = events;
	return 0;
}

void
loop_io_drop(struct loop *loop, struct loop_io *io)
{
	if (io->fd < 0)
		return;
	/* An fd that was closed too early is out of the set already. */
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	io->fd = -1;
	io->events = 0;
	for (int i = loop->event_next; i < loop->event_count; i++) {
		if (loop->events[i].data.ptr == io)
			loop->events[i].data.ptr = NULL;
	}
}

/*
 * Timers. The heap orders by heap_us; a timer whose due_us was pushed ahead
 * keeps its old place until that comes up, and sinks then.
 */

static void
loop_heap_put(struct loop *loop, size_t at, struct loop_timer *timer)
{
	loop->heap[at] = timer;
	timer->slot = at + 1;
}

static void
loop_heap_rise(struct loop *loop, size_t at, struct loop_timer *timer)
{
	while (at > 0) {
		size_t parent = (at - 1) / 2;

		if (loop->heap[parent]->heap_us <= timer->heap_us)
			break;
		loop_heap_put(loop, at, loop->heap[parent]);
		at = parent;
	}
	loop_heap_put(loop, at, timer);
}

static void
loop_heap_sink(struct loop *loop, size_t at, struct loop_timer *timer)
{
	struct loop_timer **heap = loop->heap;
	size_t child;

	while ((child = 2 * at + 1) < loop->heap_count) {
		if (child + 1 < loop->heap_count &&
		    heap[child + 1]->heap_us < heap[child]->heap_us)
			child++;
		if (timer->heap_us <= heap[child]->heap_us)
			break;
		loop_heap_put(loop, at, heap[child]);
		at = child;
	}
	loop_heap_put(loop, at, timer);
}

static bool
loop_heap_has_room(struct loop *loop)
{
	size_t cap = loop->heap_cap * 2;
	struct loop_timer **heap;

	if (loop->heap_count < loop->heap_cap)
		return true;
	if (cap < LOOP_HEAP_MIN)
		cap = LOOP_HEAP_MIN;
	heap = realloc(loop->heap, cap * sizeof(struct loop_timer *));
	if (heap == NULL)
		return false;
	loop->heap = heap;
	loop->heap_cap = cap;
	return true;
}

static void
loop_spill_add(struct loop *loop, struct loop_timer *timer)
{
	timer->slot = LOOP_SPILLED;
	timer->next = loop->spilled;
	loop->spilled = timer;
}

static void
loop_spill_drop(struct loop *loop, struct loop_timer *timer)
{
	struct loop_timer **at = &loop->spilled;

	while (*at != timer)
		at = &(*at)->next;
	*at = timer->next;
	timer->slot = 0;
}

/* The one in the list that is due first, or NULL. */
static struct loop_timer *
loop_spill_first(const struct loop *loop)
{
	struct loop_timer *first = loop->spilled, *timer;

	for (timer = first; timer != NULL; timer = timer->next) {
		if (timer->due_us < first->due_us)
			first = timer;
	}
	return first;
}

/* Into the heap, as soon as there is memory again. */
static void
loop_spill_return(struct loop *loop)
{
	struct loop_timer *timer;

	while ((timer = loop->spilled) != NULL && loop_heap_has_room(loop)) {
		loop_spill_drop(loop, timer);
		loop_heap_rise(loop, loop->heap_count++, timer);
	}
}

void
loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t due_us)
{
	timer->due_us = due_us;
	if (timer->slot > 0 && timer->slot != LOOP_SPILLED &&
	    due_us >= timer->heap_us)
		return;
	timer->heap_us = due_us;
	if (timer->slot == LOOP_SPILLED)
		return;
	if (timer->slot > 0) {
		loop_heap_rise(loop, timer->slot - 1, timer);
		return;
	}
	if (loop_heap_has_room(loop))
		loop_heap_rise(loop, loop->heap_count++, timer);
	else
		loop_spill_add(loop, timer);
}

void
loop_timer_drop(struct loop *loop, struct loop_timer *timer)
{
	size_t at = timer->slot - 1;
	struct loop_timer *last;

	if (timer->slot == 0)
		return;
	if (timer->slot == LOOP_SPILLED) {
		loop_spill_drop(loop, timer);
		return;
	}
	timer->slot = 0;
	last = loop->heap[--loop->heap_count];
	if (last == timer)
		return;
	if (last->heap_us < timer->heap_us)
		loop_heap_rise(loop, at, last);
	else
		loop_heap_sink(loop, at, last);
}

bool
loop_timer_is_set(const struct loop_timer *timer)
{
	return timer->slot > 0;
}

static void
loop_run_spilled(struct loop *loop)
{
	struct loop_timer *timer;
	size_t left = 0;

	for (timer = loop->spilled; timer != NULL; timer = timer->next)
		left++;
	for (; left > 0; left--) {
		timer = loop_spill_first(loop);
		if (timer == NULL || timer->due_us > loop->now_us)
			return;
		loop_spill_drop(loop, timer);
		timer->fn(timer);
	}
}

/*
 * A timer that sets itself to now again must not keep the turn from ending,
 * so no more are fired than were set at the start. What is left over makes
 * the next wait a short one.
 */
static void
loop_run_timers(struct loop *loop)
{
	size_t left;

	if (loop->spilled != NULL) {
		loop_spill_return(loop);
		loop_run_spilled(loop);
	}
	left = loop->heap_count;
	while (left > 0 && loop->heap_count > 0) {
		struct loop_timer *timer = loop->heap[0];

		if (timer->heap_us > loop->now_us)
			return;
		if (timer->due_us > timer->heap_us) {
			timer->heap_us = timer->due_us;
			loop_heap_sink(loop, 0, timer);
			continue;
		}
		left--;
		loop_timer_drop(loop, timer);
		timer->fn(timer);
	}
}

/*
 * Tasks.
 */

void
loop_task_add(struct loop *loop, struct loop_task *task)
{
	if (task->is_queued)
		return;
	task->is_queued = true;
	TAILQ_INSERT_TAIL(&loop->tasks, task, link);
}

void
loop_task_drop(struct loop *loop, struct loop_task *task)
{
	if (!task->is_queued)
		return;
	task->is_queued = false;
	TAILQ_REMOVE(&loop->tasks, task, link);
}

static void
loop_run_tasks(struct loop *loop)
{
	struct loop_task *task;

	while ((task = TAILQ_FIRST(&loop->tasks)) != NULL) {
		loop_task_drop(loop, task);
		task->fn(task);
	}
}

/*
 * Turns.
 */

/* Milliseconds for epoll, rounded up so that no timer is early; -1 = none. */
static int
loop_wait_ms(const struct loop *loop, int timeout_ms)
{
	const struct loop_timer *spilled = loop_spill_first(loop);
	int64_t wait_ms, due_us = INT64_MAX;

	if (!TAILQ_EMPTY(&loop->tasks))
		return 0; /* added before the first turn */
	if (loop->heap_count > 0)
		due_us = loop->heap[0]->heap_us;
	else if (spilled == NULL)
		return timeout_ms;
	if (spilled != NULL && spilled->due_us < due_us)
		due_us = spilled->due_us;
	if (due_us <= loop->now_us)
		return 0;
	/* due_us may be as far off as INT64_MAX; now_us is positive. */
	wait_ms = (due_us - loop->now_us - 1) / 1000 + 1;
	if (wait_ms > INT_MAX)
		wait_ms = INT_MAX;
	if (timeout_ms >= 0 && wait_ms > timeout_ms)
		return timeout_ms;
	return (int)wait_ms;
}

static void
loop_run_events(struct loop *loop, int count)
{
	loop->event_count = count;
	loop->event_next = 0;
	while (loop->event_next < loop->event_count) {
		struct epoll_event *event = &loop->events[loop->event_next++];
		struct loop_io *io = event->data.ptr;
		uint32_t events;

		if (io == NULL)
			continue; /* dropped by one before it */
		/* What it asked not to hear since the wait is not told. */
		events = event->events & (io->events | EPOLLERR | EPOLLHUP);
		if (events != 0)
			io->fn(io, events);
	}
	loop->event_count = 0;
}

int
loop_turn(struct loop *loop, int timeout_ms, struct err *err_r)
{
	int count = epoll_wait(loop->epoll_fd, loop->events, LOOP_BATCH_MAX,
	    loop_wait_ms(loop, timeout_ms));

	if (count < 0 && errno != EINTR) {
		err_set_errno(err_r, "epoll_wait");
		return -1;
	}
	loop->now_us = loop_clock_us();
	loop_run_events(loop, count < 0 ? 0 : count);
	loop_run_timers(loop);
	loop_run_tasks(loop);
	return 0;
}

int
loop_run(struct loop *loop, struct err *err_r)
{
	do {
		if (loop_turn(loop, -1, err_r) < 0)
			return -1;
	} while (!atomic_exchange(&loop->is_stopped, false));
	return 0;
}

void
loop_stop(struct loop *loop)
{
	atomic_store(&loop->is_stopped, true);
	loop_wake(loop);
}

int64_t
loop_now_us(const struct loop *loop)
{
	return loop->now_us;
}

struct loop *
loop_new(struct err *err_r)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int fd;

	if (loop == NULL) {
		err_set(err_r, "out of memory");
		return NULL;
	}
	TAILQ_INIT(&loop->tasks);
	loop->wake = (struct loop_io){ .fn = loop_on_wake, .fd = -1 };
	loop->now_us = loop_clock_us();
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		err_set_errno(err_r, "epoll_create1");
		goto fail;
	}
	fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (fd < 0) {
		err_set_errno(err_r, "eventfd");
		goto fail;
	}
	if (loop_io_add(loop, &loop->wake, fd, EPOLLIN, err_r) < 0) {
		close(fd);
		goto fail;
	}
	return loop;
fail:
	loop_free(&loop);
	return NULL;
}

void
loop_free(struct loop **loopp)
{
	struct loop *loop = *loopp;

	if (loop == NULL)
		return;
	*loopp = NULL;
	if (loop->wake.fd >= 0)
		close(loop->wake.fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	free(loop->heap);
	free(loop);
}
