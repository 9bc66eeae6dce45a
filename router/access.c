#include "access.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "ipc/buf.h"

/*
 * A cursor into reserved bytes: a line is put together for every request, so
 * it is worth not asking for room at each field. Each field has its bound,
 * and their sum is below ACCESS_LINE_MAX.
 */
struct pen {
	char *at;
};

enum {
	CLIENT_MAX = 64,
	SERVICE_MAX = 128,
	CAUSE_MAX = 32
};

static void
pen_raw(struct pen *pen, const char *text, size_t len)
{
	memcpy(pen->at, text, len);
	pen->at += len;
}

static void
pen_str(struct pen *pen, const char *text, size_t max)
{
	size_t len = strlen(text);

	pen_raw(pen, text, len < max ? len : max);
}

static void
pen_uint(struct pen *pen, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	pen_raw(pen, digits + at, sizeof(digits) - at);
}

static void
pen_padded(struct pen *pen, unsigned value, int width)
{
	for (int i = width - 1; i >= 0; i--, value /= 10)
		pen->at[i] = (char)('0' + value % 10);
	pen->at += width;
}

/* Microseconds as milliseconds with three decimals. */
static void
pen_ms(struct pen *pen, int64_t us)
{
	uint64_t value = us < 0 ? 0 : (uint64_t)us;

	pen_uint(pen, value / 1000);
	*pen->at++ = '.';
	pen_padded(pen, (unsigned)(value % 1000), 3);
}

/* The calendar is asked once a second and thread, not once a line. */
static void
pen_time(struct pen *pen, int64_t time_us)
{
	static _Thread_local int64_t known = -1;
	static _Thread_local char text[32];
	int64_t seconds = time_us / 1000000;

	if (seconds != known) {
		time_t t = (time_t)seconds;
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.", &tm);
		known = seconds;
	}
	pen_raw(pen, text, strlen(text));
	pen_padded(pen, (unsigned)(time_us % 1000000 / 1000), 3);
	*pen->at++ = 'Z';
}

static bool
is_plain(unsigned char c)
{
	return c > 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* At most 4 * len bytes; is_json decides how other bytes are shown. */
static void
pen_escaped(struct pen *pen, const char *text, size_t len, bool is_json)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (is_plain(c)) {
			*pen->at++ = (char)c;
			continue;
		}
		if (is_json)
			*pen->at++ = '\\';
		pen_raw(pen, "\\x", 2);
		*pen->at++ = digits[c >> 4];
		*pen->at++ = digits[c & 15];
	}
}

static void
pen_target(struct pen *pen, const struct access_line *line, bool is_json)
{
	size_t left = ACCESS_TARGET_MAX, len = line->path_len;
	bool is_cut = len > left;

	len = is_cut ? left : len;
	pen_escaped(pen, line->path, len, is_json);
	left -= len;
	if (line->query_len != 0 && !is_cut) {
		*pen->at++ = '?';
		len = line->query_len;
		is_cut = len > left;
		pen_escaped(pen, line->query, is_cut ? left : len, is_json);
	}
	if (is_cut)
		pen_raw(pen, "...", 3);
}

static void
pen_service(struct pen *pen, const struct access_line *line)
{
	if (line->service == NULL) {
		*pen->at++ = '-';
		return;
	}
	pen_str(pen, line->service, SERVICE_MAX);
	if (line->instance != 0) {
		*pen->at++ = '/';
		pen_uint(pen, line->instance);
	}
}

/* A sentence in printable ASCII, some of it quoted from elsewhere. */
static void
pen_detail(struct pen *pen, const char *text)
{
	*pen->at++ = '"';
	for (size_t i = 0; i < ACCESS_DETAIL_MAX && text[i] != '\0'; i++) {
		if (text[i] == '"' || text[i] == '\\')
			*pen->at++ = '\'';
		else
			*pen->at++ = text[i];
	}
	*pen->at++ = '"';
}

