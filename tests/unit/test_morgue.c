/*
 * What the control thread makes of the workers' words on what was in flight in
 * a process that has died or drains. The loop is made of a number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/lifeline.h"
#include "ipc/loop.h"
#include "router/casebook.h"
#include "router/fingerprint.h"
#include "router/morgue.h"
#include "router/note.h"
#include "router/poison.h"
#include "router/snapshot.h"
#include "router/worker.h"

enum {
	WORKERS = 3,
	SECOND_US = 1000 * 1000,
	HEARD_MAX = 600
};

/*
 * The loop.
 */

static int64_t now_us;
static struct loop_timer *timer_set;
static struct loop_task *task_queued;

int64_t
loop_now_us(const struct loop *loop)
{
	(void)loop;
	return now_us;
}

void
loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t due_us)
{
	(void)loop;
	timer->due_us = due_us;
	timer->slot = 1;
	timer_set = timer;
}

void
loop_timer_drop(struct loop *loop, struct loop_timer *timer)
{
	(void)loop;
	timer->slot = 0;
	timer_set = NULL;
}

bool
loop_timer_is_set(const struct loop_timer *timer)
{
	return timer->slot != 0;
}

void
loop_task_add(struct loop *loop, struct loop_task *task)
{
	(void)loop;
	task_queued = task;
}

void
loop_task_drop(struct loop *loop, struct loop_task *task)
{
	(void)loop;
	(void)task;
	task_queued = NULL;
}

static void
end_turn(void)
{
	struct loop_task *task = task_queued;

	task_queued = NULL;
	if (task != NULL)
		task->fn(task);
}

/* Let so much time pass; timers fire on the way. */
static void
pass(int64_t us)
{
	int64_t until = now_us + us;

	while (timer_set != NULL && timer_set->due_us <= until) {
		struct loop_timer *timer = timer_set;

		now_us = timer->due_us;
		loop_timer_drop(NULL, timer);
		timer->fn(timer);
		end_turn();
	}
	now_us = until;
}

/*
 * What the morgue says: one letter a word, in order.
 */

static struct {
	char words[HEARD_MAX + 1]; /* C, E, Q: packets; I, P, R: calls */
	size_t count;
	char print[LIFELINE_PRINT_LEN + 1]; /* of the last Q */
	char method[16];                    /* of the last C or Q */
	uint64_t index, generation;         /* of the last E, I or R */
	size_t suspects, quarantined;       /* at the last P */
	size_t needed;                      /* packets */
	int64_t quarantine_us;
} heard;

static void
hear(char word)
{
	if (heard.count < HEARD_MAX)
		heard.words[heard.count++] = word;
}

static void
on_tell(void *arg, const struct buf *packet, bool is_needed)
{
	uint8_t bytes[4096];
	struct lifeline_msg msg;

	(void)arg;
	assert_in_range(buf_count(packet), 1, sizeof(bytes) - 1);
	memcpy(bytes, buf_front(packet), buf_count(packet));
	assert_int_equal(lifeline_decode(bytes, buf_count(packet), &msg, NULL),
	    0);
	heard.needed += is_needed ? 1 : 0;
	switch (msg.type) {
	case LIFELINE_CASUALTY:
		hear('C');
		snprintf(heard.method, sizeof(heard.method), "%s",
		    msg.u.casualty.method);
		break;
	case LIFELINE_CASUALTIES_END:
		hear('E');
		heard.index = msg.u.linked.index;
		heard.generation = msg.u.linked.generation;
		break;
	case LIFELINE_QUARANTINE:
		hear('Q');
		snprintf(heard.print, sizeof(heard.print), "%s",
		    msg.u.quarantine.print);
		snprintf(heard.method, sizeof(heard.method), "%s",
		    msg.u.quarantine.method);
		break;
	default:
		fail();
	}
}

static void
on_idle(void *arg, const struct worker_key *key)
{
	(void)arg;
	hear('I');
	heard.index = key->index;
	heard.generation = key->generation;
}

