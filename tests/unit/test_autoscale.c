/* How many instances, over simulated hours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/autoscale.h"

enum {
	STEP_MS = 100, /* between two samples */
	SECOND = 1000 / STEP_MS,
	MINUTE = 60 * SECOND
};

static const struct autoscale_rule rule = { .min = 1,
	.max = 8,
	.places = 1,
	.up_wait_ms = 50,
	.down_after_ms = 60 * 1000 };

/* A service of one place an instance, and what is asked of it. */
struct sim {
	struct autoscale state;
	int64_t now_ms;
	unsigned scale, ready;
	int64_t ready_at_ms; /* those that were added */
	unsigned ups, downs, peak;
};

static void
sim_init(struct sim *sim)
{
	*sim = (struct sim){ .now_ms = 1000, .scale = 1, .ready = 1 };
}

static void
sim_take(struct sim *sim, unsigned scale)
{
	if (scale > sim->scale) {
		sim->ups++;
		sim->ready_at_ms = sim->now_ms + 500;
	} else if (scale < sim->scale) {
		sim->downs++;
		sim->ready = scale;
	}
	sim->scale = scale;
	if (sim->peak < scale)
		sim->peak = scale;
}

/*
 * Demand is in places; more than are ready wait, longer the more they are.
 * Without any, the router says nothing.
 */
static void
sim_run(struct sim *sim, unsigned demand, unsigned steps)
{
	struct autoscale_sample sample = { 0 };

	for (; steps > 0; steps--) {
		sim->now_ms += STEP_MS;
		if (sim->now_ms >= sim->ready_at_ms)
			sim->ready = sim->scale;
		if (demand == 0 && sample.ready != 0) {
			sim_take(sim, autoscale_tick(&sim->state, &rule,
					  sim->scale, sim->now_ms));
			continue;
		}
		sample.ready = sim->ready;
		sample.pending = sim->scale - sim->ready;
		sample.inflight = demand < sim->ready ? demand : sim->ready;
		sample.held = demand - sample.inflight;
		sample.wait_us = (int64_t)sample.held * 60 * 1000;
		sim_take(sim, autoscale_sample(&sim->state, &rule, sim->scale,
				  &sample, sim->now_ms));
	}
}

static void
test_it_grows_with_waits_in_a_row_and_not_beyond_its_bounds(void **state)
{
	static const struct {
		const char *name;
		int64_t wait_ms[3];
		unsigned ready, pending, scale, expected;
	} cases[] = {
		{ "none waits", { 0, 0, 0 }, 2, 0, 2, 2 },
		{ "one late sample is chance", { 0, 50, 0 }, 2, 0, 2, 2 },
		{ "late, not late, late", { 50, 49, 50 }, 2, 0, 2, 2 },
		{ "late twice", { 0, 50, 50 }, 2, 0, 2, 3 },
		{ "far too late", { 0, 200, 200 }, 2, 0, 2, 4 },
		{ "just not far too late", { 0, 200, 199 }, 2, 0, 2, 3 },
		{ "to the most", { 0, 900, 900 }, 5, 0, 5, 8 },
		{ "there are no more", { 900, 900, 900 }, 8, 0, 8, 8 },
		{ "one is coming", { 90, 90, 90 }, 2, 1, 3, 3 },
		{ "none serves", { 90, 90, 90 }, 0, 0, 2, 2 },
		{ "one of them failed", { 0, 90, 90 }, 1, 0, 2, 3 },
		{ "above the most", { 0, 0, 0 }, 9, 0, 9, 8 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct autoscale scaler = { 0 };
		unsigned scale = cases[i].scale;

		for (int64_t n = 0; n < 3; n++) {
			struct autoscale_sample sample = {
				.wait_us = cases[i].wait_ms[n] * 1000,
				.ready = cases[i].ready,
				.pending = cases[i].pending
			};

			scale = autoscale_sample(&scaler, &rule, scale, &sample,
			    1000 + n * STEP_MS);
		}
		if (scale != cases[i].expected)
			fail_msg("%s: %u", cases[i].name, scale);
	}
}

static void
test_after_a_step_it_waits_for_its_effect(void **state)
{
	struct autoscale scaler = { 0 };
	struct autoscale_sample late = { .wait_us = 60 * 1000, .ready = 1 };
	unsigned scale = 1;

	(void)state;
	scale = autoscale_sample(&scaler, &rule, scale, &late, 1000);
	scale = autoscale_sample(&scaler, &rule, scale, &late, 1100);
	assert_int_equal(scale, 2);
	late.pending = 1;
	for (int64_t n = 0; n < 100; n++)
		scale = autoscale_sample(&scaler, &rule, scale, &late,
		    1200 + n * STEP_MS);
	assert_int_equal(scale, 2);
	late.pending = 0;
	late.ready = 2;
	/* The first one may tell of the time before. */
	scale = autoscale_sample(&scaler, &rule, scale, &late, 20000);
	scale = autoscale_sample(&scaler, &rule, scale, &late, 20100);
	assert_int_equal(scale, 2);
	scale = autoscale_sample(&scaler, &rule, scale, &late, 20200);
	assert_int_equal(scale, 3);
}

static void
test_it_reaches_what_is_asked_for_and_comes_back_by_steps(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim);
	sim_run(&sim, 4, 10 * SECOND);
	assert_in_range(sim.scale, 4, 6);
	assert_int_equal(sim.downs, 0);
	/* Nothing is asked any more: one a minute, down to the least. */
	sim_run(&sim, 0, 45 * SECOND);
	assert_int_equal(sim.downs, 0);
	sim_run(&sim, 0, MINUTE);
	assert_in_range(sim.downs, 1, 2);
	sim_run(&sim, 0, 10 * MINUTE);
	assert_int_equal(sim.scale, 1);
	assert_int_equal(autoscale_due(&sim.state, &rule, sim.scale), 0);
}

