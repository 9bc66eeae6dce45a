#include "http_scan.h"

#include <stdint.h>
#include <string.h>

#include "http_rules.h"

void
http_scan_init(struct http_scan *scan, bool has_request_line, size_t max_len,
    size_t max_fields)
{
	*scan = (struct http_scan){
		.max_len = max_len,
		.max_fields = max_fields,
		.in_first = has_request_line,
		.in_name = !has_request_line,
	};
}

static enum http_scan_result
http_scan_refuse(struct http_scan *scan, unsigned status, const char *reason)
{
	scan->status = status;
	scan->reason = reason;
	return HTTP_SCAN_BAD;
}

/*
 * Does a word hold a byte below 0x20 or equal to 0x7f? The subtractions
 * borrow only out of bytes that are such ones, so "no" is always right.
 */
static bool
http_scan_has_control(const char *at)
{
	const uint64_t ones = 0x0101010101010101U, highs = ones << 7;
	uint64_t word, del;

	memcpy(&word, at, sizeof(word));
	del = word ^ (ones * 0x7f);
	return (((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & highs;
}

/* Length of the run of bytes that a value may hold. */
static size_t
http_scan_value_run(const char *at, size_t len)
{
	size_t i = 0;

	for (;;) {
		while (len - i >= 8 && !http_scan_has_control(at + i))
			i += 8;
		if (i == len || !http_is_field_value(at + i, 1))
			return i;
		i++;
	}
}

static size_t
http_scan_token_run(const char *at, size_t len)
{
	size_t i = 0;

	while (i < len && http_token_lower(at[i]) != 0)
		i++;
	return i;
}

/* The first byte of a line, which is not its end. */
static enum http_scan_result
http_scan_begin(struct http_scan *scan, char byte)
{
	if (byte == ' ' || byte == '\t')
		return http_scan_refuse(scan, 400,
		    "a line begins with a space (folded field)");
	scan->is_begun = true;
	if (scan->in_first)
		return HTTP_SCAN_MORE;
	if (scan->fields == scan->max_fields)
		return http_scan_refuse(scan, 431, "too many header fields");
	if (byte == ':')
		return http_scan_refuse(scan, 400, "a field has no name");
	scan->fields++;
	scan->in_name = true;
	return HTTP_SCAN_MORE;
}

/* A CR must be followed by this LF; ends a line or the whole. */
static enum http_scan_result
http_scan_line_end(struct http_scan *scan, char byte)
{
	if (byte != '\n')
		return http_scan_refuse(scan, 400, "a CR without LF");
	scan->has_cr = false;
	if (!scan->is_begun)
		return HTTP_SCAN_END;
	if (!scan->in_first && scan->in_name)
		return http_scan_refuse(scan, 400, "a field line has no colon");
	scan->in_first = false;
	scan->is_begun = false;
	return HTTP_SCAN_MORE;
}

/* One or more bytes inside a line; *pos moves behind them. */
static enum http_scan_result
http_scan_bytes(struct http_scan *scan, const char *bytes, size_t len,
    size_t *pos)
{
	size_t run;

	if (!scan->is_begun && http_scan_begin(scan, bytes[0]))
		return HTTP_SCAN_BAD;
	if (scan->in_first || !scan->in_name) {
		run = http_scan_value_run(bytes, len);
		*pos += run;
		if (run > 0)
			return HTTP_SCAN_MORE;
		return http_scan_refuse(scan, 400,
		    bytes[0] == '\n' ? "a LF without CR"
				     : "a control byte in the head");
	}
	run = http_scan_token_run(bytes, len);
	*pos += run;
	if (run == len || (run > 0 && bytes[run] == '\r'))
		return HTTP_SCAN_MORE;
	if (bytes[run] != ':')
		return http_scan_refuse(scan, 400,
		    "a field name holds a byte that is not allowed");
	*pos += 1;
	scan->in_name = false;
	return HTTP_SCAN_MORE;
}

enum http_scan_result
http_scan_feed(struct http_scan *scan, const char *bytes, size_t len,
    size_t *used_r)
{
	enum http_scan_result result = HTTP_SCAN_MORE;
	size_t room = scan->max_len - scan->len;
	size_t pos = 0, end = len < room ? len : room;

	while (pos < end && result == HTTP_SCAN_MORE) {
		if (scan->has_cr) {
			result = http_scan_line_end(scan, bytes[pos++]);
		} else if (bytes[pos] == '\r') {
			scan->has_cr = true;
			pos++;
		} else {
			result =
			    http_scan_bytes(scan, bytes + pos, end - pos, &pos);
		}
	}
	scan->len += pos;
	*used_r = pos;
	if (result != HTTP_SCAN_MORE || len <= room)
		return result;
	return scan->in_first
		   ? http_scan_refuse(scan, 414, "the request line is too long")
		   : http_scan_refuse(scan, 431,
			 "the header fields are too large");
}
