#include "conf_json.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "conf_value.h"

enum {
	DEPTH_MAX = 32
};

/* The text is NUL-terminated, so looking at *at is always allowed. */
struct json {
	const char *at;
	unsigned depth;
};

static bool value_skip(struct json *json);

static void
space_skip(struct json *json)
{
	json->at += strspn(json->at, " \t\r\n");
}

static bool
char_skip(struct json *json, char c)
{
	if (*json->at != c)
		return false;
	json->at++;
	return true;
}

static bool
digits_skip(struct json *json)
{
	size_t len = strspn(json->at, "0123456789");

	json->at += len;
	return len != 0;
}

static bool
number_skip(struct json *json)
{
	char_skip(json, '-');
	if (!char_skip(json, '0') && !digits_skip(json))
		return false;
	if (char_skip(json, '.') && !digits_skip(json))
		return false;
	if (*json->at != 'e' && *json->at != 'E')
		return true;
	json->at++;
	if (*json->at == '+' || *json->at == '-')
		json->at++;
	return digits_skip(json);
}

/* What follows a backslash. */
static bool
escape_skip(struct json *json)
{
	if (char_skip(json, 'u')) {
		for (int i = 0; i < 4; i++, json->at++)
			if (*json->at == '\0' ||
			    strchr("0123456789abcdefABCDEF", *json->at) == NULL)
				return false;
		return true;
	}
	if (*json->at == '\0' || strchr("\"\\/bfnrt", *json->at) == NULL)
		return false;
	json->at++;
	return true;
}

static bool
string_skip(struct json *json)
{
	if (!char_skip(json, '"'))
		return false;
	while ((unsigned char)*json->at >= 0x20 && *json->at != '"')
		if (*json->at++ == '\\' && !escape_skip(json))
			return false;
	return char_skip(json, '"');
}

/* The items of an array or object and its closing bracket. */
static bool
items_skip(struct json *json, char close)
{
	space_skip(json);
	if (char_skip(json, close))
		return true;
	do {
		space_skip(json);
		if (close == '}') {
			if (!string_skip(json))
				return false;
			space_skip(json);
			if (!char_skip(json, ':'))
				return false;
		}
		if (!value_skip(json))
			return false;
	} while (char_skip(json, ','));
	return char_skip(json, close);
}

static bool
word_skip(struct json *json, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(json->at, word, len) != 0)
		return false;
	json->at += len;
	return true;
}

/* A value and the space around it. */
static bool
value_skip(struct json *json)
{
	bool is_good;

	space_skip(json);
	switch (*json->at) {
	case '{':
	case '[':
		if (json->depth == DEPTH_MAX)
			return false;
		json->depth++;
		is_good = items_skip(json, *json->at++ == '{' ? '}' : ']');
		json->depth--;
		break;
	case '"':
		is_good = string_skip(json);
		break;
	case 't':
		is_good = word_skip(json, "true");
		break;
	case 'f':
		is_good = word_skip(json, "false");
		break;
	case 'n':
		is_good = word_skip(json, "null");
		break;
	default:
		is_good = number_skip(json);
		break;
	}
	if (is_good)
		space_skip(json);
	return is_good;
}

int
conf_json_check(const char *text, struct conf_why *why)
{
	struct json json = { text, 0 };

	if (value_skip(&json) && *json.at == '\0')
		return 0;
	conf_why_set(why, "is not JSON at byte %zu",
	    (size_t)(json.at - text) + 1);
	return -1;
}
