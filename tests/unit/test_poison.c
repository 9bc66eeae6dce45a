/* Suspects, and how crash by crash they get fewer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/poison.h"

enum {
	MINUTE = 60000000,
	QUARANTINE = 5 * MINUTE
};

/* Requests are letters here: a letter's print. */
static struct poison_print
print(char letter)
{
	return (struct poison_print){ (uint64_t)letter, 7 };
}

/* A crash with these letters taken; what is quarantined goes to out. */
static void
crash(struct poison *poison, const char *service, const char *taken,
    int64_t now_us, char *out)
{
	struct poison_print suspects[16], quarantined[16];
	size_t count = strlen(taken), out_count = 99;

	for (size_t i = 0; i < count; i++)
		suspects[i] = print(taken[i]);
	poison_death(poison, service, suspects, count, QUARANTINE, now_us,
	    quarantined, &out_count);
	assert_true(out_count <= count);
	for (size_t i = 0; i < out_count; i++)
		out[i] = (char)quarantined[i].a;
	out[out_count] = '\0';
}

static bool
is_suspect(struct poison *poison, char letter, int64_t now_us)
{
	struct poison_print p = print(letter);

	return poison_is_suspect(poison, "users", &p, now_us);
}

static bool
is_quarantined(struct poison *poison, char letter, int64_t now_us)
{
	struct poison_print p = print(letter);

	return poison_is_quarantined(poison, "users", &p, now_us);
}

/*
 * Each event is the letters taken by a process that crashed, or "+" and the
 * letters that were answered well; beside it those quarantined, and in the end
 * those suspected.
 */
static const struct {
	const char *name;
	struct {
		const char *taken, *out;
	} events[6];
	const char *suspects;
} cases[] = {
	{ "once is no proof", { { "P", "" } }, "P" },
	{ "alone in two crashes", { { "P", "" }, { "P", "P" } }, "" },
	{ "two others", { { "P", "" }, { "Q", "" } }, "PQ" },
	{ "nothing was taken", { { "P", "" }, { "", "" }, { "P", "P" } }, "" },
	{ "the same request twice in one crash is alone",
	    { { "PP", "" }, { "PP", "P" } }, "" },
	{ "the same request twice weighs no more",
	    { { "PPA", "" }, { "PPA", "" } }, "PA" },
	{ "the same request twice in the crash that tells",
	    { { "AP", "" }, { "PPB", "P" } }, "A" },
	{ "the only one that was in both", { { "ABP", "" }, { "CPD", "P" } },
	    "AB" },
	{ "one of several that was alone before",
	    { { "P", "" }, { "PAB", "P" } }, "" },
	{ "of two in both, the one that was alone",
	    { { "A", "" }, { "BP", "" }, { "AP", "A" } }, "BP" },
	{ "two that were both alone",
	    { { "P", "" }, { "Q", "" }, { "PQ", "PQ" } }, "" },
	{ "two in both: the third crash tells",
	    { { "ABP", "" }, { "APC", "" }, { "PD", "P" } }, "BA" },
	{ "who was in more crashes outweighs who was in fewer",
	    { { "ABP", "" }, { "APC", "" }, { "PB", "P" } }, "BA" },
	{ "new ones are not suspected when old ones explain it",
	    { { "AB", "" }, { "ABCD", "" } }, "AB" },
	{ "two that always come together",
	    { { "PQ", "" }, { "PQ", "" }, { "PQ", "" }, { "PQA", "PQ" } }, "" },
	{ "an answer clears", { { "AP", "" }, { "+A", "" }, { "AP", "P" } },
	    "" },
	{ "an answer forgives a crash alone",
	    { { "P", "" }, { "+P", "" }, { "P", "" }, { "P", "P" } }, "" },
	{ "one in quarantine explains the crash",
	    { { "P", "" }, { "P", "P" }, { "PAB", "" } }, "" },
	{ "two poisons at once",
	    { { "AP", "" }, { "BQ", "" }, { "PQ", "" }, { "PA", "P" },
		{ "QB", "Q" } },
	    "AB" },
};

static void
play(struct poison *poison, size_t at)
{
	for (size_t i = 0; i < 6 && cases[at].events[i].taken != NULL; i++) {
		const char *taken = cases[at].events[i].taken;
		char out[17] = "";

		if (*taken == '+') {
			struct poison_print p = print(taken[1]);

			assert_true(poison_cleared(poison, "users", &p));
			assert_false(poison_cleared(poison, "users", &p));
		} else {
			crash(poison, "users", taken, (int64_t)i, out);
		}
		if (strcmp(out, cases[at].events[i].out) != 0)
			fail_msg("%s: %s: %s", cases[at].name, taken, out);
		for (const char *c = out; *c != '\0'; c++) {
			assert_true(is_quarantined(poison, *c, 10));
			assert_false(is_suspect(poison, *c, 10));
		}
	}
}

static void
test_crash_by_crash_there_are_fewer_suspects(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct poison *poison = poison_new();
		char suspects[17] = "";
		size_t count;

		play(poison, i);
		count = poison_suspect_count(poison);
		for (size_t n = 0; n < count; n++)
			suspects[n] =
			    (char)poison_suspect_at(poison, n)->print.a;
		if (strcmp(suspects, cases[i].suspects) != 0)
			fail_msg("%s: suspects %s", cases[i].name, suspects);
		poison_free(&poison);
		assert_null(poison);
	}
}

