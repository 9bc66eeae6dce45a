/* Instances that fail or dawdle, beside those that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/outlier.h"

enum {
	SET = 5,
	MS = 1000,
	SECOND = 1000000
};

static const struct outlier_rule rule = { 10 * SECOND, 60 * SECOND };

struct set {
	struct outlier o[SET];
	struct outlier *all[SET];
};

static void
set_init(struct set *set)
{
	*set = (struct set){ .o = { { 0 } } };
	for (int i = 0; i < SET; i++)
		set->all[i] = &set->o[i];
}

/* count answers, of which every nth is a failure; 0: none. */
static void
answers(struct outlier *o, unsigned count, unsigned nth, int64_t latency_us)
{
	for (unsigned i = 1; i <= count; i++)
		outlier_answer(o, nth != 0 && i % nth == 0, latency_us);
}

static const struct {
	const char *name;
	struct {
		unsigned count, nth; /* answers, every nth a failure */
		int64_t latency_us;
	} did[SET];
	size_t size;
	const char *out; /* those ejected: F failing, S slow, . in */
} cases[] = {
	{ "all is well", { { 100, 0, MS }, { 100, 0, MS }, { 100, 0, MS } }, 3,
	    "..." },
	{ "nothing was asked", { { 0, 0, 0 } }, 5, "....." },

	{ "five in a row", { { 5, 1, MS }, { 100, 0, MS }, { 100, 0, MS } }, 3,
	    "F.." },
	{ "four in a row", { { 4, 1, MS }, { 100, 0, MS }, { 100, 0, MS } }, 3,
	    "..." },
	{ "a fifth of ten", { { 10, 5, MS }, { 100, 0, MS }, { 9, 0, MS } }, 3,
	    "F.." },
	{ "a sixth", { { 60, 6, MS }, { 100, 0, MS }, { 100, 0, MS } }, 3,
	    "..." },
	{ "a third of nine", { { 9, 3, MS }, { 100, 0, MS }, { 9, 0, MS } }, 3,
	    "..." },
	{ "half as bad as the others are none of the two",
	    { { 100, 4, MS }, { 96, 8, MS }, { 96, 8, MS } }, 3, "..." },
	{ "less than half as bad the others",
	    { { 100, 4, MS }, { 90, 9, MS }, { 90, 9, MS } }, 3, "F.." },
	{ "all fail: it is the service",
	    { { 9, 1, MS }, { 9, 1, MS }, { 9, 1, MS } }, 3, "..." },
	{ "five in a row and nobody else was asked", { { 5, 1, MS } }, 2,
	    "F." },

	{ "slow", { { 20, 0, 100 * MS }, { 20, 0, MS }, { 20, 0, MS } }, 3,
	    "S.." },
	{ "slow in too few",
	    { { 19, 0, 100 * MS }, { 20, 0, MS }, { 20, 0, MS } }, 3, "..." },
	{ "slow by 20 ms is not more",
	    { { 20, 0, 21 * MS }, { 20, 0, MS }, { 20, 0, MS } }, 3, "..." },
	{ "slow by more than 20 ms",
	    { { 20, 0, 21 * MS + 1 }, { 20, 0, MS }, { 20, 0, MS } }, 3,
	    "S.." },
	{ "three times as slow is not more",
	    { { 20, 0, 300 * MS }, { 20, 0, 100 * MS }, { 20, 0, 100 * MS } },
	    3, "..." },
	{ "more than three times as slow",
	    { { 20, 0, 304 * MS }, { 20, 0, 100 * MS }, { 20, 0, 100 * MS } },
	    3, "S.." },
	{ "slow beside one that nothing is known of",
	    { { 99, 0, SECOND }, { 19, 0, MS } }, 2, ".." },
	{ "the median is not pulled by one",
	    { { 20, 0, 400 * MS }, { 20, 0, MS }, { 20, 0, 300 * MS },
		{ 20, 0, MS }, { 20, 0, MS } },
	    5, "S.S.." },
	{ "when half of the others are as slow",
	    { { 20, 0, 400 * MS }, { 20, 0, 400 * MS }, { 20, 0, MS } }, 3,
	    "..." },

	{ "alone", { { 100, 1, SECOND } }, 1, "." },
	{ "of two one", { { 100, 1, MS }, { 100, 0, MS } }, 2, "F." },
	{ "of three one, the worst",
	    { { 100, 3, MS }, { 100, 1, MS }, { 900, 0, MS } }, 3, ".F." },
	{ "of five two, the worst",
	    { { 100, 4, MS }, { 100, 2, MS }, { 100, 1, MS }, { 900, 0, MS },
		{ 900, 0, MS } },
	    5, ".FF.." },
	{ "failing is worse than slow",
	    { { 100, 0, SECOND }, { 100, 4, MS }, { 900, 0, MS } }, 3, ".F." },
	{ "only with the worst out the next is worse than the others",
	    { { 100, 1, MS }, { 100, 3, MS }, { 100, 0, MS }, { 100, 0, MS } },
	    4, "FF.." },
};

