/*
 * What a worker tells of the requests for a service, and when it has one woken:
 * upstream with peers made of a few numbers instead of links.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/lifeline.h"
#include "ipc/loop.h"
#include "router/demand.h"
#include "router/exchange.h"
#include "router/instance.h"
#include "router/note.h"
#include "router/peer.h"
#include "router/problem.h"
#include "router/snapshot.h"
#include "router/upstream.h"
#include "router/worker.h"

enum {
	INSTANCE_MAX = 2,
	SECOND_US = 1000 * 1000
};

static struct peer peers[INSTANCE_MAX];
static int64_t peer_wait; /* what their ledgers tell */
static struct worker worker;
static struct upstream *upstream;
static struct worker_load told; /* last */
static unsigned told_count, wanted_count, refused_count;

int64_t
peer_wait_us(const struct peer *peer)
{
	(void)peer;
	return peer_wait;
}

struct peer *
peer_new(struct instance *instance, struct err *err_r)
{
	(void)err_r;
	return &peers[instance->index - 1];
}

void
peer_close(struct peer *peer, const char *why)
{
	(void)peer;
	(void)why;
}

void
peer_retire(struct peer *peer)
{
	peer->is_closing = true;
}

bool
peer_is_usable(const struct peer *peer)
{
	return !peer->is_closing;
}

bool
peer_is_up(const struct peer *peer)
{
	return !peer->is_closing;
}

size_t
peer_outstanding(const struct peer *peer)
{
	return peer->slots.taken;
}

void
peer_send(struct peer *peer, struct exchange *ex)
{
	(void)ex;
	peer->slots.taken++;
	peer->upstream->inflight++;
}

bool
peer_is_stuck(const struct peer *peer)
{
	return peer->is_stuck;
}

void
peers_note(struct upstream *of, const struct note *note)
{
	(void)of;
	(void)note;
}

bool
peers_have_equal(const struct upstream *of, struct exchange *ex)
{
	(void)of;
	(void)ex;
	return false;
}

void
peer_failed(struct peer *peer, const struct exchange *ex)
{
	(void)peer;
	(void)ex;
}

void
peer_cancel(struct peer *peer, struct exchange *ex)
{
	(void)peer;
	(void)ex;
}

void
peer_credit(struct peer *peer, struct exchange *ex, uint64_t bytes)
{
	(void)peer;
	(void)ex;
	(void)bytes;
}

static void
on_problem(struct exchange *ex, const struct problem *problem)
{
	(void)ex;
	(void)problem;
	refused_count++;
}

static const struct exchange_source source = { .problem = on_problem };

static void
on_linked(void *arg, const char *service, uint64_t index, uint64_t generation,
    bool is_up)
{
	(void)arg;
	(void)service;
	(void)index;
	(void)generation;
	(void)is_up;
}

static void
on_load(void *arg, unsigned number, const char *service, uint64_t period_ms,
    const struct worker_load *load)
{
	(void)arg;
	assert_int_equal(number, 3);
	assert_string_equal(service, "s");
	assert_int_equal(period_ms, upstream->rules.load_ms);
	told = *load;
	told_count++;
}

static void
on_wanted(void *arg, const char *service)
{
	(void)arg;
	assert_string_equal(service, "s");
	wanted_count++;
}

static void
apply(uint64_t load_ms)
{
	struct snapshot_service service = { .name = (char[]){ "s" },
		.url = (char[]){ "" },
		.instances = INSTANCE_MAX,
		.rules = { .attempts = 3,
		    .hold_max = 100,
		    .hold_max_bytes = 1000,
		    .max_inflight = 1,
		    .queue_ms = 1000,
		    .load_ms = load_ms },
		.is_enabled = true };

	upstream_apply(upstream, &service);
}

