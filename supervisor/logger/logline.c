#include "logline.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ipc/buf.h"

/* Shorten a piece so that it does not end inside a UTF-8 sequence. */
static size_t
logline_piece_len(const uint8_t *bytes, size_t len)
{
	for (size_t back = 0; back < 3; back++) {
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

static bool
logline_is_control(const uint8_t *text, size_t len)
{
	/* U+0080 to U+009F do to a terminal what ESC sequences do. */
	if (text[0] == 0xc2 && len > 1)
		return text[1] >= 0x80 && text[1] <= 0x9f;
	return (text[0] < 0x20 && text[0] != '\t') || text[0] == 0x7f;
}

static void
logline_put_text(struct buf *out, const uint8_t *text, size_t len)
{
	size_t done = 0;

	for (size_t i = 0; i < len; i++) {
		if (!logline_is_control(text + i, len - i))
			continue;
		buf_append(out, text + done, i - done);
		buf_printf(out, "\\x%02x", text[i]);
		if (text[i] == 0xc2)
			buf_printf(out, "\\x%02x", text[++i]);
		done = i + 1;
	}
	buf_append(out, text + done, len - done);
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
	logline_put_text(out, text, len);
	if (is_cut)
		buf_append_byte(out, '\\');
	buf_append_byte(out, '\n');
}
