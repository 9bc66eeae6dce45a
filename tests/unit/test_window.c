/* Slow start: twice the requests each round trip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/window.h"

static void
test_it_doubles_each_round_trip_until_it_is_no_limit(void **state)
{
	static const unsigned trips[] = { 16, 32, 64, 128, 256, 512, 1024, 2048,
		4096, 8192, 16384, 32768, 65535, 65535 };
	struct window window = { 0 };

	(void)state;
	window_open(&window);
	for (size_t i = 0; i < sizeof(trips) / sizeof(trips[0]); i++) {
		unsigned inflight = window_value(&window);

		assert_int_equal(inflight, trips[i]);
		while (inflight-- > 0)
			window_answer(&window);
	}
}

static void
test_a_closed_one_stays_closed_and_a_new_one_starts_anew(void **state)
{
	struct window window = { 0 };

	(void)state;
	window_answer(&window);
	assert_int_equal(window_value(&window), 0);
	window_open(&window);
	window_answer(&window);
	assert_int_equal(window_value(&window), 17);
	window_open(&window);
	assert_int_equal(window_value(&window), 16);
}

static void
test_without_answers_it_may_be_widened_to_the_same_end(void **state)
{
	static const struct {
		unsigned value, widened;
	} cases[] = {
		{ 0, 0 }, /* closed */
		{ 16, 32 },
		{ 17, 34 },
		{ 32767, 65534 },
		{ 32768, 65535 },
		{ 65534, 65535 },
		{ 65535, 65535 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct window window = { cases[i].value };

		window_widen(&window);
		assert_int_equal(window_value(&window), cases[i].widened);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_it_doubles_each_round_trip_until_it_is_no_limit),
		cmocka_unit_test(
		    test_a_closed_one_stays_closed_and_a_new_one_starts_anew),
		cmocka_unit_test(
		    test_without_answers_it_may_be_widened_to_the_same_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