static int
setup(void **state)
{
	static const struct worker_host host = { .linked = on_linked,
		.load = on_load,
		.wanted = on_wanted };

	(void)state;
	memset(&worker, 0, sizeof(worker));
	memset(peers, 0, sizeof(peers));
	told_count = wanted_count = refused_count = 0;
	peer_wait = 0;
	worker.loop = loop_new(NULL);
	worker.host = &host;
	worker.number = 3;
	upstream = upstream_new(&worker, "s");
	for (size_t i = 0; i < INSTANCE_MAX; i++)
		peers[i].upstream = upstream;
	apply(1);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	upstream_free(&upstream);
	loop_free(&worker.loop);
	return 0;
}

static void
say(unsigned index, unsigned state, bool is_asleep)
{
	struct note note = { .service = (char[]){ "s" },
		.listen = (char[]){ "ipc:///x" },
		.reason = (char[]){ "" },
		.index = index,
		.generation = 1,
		.state = state,
		.is_asleep = is_asleep };

	upstream_note(upstream, &note);
}

static void
request(struct exchange *ex)
{
	exchange_init(ex, &worker, &source);
	ex->upstream = upstream;
	ex->deadline_us = loop_now_us(worker.loop) + SECOND_US;
	upstream_dispatch(upstream, ex);
}

/* As peer_drop() ends one. */
static void
answer(unsigned index)
{
	peers[index - 1].slots.taken--;
	upstream->inflight--;
	demand_changed(upstream);
	upstream_flush(upstream);
}

/* Turns of the loop until there is another word; bounded. */
static void
turn_until(unsigned count)
{
	for (int i = 0; told_count < count && i < 1000; i++)
		loop_turn(worker.loop, 10, NULL);
	assert_int_equal(told_count, count);
}

static void
turn_some(void)
{
	for (int i = 0; i < 5; i++)
		loop_turn(worker.loop, 2, NULL);
}

static void
assert_told(uint64_t requests, uint64_t inflight, uint64_t held)
{
	assert_int_equal(told.requests, requests);
	assert_int_equal(told.inflight, inflight);
	assert_int_equal(told.held, held);
}

static void
test_the_last_word_is_that_there_are_none(void **state)
{
	struct exchange ex;

	(void)state;
	say(1, STATE_READY, false);
	turn_some();
	assert_int_equal(told_count, 0);
	request(&ex);
	answer(1);
	turn_until(1);
	assert_told(1, 0, 0);
	turn_until(2);
	assert_told(0, 0, 0);
	turn_some();
	assert_int_equal(told_count, 2);
}

static void
test_a_request_that_takes_long_is_told_of_once(void **state)
{
	struct exchange ex;

	(void)state;
	say(1, STATE_READY, false);
	request(&ex);
	turn_until(2);
	assert_told(0, 1, 0);
	turn_some();
	assert_int_equal(told_count, 2);
	answer(1);
	turn_until(3);
	assert_told(0, 0, 0);
}

static void
test_whoever_begins_to_ask_hears_of_what_is_in_flight(void **state)
{
	struct exchange ex;

	(void)state;
	apply(0);
	say(1, STATE_READY, false);
	request(&ex);
	turn_some();
	assert_int_equal(told_count, 0);
	apply(1);
	turn_until(2);
	assert_told(0, 1, 0);
	/* It ends while nobody asks: what was said last is wrong then. */
	apply(0);
	answer(1);
	turn_some();
	assert_int_equal(told_count, 2);
	apply(1);
	turn_until(3);
	assert_told(0, 0, 0);
	/* That was all there was to say. */
	apply(0);
	apply(1);
	turn_some();
	assert_int_equal(told_count, 3);
}

static void
test_a_wait_is_told_while_it_lasts_and_when_it_is_over(void **state)
{
	struct exchange first, second;
	int64_t wait_us;

	(void)state;
	say(1, STATE_READY, false);
	request(&first);
	request(&second);
	turn_until(1);
	assert_told(2, 1, 1);
	wait_us = told.wait_us;
	turn_until(4);
	assert_told(0, 1, 1);
	assert_true(told.wait_us > wait_us);
	assert_true(told.wait_us >= 3000);
	wait_us = told.wait_us;
	answer(1);
	turn_until(5);
	assert_told(0, 1, 0);
	assert_true(told.wait_us >= wait_us);
	turn_until(6);
	assert_int_equal(told.wait_us, 0);
	turn_some();
	assert_int_equal(told_count, 6);
}

