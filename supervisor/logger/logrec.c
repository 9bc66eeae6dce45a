#include "logrec.h"

#include <string.h>
#include <time.h>

#include "ipc/buf.h"
#include "ipc/json.h"
#include "ipc/mp.h"
#include "ipc/utf8.h"

const char *
logrec_time(const char *line, size_t len)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
	const char *time = line;

	if (len > 0 && line[0] == '{') {
		time = memchr(line, ':', len);
		if (time == NULL || (size_t)(line + len - time) < 2)
			return NULL;
		time += 2;
	}
	if ((size_t)(line + len - time) < LOGREC_TIME_LEN)
		return NULL;
	for (size_t i = 0; i < LOGREC_TIME_LEN; i++) {
		bool is_digit = time[i] >= '0' && time[i] <= '9';

		if (shape[i] == 'd' ? !is_digit : time[i] != shape[i])
			return NULL;
	}
	return time;
}

static int
logrec_number(const char *digits, size_t count)
{
	int number = 0;

	for (size_t i = 0; i < count; i++)
		number = number * 10 + (digits[i] - '0');
	return number;
}

int64_t
logrec_time_ms(const char *time)
{
	struct tm tm = { .tm_year = logrec_number(time, 4) - 1900,
		.tm_mon = logrec_number(time + 5, 2) - 1,
		.tm_mday = logrec_number(time + 8, 2),
		.tm_hour = logrec_number(time + 11, 2),
		.tm_min = logrec_number(time + 14, 2),
		.tm_sec = logrec_number(time + 17, 2) };

	return (int64_t)timegm(&tm) * 1000 + logrec_number(time + 20, 3);
}

size_t
logrec_service_len(const char *label, size_t len)
{
	const char *slash = memchr(label, '/', len);

	return slash != NULL ? (size_t)(slash - label) : len;
}

/* The value of a string member, copied to the end of scratch. */
static bool
logrec_take_str(const uint8_t *map, size_t map_len, const char *key,
    struct buf *scratch, size_t *at_r)
{
	struct mp_reader value;
	const char *str;
	size_t len;

	if (!mp_map_find(map, map_len, key, &value) ||
	    mp_get_str(&value, &str, &len) == -1)
		return false;
	*at_r = buf_count(scratch);
	buf_append(scratch, str, len);
	return true;
}

/* Offsets of the parts of a JSON line in the scratch buffer. */
struct logrec_parts {
	size_t time, label, text;
};

static bool
logrec_take_parts(const uint8_t *map, size_t len, struct buf *scratch,
    struct logrec_parts *parts, bool *is_cut_r)
{
	struct mp_reader value;
	uint64_t instance;

	*is_cut_r = mp_map_find(map, len, "cut", &value) &&
		    mp_get_bool(&value, is_cut_r) == 0 && *is_cut_r;
	if (!logrec_take_str(map, len, "time", scratch, &parts->time) ||
	    buf_count(scratch) != LOGREC_TIME_LEN ||
	    !logrec_take_str(map, len, "service", scratch, &parts->label))
		return false;
	if (mp_map_find(map, len, "instance", &value) &&
	    mp_get_uint(&value, &instance) == 0)
		buf_printf(scratch, "/%llu", (unsigned long long)instance);
	return logrec_take_str(map, len, "line", scratch, &parts->text);
}

static bool
logrec_read_json(const char *line, size_t len, struct buf *scratch,
    struct logrec *rec_r)
{
	struct logrec_parts parts;
	struct buf mp = { 0 };
	const char *base;
	bool is_read;

	is_read = json_to_mp(line, len, &mp, NULL, NULL) == 0 &&
		  logrec_take_parts(buf_front(&mp), buf_count(&mp), scratch,
		      &parts, &rec_r->is_cut) &&
		  !scratch->is_failed;
	buf_fini(&mp);
	if (!is_read)
		return false;
	base = (const char *)buf_front(scratch);
	rec_r->time = base + parts.time;
	rec_r->label = base + parts.label;
	rec_r->label_len = parts.text - parts.label;
	rec_r->text = base + parts.text;
	rec_r->len = buf_count(scratch) - parts.text;
	return logrec_time(rec_r->time, LOGREC_TIME_LEN) != NULL;
}

bool
logrec_read(const char *line, size_t len, struct buf *scratch,
    struct logrec *rec_r)
{
	const char *label = line + LOGREC_TIME_LEN + 1, *space;

