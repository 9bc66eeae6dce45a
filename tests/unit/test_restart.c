/* The restart policy: state x event, and what the end of a process means. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/exit_text.h"
#include "supervisor/instance_fsm.h"

static const struct {
	const char *claim;
	unsigned state;
	enum instance_event event;
	enum instance_action action;
	unsigned next;
} steps[] = {
	{ "a waiting one starts", INSTANCE_WAITING, INSTANCE_EV_UP,
	    INSTANCE_DO_SPAWN, STATE_STARTING },
	{ "a waiting one that is not wanted was never there", INSTANCE_WAITING,
	    INSTANCE_EV_DOWN, INSTANCE_DO_TELL, STATE_STOPPED },
	{ "ready", STATE_STARTING, INSTANCE_EV_READY, INSTANCE_DO_TELL,
	    STATE_READY },
	{ "not ready in time is stopped", STATE_STARTING, INSTANCE_EV_TIMER,
	    INSTANCE_DO_TERM, STATE_STOPPING },
	{ "crash while starting backs off", STATE_STARTING, INSTANCE_EV_RETRY,
	    INSTANCE_DO_WAIT, STATE_BACKOFF },
	{ "crash while ready backs off", STATE_READY, INSTANCE_EV_RETRY,
	    INSTANCE_DO_WAIT, STATE_BACKOFF },
	{ "one crash too many gives up", STATE_READY, INSTANCE_EV_LIMIT,
	    INSTANCE_DO_GIVE_UP, STATE_FAILED },
	{ "a second start of a running one is nothing", STATE_READY,
	    INSTANCE_EV_UP, INSTANCE_DO_NOTHING, STATE_READY },
	{ "it may say that it drains", STATE_READY, INSTANCE_EV_STOPPING,
	    INSTANCE_DO_LINGER, STATE_DRAINING },
	{ "one that drains for too long is stopped", STATE_DRAINING,
	    INSTANCE_EV_TIMER, INSTANCE_DO_TERM, STATE_STOPPING },
	{ "a draining one is not ready again", STATE_DRAINING,
	    INSTANCE_EV_READY, INSTANCE_DO_NOTHING, STATE_DRAINING },
	{ "drain keeps the process", STATE_READY, INSTANCE_EV_DRAIN,
	    INSTANCE_DO_DRAIN, STATE_DRAINING },
	{ "one that starts has nothing to drain", STATE_STARTING,
	    INSTANCE_EV_DRAIN, INSTANCE_DO_NOTHING, STATE_STARTING },
	{ "undrain", STATE_DRAINING, INSTANCE_EV_UNDRAIN, INSTANCE_DO_TELL,
	    STATE_READY },
	{ "undrain of one that stops is nothing", STATE_STOPPING,
	    INSTANCE_EV_UNDRAIN, INSTANCE_DO_NOTHING, STATE_STOPPING },
	{ "a drained one may say that it stops", STATE_DRAINING,
	    INSTANCE_EV_STOPPING, INSTANCE_DO_LINGER, STATE_DRAINING },
	{ "one that hangs gets nothing new, others in it may finish",
	    STATE_READY, INSTANCE_EV_HUNG, INSTANCE_DO_DOUBT, STATE_DRAINING },
	{ "a drained one may hang too", STATE_DRAINING, INSTANCE_EV_HUNG,
	    INSTANCE_DO_DOUBT, STATE_DRAINING },
	{ "hung for good is aborted", STATE_DRAINING, INSTANCE_EV_STUCK,
	    INSTANCE_DO_ABORT, STATE_STOPPING },
	{ "silent while ready is aborted", STATE_READY, INSTANCE_EV_STUCK,
	    INSTANCE_DO_ABORT, STATE_STOPPING },
	{ "silence before it is ready means nothing", STATE_STARTING,
	    INSTANCE_EV_STUCK, INSTANCE_DO_NOTHING, STATE_STARTING },
	{ "unhealthy is stopped as by an operator", STATE_READY,
	    INSTANCE_EV_UNHEALTHY, INSTANCE_DO_TERM, STATE_STOPPING },
	{ "also when it was drained for that", STATE_DRAINING,
	    INSTANCE_EV_UNHEALTHY, INSTANCE_DO_TERM, STATE_STOPPING },
	{ "one that stops need not be healthy", STATE_STOPPING,
	    INSTANCE_EV_UNHEALTHY, INSTANCE_DO_NOTHING, STATE_STOPPING },
	{ "an abort is not repeated", STATE_STOPPING, INSTANCE_EV_STUCK,
	    INSTANCE_DO_NOTHING, STATE_STOPPING },
	{ "who has a successor waits for it", STATE_READY, INSTANCE_EV_YIELD,
	    INSTANCE_DO_TELL, INSTANCE_WAITING },
	{ "stop of a ready one", STATE_READY, INSTANCE_EV_DOWN,
	    INSTANCE_DO_TERM, STATE_STOPPING },
	{ "no answer to TERM is killed", STATE_STOPPING, INSTANCE_EV_TIMER,
	    INSTANCE_DO_KILL, STATE_STOPPING },
	{ "a second stop does not signal again", STATE_STOPPING,
	    INSTANCE_EV_DOWN, INSTANCE_DO_NOTHING, STATE_STOPPING },
	{ "ready is ignored when stopping", STATE_STOPPING, INSTANCE_EV_READY,
	    INSTANCE_DO_NOTHING, STATE_STOPPING },
	{ "stopped as asked", STATE_STOPPING, INSTANCE_EV_ENDED,
	    INSTANCE_DO_TELL, STATE_STOPPED },
	{ "restarted as asked", STATE_STOPPING, INSTANCE_EV_AGAIN,
	    INSTANCE_DO_SPAWN, STATE_STARTING },
	{ "backoff is over", STATE_BACKOFF, INSTANCE_EV_TIMER,
	    INSTANCE_DO_SPAWN, STATE_STARTING },
	{ "stop in backoff spawns nothing", STATE_BACKOFF, INSTANCE_EV_DOWN,
	    INSTANCE_DO_TELL, STATE_STOPPED },
	{ "a failed one starts when asked", STATE_FAILED, INSTANCE_EV_UP,
	    INSTANCE_DO_SPAWN, STATE_STARTING },
	{ "a failed one does not start by itself", STATE_FAILED,
	    INSTANCE_EV_TIMER, INSTANCE_DO_NOTHING, STATE_FAILED },
	{ "ready is ignored when stopped", STATE_STOPPED, INSTANCE_EV_READY,
	    INSTANCE_DO_NOTHING, STATE_STOPPED },
	{ "a disabled one does not start", STATE_DISABLED, INSTANCE_EV_UP,
	    INSTANCE_DO_NOTHING, STATE_DISABLED },
};

static void
test_each_step_is_as_the_table_says(void **state)
{
	struct instance_step step;

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		step = instance_fsm_step(steps[i].state, steps[i].event);
		if (step.action != steps[i].action ||
		    step.next != steps[i].next)
			fail_msg("%s: action %d, state %u", steps[i].claim,
			    (int)step.action, step.next);
	}
}

static void
test_no_state_without_a_process_ends_or_signals_one(void **state)
{
	static const unsigned idle[] = { INSTANCE_WAITING, STATE_BACKOFF,
		STATE_FAILED, STATE_STOPPED, STATE_DISABLED };
	struct instance_step step;

	(void)state;
	for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++) {
		for (int event = 0; event < INSTANCE_EV_COUNT; event++) {
			step = instance_fsm_step(idle[i],
			    (enum instance_event)event);
			assert_int_not_equal(step.action, INSTANCE_DO_TERM);
			assert_int_not_equal(step.action, INSTANCE_DO_KILL);
		}
	}
}

static void
test_every_state_with_a_process_knows_each_end_of_it(void **state)
{
	static const unsigned alive[] = { STATE_STARTING, STATE_READY,
		STATE_DRAINING, STATE_STOPPING };
	struct instance_step step;

	(void)state;
	for (size_t i = 0; i < sizeof(alive) / sizeof(alive[0]); i++) {
		for (int event = INSTANCE_EV_ENDED; event < INSTANCE_EV_COUNT;
		     event++) {
			step = instance_fsm_step(alive[i],
			    (enum instance_event)event);
			assert_int_not_equal(step.action, INSTANCE_DO_NOTHING);
		}
	}
}

static void
test_a_death_is_suspect_when_a_request_may_have_caused_it(void **state)
{
	enum {
		EXIT = 0x100 /* wait(2): the code is the second byte */
	};
	static const struct {
		const char *claim;
		int status;
		bool was_ready, is_asked, is_hung;
		unsigned death;
	} cases[] = {
		{ "segv", SIGSEGV, true, false, false, DEATH_SUSPECT },
		{ "abort", SIGABRT, true, false, false, DEATH_SUSPECT },
		{ "bus", SIGBUS, true, false, false, DEATH_SUSPECT },
		{ "ill", SIGILL, true, false, false, DEATH_SUSPECT },
		{ "fpe", SIGFPE, true, false, false, DEATH_SUSPECT },
		{ "sys", SIGSYS, true, false, false, DEATH_SUSPECT },
		{ "trap", SIGTRAP, true, false, false, DEATH_SUSPECT },
		{ "kill", SIGKILL, true, false, false, DEATH_OTHER },
		{ "term", SIGTERM, true, false, false, DEATH_OTHER },
		{ "exit 1", 1 * EXIT, true, false, false, DEATH_SUSPECT },
		{ "exit 0", 0, true, false, false, DEATH_OTHER },
		{ "exit 2 is a success code", 2 * EXIT, true, false, false,
		    DEATH_OTHER },
		{ "before it was ready", SIGSEGV, false, false, false,
		    DEATH_OTHER },
		{ "asked to stop", SIGSEGV, true, true, false, DEATH_OTHER },
		{ "asked, exit 1", 1 * EXIT, true, true, false, DEATH_OTHER },
		{ "hung, aborted", SIGABRT, true, true, true, DEATH_SUSPECT },
		{ "hung, killed", SIGKILL, true, true, true, DEATH_SUSPECT },
	};
	static const uint8_t codes[32] = { 1 << 2 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (exit_death(cases[i].status, codes, cases[i].was_ready,
			cases[i].is_asked, cases[i].is_hung) != cases[i].death)
			fail_msg("%s: not %u", cases[i].claim, cases[i].death);
	}
}

