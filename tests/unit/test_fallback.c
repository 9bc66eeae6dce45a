/* fallback: what counts as which failure, and what is kept of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/lifeline.h"
#include "router/exchange.h"
#include "router/fallback.h"
#include "router/snapshot.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
each_problem_is_one_kind_of_failure_or_none(void **state)
{
	static const struct {
		unsigned status;
		const char *cause;
		unsigned failure;
		const char *name;
	} cases[] = {
		{ 503, "restarting", FAILURE_DOWN, "down" },
		{ 503, "queue-full", FAILURE_DOWN, "down" },
		{ 502, "service-died", FAILURE_DOWN, "down" },
		{ 502, "bad-response", FAILURE_DOWN, "down" },
		{ 503, "fault", FAILURE_DOWN, "down" },
		{ 504, "deadline", FAILURE_TIMEOUT, "timeout" },
		{ 500, "fault", FAILURE_5XX, "5xx" },
		{ 599, "fault", FAILURE_5XX, "5xx" },
		{ 503, "quarantined", 0, "down" },
		{ 413, "too-large", 0, "down" },
		{ 404, "fault", 0, "down" },
		{ 200, "fault", 0, "down" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct problem problem = { .status = cases[i].status,
			.cause = cases[i].cause };

		assert_int_equal(fallback_failure(&problem), cases[i].failure);
		assert_string_equal(fallback_name(cases[i].failure),
		    cases[i].name);
	}
}

static void
a_failure_is_kept_beyond_the_message_that_it_was_in(void **state)
{
	char message[] = "\x80\xa4oops";
	struct frame frame = { .kind = FRAME_RESPONSE,
		.id = 7,
		.status = 500,
		.meta = (uint8_t *)message,
		.meta_len = 1,
		.payload = (uint8_t *)message + 1,
		.payload_len = 5 };
	struct exchange ex = { .instance = 3, .service_us = 9 };
	struct problem problem = { .status = 503, .cause = "c" };
	struct fallback *kept = fallback_new(FAILURE_5XX, NULL, &frame, &ex);

	(void)state;
	memset(message, 'x', sizeof(message));
	assert_false(kept->is_problem);
	assert_int_equal(kept->failure, FAILURE_5XX);
	assert_int_equal(kept->frame.status, 500);
	assert_int_equal(kept->frame.meta_len, 1);
	assert_memory_equal(kept->frame.meta, "\x80", 1);
	assert_int_equal(kept->frame.payload_len, 5);
	assert_memory_equal(kept->frame.payload, "\xa4oops", 5);
	assert_int_equal(kept->instance, 3);
	assert_int_equal(kept->service_us, 9);
	fallback_free(&kept);
	assert_null(kept);
	fallback_free(&kept);
	kept = fallback_new(FAILURE_DOWN, &problem, NULL, &ex);
	assert_true(kept->is_problem);
	assert_int_equal(kept->problem.status, 503);
	fallback_free(&kept);
}

static void
nobody_is_asked_for_longer_than_the_client_waits(void **state)
{
	/* Of a request that began at 1000 ms, with a service of 500 ms. */
	static const struct {
		int64_t deadline_ms, now_ms;
		uint64_t limit_ms;
		int64_t until_ms;
	} cases[] = {
		{ 3000, 2000, 0, 3000 },
		{ 1300, 1200, 300, 1300 },
		{ 2000, 2000, 0, 2500 },
		{ 2000, 2001, 9000, 2501 },
		{ 2000, 2000, 1200, 2200 },
		{ 2000, 2000, 1001, 2001 },
		{ 2000, 2000, 1000, -1 },
		{ 2000, 2500, 1000, -1 },
		{ 2000, 2000, INT64_MAX, 2500 },
	};
	struct snapshot_service service = { .timeout_ms = 500 };
	struct snapshot_route route = { .fallback_service = &service };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct exchange ex = { .deadline_us =
					   cases[i].deadline_ms * 1000 };
		int64_t until_us = fallback_until(&ex, &route,
		    cases[i].limit_ms, 1000 * 1000, cases[i].now_ms * 1000);

		assert_int_equal(until_us,
		    cases[i].until_ms == -1 ? -1 : cases[i].until_ms * 1000);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_problem_is_one_kind_of_failure_or_none),
		cmocka_unit_test(
		    a_failure_is_kept_beyond_the_message_that_it_was_in),
		cmocka_unit_test(
		    nobody_is_asked_for_longer_than_the_client_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
