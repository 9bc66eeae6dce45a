#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/err.h"
#include "ipc/loop.h"

static int
setup(void **state)
{
	*state = loop_new(NULL);
	return *state == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	struct loop *loop = *state;

	loop_free(&loop);
	return 0;
}

static void
turn(struct loop *loop, int timeout_ms)
{
	assert_int_equal(loop_turn(loop, timeout_ms, NULL), 0);
}

/*
 * Timers. All due times lie in the past, so one turn fires them.
 */

enum {
	TIMERS = 500
};

static struct {
	struct loop *loop;
	struct loop_timer timers[TIMERS];
	int fired[TIMERS];
	int fired_count;
} fix;

static void
on_timer(struct loop_timer *timer)
{
	fix.fired[fix.fired_count++] = (int)(timer - fix.timers);
}

static void
fix_init(struct loop *loop)
{
	memset(&fix, 0, sizeof(fix));
	fix.loop = loop;
	for (int i = 0; i < TIMERS; i++)
		fix.timers[i].fn = on_timer;
}

static void
test_timers_fire_once_in_the_order_of_their_times(void **state)
{
	fix_init(*state);
	for (int i = 0; i < TIMERS; i++)
		loop_timer_set(fix.loop, &fix.timers[i], 1 + i * 7919 % TIMERS);
	/* Earlier, later and dropped ones keep the heap a heap. */
	for (int i = 0; i < TIMERS; i += 3)
		loop_timer_set(fix.loop, &fix.timers[i],
		    1 + i * 104729 % TIMERS);
	for (int i = 1; i < TIMERS; i += 5)
		loop_timer_drop(fix.loop, &fix.timers[i]);
	turn(fix.loop, 0);
	assert_int_equal(fix.fired_count, TIMERS - TIMERS / 5);
	for (int i = 1; i < fix.fired_count; i++)
		assert_true(fix.timers[fix.fired[i - 1]].due_us <=
			    fix.timers[fix.fired[i]].due_us);
	turn(fix.loop, 0);
	assert_int_equal(fix.fired_count, TIMERS - TIMERS / 5);
	assert_false(loop_timer_is_set(&fix.timers[0]));
}

static void
test_a_timer_pushed_ahead_does_not_fire_at_its_old_time(void **state)
{
	struct loop_timer *timer = &fix.timers[0];
	int64_t far;

	fix_init(*state);
	far = loop_now_us(fix.loop) + 3600 * 1000000LL;
	loop_timer_set(fix.loop, timer, 1);
	loop_timer_set(fix.loop, timer, far);
	assert_int_equal(timer->heap_us, 1);
	turn(fix.loop, 0);
	assert_int_equal(fix.fired_count, 0);
	assert_int_equal(timer->heap_us, far);
	assert_true(loop_timer_is_set(timer));
	loop_timer_set(fix.loop, timer, 2);
	turn(fix.loop, 0);
	assert_int_equal(fix.fired_count, 1);
}

static void
test_a_timer_is_never_early(void **state)
{
	int64_t due_us;

	fix_init(*state);
	due_us = loop_now_us(fix.loop) + 900;
	loop_timer_set(fix.loop, &fix.timers[0], due_us);
	turn(fix.loop, 0);
	while (fix.fired_count == 0)
		turn(fix.loop, -1);
	assert_true(loop_now_us(fix.loop) >= due_us);
}

static void
on_timer_again(struct loop_timer *timer)
{
	on_timer(timer);
	loop_timer_set(fix.loop, timer, loop_now_us(fix.loop));
}

static void
test_a_timer_that_sets_itself_to_now_ends_its_turn(void **state)
{
	fix_init(*state);
	fix.timers[0].fn = on_timer_again;
	loop_timer_set(fix.loop, &fix.timers[0], 1);
	turn(fix.loop, -1);
	turn(fix.loop, -1);
	assert_int_equal(fix.fired_count, 2);
}

/*
 * Tasks and letters.
 */

static char trail[16];

static void
note(char what)
{
	size_t len = strlen(trail);

	assert_true(len + 1 < sizeof(trail));
	trail[len] = what;
	trail[len + 1] = '\0';
}

static struct loop_task task_a, task_b;

static void
on_task_b(struct loop_task *task)
{
	(void)task;
	note('b');
}

