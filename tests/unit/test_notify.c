/* The sd_notify datagrams of services: any bytes are safe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/notify.h"

static void
test_known_lines_are_found_and_all_others_skipped(void **state)
{
	static const struct {
		const char *text;
		unsigned flags;
		const char *status;
	} cases[] = {
		{ "READY=1", NOTIFY_READY, "" },
		{ "READY=1\n", NOTIFY_READY, "" },
		{ "STATUS=warm\nREADY=1\n", NOTIFY_READY | NOTIFY_STATUS,
		    "warm" },
		{ "STOPPING=1\nWATCHDOG=1\nRELOADING=1",
		    NOTIFY_STOPPING | NOTIFY_WATCHDOG | NOTIFY_RELOADING, "" },
		{ "STATUS=", NOTIFY_STATUS, "" },
		{ "STATUS=a\x1b[31mb\x7f", NOTIFY_STATUS, "a?[31mb?" },
		{ "STATUS=a\nSTATUS=b", NOTIFY_STATUS, "b" },
		{ "", 0, "" },
		{ "\n\n\n", 0, "" },
		{ "WATCHDOG=trigger", NOTIFY_TRIGGER, "" },
		{ "WATCHDOG=triggers", 0, "" },
		{ "READY=0", 0, "" },
		{ "READY=10", 0, "" },
		{ "READY", 0, "" },
		{ " READY=1", 0, "" },
		{ "XREADY=1", 0, "" },
		{ "READY=1 ", 0, "" },
		{ "MAINPID=1\nFDSTORE=1", 0, "" },
	};
	struct notify_msg msg;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		notify_parse(cases[i].text, strlen(cases[i].text), &msg);
		assert_int_equal(msg.flags, cases[i].flags);
		assert_string_equal(msg.status, cases[i].status);
	}
}

static void
test_a_watchdog_period_is_a_number_within_bounds(void **state)
{
	static const struct {
		const char *text;
		unsigned flags;
		int64_t watchdog_us;
	} cases[] = {
		{ "WATCHDOG_USEC=1500000", NOTIFY_PERIOD, 1500000 },
		{ "WATCHDOG_USEC=0", NOTIFY_PERIOD, 0 },
		{ "WATCHDOG=1\nWATCHDOG_USEC=7\n",
		    NOTIFY_PERIOD | NOTIFY_WATCHDOG, 7 },
		{ "WATCHDOG_USEC=99999999999999999999999999", NOTIFY_PERIOD,
		    NOTIFY_PERIOD_MAX_US },
		{ "WATCHDOG_USEC=", 0, 0 },
		{ "WATCHDOG_USEC=-1", 0, 0 },
		{ "WATCHDOG_USEC=12x", 0, 0 },
		{ "WATCHDOG_USEC= 12", 0, 0 },
	};
	struct notify_msg msg;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		notify_parse(cases[i].text, strlen(cases[i].text), &msg);
		assert_int_equal(msg.flags, cases[i].flags);
		assert_int_equal(msg.watchdog_us, cases[i].watchdog_us);
	}
}

static void
test_a_long_status_is_cut(void **state)
{
	char text[4096] = "STATUS=";
	struct notify_msg msg;

	(void)state;
	memset(text + 7, 'x', sizeof(text) - 7);
	notify_parse(text, sizeof(text), &msg);
	assert_int_equal(strlen(msg.status), NOTIFY_STATUS_MAX);
}

/* Copies on the heap, so that a sanitizer sees each byte read too far. */
static void
test_cut_off_at_every_byte_nothing_is_read_behind_the_end(void **state)
{
	static const char text[] = "STATUS=ok\nREADY=1\n\0READY=1\nSTOPPING=1";
	struct notify_msg msg;
	char *copy;

	(void)state;
	for (size_t len = 1; len <= sizeof(text); len++) {
		copy = malloc(len);
		assert_non_null(copy);
		memcpy(copy, text, len);
		notify_parse(copy, len, &msg);
		free(copy);
		assert_int_equal((msg.flags & NOTIFY_READY) != 0, len >= 17);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_known_lines_are_found_and_all_others_skipped),
		cmocka_unit_test(
		    test_a_watchdog_period_is_a_number_within_bounds),
		cmocka_unit_test(test_a_long_status_is_cut),
		cmocka_unit_test(
		    test_cut_off_at_every_byte_nothing_is_read_behind_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
