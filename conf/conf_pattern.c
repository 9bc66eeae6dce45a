#include "conf_pattern.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "conf_value.h"

static unsigned
hex_value(char c)
{
	return (unsigned)(isdigit((unsigned char)c)
			      ? c - '0'
			      : tolower((unsigned char)c) - 'a' + 10);
}

static bool
is_unreserved(char c)
{
	return isalnum((unsigned char)c) ||
	       (c != '\0' && strchr("-._~", c) != NULL);
}

/* Normalize the escapes of text in place; -1 when one is malformed. */
static int
escapes_normalize(char *text)
{
	char *out = text;

	for (const char *in = text; *in != '\0'; in++) {
		char c;

		if (*in != '%') {
			*out++ = *in;
			continue;
		}
		if (!isxdigit((unsigned char)in[1]) ||
		    !isxdigit((unsigned char)in[2]))
			return -1;
		c = (char)(hex_value(in[1]) << 4 | hex_value(in[2]));
		if (is_unreserved(c) && (unsigned char)c < 0x80) {
			*out++ = c;
		} else {
			*out++ = '%';
			*out++ = (char)toupper((unsigned char)in[1]);
			*out++ = (char)toupper((unsigned char)in[2]);
		}
		in += 2;
	}
	*out = '\0';
	return 0;
}

/*
 * What every path must be: characters of RFC 3986 section 3.3, of which the
 * caller's extra ones may be added. Returns a phrase for what is wrong.
 */
static const char *
path_complaint(const char *path, const char *extra)
{
	for (const char *c = path; *c != '\0'; c++) {
		if (*c == '?' || *c == '#')
			return "has a query; write the path alone";
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
			return "has a character that no URL has; write it as "
			       "%XX";
		if (strchr("\"<>\\^`{|}*", *c) != NULL &&
		    strchr(extra, *c) == NULL)
			return "has a character that a path prefix cannot "
			       "have; use a [route NAME] for patterns";
	}
	return NULL;
}

static int
literal_check(char *text, struct conf_why *why)
{
	if (escapes_normalize(text) < 0) {
		conf_why_set(why,
		    "has a %% without two hexadecimal digits; write %%25 for "
		    "a plain one");
		return -1;
	}
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0) {
		conf_why_set(why,
		    "has a segment \"%s\", which no request has; leave it out",
		    text);
		return -1;
	}
	if (strpbrk(text, "{}*\"<>\\^`|") != NULL) {
		conf_why_set(why,
		    "has a { or * within a segment; {name} must be a whole "
		    "segment, * the last one");
		return -1;
	}
	return 0;
}