static void
on_changed(void *arg, const struct poison *poison)
{
	(void)arg;
	hear('P');
	heard.suspects = poison_suspect_count(poison);
	heard.quarantined = poison_quarantine_count(poison);
}

static void
on_resolved(void *arg, struct note *note)
{
	(void)arg;
	hear('R');
	heard.index = note->index;
	heard.generation = note->generation;
}

static int64_t
on_quarantine_us(void *arg, const char *service)
{
	(void)arg;
	(void)service;
	return heard.quarantine_us;
}

static const struct morgue_handler handler = { .tell = on_tell,
	.idle = on_idle,
	.changed = on_changed,
	.resolved = on_resolved,
	.quarantine_us = on_quarantine_us };

static struct morgue *morgue;

static int
setup(void **state)
{
	(void)state;
	now_us = 7 * SECOND_US;
	timer_set = NULL;
	task_queued = NULL;
	memset(&heard, 0, sizeof(heard));
	heard.quarantine_us = INT64_C(3600) * SECOND_US;
	morgue = morgue_new(NULL, &handler, NULL);
	return morgue == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	morgue_free(&morgue);
	return 0;
}

/* All that was said since the last call. */
static void
assert_heard(const char *words)
{
	end_turn();
	heard.words[heard.count] = '\0';
	assert_string_equal(heard.words, words);
	heard.count = 0;
}

/*
 * What the morgue is told.
 */

static void
note(uint64_t index, uint64_t generation, unsigned state, unsigned death)
{
	const struct lifeline_instance instance = { .service = "s",
		.index = index,
		.generation = generation,
		.state = state,
		.listen = "",
		.reason = "",
		.death = death };
	struct note *made = note_new(&instance);

	assert_non_null(made);
	morgue_note(morgue, made, WORKERS);
	note_unref(&made);
}

static void
dies(uint64_t generation, unsigned death)
{
	note(1, generation, STATE_BACKOFF, death);
}

static void
drains(uint64_t generation)
{
	note(1, generation, STATE_DRAINING, DEATH_NONE);
}

static void
casualty_of(uint64_t index, uint64_t generation, uint64_t print, bool is_taken,
    const char *filling)
{
	struct buf packet = { 0 }, quarantine = { 0 };
	struct worker_casualty casualty = { .key = { "s", index, generation },
		.print = { print, ~print },
		.is_taken = is_taken,
		.casualty = &packet,
		.quarantine = &quarantine };
	struct lifeline_msg msg = { .type = LIFELINE_CASUALTY };
	char text[LIFELINE_PRINT_LEN + 1], method[16];

	snprintf(method, sizeof(method), "M%llu", (unsigned long long)print);
	msg.u.casualty = (struct lifeline_casualty){ "s", index, generation,
		is_taken ? DELIVERY_TAKEN : DELIVERY_UNTAKEN, method, filling,
		"", "", "", "", 0 };
	lifeline_encode(&packet, &msg);
	fingerprint_show(&casualty.print, text);
	msg = (struct lifeline_msg){ .type = LIFELINE_QUARANTINE };
	msg.u.quarantine = (struct lifeline_quarantine){ "s", text, 1000,
		method, filling, "", "", "", "", 0 };
	if (is_taken)
		lifeline_encode(&quarantine, &msg);
	morgue_casualty(morgue, &casualty);
	buf_fini(&packet);
	buf_fini(&quarantine);
}

static void
casualty(uint64_t generation, uint64_t print, bool is_taken)
{
	casualty_of(1, generation, print, is_taken, "/");
}

static void
gone(unsigned worker, uint64_t generation, bool is_dead)
{
	const struct worker_key key = { "s", 1, generation };

	morgue_gone(morgue, worker, &key, is_dead);
}

static void
all_gone(uint64_t generation, bool is_dead)
{
	for (unsigned i = 0; i < WORKERS; i++)
		gone(i, generation, is_dead);
}

