/* The rolling restart of one instance: what is seen, and what follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ipc/lifeline.h"
#include "supervisor/rolling.h"

static const struct {
	const char *claim;
	enum rolling_state state;
	struct rolling_facts facts;
	enum rolling_action action;
	enum rolling_state next;
} cases[] = {
	{ "nothing is due", ROLLING_NONE, { .is_wanted = true },
	    ROLLING_DO_NOTHING, ROLLING_NONE },
	{ "one is due", ROLLING_NONE, { .is_wanted = true, .is_due = true },
	    ROLLING_DO_START, ROLLING_COMING },
	{ "nothing is replaced in a stopped service", ROLLING_NONE,
	    { .is_due = true }, ROLLING_DO_NOTHING, ROLLING_NONE },

	{ "the new one starts", ROLLING_COMING,
	    { STATE_READY, STATE_STARTING, false, true, true, JUDGE_WAIT },
	    ROLLING_DO_NOTHING, ROLLING_COMING },
	{ "the new one is ready", ROLLING_COMING,
	    { STATE_READY, STATE_READY, false, true, true, JUDGE_WAIT },
	    ROLLING_DO_RAMP, ROLLING_RAMP },
	{ "the new one died", ROLLING_COMING,
	    { STATE_READY, STATE_STOPPED, false, true, false, JUDGE_WAIT },
	    ROLLING_DO_BACK, ROLLING_BACK },
	{ "the new one was not ready in time", ROLLING_COMING,
	    { STATE_READY, STATE_STOPPING, false, true, true, JUDGE_WAIT },
	    ROLLING_DO_BACK, ROLLING_BACK },
	{ "the old one died: all the more", ROLLING_COMING,
	    { STATE_STARTING, STATE_STARTING, false, true, true, JUDGE_WAIT },
	    ROLLING_DO_NOTHING, ROLLING_COMING },
	{ "stop while the new one starts", ROLLING_COMING,
	    { STATE_STOPPING, STATE_STARTING, false, false, true, JUDGE_WAIT },
	    ROLLING_DO_DROP, ROLLING_CANCELED },

	{ "both serve", ROLLING_RAMP,
	    { STATE_READY, STATE_READY, false, true, true, JUDGE_WAIT },
	    ROLLING_DO_NOTHING, ROLLING_RAMP },
	{ "the new one does well", ROLLING_RAMP,
	    { STATE_READY, STATE_READY, false, true, true, JUDGE_GOOD },
	    ROLLING_DO_PROMOTE, ROLLING_LEAVING },
	{ "the new one fails more", ROLLING_RAMP,
	    { STATE_READY, STATE_READY, false, true, true, JUDGE_WORSE_ERRORS },
	    ROLLING_DO_BACK, ROLLING_BACK },
	{ "the new one is slower", ROLLING_RAMP,
	    { STATE_READY, STATE_READY, false, true, true,
		JUDGE_WORSE_LATENCY },
	    ROLLING_DO_BACK, ROLLING_BACK },
	{ "the new one died while it was tried", ROLLING_RAMP,
	    { STATE_READY, STATE_STOPPED, false, true, false, JUDGE_WAIT },
	    ROLLING_DO_BACK, ROLLING_BACK },
	{ "the new one hangs", ROLLING_RAMP,
	    { STATE_READY, STATE_DRAINING, false, true, true, JUDGE_GOOD },
	    ROLLING_DO_BACK, ROLLING_BACK },
	{ "the old one died while the new one serves", ROLLING_RAMP,
	    { STATE_STARTING, STATE_READY, false, true, true, JUDGE_WAIT },
	    ROLLING_DO_PROMOTE, ROLLING_LEAVING },
	{ "stop while both serve", ROLLING_RAMP,
	    { STATE_STOPPING, STATE_READY, false, false, true, JUDGE_GOOD },
	    ROLLING_DO_DROP, ROLLING_CANCELED },

	{ "the old one finishes", ROLLING_LEAVING,
	    { STATE_READY, STATE_DRAINING, false, true, true, JUDGE_WAIT },
	    ROLLING_DO_NOTHING, ROLLING_LEAVING },
	{ "the old one is gone", ROLLING_LEAVING,
	    { STATE_READY, STATE_STOPPED, false, true, false, JUDGE_WAIT },
	    ROLLING_DO_NEXT, ROLLING_NONE },
	{ "the promoted one died: that is its own affair", ROLLING_LEAVING,
	    { STATE_BACKOFF, STATE_DRAINING, false, true, true, JUDGE_WAIT },
	    ROLLING_DO_NOTHING, ROLLING_LEAVING },
	{ "stop while the old one leaves", ROLLING_LEAVING,
	    { STATE_STOPPING, STATE_DRAINING, false, false, true, JUDGE_WAIT },
	    ROLLING_DO_DROP, ROLLING_CANCELED },

	{ "the failed one stops", ROLLING_BACK,
	    { STATE_READY, STATE_STOPPING, false, true, true, JUDGE_WAIT },
	    ROLLING_DO_NOTHING, ROLLING_BACK },
	{ "the failed one is gone", ROLLING_BACK,
	    { STATE_READY, STATE_STOPPED, false, true, false, JUDGE_WAIT },
	    ROLLING_DO_RETURN, ROLLING_NONE },

	{ "one that is not wanted stops", ROLLING_CANCELED,
	    { STATE_STOPPED, STATE_STOPPING, false, false, true, JUDGE_WAIT },
	    ROLLING_DO_NOTHING, ROLLING_CANCELED },
	{ "one that is not wanted is gone", ROLLING_CANCELED,
	    { STATE_STOPPED, STATE_STOPPED, false, false, false, JUDGE_WAIT },
	    ROLLING_DO_END, ROLLING_NONE },
};

static void
test_each_case_is_as_the_table_says(void **state)
{
	struct rolling_step step;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		step = rolling_step(cases[i].state,
		    rolling_look(cases[i].state, &cases[i].facts));
		if (step.action != cases[i].action ||
		    step.next != cases[i].next)
			fail_msg("%s: action %d, state %d", cases[i].claim,
			    (int)step.action, (int)step.next);
	}
}

/* Whatever happens in between, no process is forgotten. */
static void
test_no_state_is_left_while_a_process_stands_beside(void **state)
{
	struct rolling_facts facts = { .has_beside = true };
	struct rolling_step step;

	(void)state;
	for (int from = ROLLING_COMING; from <= ROLLING_CANCELED; from++) {
		for (unsigned bits = 0; bits < 2 * 10 * 10 * 4; bits++) {
			facts.is_wanted = bits % 2 != 0;
			facts.old_state = bits / 2 % 10;
			facts.new_state = bits / 20 % 10;
			facts.verdict = (enum judge_verdict)(bits / 200);
			step = rolling_step((enum rolling_state)from,
			    rolling_look((enum rolling_state)from, &facts));
			assert_int_not_equal(step.next, ROLLING_NONE);
		}
	}
}

static void
test_every_state_ends_once_it_is_not_wanted_and_gone(void **state)
{
	struct rolling_facts facts = { .is_wanted = false };
	struct rolling_step step;

	(void)state;
	for (int from = ROLLING_COMING; from <= ROLLING_CANCELED; from++) {
		step.next = (enum rolling_state)from;
		for (int turn = 0; turn < 2; turn++)
			step = rolling_step(step.next,
			    rolling_look(step.next, &facts));
		assert_int_equal(step.next, ROLLING_NONE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_case_is_as_the_table_says),
		cmocka_unit_test(
		    test_no_state_is_left_while_a_process_stands_beside),
		cmocka_unit_test(
		    test_every_state_ends_once_it_is_not_wanted_and_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
