#include "conf_cron.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "conf.h"
#include "conf_value.h"

enum {
	FIELDS = 5,
	ITEM_MAX = 64, /* bytes of an item that a message shows */
	SUNDAY = 7     /* its second number */
};

struct field {
	const char *name;
	unsigned least, most;
	const char *names; /* three letters each, from least on; or NULL */
	const char *wanted;
};

static const struct field fields[FIELDS] = {
	{ "a minute", 0, 59, NULL, "0 to 59" },
	{ "an hour", 0, 23, NULL, "0 to 23" },
	{ "a day", 1, 31, NULL, "1 to 31" },
	{ "a month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec",
	    "1 to 12 or jan to dec" },
	{ "a weekday", 0, SUNDAY, "sunmontuewedthufrisatsun",
	    "0 to 7 or sun to sat" },
};

/* One field as it is being read. */
struct cursor {
	const struct field *field;
	const char *at, *end;
	struct conf_why *why;
};

/* Complain about the item that begins at start, up to the next comma. */
static int
item_refuse(const struct cursor *cursor, const char *start, const char *what,
    const char *advice)
{
	const char *comma = memchr(start, ',', (size_t)(cursor->end - start));
	size_t len = (size_t)((comma != NULL ? comma : cursor->end) - start);
	char text[ITEM_MAX + 1], shown[CONF_SHOW_MAX];

	snprintf(text, sizeof(text), "%.*s", (int)len, start);
	conf_why_set(cursor->why, "has %s \"%s\"%s; write %s",
	    cursor->field->name, conf_show(shown, text), what, advice);
	return -1;
}

/* A number, or a name; -1 when there is none at the cursor. */
static int
value_read(struct cursor *cursor)
{
	const char *names = cursor->field->names, *start = cursor->at;
	unsigned value = 0;

	while (cursor->at < cursor->end && *cursor->at >= '0' &&
	       *cursor->at <= '9' && value <= 99)
		value = 10 * value + (unsigned)(*cursor->at++ - '0');
	if (cursor->at > start)
		return value <= cursor->field->most &&
			       value >= cursor->field->least
			   ? (int)value
			   : -1;
	if (names == NULL || cursor->end - start < 3)
		return -1;
	for (value = 0; names[3 * value] != '\0'; value++)
		if (strncasecmp(names + 3 * value, start, 3) == 0) {
			cursor->at += 3;
			return (int)(value + cursor->field->least);
		}
	return -1;
}

static bool
cursor_takes(struct cursor *cursor, char c)
{
	if (cursor->at == cursor->end || *cursor->at != c)
		return false;
	cursor->at++;
	return true;
}

/* "/15", or nothing, which is 1; 0 when it is wrong. */
static unsigned
step_read(struct cursor *cursor)
{
	unsigned step = 0;

	if (!cursor_takes(cursor, '/'))
		return 1;
	while (cursor->at < cursor->end && *cursor->at >= '0' &&
	       *cursor->at <= '9' && step <= 99)
		step = 10 * step + (unsigned)(*cursor->at++ - '0');
	return step <= cursor->field->most ? step : 0;
}

/* The two ends of "*", "5" or "1-5". Returns -1 when it is none of them. */
static int
range_read(struct cursor *cursor, int *first_r, int *last_r, bool *is_range_r)
{
	const char *start = cursor->at;

	*is_range_r = true;
	*first_r = (int)cursor->field->least;
	*last_r = (int)cursor->field->most;
	if (cursor_takes(cursor, '*'))
		return 0;
	*first_r = *last_r = value_read(cursor);
	*is_range_r = cursor_takes(cursor, '-');
	if (*is_range_r)
		*last_r = value_read(cursor);
	if (*first_r < 0 || *last_r < 0)
		return item_refuse(cursor, start, "", cursor->field->wanted);
	/* "fri-sun": there Sunday is the end of the week. */
	if (cursor->field->most == SUNDAY && *last_r == 0 && *first_r > 0)
		*last_r = SUNDAY;
	return 0;
}

static int
item_read(struct cursor *cursor, uint64_t *bits)
{
	const char *start = cursor->at;
	int first, last;
	bool is_range;
	unsigned step;

	if (range_read(cursor, &first, &last, &is_range) < 0)
		return -1;
	if (!is_range && cursor->at < cursor->end && *cursor->at == '/')
		return item_refuse(cursor, start,
		    " with a step but without a range", "FIRST-LAST/STEP");
	if (first > last)
		return item_refuse(cursor, start, " that goes backwards",
		    "the lower one first, or two ranges");
	step = step_read(cursor);
	if (step == 0)
		return item_refuse(cursor, start, " with a step out of range",
		    "a step that is at least 1 and within the field");
	if (cursor->at < cursor->end && *cursor->at != ',')
		return item_refuse(cursor, start, "", cursor->field->wanted);
	for (; first <= last; first += (int)step)
		*bits |= UINT64_C(1) << first;
	return 0;
}