/* A process dies with one request in it. */
static void
crash(uint64_t generation, uint64_t print)
{
	casualty(generation, print, true);
	dies(generation, DEATH_SUSPECT);
	all_gone(generation, true);
}

/*
 * The tests.
 */

static void
test_casualties_go_out_when_the_last_worker_has_told_all(void **state)
{
	(void)state;
	casualty(1, 1, true); /* before the note */
	dies(1, DEATH_OTHER);
	gone(2, 1, true);
	casualty(1, 2, false); /* after it */
	gone(0, 1, true);
	assert_heard("");
	gone(1, 1, true);
	assert_heard("CCER");
	assert_int_equal(heard.generation, 1);
	/* The case is closed. */
	all_gone(1, true);
	assert_heard("");
}

static void
test_casualties_of_one_generation_are_not_anothers(void **state)
{
	(void)state;
	casualty(1, 1, true);
	casualty_of(2, 2, 1, true, "/");
	dies(2, DEATH_SUSPECT);
	all_gone(2, true);
	assert_heard("ER");
	assert_int_equal(heard.suspects, 0);
}

static void
test_a_worker_that_says_it_twice_is_not_two_workers(void **state)
{
	(void)state;
	drains(1);
	drains(1); /* told again: now it stands beside */
	gone(0, 1, false);
	gone(0, 1, false);
	gone(1, 1, false);
	assert_heard("");
	gone(2, 1, false);
	assert_heard("I");
	dies(1, DEATH_SUSPECT);
	gone(0, 1, true);
	dies(1, DEATH_SUSPECT); /* after a reload the supervisor tells all */
	gone(0, 1, true);
	gone(2, 1, true);
	casualty(1, 1, true);
	assert_heard("");
	gone(1, 1, true);
	assert_heard("CEPR");
}

static void
test_what_drains_is_idle_once_and_again_after_it_took_requests(void **state)
{
	(void)state;
	gone(0, 1, false); /* nobody has asked */
	drains(1);
	all_gone(1, true); /* of a death nobody has told of */
	assert_heard("");
	all_gone(1, false);
	assert_heard("I");
	all_gone(1, false);
	assert_heard("");
	drains(1);
	gone(1, 1, false);
	assert_heard("I");
	note(1, 1, STATE_READY, DEATH_NONE);
	all_gone(1, false);
	assert_heard("");
	drains(1);
	gone(0, 1, false);
	gone(1, 1, false);
	assert_heard("");
	gone(2, 1, false);
	assert_heard("I");
	assert_int_equal(heard.generation, 1);
}

static void
test_one_that_drains_for_hours_is_not_forgotten(void **state)
{
	(void)state;
	drains(1);
	gone(0, 1, false);
	casualty(1, 1, true); /* a worker has lost its link */
	gone(1, 1, false);
	for (uint64_t i = 2; i < 4 * (uint64_t)CASEBOOK_FILE_MAX; i++)
		note(i, 1, STATE_DRAINING, DEATH_NONE);
	for (uint64_t i = 2; i < 4 * (uint64_t)CASEBOOK_FILE_MAX; i++)
		casualty_of(5000 + i, 1, 1, true, "/");
	pass(INT64_C(7200) * SECOND_US);
	assert_heard("");
	gone(2, 1, false);
	assert_heard("I");
}

static void
test_one_that_drained_and_died_had_its_casualties(void **state)
{
	(void)state;
	drains(1);
	gone(0, 1, false);
	casualty(1, 1, true);
	dies(1, DEATH_SUSPECT);
	gone(1, 1, false); /* was under way */
	all_gone(1, true);
	assert_heard("CEPR");
	assert_int_equal(heard.suspects, 1);
}

static void
test_a_link_lost_without_a_death_accuses_nobody(void **state)
{
	(void)state;
	casualty(1, 1, true);
	pass(20 * SECOND_US);
	crash(1, 2);
	assert_heard("CEPR");
	assert_string_equal(heard.method, "M2");
	assert_int_equal(heard.suspects, 1);
}