static void
on_task_a(struct loop_task *task)
{
	(void)task;
	note('a');
	loop_task_add(fix.loop, &task_b);
	loop_task_add(fix.loop, &task_b);
}

static void
on_timer_task(struct loop_timer *timer)
{
	(void)timer;
	note('t');
	loop_task_add(fix.loop, &task_a);
}

static void
on_mail_task(struct loop_mail *mail)
{
	(void)mail;
	note('m');
	loop_task_add(fix.loop, &task_a);
}

static void
tasks_init(struct loop *loop)
{
	fix_init(loop);
	trail[0] = '\0';
	task_a = (struct loop_task){ .fn = on_task_a };
	task_b = (struct loop_task){ .fn = on_task_b };
}

static void
test_tasks_of_timers_letters_and_tasks_run_in_the_same_turn(void **state)
{
	struct loop_mail mail = { .fn = on_mail_task };

	tasks_init(*state);
	fix.timers[0].fn = on_timer_task;
	loop_timer_set(fix.loop, &fix.timers[0], 1);
	turn(fix.loop, -1);
	assert_string_equal(trail, "tab");
	loop_post(fix.loop, &mail);
	turn(fix.loop, -1);
	assert_string_equal(trail, "tabmab");
}

static void
test_a_task_added_between_turns_does_not_wait_for_an_event(void **state)
{
	tasks_init(*state);
	loop_task_add(fix.loop, &task_a);
	loop_task_add(fix.loop, &task_b);
	turn(fix.loop, -1);
	assert_string_equal(trail, "ab");
}

static void
test_a_dropped_task_does_not_run(void **state)
{
	tasks_init(*state);
	loop_task_add(fix.loop, &task_a);
	loop_task_drop(fix.loop, &task_a);
	loop_task_drop(fix.loop, &task_a);
	turn(fix.loop, 0);
	assert_string_equal(trail, "");
}

enum {
	SENDERS = 3,
	LETTERS = 2000
};

struct letter {
	struct loop_mail mail;
	int sender, number;
};

static int letter_next[SENDERS];
static int letters_read;

static void
on_letter(struct loop_mail *mail)
{
	struct letter *letter = loop_owner(mail, struct letter, mail);

	assert_int_equal(letter->number, letter_next[letter->sender]);
	letter_next[letter->sender]++;
	free(letter);
	if (++letters_read == SENDERS * LETTERS)
		loop_stop(fix.loop);
}

static void *
send_letters(void *arg)
{
	int sender = *(int *)arg;

	for (int i = 0; i < LETTERS; i++) {
		struct letter *letter = malloc(sizeof(*letter));

		if (letter == NULL)
			abort();
		*letter = (struct letter){ .mail.fn = on_letter,
			.sender = sender,
			.number = i };
		loop_post(fix.loop, &letter->mail);
	}
	return NULL;
}

static void
test_letters_of_many_threads_all_arrive_each_senders_in_order(void **state)
{
	pthread_t threads[SENDERS];
	int numbers[SENDERS];

	fix_init(*state);
	letters_read = 0;
	for (int i = 0; i < SENDERS; i++) {
		letter_next[i] = 0;
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, send_letters,
				     &numbers[i]),
		    0);
	}
	assert_int_equal(loop_run(fix.loop, NULL), 0);
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(letters_read, SENDERS * LETTERS);
}

static void
test_a_stop_before_run_is_not_lost(void **state)
{
	struct loop *loop = *state;

	loop_stop(loop);
	assert_int_equal(loop_run(loop, NULL), 0);
}

/*
 * File descriptors.
 */

struct pair {
	struct loop_io io;
	int peer; /* the other end of the socket pair */
	int calls;
	uint32_t events;
	struct pair *victim; /* to be dropped and freed in the callback */
};

static void
pair_free(struct pair *pair)
{
	int fd = pair->io.fd;

	loop_io_drop(fix.loop, &pair->io);
	close(fd);
	close(pair->peer);
	free(pair);
}

static void
on_pair(struct loop_io *io, uint32_t events)
{
	struct pair *pair = loop_owner(io, struct pair, io);

	pair->calls++;
	pair->events = events;
	if (pair->victim != NULL) {
		pair_free(pair->victim);
		pair->victim = NULL;
	}
}

static struct pair *
pair_new(uint32_t events)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	int fds[2];

	assert_non_null(pair);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
			     fds),
	    0);
	pair->peer = fds[1];
	pair->io = (struct loop_io){ .fn = on_pair, .fd = -1 };
	assert_int_equal(loop_io_add(fix.loop, &pair->io, fds[0], events, NULL),
	    0);
	return pair;
}

