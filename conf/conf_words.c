#include "conf_words.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "conf_value.h"

/* What all empty arrays have in common: most keys of most services are. */
static char *no_items[1];

void
conf_words_init(struct conf_strings *words)
{
	words->count = 0;
	words->items = no_items;
}

void
conf_words_clear(struct conf_strings *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->items[i]);
	words->count = 0;
	if (words->items != NULL && words->items != no_items)
		words->items[0] = NULL;
}

void
conf_words_fini(struct conf_strings *words)
{
	conf_words_clear(words);
	if (words->items != no_items)
		free(words->items);
	words->items = NULL;
}

/*
 * The array is reallocated when the count, its NULL included, is a power of
 * two; so its size follows from the count and needs no field.
 */
int
conf_words_add(struct conf_strings *words, const char *text, size_t len)
{
	size_t size = words->count + 1;
	char *copy;

	if ((size & (size - 1)) == 0) {
		char **items = words->items == no_items ? NULL : words->items;

		items = realloc(items, 2 * size * sizeof(items[0]));
		if (items == NULL)
			return -1;
		words->items = items;
	}
	copy = strndup(text, len);
	if (copy == NULL)
		return -1;
	words->items[words->count++] = copy;
	words->items[words->count] = NULL;
	return 0;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * The character that a backslash at in stands for together with the next one
 * (then *in moves to it), or *in itself where a backslash is a plain one.
 */
static char
escape_read(const char **in, char quote)
{
	bool is_escape =
	    quote == '\0' ||
	    (quote == '"' && ((*in)[1] == '"' || (*in)[1] == '\\'));

	if (**in == '\\' && is_escape && (*in)[1] != '\0')
		++*in;
	return **in;
}

/*
 * Take one word at *text into out, which has room for all of text. Returns
 * its length; *text then points behind it, or is NULL when it is malformed.
 */
static size_t
word_read(const char **text, char *out, struct conf_why *why)
{
	const char *in = *text;
	size_t len = 0;
	char quote = '\0';

	for (; *in != '\0' && (quote != '\0' || !is_space(*in)); in++) {
		if (quote == '\0' && (*in == '\'' || *in == '"'))
			quote = *in;
		else if (*in == quote)
			quote = '\0';
		else if (quote == '\0' && *in == '\\' && in[1] == '\0')
			break;
		else
			out[len++] = escape_read(&in, quote);
	}
	*text = in;
	if (quote != '\0') {
		conf_why_set(why, "has a %c that is not closed; add another",
		    quote);
		*text = NULL;
	} else if (*in == '\\') {
		conf_why_set(why,
		    "ends with a backslash; write \\\\ for a plain one");
		*text = NULL;
	}
	return len;
}

int
conf_words_split(struct conf_strings *words, const char *text,
    struct conf_why *why)
{
	char *word = malloc(strlen(text) + 1);
	int rc = -1;

	conf_why_set(why, "does not fit into memory");
	if (word == NULL)
		goto out;
	for (;;) {
		size_t len;

		while (is_space(*text))
			text++;
		if (*text == '\0')
			break;
		len = word_read(&text, word, why);
		if (text == NULL)
			goto out;
		if (conf_words_add(words, word, len) < 0)
			goto out;
	}
	rc = 0;
out:
	free(word);
	return rc;
}

int
conf_words_list(struct conf_strings *words, const char *text,
    struct conf_why *why)
{
	for (;;) {
		size_t len;
		const char *end;

		while (is_space(*text))
			text++;
		end = strchrnul(text, ',');
		len = (size_t)(end - text);
		while (len > 0 && is_space(text[len - 1]))
			len--;
		if (len == 0) {
			conf_why_set(why,
			    "has an empty item; write a list such as a, b");
			return -1;
		}
		if (conf_words_add(words, text, len) < 0) {
			conf_why_set(why, "does not fit into memory");
			return -1;
		}
		if (*end == '\0')
			return 0;
		text = end + 1;
	}
}

/* The end of the quoted part that starts at text, or NULL. */
static const char *
quote_end(const char *text)
{
	const char *end = text + 1;

	while (*end != '\0' && *end != *text) {
		if (*text == '"' && *end == '\\' && end[1] != '\0')
			end++;
		end++;
	}
	return *end == '\0' ? NULL : end;
}

const char *
conf_words_comment(const char *text)
{
	/* No use to look again for a partner that is not there. */
	bool is_open[128] = { false };
	const char *start = text;

	for (; *text != '\0'; text++) {
		const char *end;

		if (*text == ';' && text > start && is_space(text[-1]))
			return text;
		if (*text == '\\' && text[1] != '\0' && text[1] != ';') {
			text++;
			continue;
		}
		if ((*text != '\'' && *text != '"') ||
		    is_open[(unsigned char)*text])
			continue;
		end = quote_end(text);
		if (end == NULL)
			is_open[(unsigned char)*text] = true;
		else
			text = end;
	}
	return NULL;
}
