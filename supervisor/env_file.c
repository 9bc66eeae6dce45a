#include "env_file.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf_value.h"
#include "ipc/err.h"
#include "small_file.h"

enum {
	ENV_FILE_MAX = 1024 * 1024,
	ENV_NAME_MAX = 255,
	/* Each is looked for among all others, while everybody waits. */
	ENV_ITEMS_MAX = 2000,
};

struct env_parse {
	const char *at;
	unsigned line;
	char *value; /* owned; room for all that is left of the file */
	size_t len;
};

void
env_items_fini(struct env_items *items)
{
	for (size_t i = 0; i < items->count; i++)
		free(items->items[i]);
	free(items->items);
	*items = (struct env_items){ 0 };
}

static int
env_items_add(struct env_items *items, const char *name, size_t name_len,
    const char *value, size_t len)
{
	char **grown =
	    reallocarray(items->items, items->count + 1, sizeof(*grown));
	char *item = malloc(name_len + len + 2);

	if (grown != NULL)
		items->items = grown;
	if (grown == NULL || item == NULL) {
		free(item);
		return -1;
	}
	memcpy(item, name, name_len);
	item[name_len] = '=';
	memcpy(item + name_len + 1, value, len);
	item[name_len + 1 + len] = '\0';
	items->items[items->count++] = item;
	return 0;
}

int
env_file_check_name(const char *name, size_t len, struct err *err_r)
{
	char copy[ENV_NAME_MAX + 1];
	struct conf_why why;

	if (len >= sizeof(copy)) {
		err_set(err_r, "the name of a variable is too long");
		return -1;
	}
	memcpy(copy, name, len);
	copy[len] = '\0';
	if (conf_value_env_name(copy, &why) == 0)
		return 0;
	err_set(err_r, "\"%s\" %s", copy, why.text);
	return -1;
}

static void
env_put(struct env_parse *parse, char c)
{
	parse->value[parse->len++] = c;
}

/* Behind a backslash; in double quotes it is one unless it means something. */
static void
env_escape(struct env_parse *parse, bool is_quoted)
{
	char c = *parse->at;

	if (c == '\0')
		return;
	parse->at++;
	if (c == '\n') {
		parse->line++;
		return;
	}
	if (is_quoted && strchr("\"\\`$", c) == NULL)
		env_put(parse, '\\');
	env_put(parse, c);
}

/* Up to the closing quote; -1 if there is none. */
static int
env_quoted(struct env_parse *parse)
{
	char quote = *parse->at++;

	while (*parse->at != quote) {
		char c = *parse->at;

		if (c == '\0')
			return -1;
		parse->at++;
		if (c == '\n')
			parse->line++;
		if (c == '\\' && quote == '"')
			env_escape(parse, true);
		else
			env_put(parse, c);
	}
	parse->at++;
	return 0;
}

/* To the end of the line; -1 at a quote that does not end. */
static int
env_value(struct env_parse *parse)
{
	size_t kept = 0; /* what no trailing white space may take away */

	parse->len = 0;
	parse->at += strspn(parse->at, " \t");
	while (*parse->at != '\0' && *parse->at != '\n') {
		if (*parse->at == '\'' || *parse->at == '"') {
			if (env_quoted(parse) < 0)
				return -1;
			kept = parse->len;
		} else if (*parse->at == '\\') {
			parse->at++;
			env_escape(parse, false);
			kept = parse->len;
		} else {
			env_put(parse, *parse->at);
			if (!isspace((unsigned char)*parse->at))
				kept = parse->len;
			parse->at++;
		}
	}
	parse->len = kept;
	return 0;
}

static int
env_line(struct env_parse *parse, struct env_items *items, struct err *err_r)
{
	const char *name = parse->at;
	size_t len = strcspn(name, "=\n");

	if (name[len] != '=') {
		err_set(err_r, "is not of the form KEY=value");
		return -1;
	}
	parse->at += len + 1;
	while (len > 0 && isspace((unsigned char)name[len - 1]))
		len--;
	if (env_file_check_name(name, len, err_r) < 0)
		return -1;
	if (env_value(parse) < 0) {
		err_set(err_r, "has a quote that does not end");
		return -1;
	}
	if (items->count == ENV_ITEMS_MAX) {
		err_set(err_r, "has more than %d variables", ENV_ITEMS_MAX);
		return -1;
	}
	if (env_items_add(items, name, len, parse->value, parse->len) < 0) {
		err_set(err_r, "out of memory");
		return -1;
	}
	return 0;
}

int
env_file_parse(const char *path, const char *text, size_t len,
    struct env_items *items, struct err *err_r)
{
	struct env_parse parse = { .at = text, .line = 1 };
	unsigned line = 1;
	int rc = 0;

	if (strlen(text) != len) {
		err_set(err_r, "%s: has a NUL byte", path);
		return -1;
	}
	parse.value = malloc(len + 1);
	if (parse.value == NULL) {
		err_set_errno(err_r, "%s", path);
		return -1;
	}
	while (rc == 0 && *parse.at != '\0') {
		line = parse.line;
		parse.at += strspn(parse.at, " \t\r");
		if (*parse.at == '#' || *parse.at == ';')
			parse.at += strcspn(parse.at, "\n");
		else if (*parse.at != '\n' && *parse.at != '\0')
			rc = env_line(&parse, items, err_r);
		if (rc == 0 && *parse.at == '\n') {
			parse.at++;
			parse.line++;
		}
	}
	if (rc < 0)
		err_prefix(err_r, "%s:%u", path, line);
	free(parse.value);
	return rc;
}

int
env_file_read(const char *path, struct env_items *items, struct err *err_r)
{
	char *text;
	size_t len;
	int rc;

	if (small_file_read(path, ENV_FILE_MAX, &text, &len, err_r) < 0)
		return -1;
	rc = env_file_parse(path, text, len, items, err_r);
	free(text);
	return rc;
}