	buf_clear(scratch);
	if (len > 0 && line[0] == '{')
		return logrec_read_json(line, len, scratch, rec_r);
	if (len < LOGREC_TIME_LEN + 2 || logrec_time(line, len) == NULL ||
	    line[LOGREC_TIME_LEN] != ' ')
		return false;
	space = memchr(label, ' ', len - LOGREC_TIME_LEN - 1);
	if (space == NULL || space == label)
		return false;
	rec_r->time = line;
	rec_r->label = label;
	rec_r->label_len = (size_t)(space - label);
	rec_r->text = space + 1;
	rec_r->len = (size_t)(line + len - rec_r->text);
	/* A backslash at the end may also be the service's own. */
	rec_r->is_cut = false;
	return true;
}

/* The code point of the C1 control character at text, or 0. */
static unsigned
logrec_control(const uint8_t *text, size_t len)
{
	/* U+0080 to U+009F do to a terminal what ESC sequences do. */
	if (text[0] == 0xc2 && len > 1 && text[1] >= 0x80 && text[1] <= 0x9f)
		return text[1];
	return 0;
}

/* Append what cannot stand in a JSON string; returns the bytes it was. */
static size_t
logrec_put_escape(struct buf *out, const uint8_t *text, size_t len)
{
	size_t sequence;

	if (text[0] == '"' || text[0] == '\\') {
		buf_printf(out, "\\%c", text[0]);
		return 1;
	}
	if (text[0] < 0x20 || text[0] == 0x7f) {
		buf_printf(out, "\\u%04x", text[0]);
		return 1;
	}
	if (logrec_control(text, len) != 0) {
		buf_printf(out, "\\u%04x", logrec_control(text, len));
		return 2;
	}
	sequence = utf8_sequence(text, len);
	if (sequence == 0) {
		buf_append_str(out, "\\ufffd");
		return 1;
	}
	buf_append(out, text, sequence);
	return sequence;
}

static void
logrec_put_string(struct buf *out, const char *str, size_t len)
{
	const uint8_t *text = (const uint8_t *)str;
	size_t plain = 0;

	buf_append_byte(out, '"');
	for (size_t i = 0; i < len;) {
		/* Printable ASCII is what logs are made of. */
		if (text[i] >= 0x20 && text[i] < 0x7f && text[i] != '"' &&
		    text[i] != '\\') {
			i++;
			continue;
		}
		buf_append(out, text + plain, i - plain);
		i += logrec_put_escape(out, text + i, len - i);
		plain = i;
	}
	buf_append(out, text + plain, len - plain);
	buf_append_byte(out, '"');
}

/* Decimal digits and nothing else, as behind the slash of a label. */
static bool
logrec_is_number(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
	}
	return len > 0 && len < 10;
}

void
logrec_put_json(struct buf *out, const struct logrec *rec)
{
	size_t name_len = logrec_service_len(rec->label, rec->label_len);
	const char *number = rec->label + name_len + 1;

	buf_append_str(out, "{\"time\":");
	if (rec->time != NULL)
		logrec_put_string(out, rec->time, LOGREC_TIME_LEN);
	else
		buf_append_str(out, "null");
	buf_append_str(out, ",\"service\":");
	logrec_put_string(out, rec->label, name_len);
	if (name_len + 1 < rec->label_len &&
	    logrec_is_number(number, rec->label_len - name_len - 1)) {
		buf_append_str(out, ",\"instance\":");
		buf_append(out, number, rec->label_len - name_len - 1);
	}
	buf_append_str(out, ",\"line\":");
	logrec_put_string(out, rec->text, rec->len);
	buf_append_str(out, rec->is_cut ? ",\"cut\":true}" : "}");
}

void
logrec_put_safe(struct buf *out, const char *str, size_t len)
{
	const uint8_t *text = (const uint8_t *)str;
	size_t done = 0;

	for (size_t i = 0; i < len; i++) {
		bool is_wide = logrec_control(text + i, len - i) != 0;

		if (!is_wide && text[i] != 0x7f &&
		    (text[i] >= 0x20 || text[i] == '\t'))
			continue;
		buf_append(out, text + done, i - done);
		buf_printf(out, "\\x%02x", text[i]);
		if (is_wide)
			buf_printf(out, "\\x%02x", text[++i]);
		done = i + 1;
	}
	buf_append(out, text + done, len - done);
}