static void
test_what_the_others_could_not_carry_stays(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim);
	sim_run(&sim, 4, 10 * SECOND);
	/* 3 places for a mean of 3 is none to spare, 4 for 3 is a quarter. */
	sim_run(&sim, 3, 60 * MINUTE);
	assert_int_equal(sim.scale, 4);
	sim_run(&sim, 2, 60 * MINUTE);
	assert_int_equal(sim.scale, 3);
}

static void
test_load_that_swings_fast_changes_nothing(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim);
	sim_run(&sim, 4, 10 * SECOND);
	sim.ups = sim.downs = 0;
	for (int i = 0; i < 60; i++) {
		sim_run(&sim, 4, 30 * SECOND);
		sim_run(&sim, 0, 30 * SECOND);
	}
	assert_int_equal(sim.ups, 0);
	/* What was too many from the start may go. */
	assert_in_range(sim.downs, 0, 2);
	assert_true(sim.scale >= 4);
}

/* 0 to 2 * mean, mostly near mean; the same in each run of the test. */
static unsigned
noise(uint32_t *seed, unsigned mean)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < 2 * mean; i++) {
		*seed = *seed * 1664525U + 1013904223U;
		sum += *seed >> 31;
	}
	return sum;
}

/* Of one that crashes, the others have the load for half a second. */
static void
sim_crash(struct sim *sim)
{
	if (sim->ready > 1)
		sim->ready--;
	sim->ready_at_ms = sim->now_ms + 500;
}

