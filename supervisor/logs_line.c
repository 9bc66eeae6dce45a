#include "logs_line.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "conf/conf_value.h"
#include "ipc/buf.h"
#include "logger/logline.h"
#include "logger/regex.h"

/* Two digits behind a sign or colon. Returns them, or -1. */
static int
logs_two_digits(const char *text)
{
	if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
		return -1;
	return (text[0] - '0') * 10 + (text[1] - '0');
}

/* "Z", "+01:00", "-0330". Returns 0 with the seconds to subtract, or -1. */
static int
logs_zone_read(const char *text, int64_t *seconds_r)
{
	int hours, minutes;
	const char *rest;

	*seconds_r = 0;
	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return 0;
	if ((text[0] != '+' && text[0] != '-') ||
	    (hours = logs_two_digits(text + 1)) == -1)
		return -1;
	rest = text + 3;
	if (*rest == ':')
		rest++;
	if ((minutes = logs_two_digits(rest)) == -1 || rest[2] != '\0' ||
	    hours > 23 || minutes > 59)
		return -1;
	*seconds_r = (hours * 60 + minutes) * 60;
	if (text[0] == '-')
		*seconds_r = -*seconds_r;
	return 0;
}

/* Behind seconds: ".5", to milliseconds; further digits do not count. */
static const char *
logs_fraction_read(const char *text, int64_t *ms_r)
{
	int64_t unit = 100;

	if (*text != '.' && *text != ',')
		return text;
	for (text++; *text >= '0' && *text <= '9'; text++, unit /= 10)
		*ms_r += (*text - '0') * unit;
	return text;
}

/* strptime(3) takes the 30th of February too. */
static bool
logs_is_date(struct tm date)
{
	int day = date.tm_mday;

	(void)timegm(&date);
	return date.tm_mday == day;
}

static int
logs_date_read(const char *text, int64_t *ms_r)
{
	struct tm tm = { .tm_isdst = -1 };
	const char *rest = strptime(text, "%Y-%m-%d", &tm), *more;
	int64_t ms = 0, zone = 0;

	if (rest == NULL || !logs_is_date(tm))
		return -1;
	if (*rest == 'T' || *rest == 't' || *rest == ' ') {
		rest = strptime(rest + 1, "%H:%M", &tm);
		if (rest == NULL)
			return -1;
		more = strptime(rest, ":%S", &tm);
		if (more != NULL)
			rest = logs_fraction_read(more, &ms);
	}
	if (*rest == '\0')
		*ms_r = (int64_t)mktime(&tm) * 1000 + ms;
	else if (logs_zone_read(rest, &zone) == 0)
		*ms_r = ((int64_t)timegm(&tm) - zone) * 1000 + ms;
	else
		return -1;
	return 0;
}

int
logs_time_read(const char *text, int64_t now_ms,
    char time_r[LOGREC_TIME_LEN + 1])
{
	const int64_t year_10000 = INT64_C(253402300800000);
	struct conf_why why;
	int64_t ms;

	if (conf_value_duration(text, &ms, &why) == 0)
		ms = now_ms > ms ? now_ms - ms : 0;
	else if (logs_date_read(text, &ms) == -1 || ms < 0 || ms >= year_10000)
		return -1;
	logline_time(ms, time_r);
	return 0;
}

void
logs_line_read(const char *name, const char *time, const char *line, size_t len,
    struct buf *scratch, struct logrec *rec_r)
{
	if (strcmp(name, "access") != 0 &&
	    logrec_read(line, len, scratch, rec_r))
		return;
	*rec_r = (struct logrec){ .time = time,
		.label = name,
		.label_len = strlen(name),
		.text = line,
		.len = len };
}

bool
logs_line_passes(const struct logs_filter *filter, const struct logrec *rec)
{
	const char *time = rec->time;

	if (filter->since[0] != '\0' &&
	    (time == NULL || memcmp(time, filter->since, LOGREC_TIME_LEN) < 0))
		return false;
	if (filter->until[0] != '\0' && time != NULL &&
	    memcmp(time, filter->until, LOGREC_TIME_LEN) >= 0)
		return false;
	return filter->grep == NULL ||
	       regex_match(filter->grep, rec->text, rec->len);
}

void
logs_line_put(struct buf *out, bool is_json, const char *line, size_t len,
    const struct logrec *rec)
{
	/* Text of no known form may begin with a brace, too. */
	bool is_object = len > 0 && line[0] == '{' && rec->text != line;

	if (is_json && !is_object) {
		logrec_put_json(out, rec);
	} else if (is_json || !is_object) {
		buf_append(out, line, len);
	} else {
		buf_append(out, rec->time, LOGREC_TIME_LEN);
		buf_append_byte(out, ' ');
		logrec_put_safe(out, rec->label, rec->label_len);
		buf_append_byte(out, ' ');
		logrec_put_safe(out, rec->text, rec->len);
		if (rec->is_cut)
			buf_append_byte(out, '\\');
	}
	buf_append_byte(out, '\n');
}
