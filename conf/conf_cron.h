/*
 * conf_cron: when a service is to run, as crontab(5) writes it.
 *
 * Five fields: minute, hour, day of the month, month, day of the week, in the
 * wall clock of the schedule's time zone; supervisor/schedule.h finds the
 * times. All but conf_cron_check_zone() is pure.
 */
#ifndef MSVC_CONF_CONF_CRON_H
#define MSVC_CONF_CONF_CRON_H

#include <stdbool.h>
#include <time.h>

struct conf_cron;
struct conf_why;

/*
 * Lists, ranges, steps behind a range or "*", names of months and days (three
 * letters, any case), Sunday as 0 and 7, and @hourly, @daily, @midnight,
 * @weekly, @monthly, @yearly, @annually.
 *
 * Returns 0 with cron_r filled, all bytes of it; or -1 with why as in
 * conf_value.h, also for a day that never comes (30 February).
 */
int conf_cron_parse(const char *text, struct conf_cron *cron_r,
    struct conf_why *why);

/*
 * Is the day of tm one of them? Uses tm_mday, tm_mon and tm_wday. Either the
 * day of the month or that of the week will do when both are restricted, that
 * is, when neither starts with "*".
 */
bool conf_cron_has_day(const struct conf_cron *cron, const struct tm *tm);

/*
 * Is it a time zone of this machine's database, such as Europe/Berlin? UTC
 * always is. Reads the first bytes of the file; a name cannot leave the
 * database's directory.
 */
int conf_cron_check_zone(const char *text, struct conf_why *why);

#endif