static void
test_an_io_dropped_in_its_turn_is_not_called_and_may_be_freed(void **state)
{
	struct pair *first, *second;

	fix_init(*state);
	first = pair_new(EPOLLIN);
	second = pair_new(EPOLLIN);
	/* Whichever comes first in the batch takes the other one away. */
	first->victim = second;
	second->victim = first;
	assert_int_equal(write(first->peer, "x", 1), 1);
	assert_int_equal(write(second->peer, "x", 1), 1);
	turn(fix.loop, 0);
	assert_int_equal(first->calls, 1);
	pair_free(first);
}

static struct pair *muted;

static void
on_mute(struct loop_io *io, uint32_t events)
{
	on_pair(io, events);
	assert_int_equal(loop_io_set(fix.loop, &muted->io, 0), 0);
}

static void
test_an_event_no_longer_asked_for_is_not_told(void **state)
{
	struct pair *first;

	fix_init(*state);
	first = pair_new(EPOLLIN);
	first->io.fn = on_mute;
	muted = pair_new(EPOLLIN);
	assert_int_equal(write(first->peer, "x", 1), 1);
	assert_int_equal(write(muted->peer, "x", 1), 1);
	turn(fix.loop, 0);
	assert_int_equal(first->calls, 1);
	assert_int_equal(muted->calls, 0);
	first->io.fn = on_pair;
	assert_int_equal(loop_io_set(fix.loop, &muted->io, EPOLLIN), 0);
	turn(fix.loop, 0);
	assert_int_equal(muted->calls, 1);
	pair_free(first);
	pair_free(muted);
}

static void
test_set_changes_exclusive_and_edge_entries(void **state)
{
	struct pair *pair;

	fix_init(*state);
	pair = pair_new(EPOLLIN | EPOLLEXCLUSIVE);
	assert_int_equal(loop_io_set(fix.loop, &pair->io, EPOLLIN | EPOLLOUT),
	    0);
	turn(fix.loop, 0);
	assert_int_equal(pair->events, EPOLLOUT);
	assert_int_equal(loop_io_set(fix.loop, &pair->io, EPOLLIN | EPOLLET),
	    0);
	assert_int_equal(write(pair->peer, "x", 1), 1);
	for (int i = 0; i < 3; i++)
		turn(fix.loop, 0);
	assert_int_equal(pair->calls, 2);
	assert_int_equal(loop_io_set(fix.loop, &pair->io, EPOLLIN | EPOLLET),
	    0);
	turn(fix.loop, 0);
	assert_int_equal(pair->calls, 3);
	pair_free(pair);
}

static void
test_an_fd_that_epoll_refuses_is_an_error_that_names_it(void **state)
{
	struct loop_io io = { .fn = on_pair, .fd = -1 };
	struct err err = { .text = "" };

	assert_int_equal(loop_io_add(*state, &io, 12345, EPOLLIN, &err), -1);
	assert_non_null(strstr(err.text, "12345"));
	assert_int_equal(io.fd, -1);
	loop_io_drop(*state, &io);
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(test_timers_fire_once_in_the_order_of_their_times),
		WITH_LOOP(
		    test_a_timer_pushed_ahead_does_not_fire_at_its_old_time),
		WITH_LOOP(test_a_timer_is_never_early),
		WITH_LOOP(test_a_timer_that_sets_itself_to_now_ends_its_turn),
		WITH_LOOP(
		    test_tasks_of_timers_letters_and_tasks_run_in_the_same_turn),
		WITH_LOOP(
		    test_a_task_added_between_turns_does_not_wait_for_an_event),
		WITH_LOOP(test_a_dropped_task_does_not_run),
		WITH_LOOP(
		    test_letters_of_many_threads_all_arrive_each_senders_in_order),
		WITH_LOOP(test_a_stop_before_run_is_not_lost),
		WITH_LOOP(
		    test_an_io_dropped_in_its_turn_is_not_called_and_may_be_freed),
		WITH_LOOP(test_an_event_no_longer_asked_for_is_not_told),
		WITH_LOOP(test_set_changes_exclusive_and_edge_entries),
		WITH_LOOP(
		    test_an_fd_that_epoll_refuses_is_an_error_that_names_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
