/* Lines of cron, and the times they stand for, over changes of the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "conf/conf_cron.h"
#include "conf/conf_value.h"
#include "supervisor/schedule.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* "2026-03-29 03:00" as if it were UTC. */
static int64_t
utc(const char *text)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%d %H:%M", &tm);

	assert_non_null(end);
	return (int64_t)timegm(&tm);
}

static struct conf_cron
parsed(const char *line)
{
	struct conf_cron cron;
	struct conf_why why = { "" };

	if (conf_cron_parse(line, &cron, &why) < 0)
		fail_msg("%s %s", line, why.text);
	return cron;
}

static void
all_ways_to_write_a_line_mean_the_same_bits(void **state)
{
	static const struct {
		const char *one, *other;
	} cases[] = {
		{ "@hourly", "0 * * * *" },
		{ "@daily", "0 0 * * *" },
		{ "@midnight", "0 0 * * *" },
		{ "@weekly", "0 0 * * 0" },
		{ "@monthly", "0 0 1 * *" },
		{ "@yearly", "0 0 1 1 *" },
		{ "@annually", "0 0 1 1 *" },
		{ "*/15 * * * *", "0,15,30,45 * * * *" },
		{ "5-20/5 1-3 * * *", "5,10,15,20 1,2,3 * * *" },
		{ "0 0 * jan,Mar-MAY *", "0 0 * 1,3,4,5 *" },
		{ "0 0 * * sun", "0 0 * * 7" },
		{ "0 0 * * 0", "0 0 * * 7" },
		{ "0 0 * * fri-sun", "0 0 * * 0,5,6" },
		{ "0 0 * * 5-7", "0 0 * * 5,6,0" },
		{ "0 0 * * MON-Fri", "0 0 * * 1-5" },
		{ "0 0 * * sun-tue", "0 0 * * 0-2" },
		{ " 0\t0  1 1\t* ", "0 0 1 1 *" },
		{ "00 007 1 1 *", "0 7 1 1 *" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_cron one = parsed(cases[i].one),
				 other = parsed(cases[i].other);

		assert_memory_equal(&one, &other, sizeof(one));
	}
}

static void
a_wrong_line_is_refused_with_the_field_and_what_would_be_right(void **state)
{
	static const struct {
		const char *line, *why;
	} cases[] = {
		{ "", "has 0 fields; write minute, hour, day, month and "
		      "weekday, such as */5 * * * *" },
		{ "* * * *", "has 4 fields" },
		{ "* * * * * *", "has 6 fields" },
		{ "*", "has 1 field;" },
		{ "61 * * * *", "has a minute \"61\"; write 0 to 59" },
		{ "60 * * * *", "has a minute \"60\"; write 0 to 59" },
		{ "-1 * * * *", "has a minute \"-1\"; write 0 to 59" },
		{ "1,,2 * * * *", "has a minute \"\"; write 0 to 59" },
		{ "1, * * * *", "has a minute \"\"; write 0 to 59" },
		{ "x * * * *", "has a minute \"x\"; write 0 to 59" },
		{ "5x * * * *", "has a minute \"5x\"; write 0 to 59" },
		{ "** * * * *", "has a minute \"**\"; write 0 to 59" },
		{ "99999999999999999999 * * * *", "has a minute \"9999" },
		{ "* 24 * * *", "has an hour \"24\"; write 0 to 23" },
		{ "* * 0 * *", "has a day \"0\"; write 1 to 31" },
		{ "* * 32 * *", "has a day \"32\"; write 1 to 31" },
		{ "* * * 13 *", "has a month \"13\"; write 1 to 12 or jan to "
				"dec" },
		{ "* * * foo *", "has a month \"foo\"" },
		{ "* * * january *", "has a month \"january\"" },
		{ "* * * * 8", "has a weekday \"8\"; write 0 to 7 or sun to "
			       "sat" },
		{ "* 22-2 * * *", "has an hour \"22-2\" that goes backwards" },
		{ "* 2- * * *", "has an hour \"2-\"" },
		{ "5/10 * * * *", "has a minute \"5/10\" with a step but "
				  "without a range; write FIRST-LAST/STEP" },
		{ "*/0 * * * *", "has a minute \"*/0\" with a step out of" },
		{ "*/ * * * *", "has a minute \"*/\" with a step out of" },
		{ "*/60 * * * *", "has a minute \"*/60\" with a step out" },
		{ "*/5x * * * *", "has a minute \"*/5x\"; write 0 to 59" },
		{ "@reboot", "is not one of @hourly, @daily" },
		{ "@", "is not one of @hourly" },
		{ "0 0 31 2 *", "never comes; write a day that its months" },
		{ "0 0 30 feb *", "never comes" },
		{ "0 0 31 4,6,9,11 *", "never comes" },
		{ "0 0 31 2 */2", "never comes" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_why why = { "" };
		struct conf_cron cron;

		assert_int_equal(conf_cron_parse(cases[i].line, &cron, &why),
		    -1);
		if (strncmp(why.text, cases[i].why, strlen(cases[i].why)) != 0)
			fail_msg("%s: %s", cases[i].line, why.text);
	}
}

static void
a_zone_is_one_of_the_database_and_no_path_out_of_it(void **state)
{
	static const struct {
		const char *text;
		int rc;
	} cases[] = {
		{ "UTC", 0 },
		{ "Europe/Berlin", 0 },
		{ "Etc/GMT+5", 0 },
		{ "America/Port-au-Prince", 0 },
		{ "", -1 },
		{ "Europe", -1 },
		{ "Europe/Nowhere", -1 },
		{ "../zoneinfo/UTC", -1 },
		{ "Europe/../UTC", -1 },
		{ "/usr/share/zoneinfo/Europe/Berlin", -1 },
		{ "zone.tab", -1 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", -1 },
		{ "Europe/Berlin ", -1 },
		{ "/Europe/Berlin", -1 },
		{ "leapseconds", -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_why why = { "" };

		if (conf_cron_check_zone(cases[i].text, &why) != cases[i].rc)
			fail_msg("%s", cases[i].text);
		assert_int_equal(why.text[0] == '\0', cases[i].rc == 0);
	}
}

/*
 * after and the times that follow are in UTC; what the wall clock shows then
 * is in the comment.
 */
struct times {
	const char *line, *zone, *after, *next[4];
};

static void
check_times(const struct times *cases, size_t count)
{
	char got[SCHEDULE_SHOW_MAX];

	for (size_t i = 0; i < count; i++) {
		struct conf_cron cron = parsed(cases[i].line);
		int64_t time_s = utc(cases[i].after);

		for (size_t k = 0; k < 4 && cases[i].next[k] != NULL; k++) {
			time_s = schedule_next_in(&cron, time_s, cases[i].zone);
			schedule_show(time_s, "UTC", got);
			if (time_s != utc(cases[i].next[k]))
				fail_msg("%s in %s: %s instead of %s",
				    cases[i].line, cases[i].zone, got,
				    cases[i].next[k]);
		}
	}
}

static void
times_follow_each_other_over_the_ends_of_hours_months_and_years(void **state)
{
	static const struct times cases[] = {
		{ "* * * * *", "UTC", "2026-11-22 12:00",
		    { "2026-11-22 12:01", "2026-11-22 12:02" } },
		{ "*/5 * * * *", "UTC", "2026-12-31 23:54",
		    { "2026-12-31 23:55", "2027-01-01 00:00" } },
		{ "0 0 31 * *", "UTC", "2026-01-31 00:00",
		    { "2026-03-31 00:00", "2026-05-31 00:00" } },
		{ "0 0 29 2 *", "UTC", "2026-01-01 00:00",
		    { "2028-02-29 00:00", "2032-02-29 00:00" } },
		{ "0 0 29 2 *", "UTC", "2096-03-01 00:00",
		    { "2104-02-29 00:00" } },
		/* A Sunday, and 2100 has no such day. */
		{ "0 0 29 2 */7", "UTC", "2088-02-29 00:01",
		    { "2128-02-29 00:00" } },
		/* No such day, but the Mondays. */
		{ "0 0 31 2 mon", "UTC", "2026-02-20 00:00",
		    { "2026-02-23 00:00", "2027-02-01 00:00" } },
		{ "30 4 1,15 * 5", "UTC", "2026-11-01 00:00",
		    { "2026-11-01 04:30", "2026-11-06 04:30",
			"2026-11-13 04:30", "2026-11-15 04:30" } },
		{ "0 9 * * mon-fri", "UTC", "2026-11-20 09:00",
		    { "2026-11-23 09:00", "2026-11-24 09:00" } },
		{ "@yearly", "UTC", "2026-06-01 00:00",
		    { "2027-01-01 00:00", "2028-01-01 00:00" } },
		/* UTC+14 and UTC-11: the day there is another one. */
		{ "0 0 * * *", "Pacific/Kiritimati", "2026-11-22 09:59",
		    { "2026-11-22 10:00", "2026-11-23 10:00" } },
		{ "0 23 * * *", "Pacific/Pago_Pago", "2026-11-22 09:59",
		    { "2026-11-22 10:00", "2026-11-23 10:00" } },
	};

	(void)state;
	check_times(cases, COUNT(cases));
}

static void
a_skipped_time_runs_at_the_end_of_the_gap(void **state)
{
	static const struct times cases[] = {
		/* 02:00 +0100 becomes 03:00 +0200 at 01:00 UTC. */
		{ "30 2 * * *", "Europe/Berlin", "2026-03-28 12:00",
		    { "2026-03-29 01:00", "2026-03-30 00:30" } },
		/* Once, however many are skipped, or come just then. */
		{ "*/10 2,3 * * *", "Europe/Berlin", "2026-03-28 12:00",
		    { "2026-03-29 01:00", "2026-03-29 01:10" } },
		{ "0 3 * * *", "Europe/Berlin", "2026-03-28 12:00",
		    { "2026-03-29 01:00", "2026-03-30 01:00" } },
		{ "59 1 * * *", "Europe/Berlin", "2026-03-28 12:00",
		    { "2026-03-29 00:59" } },
		{ "15 2 * * *", "America/New_York", "2026-03-07 12:00",
		    { "2026-03-08 07:00", "2026-03-09 06:15" } },
		/* Half an hour: 02:00 +1030 becomes 02:30 +11 at 15:30 UTC. */
		{ "10 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00",
		    { "2026-10-03 15:30", "2026-10-04 15:10" } },
		/* At midnight: 00:00 becomes 01:00 there. */
		{ "30 0 * * *", "Africa/Cairo", "2026-04-23 12:00",
		    { "2026-04-23 22:00", "2026-04-24 21:30" } },
	};

	(void)state;
	check_times(cases, COUNT(cases));
}

static void
a_time_that_comes_twice_runs_once(void **state)
{
	static const struct times cases[] = {
		/* 03:00 +0200 becomes 02:00 +0100 at 01:00 UTC. */
		{ "30 2 * * *", "Europe/Berlin", "2026-10-24 12:00",
		    { "2026-10-25 00:30", "2026-10-26 01:30" } },
		{ "0,30 2,3 * * *", "Europe/Berlin", "2026-10-24 12:00",
		    { "2026-10-25 00:00", "2026-10-25 00:30",
			"2026-10-25 02:00", "2026-10-25 02:30" } },
		{ "30 1 * * *", "America/New_York", "2026-10-31 12:00",
		    { "2026-11-01 05:30", "2026-11-02 06:30" } },
		{ "45 1 * * *", "Australia/Lord_Howe", "2026-04-04 12:00",
		    { "2026-04-04 14:45", "2026-04-05 15:15" } },
		/* 24:00 becomes 23:00 of the day before. */
		{ "30 23 * * *", "Africa/Cairo", "2026-10-29 12:00",
		    { "2026-10-29 20:30", "2026-10-30 21:30" } },
	};

	(void)state;
	check_times(cases, COUNT(cases));
}

static void
an_hour_with_a_star_goes_by_what_the_clock_shows(void **state)
{
	static const struct times cases[] = {
		{ "*/30 * * * *", "Europe/Berlin", "2026-03-29 00:30",
		    { "2026-03-29 01:00", "2026-03-29 01:30" } },
		{ "30 */2 * * *", "Europe/Berlin", "2026-03-28 23:30",
		    { "2026-03-29 02:30" } },
		{ "*/30 * * * *", "Europe/Berlin", "2026-10-25 00:00",
		    { "2026-10-25 00:30", "2026-10-25 01:00",
			"2026-10-25 01:30", "2026-10-25 02:00" } },
		{ "@hourly", "Africa/Cairo", "2026-10-29 20:00",
		    { "2026-10-29 21:00", "2026-10-29 22:00" } },
		/* 00:01 -0230 becomes 23:01 -0330 of the day before. */
		{ "30 * * * *", "America/St_Johns", "2010-11-07 02:30",
		    { "2010-11-07 03:00", "2010-11-07 04:00" } },
		{ "0,5 */23 * * *", "America/St_Johns", "2010-11-07 01:40",
		    { "2010-11-07 02:30", "2010-11-07 02:35",
			"2010-11-07 03:30", "2010-11-07 03:35" } },
		{ "@hourly", "Australia/Lord_Howe", "2026-10-03 14:30",
		    { "2026-10-03 16:00" } },
	};

	(void)state;
	check_times(cases, COUNT(cases));
}

static int64_t
utc_offset(int64_t time_s)
{
	(void)time_s;
	return 0;
}

/* The odd offset of a zone that is no multiple of a minute. */
static int64_t
odd_offset(int64_t time_s)
{
	return time_s < 1000000 ? 75 : 75 + 90;
}

static void
the_search_is_bounded_and_odd_offsets_end_on_a_minute(void **state)
{
	struct conf_cron never = parsed("0 0 29 2 *"),
			 each = parsed("* 0-23 * * *");
	int64_t time_s;

	(void)state;
	never.days = 1U << 30;
	assert_int_equal(schedule_next(&never, 0, utc_offset), -1);
	time_s = schedule_next(&each, 999990, odd_offset);
	assert_int_equal((time_s + odd_offset(time_s)) % 60, 0);
	assert_true(time_s > 999990 && time_s < 1000060 + 75);
}

static void
the_zone_of_the_process_is_as_before(void **state)
{
	struct conf_cron cron = parsed("0 12 * * *");
	char text[SCHEDULE_SHOW_MAX];
	time_t t = 0;
	struct tm tm;

	(void)state;
	assert_int_equal(setenv("TZ", "Asia/Tokyo", 1), 0);
	assert_int_equal(schedule_next_in(&cron, 0, "UTC"), 12 * 3600);
	assert_string_equal(getenv("TZ"), "Asia/Tokyo");
	localtime_r(&t, &tm);
	assert_int_equal(tm.tm_gmtoff, 9 * 3600);
	assert_int_equal(schedule_next_in(&cron, 0, NULL), 3 * 3600);
	schedule_show(0, "Europe/Berlin", text);
	assert_string_equal(text, "1970-01-01 01:00:00 +0100");
	schedule_show(0, NULL, text);
	assert_string_equal(text, "1970-01-01 09:00:00 +0900");
	assert_int_equal(unsetenv("TZ"), 0);
}

static void
what_is_late_by_more_than_a_minute_is_missed(void **state)
{
	static const struct {
		int64_t now_ms, due_ms;
		enum schedule_verdict verdict;
	} cases[] = {
		{ 999, 1000, SCHEDULE_WAIT },
		{ 1000, 1000, SCHEDULE_RUN },
		{ 61000, 1000, SCHEDULE_RUN },
		{ 61001, 1000, SCHEDULE_MISSED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(schedule_judge(cases[i].now_ms,
				     cases[i].due_ms),
		    cases[i].verdict);
}

static void
a_clock_set_back_a_little_repeats_no_run(void **state)
{
	static const struct {
		int64_t now_s, last_s, after_s;
	} cases[] = {
		{ 100000, 0, 100000 },
		{ 100000, 99940, 100000 },
		{ 100000, 100060, 100060 },
		{ 100000, 103600, 103600 },
		{ 100000, 103601, 100000 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(schedule_after(cases[i].now_s,
				     cases[i].last_s),
		    cases[i].after_s);
}

static void
jitter_delays_by_anything_up_to_its_bound(void **state)
{
	(void)state;
	assert_int_equal(schedule_due(60, 0, 12345), 60000);
	assert_int_equal(schedule_due(60, 1000, 0), 60000);
	assert_int_equal(schedule_due(60, 1000, 1000), 61000);
	assert_int_equal(schedule_due(60, 1000, 1001), 60000);
	assert_true(schedule_due(60, 1000, UINT64_MAX) <= 61000);
}

static void
the_wait_is_shown_in_the_units_that_matter(void **state)
{
	static const struct {
		int64_t left_ms;
		const char *text;
	} cases[] = {
		{ -5, "now" },
		{ 0, "now" },
		{ 1, "in 1s" },
		{ 60000, "in 60s" },
		{ 60001, "in 2m" },
		{ 240000, "in 4m" },
		{ 3600000, "in 1h 0m" },
		{ 172740000, "in 47h 59m" },
		{ 180000000, "in 2d 2h" },
	};
	char text[SCHEDULE_SHOW_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		schedule_show_wait(1000, 1000 + cases[i].left_ms, text);
		assert_string_equal(text, cases[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_ways_to_write_a_line_mean_the_same_bits),
		cmocka_unit_test(
		    a_wrong_line_is_refused_with_the_field_and_what_would_be_right),
		cmocka_unit_test(
		    a_zone_is_one_of_the_database_and_no_path_out_of_it),
		cmocka_unit_test(
		    times_follow_each_other_over_the_ends_of_hours_months_and_years),
		cmocka_unit_test(a_skipped_time_runs_at_the_end_of_the_gap),
		cmocka_unit_test(a_time_that_comes_twice_runs_once),
		cmocka_unit_test(
		    an_hour_with_a_star_goes_by_what_the_clock_shows),
		cmocka_unit_test(
		    the_search_is_bounded_and_odd_offsets_end_on_a_minute),
		cmocka_unit_test(the_zone_of_the_process_is_as_before),
		cmocka_unit_test(what_is_late_by_more_than_a_minute_is_missed),
		cmocka_unit_test(a_clock_set_back_a_little_repeats_no_run),
		cmocka_unit_test(jitter_delays_by_anything_up_to_its_bound),
		cmocka_unit_test(the_wait_is_shown_in_the_units_that_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
