/* What the router does not deliver is kept, bounded, until its time is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/quarantine.h"

enum {
	SECOND = 1000 * 1000
};

static struct quarantines set;

static int
setup(void **state)
{
	(void)state;
	quarantines_init(&set);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	quarantines_fini(&set);
	assert_int_equal(set.count, 0);
	assert_int_equal(set.size, 0);
	return 0;
}

static bool
add(const char *print, uint64_t left_ms, const char *body, int64_t now_us)
{
	const struct lifeline_quarantine entry = {
		.service = "users",
		.print = print,
		.left_ms = left_ms,
		.method = "POST",
		.target = "/users?a=b",
		.route = "users",
		.client = "192.0.2.1",
		.fields = "a: b\n",
		.body = body,
		.body_len = 7,
	};

	return quarantines_add(&set, &entry, now_us);
}

static const char *
found(const char *print)
{
	bool is_several;
	const struct quarantine *item =
	    quarantines_find(&set, print, &is_several);

	return item != NULL ? item->entry.print : is_several ? "several" : "-";
}

static void
test_an_entry_is_copied_whole(void **state)
{
	char print[] = "aa11", body[] = "00ff";
	const struct lifeline_quarantine *entry;

	(void)state;
	assert_true(add(print, 10, body, 0));
	memset(print, 'x', 4);
	memset(body, 'x', 4);
	entry = &TAILQ_FIRST(&set.all)->entry;
	assert_string_equal(entry->print, "aa11");
	assert_string_equal(entry->body, "00ff");
	assert_string_equal(entry->service, "users");
	assert_string_equal(entry->fields, "a: b\n");
	assert_string_equal(entry->client, "192.0.2.1");
	assert_int_equal(entry->body_len, 7);
}

static void
test_the_same_print_replaces(void **state)
{
	(void)state;
	assert_true(add("aa11", 1000, "", 0));
	assert_false(add("aa11", 5000, "", 0));
	assert_int_equal(set.count, 1);
	quarantines_look(&set, 2 * SECOND);
	assert_int_equal(set.count, 1);
	assert_int_equal(TAILQ_FIRST(&set.all)->entry.left_ms, 3000);
}

static void
test_a_print_may_be_shortened_while_it_means_one(void **state)
{
	(void)state;
	add("aa11", 1000, "", 0);
	add("aa22", 1000, "", 0);
	add("bb", 1000, "", 0);
	assert_string_equal(found("aa11"), "aa11");
	assert_string_equal(found("aa1"), "aa11");
	assert_string_equal(found("b"), "bb");
	assert_string_equal(found("aa"), "several");
	assert_string_equal(found("bbb"), "-");
	assert_string_equal(found("c"), "-");
}

static void
test_no_print_means_nothing(void **state)
{
	(void)state;
	assert_string_equal(found(""), "-");
	add("aa11", 1000, "", 0);
	assert_string_equal(found(""), "-");
}

static void
test_what_has_ended_is_dropped_and_the_rest_counts_down(void **state)
{
	(void)state;
	add("aa", 1000, "", 0);
	add("bb", 3000, "", 0);
	quarantines_look(&set, 1 * SECOND);
	assert_int_equal(set.count, 1);
	assert_string_equal(found("aa"), "-");
	assert_int_equal(TAILQ_FIRST(&set.all)->entry.left_ms, 2000);
}

static void
test_over_the_number_the_oldest_goes(void **state)
{
	char print[LIFELINE_PRINT_LEN + 1];

	(void)state;
	for (unsigned i = 0; i < QUARANTINE_MAX; i++) {
		snprintf(print, sizeof(print), "%04x", i);
		add(print, i == 7 ? 500 : 1000 + i, "", 0);
	}
	assert_int_equal(set.count, QUARANTINE_MAX);
	add("ffff", 1000, "", 0);
	assert_int_equal(set.count, QUARANTINE_MAX);
	assert_string_equal(found("0000"), "-");
	assert_string_equal(found("0007"), "0007");
	assert_string_equal(found("ffff"), "ffff");
	/* What has ended makes room before one that has not. */
	add("eeee", 1000, "", 600 * 1000);
	assert_string_equal(found("0007"), "-");
	assert_string_equal(found("0001"), "0001");
	assert_int_equal(set.count, QUARANTINE_MAX);
}

static void
test_over_the_bytes_the_oldest_lose_their_details(void **state)
{
	enum {
		LEN = QUARANTINE_BYTES_MAX / 4
	};
	char *body = malloc(LEN + 1);
	const struct quarantine *item;

	(void)state;
	memset(body, 'a', LEN);
	body[LEN] = '\0';
	for (unsigned i = 0; i < 10; i++) {
		char print[8];

		snprintf(print, sizeof(print), "%x", i);
		add(print, 1000 + i, body, 0);
		assert_true(set.size <= QUARANTINE_BYTES_MAX);
	}
	assert_int_equal(set.count, 10);
	TAILQ_FOREACH (item, &set.all, link) {
		bool is_late = item->entry.print[0] >= '7';

		assert_int_equal(strlen(item->entry.body), is_late ? LEN : 0);
		assert_string_equal(item->entry.fields,
		    is_late ? "a: b\n" : "");
		assert_string_equal(item->entry.target, "/users?a=b");
		assert_int_equal(item->until_us,
		    (1000 + item->entry.print[0] - '0') * 1000);
	}
	free(body);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_an_entry_is_copied_whole),
		T(test_the_same_print_replaces),
		T(test_a_print_may_be_shortened_while_it_means_one),
		T(test_no_print_means_nothing),
		T(test_what_has_ended_is_dropped_and_the_rest_counts_down),
		T(test_over_the_number_the_oldest_goes),
		T(test_over_the_bytes_the_oldest_lose_their_details),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
