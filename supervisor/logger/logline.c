#include "logline.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ipc/buf.h"
#include "logrec.h"

/* Shorten a piece so that it does not end inside a UTF-8 sequence. */
static size_t
logline_piece_len(const uint8_t *bytes, size_t len)
{
	for (size_t back = 0; back <= 3; back++) {
		if ((bytes[len - back] & 0xc0) != 0x80)
			return len - back;
	}
	return len; /* no UTF-8 anyway */
}

bool
logline_next(const uint8_t *bytes, size_t len, struct logline_cut *cut_r)
{
	size_t seen = len <= LOGLINE_MAX ? len : LOGLINE_MAX + 1;
	const uint8_t *end;

	if (len == 0)
		return false;
	end = memchr(bytes, '\n', seen);
	if (end == NULL && len > LOGLINE_MAX) {
		cut_r->is_cut = true;
		cut_r->len = logline_piece_len(bytes, LOGLINE_MAX);
		cut_r->text_len = cut_r->len;
		return true;
	}
	if (end == NULL)
		return false;
	cut_r->is_cut = false;
	cut_r->text_len = (size_t)(end - bytes);
	cut_r->len = cut_r->text_len + 1;
	if (cut_r->text_len > 0 && bytes[cut_r->text_len - 1] == '\r')
		cut_r->text_len--;
	return true;
}

void
logline_time(int64_t ms, char text_r[LOGLINE_TIME_SIZE])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	size_t len;

	gmtime_r(&seconds, &tm);
	len = strftime(text_r, LOGLINE_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text_r + len, LOGLINE_TIME_SIZE - len, ".%03uZ",
	    (unsigned)(ms % 1000));
}

unsigned
logline_colour(const char *label)
{
	static const unsigned colours[] = { 36, 33, 32, 35, 34, 96, 93, 92, 95,
		94 };
	unsigned hash = 5381;

	for (; *label != '\0' && *label != '/'; label++)
		hash = hash * 33 + (unsigned char)*label;
	return colours[hash % (sizeof(colours) / sizeof(colours[0]))];
}

void
logline_put(struct buf *out, const char *time, const char *label,
    unsigned colour, const uint8_t *text, size_t len, bool is_cut)
{
	if (label[0] != '\0') {
		buf_append_str(out, time);
		buf_append_byte(out, ' ');
		if (colour != 0)
			buf_printf(out, "\033[%um", colour);
		buf_append_str(out, label);
		if (colour != 0)
			buf_append_str(out, "\033[0m");
		buf_append_byte(out, ' ');
	}
	logrec_put_safe(out, (const char *)text, len);
	if (is_cut)
		buf_append_byte(out, '\\');
	buf_append_byte(out, '\n');
}

void
logline_put_json(struct buf *out, const char *time, const char *label,
    const uint8_t *text, size_t len, bool is_cut)
{
	const struct logrec rec = { .time = time,
		.label = label,
		.label_len = strlen(label),
		.text = (const char *)text,
		.len = len,
		.is_cut = is_cut };

	if (label[0] == '\0') {
		logline_put(out, time, label, 0, text, len, is_cut);
		return;
	}
	logrec_put_json(out, &rec);
	buf_append_byte(out, '\n');
}

void
logline_put_note(struct buf *out, bool is_json, int64_t wall_ms,
    const char *text)
{
	static const char label[] = "msvc-logger";
	const uint8_t *bytes = (const uint8_t *)text;
	char time[LOGLINE_TIME_SIZE];

	logline_time(wall_ms, time);
	if (is_json)
		logline_put_json(out, time, label, bytes, strlen(text), false);
	else
		logline_put(out, time, label, 0, bytes, strlen(text), false);
}
