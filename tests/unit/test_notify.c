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
		{ "STATUS=a\x9b\xc2\x9b\xff\xc3\xa4", NOTIFY_STATUS,
		    "a????\xc3\xa4" },
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
		{ "BARRIER=1", 0, "" },
		{ "MONOTONIC_USEC=17\nRELOADING=1", NOTIFY_RELOADING, "" },
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
test_more_time_is_a_number_within_bounds(void **state)
{
	static const struct {
		const char *text;
		unsigned flags;
		int64_t extend_us;
	} cases[] = {
		{ "EXTEND_TIMEOUT_USEC=5000000", NOTIFY_EXTEND, 5000000 },
		{ "EXTEND_TIMEOUT_USEC=0", NOTIFY_EXTEND, 0 },
		{ "EXTEND_TIMEOUT_USEC=18446744073709551615", NOTIFY_EXTEND,
		    NOTIFY_PERIOD_MAX_US },
		{ "EXTEND_TIMEOUT_USEC=", 0, 0 },
		{ "EXTEND_TIMEOUT_USEC=1s", 0, 0 },
		{ "EXTEND_TIMEOUT=1", 0, 0 },
	};
	struct notify_msg msg;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		notify_parse(cases[i].text, strlen(cases[i].text), &msg);
		assert_int_equal(msg.flags, cases[i].flags);
		assert_int_equal(msg.extend_us, cases[i].extend_us);
	}
}

static void
test_an_error_is_told_in_words(void **state)
{
	static const struct {
		const char *text;
		unsigned flags;
		const char *error;
	} cases[] = {
		{ "ERRNO=28", NOTIFY_ERROR,
		    "No space left on device (errno 28)" },
		{ "ERRNO=0", NOTIFY_ERROR, "" },
		{ "ERRNO=-5", 0, "" },
		{ "ERRNO=x", 0, "" },
		{ "BUSERROR=org.x.Failed", NOTIFY_ERROR, "org.x.Failed" },
		{ "BUSERROR=a\x1bz", NOTIFY_ERROR, "a?z" },
	};
	struct notify_msg msg;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		notify_parse(cases[i].text, strlen(cases[i].text), &msg);
		assert_int_equal(msg.flags, cases[i].flags);
		assert_string_equal(msg.error, cases[i].error);
	}
}

static void
test_what_is_refused_is_named(void **state)
{
	static const struct {
		const char *text, *refused;
		int64_t main_pid;
	} cases[] = {
		{ "MAINPID=4711", "MAINPID", 4711 },
		{ "MAINPID=-1", "MAINPID", 0 },
		{ "MAINPID=99999999999", "MAINPID", INT32_MAX },
		{ "NOTIFYACCESS=all", "NOTIFYACCESS", 0 },
		{ "FDSTORE=1", "FDSTORE", 0 },
		{ "FDNAME=a", "FDNAME", 0 },
		{ "FDSTOREREMOVE=1\nX=1", "FDSTOREREMOVE", 0 },
		{ "READY=1\nXFDSTORE=1", NULL, 0 },
	};
	struct notify_msg msg;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		notify_parse(cases[i].text, strlen(cases[i].text), &msg);
		assert_int_equal(msg.main_pid, cases[i].main_pid);
		assert_int_equal((msg.flags & NOTIFY_REFUSED) != 0,
		    cases[i].refused != NULL);
		if (cases[i].refused != NULL)
			assert_string_equal(msg.refused, cases[i].refused);
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
	/* Not within a character. */
	memcpy(text + 7 + NOTIFY_STATUS_MAX - 1, "\xc3\xa4", 2);
	notify_parse(text, sizeof(text), &msg);
	assert_int_equal(strlen(msg.status), NOTIFY_STATUS_MAX - 1);
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
		cmocka_unit_test(test_more_time_is_a_number_within_bounds),
		cmocka_unit_test(test_an_error_is_told_in_words),
		cmocka_unit_test(test_what_is_refused_is_named),
		cmocka_unit_test(test_a_long_status_is_cut),
		cmocka_unit_test(
		    test_cut_off_at_every_byte_nothing_is_read_behind_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
