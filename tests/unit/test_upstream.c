/*
 * Whom a request goes to, and who waits: upstream and instance with peers made
 * of a few numbers instead of links.
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
#include "router/exchange.h"
#include "router/instance.h"
#include "router/note.h"
#include "router/peer.h"
#include "router/problem.h"
#include "router/snapshot.h"
#include "router/upstream.h"
#include "router/worker.h"

enum {
	INSTANCE_MAX = 4,
	WAITING_MAX = 100,
	SECOND_US = 1000 * 1000
};

static struct peer peers[INSTANCE_MAX];
static struct worker worker;
static struct upstream *upstream;

/* What became of the requests: their order, and where to. */
static struct {
	const struct exchange *ex;
	unsigned index;    /* instance; 0: answered by the router */
	const char *cause; /* then */
} done[8];
static size_t done_count;

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
	peer->slots.taken++;
	done[done_count].ex = ex;
	done[done_count++].index = (unsigned)(peer - peers) + 1;
}

bool
peer_is_stuck(const struct peer *peer)
{
	return peer->is_stuck;
}

void
peers_note(struct upstream *told, const struct note *note)
{
	(void)told;
	(void)note;
}

bool
peers_have_equal(const struct upstream *told, struct exchange *ex)
{
	(void)told;
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
	done[done_count].ex = ex;
	done[done_count].index = 0;
	done[done_count++].cause = problem->cause;
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

static int
setup(void **state)
{
	static const struct worker_host host = { .linked = on_linked };
	struct snapshot_service service = { .name = (char[]){ "s" },
		.url = (char[]){ "" },
		.instances = INSTANCE_MAX,
		.rules = { .attempts = 3,
		    .hold_max = WAITING_MAX,
		    .hold_max_bytes = 1000,
		    .queue_ms = 1000 },
		.is_enabled = true };

	(void)state;
	memset(&worker, 0, sizeof(worker));
	memset(peers, 0, sizeof(peers));
	for (size_t i = 0; i < INSTANCE_MAX; i++)
		peers[i].is_closing = true;
	memset(done, 0, sizeof(done));
	done_count = 0;
	worker.loop = loop_new(NULL);
	worker.host = &host;
	upstream = upstream_new(&worker, "s");
	upstream_apply(upstream, &service);
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
say(unsigned index, unsigned state, uint64_t generation, uint64_t retry_ms)
{
	struct note note = { .service = (char[]){ "s" },
		.listen = (char[]){ "ipc:///x" },
		.reason = (char[]){ "" },
		.index = index,
		.generation = generation,
		.retry_ms = retry_ms,
		.state = state };

	upstream_note(upstream, &note);
}

static void
request(struct exchange *ex, int64_t left_us)
{
	exchange_init(ex, &worker, &source);
	ex->upstream = upstream;
	ex->deadline_us = loop_now_us(worker.loop) + left_us;
	upstream_dispatch(upstream, ex);
}

static void
test_a_request_goes_to_the_ready_one_with_the_fewest(void **state)
{
	enum {
		READY = STATE_READY,
		OFF = STATE_STARTING,
		NO = 99 /* ready, but its link cannot take one */
	};
	static const struct {
		unsigned state[INSTANCE_MAX];
		size_t outstanding[INSTANCE_MAX], turn;
		unsigned to; /* 0: it waits */
	} cases[] = {
		{ { READY, READY, READY, READY }, { 3, 1, 2, 4 }, 0, 2 },
		{ { READY, READY, READY, READY }, { 3, 1, 2, 0 }, 2, 4 },
		/* Among equals the next one after the last. */
		{ { READY, READY, READY, READY }, { 1, 1, 1, 1 }, 0, 1 },
		{ { READY, READY, READY, READY }, { 1, 1, 1, 1 }, 1, 2 },
		{ { READY, READY, READY, READY }, { 1, 1, 1, 1 }, 3, 4 },
		{ { READY, READY, READY, READY }, { 0, 1, 1, 0 }, 1, 4 },
		/* Not where it cannot go, however idle that is. */
		{ { READY, NO, READY, READY }, { 5, 0, 5, 6 }, 1, 3 },
		{ { READY, OFF, READY, READY }, { 5, 0, 6, 6 }, 0, 1 },
		{ { NO, NO, NO, NO }, { 0, 0, 0, 0 }, 0, 0 },
		{ { OFF, OFF, OFF, OFF }, { 0, 0, 0, 0 }, 3, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct exchange ex;

		teardown(state);
		setup(state);
		for (unsigned n = 0; n < INSTANCE_MAX; n++) {
			bool is_full = cases[i].state[n] == NO;

			say(n + 1, is_full ? READY : cases[i].state[n], 1, 0);
			peers[n].is_closing = is_full;
			peers[n].slots.taken =
			    (uint32_t)cases[i].outstanding[n];
		}
		upstream->turn = cases[i].turn;
		request(&ex, SECOND_US);
		if (done_count != (cases[i].to != 0) ||
		    done[0].index != cases[i].to)
			fail_msg("case %zu: to %u", i, done[0].index);
		if (ex.state == EXCHANGE_WAITING)
			upstream_forget(upstream, &ex);
	}
}

static void
test_a_request_waits_only_where_there_is_hope(void **state)
{
	static const struct {
		unsigned state;
		uint64_t retry_ms;
		const char *cause; /* NULL: it waits */
	} cases[] = {
		{ STATE_STARTING, 0, NULL },
		{ STATE_READY, 0, NULL },
		{ STATE_DRAINING, 0, NULL },
		{ STATE_STOPPING, 0, NULL },
		{ STATE_BACKOFF, 999, NULL },
		{ STATE_BACKOFF, 1000, "restarting" },
		{ STATE_BACKOFF, 60000, "restarting" },
		{ STATE_FAILED, 0, "failed" },
		{ STATE_STOPPED, 0, "stopped" },
		{ STATE_DISABLED, 0, "disabled" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct exchange ex;

		teardown(state);
		setup(state);
		say(1, cases[i].state, 1, cases[i].retry_ms);
		request(&ex, SECOND_US);
		if (cases[i].cause == NULL) {
			assert_int_equal(done_count, 0);
			assert_int_equal(ex.state, EXCHANGE_WAITING);
			upstream_forget(upstream, &ex);
			continue;
		}
		assert_int_equal(done_count, 1);
		assert_string_equal(done[0].cause, cases[i].cause);
	}
}

static void
test_a_service_of_which_nothing_was_said_yet_is_waited_for(void **state)
{
	struct exchange ex;

	(void)state;
	request(&ex, SECOND_US);
	assert_int_equal(ex.state, EXCHANGE_WAITING);
	/* Removed by a reload: answered, at once, with the cause. */
	upstream_apply(upstream, NULL);
	assert_int_equal(done_count, 1);
	assert_string_equal(done[0].cause, "disabled");
	assert_int_equal(upstream->hold.count, 0);
}

static void
test_those_who_wait_are_sent_in_order_when_one_is_ready(void **state)
{
	struct exchange ex[3];

	(void)state;
	say(1, STATE_STARTING, 1, 0);
	for (int i = 0; i < 3; i++)
		request(&ex[i], SECOND_US);
	peers[0].is_closing = false;
	say(1, STATE_READY, 1, 0);
	assert_int_equal(done_count, 3);
	for (int i = 0; i < 3; i++) {
		assert_ptr_equal(done[i].ex, &ex[i]);
		assert_int_equal(done[i].index, 1);
	}
	assert_int_equal(upstream->hold.count, 0);
}

/* A full link gets room long before it is empty, and tells only the latter. */
static void
test_a_new_request_does_not_overtake_those_who_wait(void **state)
{
	struct exchange first, second;

	(void)state;
	say(1, STATE_READY, 1, 0);
	request(&first, SECOND_US);
	assert_int_equal(first.state, EXCHANGE_WAITING);
	peers[0].is_closing = false;
	request(&second, SECOND_US);
	assert_int_equal(done_count, 2);
	assert_ptr_equal(done[0].ex, &first);
	assert_ptr_equal(done[1].ex, &second);
}

static void
test_whose_wait_becomes_pointless_is_answered_the_others_go_on(void **state)
{
	struct exchange hasty, patient, late;

	(void)state;
	say(1, STATE_STARTING, 1, 0);
	request(&patient, 10 * SECOND_US);
	request(&hasty, SECOND_US);
	say(1, STATE_BACKOFF, 1, 5000);
	assert_int_equal(done_count, 1);
	assert_ptr_equal(done[0].ex, &hasty);
	assert_string_equal(done[0].cause, "restarting");
	assert_int_equal(patient.state, EXCHANGE_WAITING);
	request(&late, SECOND_US);
	assert_int_equal(done_count, 2);
	say(1, STATE_FAILED, 1, 0);
	assert_int_equal(done_count, 3);
	assert_string_equal(done[2].cause, "failed");
	assert_int_equal(upstream->hold.count, 0);
}

static void
test_the_list_is_bounded_and_says_so(void **state)
{
	static struct exchange ex[WAITING_MAX + 1];

	(void)state;
	say(1, STATE_STARTING, 1, 0);
	for (size_t i = 0; i <= WAITING_MAX; i++)
		request(&ex[i], SECOND_US);
	assert_int_equal(upstream->hold.count, WAITING_MAX);
	assert_int_equal(done_count, 1);
	assert_ptr_equal(done[0].ex, &ex[WAITING_MAX]);
	assert_string_equal(done[0].cause, "queue-full");
	for (size_t i = 0; i < WAITING_MAX; i++)
		upstream_forget(upstream, &ex[i]);
}

static void
test_what_is_said_of_an_older_generation_changes_nothing(void **state)
{
	struct exchange ex;

	(void)state;
	say(1, STATE_READY, 3, 0);
	peers[0].is_closing = false;
	say(1, STATE_FAILED, 2, 0);
	request(&ex, SECOND_US);
	assert_int_equal(done_count, 1);
	assert_int_equal(done[0].index, 1);
	/* A new one: what leads to the old one is retired. */
	say(1, STATE_STARTING, 4, 0);
	assert_true(peers[0].is_closing);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_request_goes_to_the_ready_one_with_the_fewest),
		TEST(test_a_request_waits_only_where_there_is_hope),
		TEST(
		    test_a_service_of_which_nothing_was_said_yet_is_waited_for),
		TEST(test_those_who_wait_are_sent_in_order_when_one_is_ready),
		TEST(test_a_new_request_does_not_overtake_those_who_wait),
		TEST(
		    test_whose_wait_becomes_pointless_is_answered_the_others_go_on),
		TEST(test_the_list_is_bounded_and_says_so),
		TEST(test_what_is_said_of_an_older_generation_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
