/* The limit before a simulated server; time is a number here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/limit.h"

enum {
	FLIGHT_MAX = 4096,
	MS = 1000,
	SECOND = 1000000
};

/*
 * workers that are each busy for service_us with a request, and serve in the
 * order of arrival (M/D/c). Its clients send as soon as the limit lets them.
 */
struct server {
	unsigned workers;
	int64_t service_us;
	int64_t idle_us[FLIGHT_MAX]; /* when a worker is done */
	unsigned next;               /* the worker that is done first */
	int64_t sent_us[FLIGHT_MAX], done_us[FLIGHT_MAX]; /* a ring */
	unsigned head, inflight;
	int64_t now_us;
	/* Of the last run. */
	int64_t worst_us, latency_sum_us;
	unsigned answered, late; /* late: more than late_us */
	int64_t late_us;
};

static struct server server;

static void
server_take(void)
{
	unsigned at = (server.head + server.inflight++) % FLIGHT_MAX;
	int64_t *idle_us = &server.idle_us[server.next];

	/* All work takes equally long: workers get idle one after the other. */
	server.next = (server.next + 1) % server.workers;
	if (*idle_us < server.now_us)
		*idle_us = server.now_us;
	*idle_us += server.service_us;
	server.sent_us[at] = server.now_us;
	server.done_us[at] = *idle_us;
}

static void
server_answer(struct limit *limit)
{
	int64_t done_us = server.done_us[server.head];
	int64_t latency_us = done_us - server.sent_us[server.head];

	if (done_us > server.now_us)
		server.now_us = done_us;
	limit_sample(limit, latency_us, server.inflight, false, server.now_us);
	server.head = (server.head + 1) % FLIGHT_MAX;
	server.inflight--;
	server.answered++;
	if (latency_us > server.worst_us)
		server.worst_us = latency_us;
	server.late += latency_us > server.late_us ? 1 : 0;
}

/* crowd: how many clients there are. */
static void
run(struct limit *limit, unsigned crowd, int64_t for_us)
{
	int64_t end_us = server.now_us + for_us;

	server.worst_us = 0;
	server.answered = 0;
	server.late = 0;
	while (server.now_us < end_us) {
		while (server.inflight < crowd &&
		       server.inflight < limit_value(limit))
			server_take();
		server_answer(limit);
	}
}

static void
begin(struct limit *limit, unsigned initial, unsigned workers,
    int64_t service_us)
{
	limit_init(limit, initial, 1, 4000);
	server =
	    (struct server){ .workers = workers, .service_us = service_us };
}

static void
test_it_settles_near_the_capacity_and_the_queue_is_bounded(void **state)
{
	static const struct {
		unsigned workers;
		int64_t service_us;
		unsigned initial;
		unsigned least, most; /* of the limit */
		int64_t p99_us;
	} cases[] = {
		{ 1, 10 * MS, 32, 2, 6, 60 * MS },
		{ 10, 10 * MS, 32, 12, 50, 60 * MS },
		{ 10, 10 * MS, 1, 12, 50, 60 * MS },
		{ 10, 10 * MS, 1000, 12, 50, 60 * MS },
		{ 100, 10 * MS, 32, 120, 500, 60 * MS },
		{ 1000, 20 * MS, 32, 1200, 4000, 100 * MS },
		{ 4, 200 * MS, 16, 5, 20, 1000 * MS },
		{ 1, 100, 64, 20, 200, 20 * MS }, /* 10 ms are no harm */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct limit limit;
		int64_t capacity = (int64_t)cases[i].workers * 10 * SECOND /
				   cases[i].service_us;

		begin(&limit, cases[i].initial, cases[i].workers,
		    cases[i].service_us);
		run(&limit, FLIGHT_MAX, 60 * SECOND);
		server.late_us = cases[i].p99_us;
		run(&limit, FLIGHT_MAX, 10 * SECOND);
		assert_in_range(limit.value, cases[i].least, cases[i].most);
		assert_true(server.late * 100 <= server.answered);
		/* The server is busy all the same. */
		assert_true(server.answered * 100 >= 98 * capacity);
	}
}

static void
test_a_crowd_from_the_start_is_seen_through_soon(void **state)
{
	struct limit limit;

	(void)state;
	/* The first latency it knows is that of a queue of 32. */
	begin(&limit, 32, 1, 10 * MS);
	run(&limit, FLIGHT_MAX, 10 * SECOND);
	assert_in_range(limit.value, 2, 6);
	assert_int_equal(limit.lowest_us, 10 * MS);
}

static void
test_under_lasting_load_it_does_not_creep(void **state)
{
	struct limit limit;
	unsigned most = 0;

	(void)state;
	begin(&limit, 32, 10, 10 * MS);
	run(&limit, FLIGHT_MAX, 60 * SECOND);
	for (int minute = 0; minute < 30; minute++) {
		run(&limit, FLIGHT_MAX, 60 * SECOND);
		most = limit.value > most ? limit.value : most;
	}
	assert_in_range(most, 12, 60);
}

