/* What becomes of a request whose answer will not come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/budget.h"
#include "router/retry.h"

enum {
	T = 1,
	F = 0,
	MUCH = 10000000 /* time left, in us */
};

static void
assert_words(const char *is, const char *want)
{
	if (want == NULL)
		assert_null(is);
	else
		assert_string_equal(is, want);
}

/* taken, idempotent, answer begun; tries, attempts */
static const struct {
	struct retry_case lost;
	enum retry_action action;
	const char *cause, *why;
} cases[] = {
	/* Nobody has seen it: at once, whatever the method and the loss. */
	{ { RETRY_LINK, F, F, F, 1, 1, MUCH }, RETRY_NOW, NULL, NULL },
	{ { RETRY_DEATH, F, F, F, 9, 2, MUCH }, RETRY_NOW, NULL, NULL },
	{ { RETRY_CRASH, F, F, F, 1, 3, MUCH }, RETRY_NOW, NULL, NULL },
	{ { RETRY_STALL, F, F, F, 1, 3, MUCH }, RETRY_NOW, NULL, NULL },
	{ { RETRY_STALL, F, T, F, 5, 3, MUCH }, RETRY_NOW, NULL, NULL },

	/* The client has some of it. */
	{ { RETRY_LINK, F, T, T, 1, 3, MUCH }, RETRY_GIVE_UP, "link-closed",
	    "answer-begun" },
	{ { RETRY_DEATH, T, T, T, 1, 3, MUCH }, RETRY_GIVE_UP, "service-died",
	    "answer-begun" },
	{ { RETRY_BAD_ANSWER, T, T, T, 1, 3, MUCH }, RETRY_GIVE_UP,
	    "bad-response", "answer-begun" },

	/* Taken and idempotent. */
	{ { RETRY_LINK, T, T, F, 1, 3, MUCH }, RETRY_NOW, NULL, NULL },
	{ { RETRY_DEATH, T, T, F, 1, 3, MUCH }, RETRY_NOW, NULL, NULL },
	{ { RETRY_BAD_ANSWER, T, T, F, 1, 3, MUCH }, RETRY_GIVE_UP,
	    "bad-response", "answered" },
	{ { RETRY_LINK, T, T, F, 2, 3, MUCH }, RETRY_LATER, NULL, NULL },
	{ { RETRY_DEATH, T, T, F, 2, 3, MUCH }, RETRY_LATER, NULL, NULL },
	{ { RETRY_DEATH, T, T, F, 3, 3, MUCH }, RETRY_GIVE_UP, "service-died",
	    "no-attempts" },
	{ { RETRY_LINK, T, T, F, 1, 1, MUCH }, RETRY_GIVE_UP, "link-closed",
	    "no-attempts" },
	{ { RETRY_DEATH, T, T, F, 1, 3, 0 }, RETRY_GIVE_UP, "service-died",
	    "no-time" },
	{ { RETRY_DEATH, T, T, F, 1, 3, -5 }, RETRY_GIVE_UP, "service-died",
	    "no-time" },

	/* Taken and not idempotent. */
	{ { RETRY_LINK, T, F, F, 1, 3, MUCH }, RETRY_GIVE_UP, "link-closed",
	    "not-idempotent" },
	{ { RETRY_DEATH, T, F, F, 1, 3, MUCH }, RETRY_GIVE_UP, "service-died",
	    "not-idempotent" },
	{ { RETRY_BAD_ANSWER, T, F, F, 1, 3, MUCH }, RETRY_GIVE_UP,
	    "bad-response", "answered" },

	/* A suspect is never sent again. */
	{ { RETRY_CRASH, T, T, F, 1, 3, MUCH }, RETRY_GIVE_UP,
	    "service-crashed", "suspect" },
	{ { RETRY_CRASH, T, F, F, 1, 3, MUCH }, RETRY_GIVE_UP,
	    "service-crashed", "suspect" },
	{ { RETRY_STALL, T, T, F, 1, 3, MUCH }, RETRY_GIVE_UP, "service-stuck",
	    "suspect" },
};

