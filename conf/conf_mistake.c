#include "conf_mistake.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"

enum {
	SHOWN_MAX = 100,  /* lines a person gets to see */
	KEPT_MAX = 10000, /* of which the first by line are picked */
};

struct conf_mistake {
	size_t file, order;
	unsigned line;
	char *text;
};

/* vasprintf leaves its pointer undefined on failure. */
static char *
text_format(const char *fmt, va_list args)
{
	char *text;

	return vasprintf(&text, fmt, args) < 0 ? NULL : text;
}

void
conf_mistake_add(struct conf_mistakes *mistakes, size_t file, unsigned line,
    const char *fmt, ...)
{
	va_list args;
	char *text;

	if (mistakes->count == mistakes->cap && mistakes->cap < KEPT_MAX) {
		size_t cap = mistakes->cap == 0 ? 16 : 2 * mistakes->cap;
		struct conf_mistake *items =
		    realloc(mistakes->items, cap * sizeof(items[0]));

		if (items != NULL) {
			mistakes->items = items;
			mistakes->cap = cap;
		}
	}
	if (mistakes->count == mistakes->cap) {
		mistakes->dropped++;
		return;
	}
	va_start(args, fmt);
	text = text_format(fmt, args);
	va_end(args);
	if (text == NULL) {
		mistakes->dropped++;
		return;
	}
	mistakes->items[mistakes->count] =
	    (struct conf_mistake){ file, mistakes->count, line, text };
	mistakes->count++;
}

bool
conf_mistake_is_full(const struct conf_mistakes *mistakes)
{
	return mistakes->count >= SHOWN_MAX;
}

static int
mistake_compare(const void *a, const void *b)
{
	const struct conf_mistake *left = a, *right = b;

	if (left->file != right->file)
		return left->file < right->file ? -1 : 1;
	if (left->line != right->line)
		return left->line < right->line ? -1 : 1;
	return left->order < right->order ? -1 : left->order > right->order;
}

void
conf_report_add(struct conf_report *report, const char *fmt, ...)
{
	va_list args;
	char *text;

	if (report->count == report->cap) {
		size_t cap = report->cap == 0 ? 8 : 2 * report->cap;
		char **lines =
		    realloc(report->lines, cap * sizeof(report->lines[0]));

		if (lines == NULL)
			return;
		report->lines = lines;
		report->cap = cap;
	}
	va_start(args, fmt);
	text = text_format(fmt, args);
	va_end(args);
	if (text != NULL)
		report->lines[report->count++] = text;
}

void
conf_mistake_report(struct conf_mistakes *mistakes,
    const struct conf_strings *names, struct conf_report *report)
{
	size_t shown =
	    mistakes->count < SHOWN_MAX ? mistakes->count : SHOWN_MAX;
	size_t hidden = mistakes->count - shown + mistakes->dropped;

	if (mistakes->count > 0)
		qsort(mistakes->items, mistakes->count,
		    sizeof(mistakes->items[0]), mistake_compare);
	for (size_t i = 0; i < shown; i++) {
		const struct conf_mistake *mistake = &mistakes->items[i];
		const char *name = names->items[mistake->file];

		if (mistake->line == 0)
			conf_report_add(report, "%s: %s", name, mistake->text);
		else
			conf_report_add(report, "%s:%u: %s", name,
			    mistake->line, mistake->text);
	}
	if (hidden > 0)
		conf_report_add(report, "%s: and %zu more mistake%s",
		    names->items[0], hidden, hidden == 1 ? "" : "s");
}

void
conf_mistake_fini(struct conf_mistakes *mistakes)
{
	for (size_t i = 0; i < mistakes->count; i++)
		free(mistakes->items[i].text);
	free(mistakes->items);
	*mistakes = (struct conf_mistakes){ 0 };
}

void
conf_report_print(const struct conf_report *report, FILE *out)
{
	for (size_t i = 0; i < report->count; i++)
		fprintf(out, "%s\n", report->lines[i]);
}

void
conf_report_fini(struct conf_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		free(report->lines[i]);
	free(report->lines);
	*report = (struct conf_report){ 0 };
}