static void
test_the_policy_decides_what_an_end_means(void **state)
{
	static const struct {
		unsigned state;
		enum instance_goal goal;
		enum conf_restart policy;
		bool is_success;
		enum instance_event event;
	} cases[] = {
		{ STATE_READY, INSTANCE_GOAL_UP, CONF_RESTART_ALWAYS, true,
		    INSTANCE_EV_RETRY },
		{ STATE_READY, INSTANCE_GOAL_UP, CONF_RESTART_ALWAYS, false,
		    INSTANCE_EV_RETRY },
		{ STATE_READY, INSTANCE_GOAL_UP, CONF_RESTART_ON_FAILURE, true,
		    INSTANCE_EV_ENDED },
		{ STATE_READY, INSTANCE_GOAL_UP, CONF_RESTART_ON_FAILURE, false,
		    INSTANCE_EV_RETRY },
		{ STATE_READY, INSTANCE_GOAL_UP, CONF_RESTART_NEVER, true,
		    INSTANCE_EV_ENDED },
		{ STATE_READY, INSTANCE_GOAL_UP, CONF_RESTART_NEVER, false,
		    INSTANCE_EV_ENDED },
		/* Killed for not being ready: a failure, whatever it says. */
		{ STATE_STOPPING, INSTANCE_GOAL_UP, CONF_RESTART_ON_FAILURE,
		    true, INSTANCE_EV_RETRY },
		/* An operator's stop is never a failure, his restart none. */
		{ STATE_STOPPING, INSTANCE_GOAL_DOWN, CONF_RESTART_ALWAYS,
		    false, INSTANCE_EV_ENDED },
		{ STATE_STOPPING, INSTANCE_GOAL_AGAIN, CONF_RESTART_NEVER,
		    false, INSTANCE_EV_AGAIN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(instance_fsm_judge(cases[i].state,
				     cases[i].goal, cases[i].policy,
				     CONF_KIND_SERVICE, cases[i].is_success),
		    cases[i].event);
}

static void
test_a_oneshot_is_done_or_has_failed(void **state)
{
	static const struct {
		unsigned state;
		enum instance_goal goal;
		enum conf_restart policy;
		bool is_success;
		enum instance_event event;
	} cases[] = {
		{ STATE_STARTING, INSTANCE_GOAL_UP, CONF_RESTART_NEVER, true,
		    INSTANCE_EV_ENDED },
		{ STATE_STARTING, INSTANCE_GOAL_UP, CONF_RESTART_NEVER, false,
		    INSTANCE_EV_LIMIT },
		{ STATE_STARTING, INSTANCE_GOAL_UP, CONF_RESTART_ON_FAILURE,
		    true, INSTANCE_EV_ENDED },
		{ STATE_STARTING, INSTANCE_GOAL_UP, CONF_RESTART_ON_FAILURE,
		    false, INSTANCE_EV_RETRY },
		/* It took too long: what it says at its end is no success. */
		{ STATE_STOPPING, INSTANCE_GOAL_UP, CONF_RESTART_NEVER, true,
		    INSTANCE_EV_LIMIT },
		{ STATE_STOPPING, INSTANCE_GOAL_DOWN, CONF_RESTART_NEVER, false,
		    INSTANCE_EV_ENDED },
		{ STATE_STOPPING, INSTANCE_GOAL_AGAIN, CONF_RESTART_NEVER,
		    false, INSTANCE_EV_AGAIN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(instance_fsm_judge(cases[i].state,
				     cases[i].goal, cases[i].policy,
				     CONF_KIND_ONESHOT, cases[i].is_success),
		    cases[i].event);
}

static void
test_an_exit_is_told_in_words(void **state)
{
	static const struct {
		int status;
		const char *text, *brief;
		bool is_success;
	} cases[] = {
		{ 0, "exited 0", "exit 0", true },
		{ 3 << 8, "exited 3", "exit 3", false },
		{ 42 << 8, "exited 42", "exit 42", true },
		{ 255 << 8, "exited 255", "exit 255", true },
		{ 9, "killed by signal 9 (Killed)", "signal 9", false },
		{ 11 | 0x80,
		    "killed by signal 11 (Segmentation fault), core dumped",
		    "signal 11", false },
	};
	uint8_t codes[32] = { [0] = 1, [5] = 1 << 2, [31] = 1 << 7 };
	char text[EXIT_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		exit_text(cases[i].status, text);
		assert_string_equal(text, cases[i].text);
		exit_text_short(cases[i].status, text);
		assert_string_equal(text, cases[i].brief);
		assert_int_equal(exit_is_success(cases[i].status, codes),
		    cases[i].is_success);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_step_is_as_the_table_says),
		cmocka_unit_test(
		    test_no_state_without_a_process_ends_or_signals_one),
		cmocka_unit_test(
		    test_every_state_with_a_process_knows_each_end_of_it),
		cmocka_unit_test(
		    test_a_death_is_suspect_when_a_request_may_have_caused_it),
		cmocka_unit_test(test_the_policy_decides_what_an_end_means),
		cmocka_unit_test(test_a_oneshot_is_done_or_has_failed),
		cmocka_unit_test(test_an_exit_is_told_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