static int
field_read(const struct field *field, const char *text, size_t len,
    uint64_t *bits, struct conf_why *why)
{
	struct cursor cursor = { field, text, text + len, why };

	do {
		if (item_read(&cursor, bits) < 0)
			return -1;
	} while (cursor_takes(&cursor, ','));
	return 0;
}

static const char *
shorthand(const char *text)
{
	static const struct {
		const char *name, *line;
	} known[] = {
		{ "@hourly", "0 * * * *" },
		{ "@daily", "0 0 * * *" },
		{ "@midnight", "0 0 * * *" },
		{ "@weekly", "0 0 * * 0" },
		{ "@monthly", "0 0 1 * *" },
		{ "@yearly", "0 0 1 1 *" },
		{ "@annually", "0 0 1 1 *" },
	};

	if (text[0] != '@')
		return text;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(text, known[i].name) == 0)
			return known[i].line;
	return NULL;
}

/* Has one of the months one of the days, in some year? */
static bool
is_possible(const struct conf_cron *cron)
{
	static const unsigned char lengths[] = { 0, 31, 29, 31, 30, 31, 30, 31,
		31, 30, 31, 30, 31 };

	/* Either day will do, and each month has each weekday. */
	if (!cron->is_any_day && !cron->is_any_weekday)
		return true;
	for (unsigned month = 1; month <= 12; month++) {
		for (unsigned day = 1; day <= lengths[month]; day++)
			if ((cron->months >> month & 1) != 0 &&
			    (cron->days >> day & 1) != 0)
				return true;
	}
	return false;
}

/* One field at a time: padding stays zero, since a reload compares bytes. */
static void
cron_fill(struct conf_cron *cron_r, const uint64_t bits[FIELDS],
    const bool is_any[FIELDS])
{
	memset(cron_r, 0, sizeof(*cron_r));
	cron_r->minutes = bits[0];
	cron_r->hours = (uint32_t)bits[1];
	cron_r->days = (uint32_t)bits[2];
	cron_r->months = (uint16_t)bits[3];
	cron_r->weekdays =
	    (uint8_t)((bits[4] | (bits[4] >> SUNDAY & 1)) & 0x7f);
	cron_r->is_any_hour = is_any[1];
	cron_r->is_any_day = is_any[2];
	cron_r->is_any_weekday = is_any[4];
	cron_r->is_set = true;
}

int
conf_cron_parse(const char *text, struct conf_cron *cron_r,
    struct conf_why *why)
{
	const char *line = shorthand(text);
	uint64_t bits[FIELDS] = { 0 };
	bool is_any[FIELDS];
	size_t count = 0, len;

	if (line == NULL) {
		conf_why_set(why,
		    "is not one of @hourly, @daily, @midnight, @weekly, "
		    "@monthly, @yearly and @annually");
		return -1;
	}
	for (line += strspn(line, " \t"); *line != '\0';
	     line += len, line += strspn(line, " \t"), count++) {
		len = strcspn(line, " \t");
		if (count >= FIELDS)
			continue;
		is_any[count] = *line == '*';
		if (field_read(&fields[count], line, len, &bits[count], why) <
		    0)
			return -1;
	}
	if (count != FIELDS) {
		conf_why_set(why,
		    "has %zu field%s; write minute, hour, day, month and "
		    "weekday, such as */5 * * * *",
		    count, count == 1 ? "" : "s");
		return -1;
	}
	cron_fill(cron_r, bits, is_any);
	if (is_possible(cron_r))
		return 0;
	conf_why_set(why, "never comes; write a day that its months have");
	return -1;
}

bool
conf_cron_has_day(const struct conf_cron *cron, const struct tm *tm)
{
	bool is_day = (cron->days >> tm->tm_mday & 1) != 0,
	     is_weekday = (cron->weekdays >> tm->tm_wday & 1) != 0;

	if ((cron->months >> (tm->tm_mon + 1) & 1) == 0)
		return false;
	return cron->is_any_day || cron->is_any_weekday ? is_day && is_weekday
							: is_day || is_weekday;
}

/* Does a file of the database begin as tzfile(5) says? */
static bool
is_zone_file(const char *name)
{
	static const char magic[] = "TZif";
	char path[256], head[sizeof(magic) - 1];
	int fd;
	bool is_zone;

	if (snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name) >=
	    (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return false;
	is_zone = read(fd, head, sizeof(head)) == (ssize_t)sizeof(head) &&
		  memcmp(head, magic, sizeof(head)) == 0;
	close(fd);
	return is_zone;
}

int
conf_cron_check_zone(const char *text, struct conf_why *why)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/");

	/* Without a dot no name can climb out of the directory. */
	if (strcmp(text, "UTC") == 0 ||
	    (len > 0 && text[len] == '\0' && text[0] != '/' &&
		is_zone_file(text)))
		return 0;
	conf_why_set(why, "is not a time zone of this machine such as "
			  "Europe/Berlin or UTC");
	return -1;
}