static void
test_it_rises_while_it_is_used_and_latency_is_flat(void **state)
{
	struct limit limit;
	unsigned last;

	(void)state;
	begin(&limit, 16, FLIGHT_MAX, 10 * MS);
	last = limit_value(&limit);
	for (int i = 0; i < 8; i++) {
		run(&limit, FLIGHT_MAX, 100 * MS);
		assert_true(limit_value(&limit) > last);
		last = limit_value(&limit);
	}
	run(&limit, FLIGHT_MAX, 60 * SECOND);
	assert_int_equal(limit_value(&limit), 4000);
}

static void
test_a_limit_that_is_not_used_stays(void **state)
{
	static const int64_t latencies_us[] = { 1 * MS, 10 * MS, 100 * MS,
		1 * MS, SECOND };
	struct limit limit;
	int64_t now_us = SECOND;

	(void)state;
	limit_init(&limit, 100, 10, 1000);
	for (size_t i = 0; i < 5; i++) {
		for (int n = 0; n < 5000; n++) {
			now_us += 1 * MS;
			limit_sample(&limit, latencies_us[i], 50, false,
			    now_us);
			assert_int_equal(limit_value(&limit), 100);
		}
	}
}

static void
test_it_falls_soon_after_latency_grows_and_recovers(void **state)
{
	struct limit limit;
	unsigned was;

	(void)state;
	begin(&limit, 32, 10, 10 * MS);
	run(&limit, FLIGHT_MAX, 30 * SECOND);
	was = limit_value(&limit);
	server.service_us = 100 * MS;
	/* Ten a round trip of 300 ms: half of it after about 100 answers. */
	run(&limit, FLIGHT_MAX, 1500 * MS);
	assert_true(server.answered <= 300);
	assert_true(limit.value <= was / 2);
	/* It was not a queue: within 10 s the server has all it can do. */
	run(&limit, FLIGHT_MAX, 10 * SECOND);
	run(&limit, FLIGHT_MAX, 5 * SECOND);
	assert_true(server.answered >= 480);
	server.service_us = 10 * MS;
	run(&limit, FLIGHT_MAX, 1 * SECOND);
	run(&limit, FLIGHT_MAX, 5 * SECOND);
	assert_true(server.answered >= 4800);
}

static void
test_one_window_takes_no_more_than_half(void **state)
{
	static const struct {
		int64_t latency_us; /* after a lowest of 10 ms */
		unsigned value;     /* of 160, with a little to queue */
	} cases[] = {
		{ 10 * MS, 172 },
		{ 25 * MS, 172 }, /* twice the lowest and 5 ms */
		{ 50 * MS, 87 },
		{ 40 * MS, 108 },
		{ INT64_C(100) * SECOND, 87 },
	};
	struct limit limit;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t now_us = 10 * MS;

		limit_init(&limit, 160, 10, 1000);
		for (unsigned n = 0; n < LIMIT_WINDOW; n++)
			limit_sample(&limit, 10 * MS, 20, false, now_us);
		assert_int_equal(limit_value(&limit), 160);
		now_us += cases[i].latency_us;
		limit.stale_us = INT64_MAX; /* no probe now */
		for (unsigned n = 0; n < LIMIT_WINDOW; n++)
			limit_sample(&limit, cases[i].latency_us, 160, false,
			    now_us);
		assert_int_equal(limit_value(&limit), cases[i].value);
	}
}

static void
test_drops_lower_it_in_proportion_down_to_the_minimum(void **state)
{
	static const struct {
		unsigned drops; /* of LIMIT_WINDOW answers */
		unsigned value; /* of 100 */
	} cases[] = {
		{ 1, 98 },
		{ 16, 75 },
		{ 32, 50 },
	};
	struct limit limit;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		limit_init(&limit, 100, 10, 1000);
		for (unsigned n = 0; n < LIMIT_WINDOW; n++)
			limit_sample(&limit, 1 * MS, 20, n < cases[i].drops,
			    100 * MS);
		assert_int_equal(limit_value(&limit), cases[i].value);
	}
	for (unsigned n = 0; n < 100 * LIMIT_WINDOW; n++)
		limit_sample(&limit, 10 * SECOND, 20, true, 2 * SECOND);
	assert_int_equal(limit_value(&limit), 10);
}

static void
test_bounds_that_contradict_each_other_are_moved(void **state)
{
	static const struct {
		unsigned initial, min, max, value;
	} cases[] = {
		{ 16, 1, 100, 16 },
		{ 0, 0, 0, 1 },
		{ 5, 10, 100, 10 },
		{ 500, 10, 100, 100 },
		{ 5, 10, 1, 10 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct limit limit;

		limit_init(&limit, cases[i].initial, cases[i].min,
		    cases[i].max);
		assert_int_equal(limit_value(&limit), cases[i].value);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_it_settles_near_the_capacity_and_the_queue_is_bounded),
		cmocka_unit_test(
		    test_a_crowd_from_the_start_is_seen_through_soon),
		cmocka_unit_test(test_under_lasting_load_it_does_not_creep),
		cmocka_unit_test(
		    test_it_rises_while_it_is_used_and_latency_is_flat),
		cmocka_unit_test(test_a_limit_that_is_not_used_stays),
		cmocka_unit_test(
		    test_it_falls_soon_after_latency_grows_and_recovers),
		cmocka_unit_test(test_one_window_takes_no_more_than_half),
		cmocka_unit_test(
		    test_drops_lower_it_in_proportion_down_to_the_minimum),
		cmocka_unit_test(
		    test_bounds_that_contradict_each_other_are_moved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
