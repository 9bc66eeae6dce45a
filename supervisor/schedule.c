#include "schedule.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/conf_cron.h"

enum {
	MINUTE = 60,
	HOUR = 3600,
	DAY = 24 * HOUR,
	/* More than the two furthest zones are apart. */
	AROUND = 36 * HOUR,
	/* 29 February on one weekday, with 2100 without that day between. */
	DAYS_MAX = 41 * 366
};

/* What is looked for. Wall clock times are seconds as if they were UTC. */
struct search {
	const struct conf_cron *cron;
	schedule_offset *offset;
	int64_t after_s;
	/* Of the zone around the day: the larger and the smaller one. */
	int64_t large, small;
};

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* time_s if it is after the start of the search, else -1. */
static int64_t
later_than_start(const struct search *search, int64_t time_s)
{
	return time_s > search->after_s ? time_s : -1;
}

/* The first minute behind a gap that lies between before_s and behind_s. */
static int64_t
gap_end(const struct search *search, int64_t before_s, int64_t behind_s)
{
	int64_t old = search->offset(before_s), middle, over;

	while (behind_s - before_s > 1) {
		middle = before_s + (behind_s - before_s) / 2;
		if (search->offset(middle) == old)
			before_s = middle;
		else
			behind_s = middle;
	}
	over = (behind_s + search->offset(behind_s)) % MINUTE;
	return over == 0 ? behind_s : behind_s + MINUTE - over;
}

/*
 * The first time after the start at which the wall clock shows wall_s, on a
 * day on which the offset may change.
 */
static int64_t
wall_time(const struct search *search, int64_t wall_s)
{
	int64_t first = wall_s - search->large, second = wall_s - search->small;
	bool is_first = search->offset(first) == search->large,
	     is_second = search->offset(second) == search->small;

	if (is_first && is_second && search->cron->is_any_hour)
		return earlier(later_than_start(search, first),
		    later_than_start(search, second));
	if (is_first)
		return later_than_start(search, first);
	if (is_second)
		return later_than_start(search, second);
	if (search->cron->is_any_hour)
		return -1;
	return later_than_start(search, gap_end(search, first, second));
}

/* The first time of that day after the start, or -1. */
static int64_t
day_time(const struct search *search, int64_t day_s)
{
	bool is_even = search->large == search->small;
	int64_t best = -1, wall_s;

	for (int hour = 0; hour < 24; hour++) {
		if ((search->cron->hours >> hour & 1) == 0)
			continue;
		for (int minute = 0; minute < 60; minute++) {
			if ((search->cron->minutes >> minute & 1) == 0)
				continue;
			wall_s = day_s + hour * HOUR + minute * MINUTE;
			if (!is_even)
				best = earlier(best, wall_time(search, wall_s));
			else if (wall_s - search->large > search->after_s)
				return wall_s - search->large;
		}
	}
	return best;
}

static bool
is_day(const struct conf_cron *cron, int64_t day_s)
{
	time_t time_s = (time_t)day_s;
	struct tm tm;

	return gmtime_r(&time_s, &tm) != NULL && conf_cron_has_day(cron, &tm);
}

static void
day_enter(struct search *search, int64_t day_s)
{
	int64_t before = search->offset(day_s - AROUND),
		behind = search->offset(day_s + DAY + AROUND);

	search->large = before > behind ? before : behind;
	search->small = before > behind ? behind : before;
}

int64_t
schedule_next(const struct conf_cron *cron, int64_t after_s,
    schedule_offset *offset)
{
	struct search search = { cron, offset, after_s, 0, 0 };
	int64_t wall_s = after_s + offset(after_s), best = -1;
	/* A wall clock that goes back over midnight shows the day before. */
	int64_t day_s = wall_s - wall_s % DAY - DAY;

	for (int i = 0; i < DAYS_MAX; i++, day_s += DAY) {
		bool is_found = best >= 0;

		if (is_day(cron, day_s)) {
			day_enter(&search, day_s);
			best = earlier(best, day_time(&search, day_s));
		}
		/* For the same reason the next day may have an earlier one. */
		if (is_found || (best >= 0 && search.large == search.small))
			break;
	}
	return best;
}

static int64_t
local_offset(int64_t time_s)
{
	time_t t = (time_t)time_s;
	struct tm tm;

	return localtime_r(&t, &tm) != NULL ? tm.tm_gmtoff : 0;
}

/*
 * Swapping the whole environment, instead of setting TZ in it, needs no memory
 * and leaves nothing behind.
 */
static void
zone_enter(const char *zone, char text[SCHEDULE_SHOW_MAX], char **swapped,
    char ***saved_r)
{
	*saved_r = environ;
	if (zone != NULL) {
		snprintf(text, SCHEDULE_SHOW_MAX, "TZ=%s", zone);
		swapped[0] = text;
		swapped[1] = NULL;
		environ = swapped;
	}
	tzset();
}

static void
zone_leave(char **saved)
{
	environ = saved;
	tzset();
}

int64_t
schedule_next_in(const struct conf_cron *cron, int64_t after_s,
    const char *zone)
{
	char text[SCHEDULE_SHOW_MAX], *swapped[2], **saved;
	int64_t next_s;

	zone_enter(zone, text, swapped, &saved);
	next_s = schedule_next(cron, after_s, local_offset);
	zone_leave(saved);
	return next_s;
}

void
schedule_show(int64_t time_s, const char *zone, char text[SCHEDULE_SHOW_MAX])
{
	char env[SCHEDULE_SHOW_MAX], *swapped[2], **saved;
	time_t t = (time_t)time_s;
	struct tm tm;

	text[0] = '\0';
	zone_enter(zone, env, swapped, &saved);
	if (localtime_r(&t, &tm) != NULL)
		(void)strftime(text, SCHEDULE_SHOW_MAX, "%Y-%m-%d %H:%M:%S %z",
		    &tm);
	zone_leave(saved);
}

int64_t
schedule_after(int64_t now_s, int64_t last_s)
{
	return last_s > now_s && last_s - now_s <= SCHEDULE_BACK_S ? last_s
								   : now_s;
}

int64_t
schedule_due(int64_t time_s, int64_t jitter_ms, uint64_t random)
{
	return time_s * 1000 + (int64_t)(random % ((uint64_t)jitter_ms + 1));
}

enum schedule_verdict
schedule_judge(int64_t now_ms, int64_t due_ms)
{
	if (now_ms < due_ms)
		return SCHEDULE_WAIT;
	return now_ms - due_ms <= SCHEDULE_GRACE_MS ? SCHEDULE_RUN
						    : SCHEDULE_MISSED;
}

void
schedule_show_wait(int64_t now_ms, int64_t due_ms, char text[SCHEDULE_SHOW_MAX])
{
	int64_t left_s = (due_ms - now_ms + 999) / 1000;
	int64_t left_m = (left_s + MINUTE - 1) / MINUTE;

	if (left_s <= 0)
		snprintf(text, SCHEDULE_SHOW_MAX, "now");
	else if (left_s <= MINUTE)
		snprintf(text, SCHEDULE_SHOW_MAX, "in %llds",
		    (long long)left_s);
	else if (left_m < 60)
		snprintf(text, SCHEDULE_SHOW_MAX, "in %lldm",
		    (long long)left_m);
	else if (left_m < 48 * 60)
		snprintf(text, SCHEDULE_SHOW_MAX, "in %lldh %lldm",
		    (long long)left_m / 60, (long long)left_m % 60);
	else
		snprintf(text, SCHEDULE_SHOW_MAX, "in %lldd %lldh",
		    (long long)left_m / (24 * 60), (long long)left_m / 60 % 24);
}