static void
test_who_is_worse_by_a_clear_margin_is_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct set set;
		size_t out = 0;

		set_init(&set);
		for (size_t n = 0; n < SET; n++)
			answers(&set.o[n], cases[i].did[n].count,
			    cases[i].did[n].nth, cases[i].did[n].latency_us);
		for (size_t n = 0; n < cases[i].size; n++)
			out += cases[i].out[n] != '.' ? 1 : 0;
		if (outlier_judge(set.all, cases[i].size, &rule, SECOND) != out)
			fail_msg("%s: not %zu out", cases[i].name, out);
		for (size_t n = 0; n < cases[i].size; n++) {
			static const char causes[] = ".FS";
			struct outlier *o = &set.o[n];

			if (causes[o->cause] != cases[i].out[n])
				fail_msg("%s: %zu", cases[i].name, n);
			assert_int_equal(o->state,
			    o->cause ? OUTLIER_OUT : OUTLIER_IN);
			assert_int_equal(o->is_changed, o->cause != 0);
		}
	}
}

enum what {
	GOOD,  /* arg answers that are */
	BAD,   /* arg failures */
	SLOW,  /* arg good answers of 900 ms */
	OTHERS /* arg good answers of 1 ms of each other instance */
};

/* The life of one instance beside four good ones. */
static const struct {
	int64_t at_s;
	enum what what;
	unsigned arg;
	enum outlier_state state; /* after judging */
	unsigned times;
	int64_t until_s;         /* when out */
	bool may_idle, may_busy; /* take a request with none, one in flight */
} life[] = {
	{ 1, OTHERS, 50, OUTLIER_IN, 0, 0, true, true },
	{ 2, GOOD, 50, OUTLIER_IN, 0, 0, true, true },
	{ 3, BAD, 4, OUTLIER_IN, 0, 0, true, true },
	{ 4, BAD, 1, OUTLIER_OUT, 1, 14, false, false },
	{ 5, GOOD, 9, OUTLIER_OUT, 1, 14, false, false }, /* late answers */
	{ 13, BAD, 1, OUTLIER_OUT, 1, 14, false, false },
	{ 14, GOOD, 0, OUTLIER_TRIAL, 1, 0, true, false },
	{ 15, GOOD, 4, OUTLIER_TRIAL, 1, 0, true, false },
	{ 16, BAD, 1, OUTLIER_OUT, 2, 36, false, false },
	{ 36, GOOD, 0, OUTLIER_TRIAL, 2, 0, true, false },
	{ 37, OTHERS, 50, OUTLIER_TRIAL, 2, 0, true, false },
	{ 38, SLOW, 5, OUTLIER_OUT, 3, 78, false, false },
	{ 78, GOOD, 0, OUTLIER_TRIAL, 3, 0, true, false },
	{ 79, BAD, 1, OUTLIER_OUT, 4, 139, false, false }, /* the longest */
	{ 139, GOOD, 0, OUTLIER_TRIAL, 4, 0, true, false },
	{ 140, GOOD, 5, OUTLIER_IN, 4, 0, true, true },
	{ 199, GOOD, 9, OUTLIER_IN, 4, 0, true, true },
	{ 200, GOOD, 9, OUTLIER_IN, 3, 0, true, true }, /* forgiven one */
	{ 260, GOOD, 9, OUTLIER_IN, 2, 0, true, true },
	{ 261, BAD, 5, OUTLIER_OUT, 3, 301, false, false },
};

static void
test_the_life_of_one_that_fails_again_and_again(void **state)
{
	struct set set;
	struct outlier *o = &set.o[0];

	(void)state;
	set_init(&set);
	for (size_t i = 0; i < sizeof(life) / sizeof(life[0]); i++) {
		int64_t now_us = life[i].at_s * SECOND;

		for (int n = 1; n < SET && life[i].what == OTHERS; n++)
			answers(&set.o[n], life[i].arg, 0, MS);
		if (life[i].what != OTHERS)
			answers(o, life[i].arg, life[i].what == BAD,
			    life[i].what == SLOW ? 900 * MS : MS);
		outlier_judge(set.all, SET, &rule, now_us);
		if (o->state != life[i].state || o->times != life[i].times)
			fail_msg("at %d s: state %d, times %u",
			    (int)life[i].at_s, (int)o->state, o->times);
		if (o->state == OUTLIER_OUT) {
			assert_int_equal(o->until_us, life[i].until_s * SECOND);
			assert_int_equal(o->mean_us, 0);
		}
		assert_int_equal(outlier_may_take(o, 0, now_us),
		    life[i].may_idle);
		assert_int_equal(outlier_may_take(o, 1, now_us),
		    life[i].may_busy);
	}
}

static void
test_a_failure_in_a_trial_counts_though_a_good_answer_followed(void **state)
{
	struct set set;

	(void)state;
	set_init(&set);
	set.o[0].state = OUTLIER_TRIAL;
	answers(&set.o[0], 1, 1, MS);
	answers(&set.o[0], 1, 0, MS);
	assert_true(outlier_should_judge(&set.o[0]));
	assert_int_equal(outlier_judge(set.all, SET, &rule, SECOND), 1);
	assert_int_equal(set.o[0].state, OUTLIER_OUT);
}

