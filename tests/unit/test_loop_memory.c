/* Timers when there is no memory for them. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/loop.h"

enum {
	TIMERS = 200 /* more than the heap begins with */
};

struct clock {
	struct loop_timer timer;
	unsigned number;
};

static struct clock clocks[TIMERS];
static unsigned fired[TIMERS], fired_count;
static bool is_poor;

void *realloc(void *at, size_t size);

/*
 * In place of the C library's for all of this program. Made of malloc(), so
 * that a sanitizer's free() knows what it gets.
 */
void *
realloc(void *at, size_t size)
{
	size_t had = malloc_usable_size(at);
	void *fresh = is_poor ? NULL : malloc(size);

	if (fresh == NULL)
		return NULL;
	if (had != 0)
		memcpy(fresh, at, had < size ? had : size);
	free(at);
	return fresh;
}

static void
on_timer(struct loop_timer *timer)
{
	fired[fired_count++] = loop_owner(timer, struct clock, timer)->number;
}

/* Number i is due i / 10 ms from now, set last to first. */
static struct loop *
start(void)
{
	struct loop *loop = loop_new(NULL);

	assert_non_null(loop);
	fired_count = 0;
	is_poor = true;
	for (unsigned i = TIMERS; i-- > 0;) {
		clocks[i] = (struct clock){ .timer.fn = on_timer, .number = i };
		loop_timer_set(loop, &clocks[i].timer,
		    loop_now_us(loop) + i * 100);
		assert_true(loop_timer_is_set(&clocks[i].timer));
	}
	return loop;
}

static void
test_without_memory_all_timers_fire_and_none_is_early(void **state)
{
	struct loop *loop = start();
	int64_t start_us = loop_now_us(loop);

	(void)state;
	while (fired_count < TIMERS) {
		assert_int_equal(loop_turn(loop, -1, NULL), 0);
		for (unsigned i = 0; i < fired_count; i++)
			assert_true(
			    start_us + fired[i] * 100 <= loop_now_us(loop));
	}
	for (unsigned i = 0; i < TIMERS; i++)
		assert_false(loop_timer_is_set(&clocks[i].timer));
	is_poor = false;
	loop_free(&loop);
}

static void
test_a_timer_without_memory_can_be_moved_and_dropped(void **state)
{
	struct loop *loop = start();

	(void)state;
	for (unsigned i = 0; i < TIMERS; i++) {
		if (i % 2 == 0)
			loop_timer_drop(loop, &clocks[i].timer);
		else
			loop_timer_set(loop, &clocks[i].timer,
			    loop_now_us(loop) + 50);
	}
	while (fired_count < TIMERS / 2)
		assert_int_equal(loop_turn(loop, -1, NULL), 0);
	assert_int_equal(loop_turn(loop, 0, NULL), 0);
	assert_int_equal(fired_count, TIMERS / 2);
	for (unsigned i = 0; i < fired_count; i++)
		assert_int_equal(fired[i] % 2, 1);
	is_poor = false;
	loop_free(&loop);
}

static void
test_with_memory_again_they_go_on(void **state)
{
	struct loop *loop = start();

	(void)state;
	is_poor = false;
	assert_int_equal(loop_turn(loop, 0, NULL), 0);
	while (fired_count < TIMERS)
		assert_int_equal(loop_turn(loop, -1, NULL), 0);
	loop_free(&loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_without_memory_all_timers_fire_and_none_is_early),
		cmocka_unit_test(
		    test_a_timer_without_memory_can_be_moved_and_dropped),
		cmocka_unit_test(test_with_memory_again_they_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
