#include "routing.h"

#include <string.h>

#include "ipc/buf.h"
#include "ipc/pattern.h"

#include "problem.h"
#include "snapshot.h"

static const char all_methods[] =
    "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/* Length of the dot that the segment begins with, "." or "%2e"; 0: none. */
static size_t
dot_len(const char *at, size_t len)
{
	if (len >= 1 && at[0] == '.')
		return 1;
	if (len >= 3 && at[0] == '%' && at[1] == '2' &&
	    (at[2] == 'e' || at[2] == 'E'))
		return 3;
	return 0;
}

static bool
is_dot_segment(const char *at, size_t len)
{
	size_t first = dot_len(at, len), second;

	if (first == 0)
		return false;
	if (first == len)
		return true;
	second = dot_len(at + first, len - first);
	return second != 0 && first + second == len;
}

bool
routing_has_dot_segment(const char *path, size_t len)
{
	const char *end = path + len;

	while (path < end) {
		const char *slash = memchr(path, '/', (size_t)(end - path));
		size_t segment = (size_t)((slash == NULL ? end : slash) - path);

		if (is_dot_segment(path, segment))
			return true;
		path += segment + 1;
	}
	return false;
}

static bool
is_method(const char *method, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(method, word, len) == 0;
}

const struct snapshot_route *
routing_find(const struct snapshot *snapshot, const char *method,
    size_t method_len, const char *path, size_t path_len,
    struct pattern_match *match_r, struct problem *problem_r)
{
	bool is_options = is_method(method, method_len, "OPTIONS");

	if (is_options && path_len == 1 && path[0] == '*') {
		problem_set(problem_r, 204, "options", "the whole server");
		problem_r->allow = all_methods;
		return NULL;
	}
	if (routing_has_dot_segment(path, path_len)) {
		problem_set(problem_r, 400, "dot-segment",
		    "the path has a \".\" or \"..\" segment");
		return NULL;
	}
	if (pattern_set_match(snapshot->patterns, method, method_len, path,
		path_len, match_r))
		return match_r->data;
	if (!match_r->is_path_known) {
		problem_set(problem_r, 404, "no-route", "no route matches %.*s",
		    (int)(path_len < 160 ? path_len : 160), path);
		return NULL;
	}
	problem_set(problem_r, is_options ? 204 : 405,
	    is_options ? "options" : "method", "this path answers to %s",
	    match_r->allow);
	problem_r->allow = match_r->allow;
	return NULL;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

void
routing_percent_decode(struct buf *buf, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		int high = -1, low = -1;

		if (text[i] == '%' && len - i > 2) {
			high = hex_value(text[i + 1]);
			low = hex_value(text[i + 2]);
		}
		if (high < 0 || low < 0) {
			buf_append_byte(buf, (uint8_t)text[i]);
			continue;
		}
		buf_append_byte(buf, (uint8_t)(high * 16 + low));
		i += 2;
	}
}