static void
test_time_alone_lets_one_request_in_before_the_next_judging(void **state)
{
	const struct outlier out = { .state = OUTLIER_OUT, .until_us = 100 };

	(void)state;
	assert_false(outlier_may_take(&out, 0, 99));
	assert_true(outlier_may_take(&out, 0, 100));
	assert_false(outlier_may_take(&out, 1, 100));
}

static void
test_it_asks_to_be_judged_when_something_is_clear(void **state)
{
	static const struct {
		enum outlier_state state;
		unsigned good, bad; /* answers, in this order */
		bool should;
	} asks[] = {
		{ OUTLIER_IN, 99, 0, false },
		{ OUTLIER_IN, 0, 4, false },
		{ OUTLIER_IN, 99, 5, true },
		{ OUTLIER_IN, 0, 6, false }, /* it has asked */
		{ OUTLIER_TRIAL, 0, 0, false },
		{ OUTLIER_TRIAL, 4, 0, false },
		{ OUTLIER_TRIAL, 5, 0, true },
		{ OUTLIER_TRIAL, 0, 1, true },
		{ OUTLIER_TRIAL, 1, 1, true },
		{ OUTLIER_OUT, 9, 0, false },
		{ OUTLIER_OUT, 0, 5, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		struct outlier o = { .state = asks[i].state };

		answers(&o, asks[i].good, 0, MS);
		answers(&o, asks[i].bad, 1, MS);
		assert_int_equal(outlier_should_judge(&o), asks[i].should);
	}
}

static void
test_a_row_is_seen_across_intervals_and_at_the_start_of_one(void **state)
{
	struct set set;

	(void)state;
	set_init(&set);
	for (int n = 0; n < SET; n++)
		answers(&set.o[n], 50, 0, MS);
	answers(&set.o[0], 3, 1, MS);
	outlier_judge(set.all, SET, &rule, SECOND);
	assert_int_equal(set.o[0].requests, 0);
	answers(&set.o[0], 2, 1, MS);
	/* Another fails too, and nothing else is known yet: wait. */
	set.o[1].bad_row = 1;
	assert_int_equal(outlier_judge(set.all, SET, &rule, 2 * SECOND), 0);
	answers(&set.o[1], 1, 0, MS);
	assert_int_equal(outlier_judge(set.all, SET, &rule, 2 * SECOND), 1);
	assert_int_equal(set.o[0].state, OUTLIER_OUT);
}

static void
test_few_requests_are_counted_for_ten_seconds(void **state)
{
	struct set set;

	(void)state;
	set_init(&set);
	for (int second = 1; second <= 9; second++) {
		answers(&set.o[0], 1, second == 3 || second == 6, MS);
		for (int n = 1; n < SET; n++)
			answers(&set.o[n], 1, 0, MS);
		outlier_judge(set.all, SET, &rule, second * SECOND);
		assert_int_equal(set.o[0].state, OUTLIER_IN);
	}
	answers(&set.o[0], 1, 0, MS);
	outlier_judge(set.all, SET, &rule, 10 * SECOND);
	assert_int_equal(set.o[0].state, OUTLIER_OUT);
	assert_int_equal(set.o[1].requests, 9);
	outlier_judge(set.all, SET, &rule, 11 * SECOND);
	assert_int_equal(set.o[1].requests, 0);
}

static void
test_when_the_set_shrinks_the_next_to_return_is_back_at_once(void **state)
{
	struct set set;

	(void)state;
	set_init(&set);
	set.o[0].state = OUTLIER_OUT;
	set.o[0].until_us = 50 * SECOND;
	set.o[1].state = OUTLIER_OUT;
	set.o[1].until_us = 40 * SECOND;
	assert_int_equal(outlier_judge(set.all, 4, &rule, SECOND), 0);
	assert_int_equal(outlier_judge(set.all, 3, &rule, SECOND), 1);
	assert_int_equal(set.o[1].state, OUTLIER_IN);
	assert_int_equal(set.o[0].state, OUTLIER_OUT);
	assert_int_equal(outlier_judge(set.all, 3, &rule, SECOND), 0);
	assert_int_equal(outlier_judge(set.all, 1, &rule, SECOND), 1);
	assert_int_equal(set.o[0].state, OUTLIER_IN);
	assert_int_equal(outlier_judge(set.all, 0, &rule, SECOND), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_worse_by_a_clear_margin_is_out),
		cmocka_unit_test(
		    test_the_life_of_one_that_fails_again_and_again),
		cmocka_unit_test(
		    test_a_failure_in_a_trial_counts_though_a_good_answer_followed),
		cmocka_unit_test(
		    test_time_alone_lets_one_request_in_before_the_next_judging),
		cmocka_unit_test(
		    test_it_asks_to_be_judged_when_something_is_clear),
		cmocka_unit_test(
		    test_a_row_is_seen_across_intervals_and_at_the_start_of_one),
		cmocka_unit_test(test_few_requests_are_counted_for_ten_seconds),
		cmocka_unit_test(
		    test_when_the_set_shrinks_the_next_to_return_is_back_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
