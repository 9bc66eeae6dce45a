/* The name of a crash bundle is safe as a file name and sorts by time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/crash_id.h"

#define NAME32 "abcdefghijklmnopqrstuvwxyz-_0123"

static void
test_an_id_is_made_of_its_parts(void **state)
{
	static const struct {
		const char *service;
		unsigned index;
		uint64_t generation;
		int64_t time;
		const char *id;
	} cases[] = {
		{ "echo", 1, 3, 1795346430, "echo-1-3-20261122T112030Z" },
		{ "a-1-2", 1000, 18446744073709551615ULL, 0,
		    "a-1-2-1000-18446744073709551615-19700101T000000Z" },
		{ NAME32, 1, 1, 0, NAME32 "-1-1-19700101T000000Z" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char id[CRASH_ID_MAX];

		crash_id_make(id, cases[i].service, cases[i].index,
		    cases[i].generation, cases[i].time);
		assert_string_equal(id, cases[i].id);
		assert_true(crash_id_is_good(id));
	}
}

static void
test_what_is_no_id_is_refused(void **state)
{
	static const char *const cases[] = { "", "echo", "../x", "-",
		"echo-1-3-20261122T112030", "echo-1-3-20261122 112030Z",
		"echo-1-20261122T112030Z", "-1-3-20261122T112030Z",
		"../a-1-3-20261122T112030Z", "a/b-1-3-20261122T112030Z",
		".a-1-3-20261122T112030Z", "a-1--20261122T112030Z",
		"a-x-3-20261122T112030Z", "1a-1-3-20261122T112030Z",
		"a-1-3-2026112xT112030Z", "20261122T112030Z",
		"a\n-1-3-20261122T112030Z",
		NAME32 NAME32 NAME32 "-1-3-20261122T112030Z" };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (crash_id_is_good(cases[i]))
			fail_msg("\"%s\" was taken for an id", cases[i]);
	}
}

static void
test_a_file_has_the_id_and_a_suffix(void **state)
{
	static const struct {
		const char *name;
		bool is_one;
	} cases[] = {
		{ "echo-1-3-20261122T112030Z.json", true },
		{ "echo-1-3-20261122T112030Z", false },
		{ ".echo-1-3-20261122T112030Z.tmp", false },
		{ "echo-1-3-20261122T112030Z.json.gz", false },
		{ ".json", false },
		{ "notes.json", false },
		{ NAME32 NAME32 NAME32 "-1-3-20261122T112030Z.json", false },
	};
	char id[CRASH_ID_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(crash_id_of_file(cases[i].name, id),
		    cases[i].is_one);
	assert_true(crash_id_of_file("e-1-3-20261122T112030Z.json", id));
	assert_string_equal(id, "e-1-3-20261122T112030Z");
}

static void
test_the_earlier_death_comes_first(void **state)
{
	static const struct {
		const char *first, *second;
	} cases[] = {
		{ "z-9-9-20251122T112030Z", "a-1-1-20261122T112030Z" },
		{ "a-1-9-20261122T112030Z", "a-1-10-20261122T112030Z" },
		{ "a-2-1-20261122T112030Z", "b-1-1-20261122T112030Z" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(
		    crash_id_compare(cases[i].first, cases[i].second) < 0);
		assert_true(
		    crash_id_compare(cases[i].second, cases[i].first) > 0);
		assert_int_equal(crash_id_compare(cases[i].first,
				     cases[i].first),
		    0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_id_is_made_of_its_parts),
		cmocka_unit_test(test_what_is_no_id_is_refused),
		cmocka_unit_test(test_a_file_has_the_id_and_a_suffix),
		cmocka_unit_test(test_the_earlier_death_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
