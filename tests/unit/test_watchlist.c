#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "router/poison.h"
#include "router/watchlist.h"

enum {
	NOW = 1000,
	LAST = 500 /* of a quarantine */
};

static const struct poison_print suspected = { 1, 1 }, quarantined = { 2, 2 },
				 both = { 3, 3 }, half = { 1, 2 };

static struct poison *poison;

/* suspected and both crash s together, both crashes it by other means too. */
static int
setup(void **state)
{
	const struct poison_print prints[] = { suspected, both };
	struct poison_print out[2];
	size_t count;

	(void)state;
	poison = poison_new();
	if (poison == NULL)
		return -1;
	poison_death(poison, "s", prints, 2, LAST, NOW, out, &count);
	poison_quarantine(poison, "s", &quarantined, LAST, NOW);
	poison_quarantine(poison, "s", &both, LAST, NOW);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	poison_free(&poison);
	return 0;
}

static void
test_each_request_is_what_poison_says_until_it_is_over(void **state)
{
	static const int64_t faded = NOW + (int64_t)POISON_FADE_US;
	const struct {
		const char *service;
		struct poison_print print;
		int64_t now_us;
		enum watchlist_kind kind;
		int64_t until_us;
	} cases[] = {
		{ "s", suspected, NOW, WATCHLIST_SUSPECT, faded },
		{ "s", suspected, faded - 1, WATCHLIST_SUSPECT, faded },
		{ "s", suspected, faded, WATCHLIST_NONE, -1 },
		{ "s", quarantined, NOW, WATCHLIST_QUARANTINED, NOW + LAST },
		{ "s", quarantined, NOW + LAST - 1, WATCHLIST_QUARANTINED,
		    NOW + LAST },
		{ "s", quarantined, NOW + LAST, WATCHLIST_NONE, -1 },
		{ "s", both, NOW, WATCHLIST_QUARANTINED, NOW + LAST },
		{ "s", both, NOW + LAST, WATCHLIST_SUSPECT, faded },
		{ "s", half, NOW, WATCHLIST_NONE, -1 },
		{ "t", suspected, NOW, WATCHLIST_NONE, -1 },
		{ "t", quarantined, NOW, WATCHLIST_NONE, -1 },
		{ "", quarantined, NOW, WATCHLIST_NONE, -1 },
	};
	struct watchlist *list = watchlist_new(poison);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t until_us = -1;

		assert_int_equal(watchlist_find(list, cases[i].service,
				     &cases[i].print, cases[i].now_us,
				     &until_us),
		    cases[i].kind);
		assert_int_equal(until_us, cases[i].until_us);
	}
	assert_true(watchlist_has(list, "s"));
	assert_false(watchlist_has(list, "t"));
	watchlist_unref(&list);
	assert_null(list);
}

static void
test_a_list_is_of_its_time_and_lives_as_long_as_it_is_used(void **state)
{
	struct watchlist *list = watchlist_new(poison);
	struct watchlist *other = watchlist_ref(list);
	int64_t until_us;

	(void)state;
	assert_int_equal(poison_release(poison, "s", &quarantined), 1);
	poison_free(&poison);
	watchlist_unref(&list);
	assert_int_equal(watchlist_find(other, "s", &quarantined, NOW,
			     &until_us),
	    WATCHLIST_QUARANTINED);
	watchlist_unref(&other);
	watchlist_unref(&other);
}

static void
test_nothing_to_look_out_for_is_no_list(void **state)
{
	struct poison *empty = poison_new();
	struct watchlist *list = watchlist_new(empty);
	int64_t until_us;

	(void)state;
	assert_null(list);
	assert_null(watchlist_ref(NULL));
	assert_false(watchlist_has(NULL, "s"));
	assert_int_equal(watchlist_find(NULL, "s", &suspected, NOW, &until_us),
	    WATCHLIST_NONE);
	watchlist_unref(&list);
	poison_free(&empty);
}

static void
test_services_do_not_share_what_they_look_out_for(void **state)
{
	static const char *const services[] = { "t", "s", "", "tt" };
	struct watchlist *list;
	int64_t until_us;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		poison_quarantine(poison, services[i],
		    &(struct poison_print){ 10 + i, 0 }, LAST, NOW);
	list = watchlist_new(poison);
	for (size_t i = 0; i < 4; i++) {
		assert_true(watchlist_has(list, services[i]));
		for (size_t n = 0; n < 4; n++)
			assert_int_equal(watchlist_find(list, services[i],
					     &(struct poison_print){ 10 + n,
						 0 },
					     NOW, &until_us),
			    i == n ? WATCHLIST_QUARANTINED : WATCHLIST_NONE);
	}
	assert_false(watchlist_has(list, "ttt"));
	watchlist_unref(&list);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(each_request_is_what_poison_says_until_it_is_over),
		T(a_list_is_of_its_time_and_lives_as_long_as_it_is_used),
		T(nothing_to_look_out_for_is_no_list),
		T(services_do_not_share_what_they_look_out_for),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
