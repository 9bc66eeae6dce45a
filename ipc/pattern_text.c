#include "pattern_text.h"

#include <string.h>

#include "err.h"

static int
pattern_hex(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return -1;
}

static bool
pattern_is_alnum(unsigned char byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= 'a' && byte <= 'z');
}

/* RFC 3986 section 2.3. */
static bool
pattern_is_unreserved(unsigned char byte)
{
	return pattern_is_alnum(byte) || byte == '-' || byte == '.' ||
	       byte == '_' || byte == '~';
}

bool
pattern_text_is_normal(const char *text, size_t len)
{
	if (len > PATTERN_LITERAL_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '%' || (unsigned char)text[i] >= 0x80)
			return false;
	}
	return true;
}

int
pattern_text_normalise(const char *text, size_t len,
    char out[PATTERN_LITERAL_MAX])
{
	static const char digits[] = "0123456789ABCDEF";
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)text[i];
		bool is_escape = byte >= 0x80;

		if (byte == '%') {
			int high = i + 1 < len ? pattern_hex(text[i + 1]) : -1;
			int low = i + 2 < len ? pattern_hex(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -1;
			byte = (unsigned char)(high << 4 | low);
			i += 2;
			is_escape = !pattern_is_unreserved(byte);
		}
		if (at + (is_escape ? 3 : 1) > PATTERN_LITERAL_MAX)
			return -1;
		if (!is_escape) {
			out[at++] = (char)byte;
			continue;
		}
		out[at++] = '%';
		out[at++] = digits[byte >> 4];
		out[at++] = digits[byte & 0xf];
	}
	return (int)at;
}

/*
 * A token of RFC 9110 section 5.6.2 without small letters: methods are
 * case-sensitive, and "get" is a slip.
 */
static bool
pattern_is_method(const char *text, size_t len)
{
	if (len == 0 || len > PATTERN_METHOD_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] >= 'a' && text[i] <= 'z')
			return false;
		if (!pattern_is_alnum((unsigned char)text[i]) &&
		    memchr("!#$%&'*+-.^_`|~", text[i], 15) == NULL)
			return false;
	}
	return true;
}

static int
pattern_check_literal(const struct pattern_segment *segment, struct err *err_r)
{
	char out[PATTERN_LITERAL_MAX];
	const char *text = segment->text;
	int len = (int)segment->len;

	for (int i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (byte == '{' || byte == '}' || byte == '*') {
			err_set(err_r,
			    "\"%.*s\": {name} and * stand for whole segments",
			    len, text);
			return -1;
		}
		if (byte <= 0x20 || byte == 0x7f ||
		    memchr("?#\"<>\\^`|", byte, 9) != NULL) {
			err_set(err_r,
			    "\"%.*s\": byte 0x%02x cannot be in a path", len,
			    text, byte);
			return -1;
		}
	}
	if (pattern_text_normalise(text, segment->len, out) < 0) {
		err_set(err_r, "\"%.*s\": a broken %% escape or over %d bytes",
		    len, text, PATTERN_LITERAL_MAX);
		return -1;
	}
	return 0;
}

static int
pattern_check_param(const struct pattern_text *parsed,
    const struct pattern_segment *segment, struct err *err_r)
{
	for (size_t i = 0; i < segment->len; i++) {
		char byte = segment->text[i];

		if (!pattern_is_alnum((unsigned char)byte) && byte != '-' &&
		    byte != '_')
			goto bad;
	}
	if (segment->len == 0)
		goto bad;
	for (size_t i = 0; i < parsed->segment_count; i++) {
		const struct pattern_segment *other = &parsed->segments[i];

		if (other->kind == PATTERN_PARAM &&
		    other->len == segment->len &&
		    memcmp(other->text, segment->text, other->len) == 0) {
			err_set(err_r, "{%.*s} is there twice",
			    (int)segment->len, segment->text);
			return -1;
		}
	}
	return 0;
bad:
	err_set(err_r, "{%.*s}: a name is letters, digits, - and _",
	    (int)segment->len, segment->text);
	return -1;
}

static int
pattern_parse_segment(const struct pattern_text *parsed, const char *text,
    size_t len, struct pattern_segment *segment_r, struct err *err_r)
{
	if (len == 1 && *text == '*') {
		*segment_r = (struct pattern_segment){ PATTERN_REST, text, 1 };
		return 0;
	}
	if (len >= 2 && text[0] == '{' && text[len - 1] == '}') {
		*segment_r = (struct pattern_segment){ PATTERN_PARAM, text + 1,
			len - 2 };
		return pattern_check_param(parsed, segment_r, err_r);
	}
	*segment_r = (struct pattern_segment){ PATTERN_LITERAL, text, len };
	return pattern_check_literal(segment_r, err_r);
}

static int
pattern_parse_path(const char *path, struct pattern_text *parsed,
    struct err *err_r)
{
	size_t param_count = 0;

	while (*path == '/') {
		size_t len = strcspn(++path, "/");
		struct pattern_segment *segment;

		if (parsed->segment_count == PATTERN_SEGMENT_MAX) {
			err_set(err_r, "more than %d segments",
			    PATTERN_SEGMENT_MAX);
			return -1;
		}
		segment = &parsed->segments[parsed->segment_count];
		if (pattern_parse_segment(parsed, path, len, segment, err_r) <
		    0)
			return -1;
		if (segment->kind != PATTERN_LITERAL &&
		    ++param_count > PATTERN_PARAM_MAX) {
			err_set(err_r, "more than %d parameters",
			    PATTERN_PARAM_MAX);
			return -1;
		}
		if (segment->kind == PATTERN_REST && path[len] != '\0') {
			err_set(err_r, "a * must be the last segment");
			return -1;
		}
		parsed->segment_count++;
		path += len;
	}
	return 0;
}

int
pattern_text_parse(const char *text, struct pattern_text *parsed_r,
    struct err *err_r)
{
	size_t method_len = 0;

	parsed_r->segment_count = 0;
	if (*text != '/') {
		method_len = strcspn(text, " \t/");
		if (!pattern_is_method(text, method_len)) {
			err_set(err_r,
			    "pattern \"%s\": want \"/path\" or \"METHOD "
			    "/path\"",
			    text);
			return -1;
		}
	}
	parsed_r->method = text;
	parsed_r->method_len = method_len;
	text += method_len;
	text += strspn(text, " \t");
	if (*text != '/') {
		err_set(err_r, "pattern \"%s\": a path starts with /",
		    parsed_r->method);
		return -1;
	}
	if (pattern_parse_path(text, parsed_r, err_r) < 0) {
		err_prefix(err_r, "pattern \"%s\"", parsed_r->method);
		return -1;
	}
	return 0;
}