static void
test_links_that_flap_for_a_week_fill_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 2000; i++) {
		casualty(1, (uint64_t)i, true);
		pass(SECOND_US);
	}
	dies(1, DEATH_SUSPECT);
	all_gone(1, true);
	assert_heard("CCCCEPR"); /* of the last 5 seconds */
}

static void
test_bodies_too_big_to_keep_are_judged_all_the_same(void **state)
{
	static char filling[3000];
	const uint64_t count = (uint64_t)CASEBOOK_BYTES_MAX / sizeof(filling);

	(void)state;
	memset(filling, 'x', sizeof(filling) - 1);
	dies(1, DEATH_OTHER);
	for (uint64_t i = 0; i < count; i++)
		casualty_of(1, 1, i, false, filling);
	for (uint64_t generation = 2; generation <= 3; generation++) {
		casualty_of(2, generation, 77, true, filling);
		note(2, generation, STATE_BACKOFF, DEATH_SUSPECT);
		for (unsigned i = 0; i < WORKERS; i++)
			morgue_gone(morgue, i,
			    &(struct worker_key){ "s", 2, generation }, true);
	}
	/* No room for its packets: it is told by its print alone. */
	assert_heard("EPREQPR");
	assert_int_equal(heard.quarantined, 1);
	assert_string_equal(heard.method, "");
}

static void
test_quarantine_after_two_crashes_goes_out_and_is_known_first(void **state)
{
	char text[LIFELINE_PRINT_LEN + 1];

	(void)state;
	casualty(1, 5, false); /* taken by nobody */
	crash(1, 42);
	assert_heard("CCEPR");
	assert_int_equal(heard.suspects, 1);
	casualty(2, 43, true);
	crash(2, 42);
	/* Before those that wait go on, all know whom not to deliver. */
	assert_heard("CCEQPR");
	fingerprint_show(&(struct poison_print){ 42, ~UINT64_C(42) }, text);
	assert_string_equal(heard.print, text);
	assert_string_equal(heard.method, "M42");
	assert_int_equal(heard.quarantined, 1);
	morgue_release(morgue, text);
	assert_heard("P");
	assert_int_equal(heard.quarantined, 0);
	morgue_release(morgue, text);
	morgue_release(morgue, "no print");
	assert_heard("");
}

static void
test_packets_are_needed_but_casualties(void **state)
{
	(void)state;
	crash(1, 1);
	assert_int_equal(heard.needed, 1);
	crash(2, 1);
	assert_int_equal(heard.needed, 3);
}

static void
test_deaths_that_no_request_causes_are_not_judged(void **state)
{
	(void)state;
	for (uint64_t i = 1; i < 4; i++) {
		casualty(i, 1, true);
		dies(i, DEATH_OTHER);
		all_gone(i, true);
	}
	assert_heard("CERCERCER");
	/* And without a quarantine there is nothing to judge. */
	heard.quarantine_us = 0;
	crash(4, 1);
	crash(5, 1);
	assert_heard("CERCER");
}

static void
test_a_suspect_that_is_answered_well_is_none(void **state)
{
	const struct poison_print print = { 1, ~UINT64_C(1) };

	(void)state;
	crash(1, 1);
	assert_heard("CEPR");
	morgue_cleared(morgue, "other", &print);
	assert_heard("");
	morgue_cleared(morgue, "s", &print);
	morgue_cleared(morgue, "s", &print);
	assert_heard("P");
	assert_int_equal(heard.suspects, 0);
	crash(2, 1);
	assert_heard("CEPR");
	assert_int_equal(heard.quarantined, 0);
}