/* "{name}" becomes "name". Its name must be new in the pattern. */
static int
param_check(struct conf_pattern *pattern, char *text, struct conf_why *why)
{
	size_t len = strlen(text), count = 0;
	char *name = text + 1;

	text[len - 1] = '\0';
	for (const char *c = name; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-')
			len = 0;
	if (len < 3 || len > 34 ||
	    (!isalpha((unsigned char)name[0]) && name[0] != '_')) {
		conf_why_set(why,
		    "has a malformed {name}; use 1 to 32 letters, digits, _ "
		    "and -, with a letter first");
		return -1;
	}
	for (size_t i = 0; i < pattern->count; i++) {
		if (pattern->segments[i].kind != CONF_SEGMENT_PARAM)
			continue;
		count++;
		if (strcmp(pattern->segments[i].text, name) != 0)
			continue;
		conf_why_set(why, "has {%s} twice; give each its own name",
		    name);
		return -1;
	}
	if (count >= CONF_PARAM_MAX) {
		conf_why_set(why, "has more than %d {name} segments",
		    CONF_PARAM_MAX);
		return -1;
	}
	return 0;
}

static int
segment_add(struct conf_pattern *pattern, char *text, bool is_last,
    struct conf_why *why)
{
	size_t len = strlen(text);
	struct conf_segment *segment = &pattern->segments[pattern->count];

	if (pattern->count == CONF_SEGMENT_MAX) {
		conf_why_set(why, "has more than %d segments",
		    CONF_SEGMENT_MAX);
		return -1;
	}
	*segment = (struct conf_segment){ CONF_SEGMENT_LITERAL, text };
	if (is_last && strcmp(text, "*") == 0) {
		segment->kind = CONF_SEGMENT_REST;
	} else if (len >= 2 && text[0] == '{' && text[len - 1] == '}') {
		segment->kind = CONF_SEGMENT_PARAM;
		segment->text = text + 1;
		if (param_check(pattern, text, why) < 0)
			return -1;
	} else if (len == 0 && !is_last) {
		conf_why_set(why, "has an empty segment; write one slash");
		return -1;
	} else if (literal_check(text, why) < 0) {
		return -1;
	}
	pattern->count++;
	return 0;
}

/* Take the method off the front of the text. Returns the path, or NULL. */
static char *
method_split(struct conf_pattern *pattern, struct conf_why *why)
{
	char *text = pattern->text;
	size_t len = strcspn(text, " \t");
	char *path = text + len + strspn(text + len, " \t");

	pattern->method = "";
	if (text[0] == '/')
		return text;
	if (*path != '/') {
		conf_why_set(why,
		    "is not a pattern such as GET /users/{id} or /files/*");
		return NULL;
	}
	text[len] = '\0';
	pattern->method = text;
	if (strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") == len && len <= 32)
		return path;
	conf_why_set(why,
	    "does not start with a method; write it in capitals, as in GET "
	    "/users/{id}");
	return NULL;
}

/* Cut the path behind its first slash into segments. */
static int
path_split(struct conf_pattern *pattern, char *path, struct conf_why *why)
{
	const char *complaint = path_complaint(path, "\"<>\\^`{|}*");

	if (complaint != NULL) {
		conf_why_set(why, "%s", complaint);
		return -1;
	}
	for (char *next = path + 1; next != NULL;) {
		char *text = strsep(&next, "/");

		if (segment_add(pattern, text, next == NULL, why) < 0)
			return -1;
	}
	return 0;
}

int
conf_pattern_parse(const char *text, struct conf_pattern *pattern_r,
    struct conf_why *why)
{
	char *path;

	pattern_r->count = 0;
	if (strlen(text) > CONF_PATTERN_MAX) {
		conf_why_set(why, "is over %d bytes long; shorten it",
		    CONF_PATTERN_MAX);
		return -1;
	}
	pattern_r->text = strdup(text);
	if (pattern_r->text == NULL) {
		conf_why_set(why, "does not fit into memory");
		return -1;
	}
	path = method_split(pattern_r, why);
	if (path != NULL && path_split(pattern_r, path, why) == 0)
		return 0;
	conf_pattern_fini(pattern_r);
	return -1;
}

void
conf_pattern_fini(struct conf_pattern *pattern)
{
	free(pattern->text);
	pattern->text = NULL;
}

char *
conf_pattern_prefix(const char *text, struct conf_why *why)
{
	size_t len = strlen(text);
	const char *complaint = path_complaint(text, "");
	struct conf_pattern pattern;
	char *copy, *out;

	if (text[0] != '/') {
		conf_why_set(why, "is not a path; start it with a slash");
		return NULL;
	}
	if (complaint != NULL) {
		conf_why_set(why, "%s", complaint);
		return NULL;
	}
	if (len > 1 && text[len - 1] == '/' && text[len - 2] != '/')
		len--;
	copy = strndup(text, len);
	conf_why_set(why, "does not fit into memory");
	if (copy == NULL || conf_pattern_parse(copy, &pattern, why) < 0) {
		free(copy);
		return NULL;
	}
	/* Normalizing only ever shortens. */
	out = copy;
	for (size_t i = 0; i < pattern.count; i++) {
		*out++ = '/';
		out = stpcpy(out, pattern.segments[i].text);
	}
	conf_pattern_fini(&pattern);
	return copy;
}