static void
test_an_hour_of_noise_is_a_few_steps(void **state)
{
	static const struct {
		const char *claim;
		unsigned low, high;      /* means of the load */
		unsigned half_s;         /* each for so many seconds */
		unsigned crash_s;        /* one each so many seconds; 0: none */
		unsigned ups_max, least; /* at the end of a high half */
	} cases[] = {
		{ "the same load", 3, 3, 60, 0, 10, 3 },
		{ "the same load while instances crash", 3, 3, 60, 20, 10, 3 },
		{ "peaks of ten seconds", 1, 4, 10, 0, 12, 4 },
		{ "peaks of a minute", 1, 4, 60, 0, 16, 3 },
		{ "ten minutes each", 1, 4, 600, 0, 20, 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned half = cases[i].half_s * SECOND,
			 crash = cases[i].crash_s * SECOND, mean;
		uint32_t seed = 7;
		struct sim sim;

		sim_init(&sim);
		for (unsigned n = 1; n <= 60 * MINUTE; n++) {
			mean = n / half % 2 != 0 ? cases[i].high : cases[i].low;
			if (crash != 0 && n % crash == 0)
				sim_crash(&sim);
			sim_run(&sim, noise(&seed, mean), 1);
			if (n > half && n / half % 2 != 0 &&
			    n % half == half - 1 && sim.scale < cases[i].least)
				fail_msg("%s: %u at the end of a peak",
				    cases[i].claim, sim.scale);
		}
		if (sim.ups > cases[i].ups_max || sim.downs > sim.ups)
			fail_msg("%s: %u up, %u down", cases[i].claim, sim.ups,
			    sim.downs);
	}
}

/* The places say it could go, the waits that it could not. */
static void
test_a_step_down_that_is_regretted_is_rarer_each_time(void **state)
{
	static const struct autoscale_rule blind = { .min = 1,
		.max = 8,
		.up_wait_ms = 50,
		.down_after_ms = 60 * 1000 };
	struct autoscale scaler = { 0 };
	unsigned scale = 2, downs = 0, next;
	int64_t now_ms = 1000;

	(void)state;
	for (int n = 0; n < 60 * MINUTE; n++, now_ms += STEP_MS) {
		struct autoscale_sample sample = { .inflight = 2,
			.ready = scale,
			.wait_us = scale < 2 ? 60 * 1000 : 0 };

		next =
		    autoscale_sample(&scaler, &blind, scale, &sample, now_ms);
		downs += next < scale;
		scale = next;
	}
	/* After 1, 2, 4, 8, 16 minutes; the next would be after 32. */
	assert_int_equal(downs, 5);
	assert_int_equal(scale, 2);
}

static void
test_patience_is_forgotten_once_a_step_was_right(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim);
	sim.state.patience = 8;
	sim_run(&sim, 4, 10 * SECOND);
	sim_run(&sim, 0, 9 * MINUTE);
	assert_int_equal(sim.downs, 1);
	sim_run(&sim, 0, 7 * MINUTE + 30 * SECOND);
	assert_int_equal(sim.downs, 2);
	sim_run(&sim, 0, 3 * MINUTE);
	assert_int_equal(sim.scale, 1);
}

static void
test_it_is_due_when_it_would_step_down_and_not_before(void **state)
{
	struct autoscale scaler = { 0 };
	struct autoscale_sample calm = { .ready = 3 };
	int64_t due_ms;

	(void)state;
	assert_int_equal(autoscale_due(&scaler, &rule, 3), 0);
	assert_int_equal(autoscale_sample(&scaler, &rule, 3, &calm, 5000), 3);
	due_ms = autoscale_due(&scaler, &rule, 3);
	assert_int_equal(due_ms, 65000);
	assert_int_equal(autoscale_tick(&scaler, &rule, 3, due_ms - 1), 3);
	assert_int_equal(autoscale_tick(&scaler, &rule, 3, due_ms), 2);
	assert_int_equal(autoscale_due(&scaler, &rule, 2), 2 * due_ms - 5000);
	assert_int_equal(autoscale_due(&scaler, &rule, 1), 0);
	/* Half of the wait at which one is added is not calm. */
	calm.wait_us = 25 * 1000;
	(void)autoscale_sample(&scaler, &rule, 2, &calm, due_ms + 1);
	assert_int_equal(autoscale_due(&scaler, &rule, 2), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_it_grows_with_waits_in_a_row_and_not_beyond_its_bounds),
		cmocka_unit_test(test_after_a_step_it_waits_for_its_effect),
		cmocka_unit_test(
		    test_it_reaches_what_is_asked_for_and_comes_back_by_steps),
		cmocka_unit_test(test_what_the_others_could_not_carry_stays),
		cmocka_unit_test(test_load_that_swings_fast_changes_nothing),
		cmocka_unit_test(test_an_hour_of_noise_is_a_few_steps),
		cmocka_unit_test(
		    test_a_step_down_that_is_regretted_is_rarer_each_time),
		cmocka_unit_test(
		    test_patience_is_forgotten_once_a_step_was_right),
		cmocka_unit_test(
		    test_it_is_due_when_it_would_step_down_and_not_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