static void
test_what_the_supervisor_quarantines_is_told_once_a_turn(void **state)
{
	struct lifeline_quarantine entry = { .service = "s",
		.print = "00000000000000010000000000000002",
		.left_ms = 60000 };

	(void)state;
	morgue_quarantine(morgue, &entry);
	entry.print = "00000000000000010000000000000003";
	morgue_quarantine(morgue, &entry);
	entry.print = "?";
	morgue_quarantine(morgue, &entry);
	assert_heard("P");
	assert_int_equal(heard.quarantined, 2);
	pass(90 * SECOND_US);
	assert_heard("P");
	assert_int_equal(heard.quarantined, 0);
}

static void
test_suspicion_that_fades_is_told(void **state)
{
	(void)state;
	crash(1, 1);
	assert_heard("CEPR");
	pass((int64_t)POISON_FADE_US + 30 * SECOND_US);
	assert_heard("P");
	assert_int_equal(heard.suspects, 0);
	assert_null(timer_set);
}

static void
test_a_worker_that_stands_does_not_keep_a_death_from_being_judged(void **state)
{
	(void)state;
	casualty(1, 1, true);
	dies(1, DEATH_SUSPECT);
	gone(0, 1, true);
	gone(1, 1, true);
	pass(20 * SECOND_US);
	assert_heard("CEPR");
	gone(2, 1, true);
	assert_heard("");
}

static void
test_links_lost_at_many_instances_leave_deaths_alone(void **state)
{
	(void)state;
	casualty(1, 1, true);
	dies(1, DEATH_SUSPECT);
	for (uint64_t i = 2; i < 3 * (uint64_t)CASEBOOK_FILE_MAX; i++)
		casualty_of(i, 1, i, true, "/");
	all_gone(1, true);
	assert_heard("CEPR");
	/* Of those without a note the first are gone, the last are there. */
	for (uint64_t i = 2; i < 3 * (uint64_t)CASEBOOK_FILE_MAX; i++) {
		note(i, 1, STATE_BACKOFF, DEATH_OTHER);
		for (unsigned w = 0; w < WORKERS; w++)
			morgue_gone(morgue, w,
			    &(struct worker_key){ "s", i, 1 }, true);
		assert_heard(i < 2 * CASEBOOK_FILE_MAX ? "ER" : "CER");
	}
}

static void
test_a_service_that_is_removed_is_waited_for_no_more(void **state)
{
	struct snapshot *snapshot = snapshot_new();
	struct lifeline_service service = { .name = "s", .url = "" };

	(void)state;
	assert_int_equal(snapshot_add_service(snapshot, &service, NULL), 0);
	drains(1);
	gone(0, 1, false);
	morgue_prune(morgue, snapshot);
	pass(60 * SECOND_US);
	assert_non_null(timer_set);
	snapshot_unref(&snapshot);
	snapshot = snapshot_new();
	morgue_prune(morgue, snapshot);
	pass(60 * SECOND_US);
	assert_null(timer_set);
	all_gone(1, false);
	assert_heard("");
	snapshot_unref(&snapshot);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(casualties_go_out_when_the_last_worker_has_told_all),
		T(casualties_of_one_generation_are_not_anothers),
		T(a_worker_that_says_it_twice_is_not_two_workers),
		T(what_drains_is_idle_once_and_again_after_it_took_requests),
		T(one_that_drains_for_hours_is_not_forgotten),
		T(one_that_drained_and_died_had_its_casualties),
		T(a_link_lost_without_a_death_accuses_nobody),
		T(links_that_flap_for_a_week_fill_nothing),
		T(bodies_too_big_to_keep_are_judged_all_the_same),
		T(quarantine_after_two_crashes_goes_out_and_is_known_first),
		T(packets_are_needed_but_casualties),
		T(deaths_that_no_request_causes_are_not_judged),
		T(a_suspect_that_is_answered_well_is_none),
		T(what_the_supervisor_quarantines_is_told_once_a_turn),
		T(suspicion_that_fades_is_told),
		T(a_worker_that_stands_does_not_keep_a_death_from_being_judged),
		T(links_lost_at_many_instances_leave_deaths_alone),
		T(a_service_that_is_removed_is_waited_for_no_more),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
