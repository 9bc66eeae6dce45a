/* What several workers tell of a service, as one word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/lifeline.h"
#include "ipc/loop.h"
#include "router/load.h"
#include "router/snapshot.h"
#include "router/worker.h"

enum {
	NEVER_MS = 1000 * 1000, /* a period that does not pass in this test */
	SHORT_MS = 1
};

static struct loop *loop;
static struct loads *loads;
static struct lifeline_load told; /* last; service is not kept */
static unsigned told_count;

static void
on_tell(void *arg, const struct lifeline_load *load)
{
	assert_ptr_equal(arg, &told);
	assert_string_equal(load->service, "s");
	told = *load;
	told_count++;
}

static int
setup(void **state)
{
	(void)state;
	told_count = 0;
	loop = loop_new(NULL);
	loads = loads_new(loop, on_tell, &told);
	return loads == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	loads_free(&loads);
	loop_free(&loop);
	return 0;
}

static void
add(unsigned worker, uint64_t period_ms, uint64_t requests, uint64_t inflight,
    uint64_t held, int64_t wait_us)
{
	const struct worker_load load = { requests, inflight, held, wait_us };

	loads_add(loads, worker, "s", period_ms, &load);
}

static void
assert_told(uint64_t requests, uint64_t inflight, uint64_t held,
    uint64_t wait_us)
{
	assert_int_equal(told.requests, requests);
	assert_int_equal(told.inflight, inflight);
	assert_int_equal(told.held, held);
	assert_int_equal(told.wait_max_us, wait_us);
}

/* Until the next word; a deadline only bounds a hang. */
static void
turn_until(unsigned count)
{
	for (int i = 0; told_count < count && i < 1000; i++)
		loop_turn(loop, 10, NULL);
	assert_int_equal(told_count, count);
}

static void
test_the_first_word_is_told_at_once_and_the_next_not_before_its_time(
    void **state)
{
	(void)state;
	add(0, NEVER_MS, 5, 2, 1, 300);
	assert_int_equal(told_count, 1);
	assert_told(5, 2, 1, 300);
	add(0, NEVER_MS, 7, 3, 0, 100);
	add(0, NEVER_MS, 1, 0, 0, 0);
	loop_turn(loop, 0, NULL);
	assert_int_equal(told_count, 1);
}

static void
test_counts_add_up_and_states_are_the_last_of_each_worker(void **state)
{
	(void)state;
	add(0, SHORT_MS, 1, 1, 0, 0);
	add(0, SHORT_MS, 5, 2, 4, 300);
	add(1, SHORT_MS, 7, 3, 0, 900);
	add(0, SHORT_MS, 1, 1, 2, 200);
	add(LOAD_WORKERS_MAX - 1, SHORT_MS, 0, 10, 0, 0);
	add(LOAD_WORKERS_MAX, SHORT_MS, 99, 99, 99, 99);
	turn_until(2);
	assert_told(13, 14, 2, 900);
	/* The numbers since then begin anew, what is in flight stays. */
	add(1, SHORT_MS, 0, 0, 0, 0);
	turn_until(3);
	assert_told(0, 11, 2, 0);
}

static void
test_without_news_nothing_is_told(void **state)
{
	(void)state;
	add(0, SHORT_MS, 1, 0, 0, 0);
	add(0, SHORT_MS, 0, 0, 0, 0);
	turn_until(2);
	for (int i = 0; i < 5; i++)
		loop_turn(loop, 2, NULL);
	assert_int_equal(told_count, 2);
}

static void
test_a_service_that_is_gone_is_told_of_no_more(void **state)
{
	struct snapshot *snapshot = snapshot_new();

	(void)state;
	add(0, SHORT_MS, 1, 1, 0, 0);
	add(1, SHORT_MS, 1, 1, 0, 0);
	snapshot_seal(snapshot);
	loads_prune(loads, snapshot);
	snapshot_unref(&snapshot);
	for (int i = 0; i < 5; i++)
		loop_turn(loop, 2, NULL);
	assert_int_equal(told_count, 1);
	/* Should it come back, it begins with nothing in flight. */
	add(0, SHORT_MS, 3, 0, 0, 0);
	assert_told(3, 0, 0, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(
		    test_the_first_word_is_told_at_once_and_the_next_not_before_its_time),
		TEST(test_counts_add_up_and_states_are_the_last_of_each_worker),
		TEST(test_without_news_nothing_is_told),
		TEST(test_a_service_that_is_gone_is_told_of_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