static void
test_the_table_decides(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct retry_verdict is;
		struct budget budget;

		budget_init(&budget, 20);
		is = retry_decide(&cases[i].lost, &budget, 0, 4000);
		assert_int_equal(is.action, cases[i].action);
		assert_words(is.cause, cases[i].cause);
		assert_words(is.why, cases[i].why);
		assert_int_equal(is.delay_us,
		    is.action == RETRY_LATER ? 4000 : 0);
	}
}

static void
test_only_a_retry_of_a_taken_request_costs_budget(void **state)
{
	static const struct retry_case taken = { RETRY_DEATH, T, T, F, 1, 3,
		MUCH };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct retry_case *lost = &cases[i].lost;
		struct budget budget;
		bool is_paid =
		    lost->is_taken && cases[i].action != RETRY_GIVE_UP;
		int left = 0;

		budget_init(&budget, 20);
		retry_decide(lost, &budget, 0, 0);
		while (retry_decide(&taken, &budget, 0, 0).action == RETRY_NOW)
			left++;
		assert_int_equal(left,
		    is_paid ? BUDGET_FLOOR - 1 : BUDGET_FLOOR);
		/* None is left: the rules that need none go on. */
		assert_string_equal(retry_decide(&taken, &budget, 0, 0).why,
		    "no-budget");
		if (!is_paid) {
			assert_int_equal(retry_decide(lost, &budget, 0, 0)
					     .action,
			    cases[i].action);
		}
	}
}

static void
test_waits_double_up_to_the_maximum_and_jitter_is_full(void **state)
{
	static const struct {
		enum retry_loss loss;
		unsigned tries;
		int64_t left_us, most_us;
	} waits[] = {
		{ RETRY_DEATH, 2, MUCH, 5000 },
		{ RETRY_DEATH, 3, MUCH, 10000 },
		{ RETRY_DEATH, 4, MUCH, 20000 },
		{ RETRY_DEATH, 7, MUCH, 160000 },
		{ RETRY_DEATH, 8, MUCH, 250000 },
		{ RETRY_DEATH, 4000000000, MUCH, 250000 },
		{ RETRY_DEATH, 8, 100000, 50000 }, /* half the time left */
		{ RETRY_DEATH, 8, 400000, 200000 },
		{ RETRY_DEATH, 8, 2, 1 },
		{ RETRY_DEATH, 8, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		struct retry_case lost = { waits[i].loss, T, T, F,
			waits[i].tries, UINT32_MAX, waits[i].left_us };
		const uint32_t randoms[] = { 0, 1, (uint32_t)waits[i].most_us,
			(uint32_t)waits[i].most_us + 1, UINT32_MAX };

		for (size_t n = 0; n < 5; n++) {
			struct retry_verdict is;
			struct budget budget;

			budget_init(&budget, 20);
			is = retry_decide(&lost, &budget, 0, randoms[n]);
			assert_int_equal(is.action, RETRY_LATER);
			assert_in_range(is.delay_us, 0, waits[i].most_us);
			assert_true(is.delay_us < waits[i].left_us);
			if (n == 2)
				assert_int_equal(is.delay_us, waits[i].most_us);
			if (n == 3)
				assert_int_equal(is.delay_us, 0);
		}
	}
}

static void
test_idempotent_are_the_methods_that_rfc_9110_names(void **state)
{
	static const struct {
		const char *method;
		bool is_idempotent;
	} methods[] = {
		{ "GET", true },
		{ "HEAD", true },
		{ "OPTIONS", true },
		{ "TRACE", true },
		{ "PUT", true },
		{ "DELETE", true },
		{ "POST", false },
		{ "PATCH", false },
		{ "CONNECT", false },
		{ "get", false },
		{ "GETS", false },
		{ "GE", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		assert_int_equal(retry_method_is_idempotent(methods[i].method,
				     strlen(methods[i].method)),
		    methods[i].is_idempotent);
	}
	/* The length counts, not a NUL. */
	assert_true(retry_method_is_idempotent("GET /", 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_table_decides),
		cmocka_unit_test(
		    test_only_a_retry_of_a_taken_request_costs_budget),
		cmocka_unit_test(
		    test_waits_double_up_to_the_maximum_and_jitter_is_full),
		cmocka_unit_test(
		    test_idempotent_are_the_methods_that_rfc_9110_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