void
access_put_text(struct buf *buf, const struct access_line *line)
{
	char *start = (char *)buf_reserve(buf, ACCESS_LINE_MAX);
	struct pen pen = { start };
	size_t method_len = line->method_len < 32 ? line->method_len : 32;

	if (start == NULL)
		return;
	pen_time(&pen, line->time_us);
	*pen.at++ = ' ';
	pen_str(&pen, line->client, CLIENT_MAX);
	pen_raw(&pen, " \"", 2);
	if (line->method == NULL) {
		*pen.at++ = '-';
	} else {
		pen_escaped(&pen, line->method, method_len, false);
		*pen.at++ = ' ';
		pen_target(&pen, line, false);
		*pen.at++ = ' ';
		pen_str(&pen, line->protocol, 16);
	}
	pen_raw(&pen, "\" ", 2);
	pen_uint(&pen, line->status);
	*pen.at++ = ' ';
	pen_uint(&pen, line->bytes);
	*pen.at++ = ' ';
	pen_ms(&pen, line->total_us);
	*pen.at++ = ' ';
	if (line->service_us < 0)
		*pen.at++ = '-';
	else
		pen_ms(&pen, line->service_us);
	*pen.at++ = ' ';
	pen_service(&pen, line);
	*pen.at++ = ' ';
	pen_escaped(&pen, line->request_id,
	    line->request_id_len < 128 ? line->request_id_len : 128, false);
	if (line->cause != NULL) {
		*pen.at++ = ' ';
		pen_str(&pen, line->cause, CAUSE_MAX);
		*pen.at++ = ' ';
		pen_detail(&pen, line->detail);
	}
	*pen.at++ = '\n';
	buf->len += (size_t)(pen.at - start);
}

static void
pen_key(struct pen *pen, const char *key)
{
	pen_raw(pen, ",\"", 2);
	pen_str(pen, key, 16);
	pen_raw(pen, "\":", 2);
}

static void
pen_request(struct pen *pen, const struct access_line *line)
{
	size_t method_len = line->method_len < 32 ? line->method_len : 32;

	if (line->method == NULL)
		return;
	pen_key(pen, "method");
	*pen->at++ = '"';
	pen_escaped(pen, line->method, method_len, true);
	*pen->at++ = '"';
	pen_key(pen, "target");
	*pen->at++ = '"';
	pen_target(pen, line, true);
	*pen->at++ = '"';
	pen_key(pen, "protocol");
	*pen->at++ = '"';
	pen_str(pen, line->protocol, 16);
	*pen->at++ = '"';
}

void
access_put_json(struct buf *buf, const struct access_line *line)
{
	char *start = (char *)buf_reserve(buf, ACCESS_LINE_MAX);
	struct pen pen = { start };

	if (start == NULL)
		return;
	pen_raw(&pen, "{\"time\":\"", 9);
	pen_time(&pen, line->time_us);
	*pen.at++ = '"';
	pen_key(&pen, "client");
	*pen.at++ = '"';
	pen_str(&pen, line->client, CLIENT_MAX);
	*pen.at++ = '"';
	pen_request(&pen, line);
	pen_key(&pen, "status");
	pen_uint(&pen, line->status);
	pen_key(&pen, "bytes");
	pen_uint(&pen, line->bytes);
	pen_key(&pen, "total_ms");
	pen_ms(&pen, line->total_us);
	if (line->service_us >= 0) {
		pen_key(&pen, "service_ms");
		pen_ms(&pen, line->service_us);
	}
	if (line->service != NULL) {
		pen_key(&pen, "service");
		*pen.at++ = '"';
		pen_service(&pen, line);
		*pen.at++ = '"';
	}
	pen_key(&pen, "request_id");
	*pen.at++ = '"';
	pen_escaped(&pen, line->request_id,
	    line->request_id_len < 128 ? line->request_id_len : 128, true);
	*pen.at++ = '"';
	if (line->cause != NULL) {
		pen_key(&pen, "cause");
		*pen.at++ = '"';
		pen_str(&pen, line->cause, CAUSE_MAX);
		*pen.at++ = '"';
		pen_key(&pen, "detail");
		pen_detail(&pen, line->detail);
	}
	pen_raw(&pen, "}\n", 2);
	buf->len += (size_t)(pen.at - start);
}