static void
test_those_that_an_instance_has_not_begun_wait_too(void **state)
{
	struct exchange ex;

	(void)state;
	say(1, STATE_READY, false);
	request(&ex);
	peer_wait = 70 * 1000;
	turn_until(3);
	assert_told(0, 1, 0);
	assert_int_equal(told.wait_us, 70 * 1000);
	peer_wait = 0;
	turn_until(4);
	assert_int_equal(told.wait_us, 0);
	turn_some();
	assert_int_equal(told_count, 4);
}

static void
test_nothing_is_told_of_a_service_that_need_not_be_told_of(void **state)
{
	struct exchange ex;

	(void)state;
	apply(0);
	say(1, STATE_READY, false);
	request(&ex);
	assert_false(loop_timer_is_set(&upstream->demand.timer));
	turn_some();
	answer(1);
	turn_some();
	assert_int_equal(told_count, 0);
}

static void
test_a_sleeping_service_is_woken_once_for_all_that_wait(void **state)
{
	struct exchange ex[3];

	(void)state;
	say(1, STATE_STOPPED, true);
	say(2, STATE_STOPPED, true);
	assert_int_equal(wanted_count, 0);
	for (int i = 0; i < 3; i++)
		request(&ex[i]);
	assert_int_equal(wanted_count, 1);
	assert_int_equal(upstream->hold.count, 3);
	assert_int_equal(refused_count, 0);
	say(1, STATE_STARTING, false);
	say(2, STATE_STARTING, false);
	say(1, STATE_READY, false);
	say(2, STATE_READY, false);
	assert_int_equal(upstream->hold.count, 1);
	/* The next time it sleeps, it is woken again. */
	answer(1);
	answer(2);
	answer(1);
	say(1, STATE_STOPPED, true);
	say(2, STATE_STOPPED, true);
	assert_int_equal(wanted_count, 1);
	request(&ex[0]);
	assert_int_equal(wanted_count, 2);
	assert_int_equal(refused_count, 0);
	upstream_forget(upstream, &ex[0]);
}

/* It came before the supervisor's word that the service goes to sleep. */
static void
test_who_waits_already_when_it_goes_to_sleep_wakes_it(void **state)
{
	struct exchange ex;

	(void)state;
	say(1, STATE_DRAINING, false);
	request(&ex);
	assert_int_equal(wanted_count, 0);
	say(1, STATE_DRAINING, true);
	assert_int_equal(wanted_count, 1);
	say(1, STATE_STOPPED, true);
	assert_int_equal(wanted_count, 1);
	assert_int_equal(refused_count, 0);
	upstream_forget(upstream, &ex);
}

static void
test_one_that_was_stopped_in_its_sleep_is_waited_for_no_longer(void **state)
{
	struct exchange ex;

	(void)state;
	say(1, STATE_STOPPED, true);
	request(&ex);
	assert_int_equal(upstream->hold.count, 1);
	say(1, STATE_STOPPED, false);
	assert_int_equal(refused_count, 1);
	request(&ex);
	assert_int_equal(refused_count, 2);
	assert_int_equal(wanted_count, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_the_last_word_is_that_there_are_none),
		TEST(test_a_request_that_takes_long_is_told_of_once),
		TEST(test_whoever_begins_to_ask_hears_of_what_is_in_flight),
		TEST(test_a_wait_is_told_while_it_lasts_and_when_it_is_over),
		TEST(test_those_that_an_instance_has_not_begun_wait_too),
		TEST(
		    test_nothing_is_told_of_a_service_that_need_not_be_told_of),
		TEST(test_a_sleeping_service_is_woken_once_for_all_that_wait),
		TEST(test_who_waits_already_when_it_goes_to_sleep_wakes_it),
		TEST(
		    test_one_that_was_stopped_in_its_sleep_is_waited_for_no_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