static void
test_services_are_told_apart(void **state)
{
	struct poison *poison = poison_new();
	struct poison_print p = print('P');
	char out[17];

	(void)state;
	crash(poison, "users", "P", 0, out);
	crash(poison, "orders", "P", 1, out);
	assert_string_equal(out, "");
	assert_false(poison_cleared(poison, "other", &p));
	crash(poison, "users", "P", 2, out);
	assert_string_equal(out, "P");
	assert_true(poison_is_quarantined(poison, "users", &p, 3));
	assert_false(poison_is_quarantined(poison, "orders", &p, 3));
	assert_true(poison_is_suspect(poison, "orders", &p, 3));
	poison_free(&poison);
}

static void
test_both_halves_of_a_print_count(void **state)
{
	static const struct poison_print prints[] = { { 1, 2 }, { 1, 3 },
		{ 2, 2 } };
	struct poison *poison = poison_new();
	struct poison_print out;
	size_t count;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		poison_death(poison, "users", &prints[i], 1, QUARANTINE, 0,
		    &out, &count);
		assert_int_equal(count, 0);
	}
	poison_free(&poison);
}

static void
test_suspicion_fades_and_quarantine_ends(void **state)
{
	struct poison *poison = poison_new();
	const struct poison_entry *entry;
	char out[17];

	(void)state;
	crash(poison, "users", "P", 0, out);
	assert_true(is_suspect(poison, 'P', 10 * MINUTE - 1));
	assert_false(is_suspect(poison, 'P', 10 * MINUTE));
	crash(poison, "users", "P", 10 * MINUTE, out);
	assert_string_equal(out, "");
	crash(poison, "users", "P", 11 * MINUTE, out);
	assert_string_equal(out, "P");

	assert_int_equal(poison_quarantine_count(poison), 1);
	entry = poison_quarantine_at(poison, 0);
	assert_string_equal(entry->service, "users");
	assert_int_equal(entry->crashes, 2);
	assert_int_equal(entry->at_us, 11 * MINUTE);
	assert_int_equal(entry->until_us, 16 * MINUTE);

	assert_int_equal(poison_expire(poison, 16 * MINUTE - 1), 0);
	assert_true(is_quarantined(poison, 'P', 16 * MINUTE - 1));
	assert_false(is_quarantined(poison, 'P', 16 * MINUTE));
	assert_int_equal(poison_expire(poison, 16 * MINUTE), 1);
	assert_int_equal(poison_quarantine_count(poison), 0);
	poison_free(&poison);
}

static void
test_a_released_request_may_crash_it_twice_again(void **state)
{
	struct poison *poison = poison_new();
	struct poison_print p = print('P');
	char out[17];

	(void)state;
	for (int i = 0; i < 2; i++) {
		crash(poison, "users", "P", 0, out);
		assert_string_equal(out, "");
		crash(poison, "users", "P", 0, out);
		assert_string_equal(out, "P");
		assert_int_equal(poison_release(poison, "orders", &p), 0);
		/* An answer, sent before, does not end a quarantine. */
		assert_false(poison_cleared(poison, "users", &p));
		assert_int_equal(poison_release(poison, i == 0 ? "users" : NULL,
				     &p),
		    1);
		assert_int_equal(poison_release(poison, NULL, &p), 0);
		assert_false(is_quarantined(poison, 'P', 0));
	}
	poison_free(&poison);
}

static void
test_without_a_quarantine_nobody_is_suspected(void **state)
{
	struct poison *poison = poison_new();
	struct poison_print p = print('P'), out;
	size_t count = 99;

	(void)state;
	poison_death(poison, "users", &p, 1, 0, 0, &out, &count);
	assert_int_equal(count, 0);
	assert_int_equal(poison_suspect_count(poison), 0);
	poison_free(&poison);
}

static void
test_lists_are_bounded_and_the_oldest_goes(void **state)
{
	static struct poison_print many[2 * POISON_SUSPECT_MAX];
	static struct poison_print out[2 * POISON_SUSPECT_MAX];
	struct poison *poison = poison_new();
	size_t count;

	(void)state;
	for (size_t i = 0; i < 2 * POISON_SUSPECT_MAX; i++) {
		many[i] = (struct poison_print){ i, i };
		poison_death(poison, "users", &many[i], 1, QUARANTINE,
		    (int64_t)i, out, &count);
	}
	assert_int_equal(poison_suspect_count(poison), POISON_SUSPECT_MAX);
	assert_int_equal(poison_suspect_at(poison, 0)->print.a,
	    POISON_SUSPECT_MAX);
	for (size_t i = POISON_SUSPECT_MAX; i < 2 * POISON_SUSPECT_MAX; i++) {
		poison_death(poison, "users", &many[i], 1, QUARANTINE, 9999,
		    out, &count);
		assert_int_equal(count, 1);
	}
	assert_int_equal(poison_suspect_count(poison), 0);
	assert_int_equal(poison_quarantine_count(poison),
	    POISON_QUARANTINE_MAX);
	assert_int_equal(poison_quarantine_at(poison, 0)->print.a,
	    2 * POISON_SUSPECT_MAX - POISON_QUARANTINE_MAX);
	/* Of too many at once the first ones count. */
	poison_death(poison, "orders", many, 2 * POISON_SUSPECT_MAX, QUARANTINE,
	    9999, out, &count);
	assert_int_equal(poison_suspect_count(poison), POISON_SUSPECT_MAX);
	assert_true(poison_is_suspect(poison, "orders", &many[0], 9999));
	poison_free(&poison);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crash_by_crash_there_are_fewer_suspects),
		cmocka_unit_test(test_services_are_told_apart),
		cmocka_unit_test(test_both_halves_of_a_print_count),
		cmocka_unit_test(test_suspicion_fades_and_quarantine_ends),
		cmocka_unit_test(
		    test_a_released_request_may_crash_it_twice_again),
		cmocka_unit_test(test_without_a_quarantine_nobody_is_suspected),
		cmocka_unit_test(test_lists_are_bounded_and_the_oldest_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
