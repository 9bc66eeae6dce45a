#include "top_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/err.h"

#include "cmd_tail.h"

bool
top_log_is_of(const char *line, size_t len, const char *label)
{
	const char *at = memmem(line, len, label, strlen(label));
	size_t end;

	if (at == NULL)
		return false;
	/* Not users/12 for users/1, nor otherusers/1 for it. */
	end = (size_t)(at - line) + strlen(label);
	return (at == line || at[-1] == ' ' || at[-1] == '"') &&
	       (end == len || line[end] < '0' || line[end] > '9');
}

void
top_log_close(struct top_log *log)
{
	tail_free(&log->tail);
	for (size_t i = 0; i < TOP_LOG_LINES; i++)
		free(log->lines[i]);
	*log = (struct top_log){ 0 };
}

int
top_log_open(struct top_log *log, const char *dir, const char *label,
    bool is_one, struct err *err_r)
{
	char name[80];

	top_log_close(log);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(label, "/"), label);
	snprintf(log->label, sizeof(log->label), "%s", label);
	log->is_one = is_one;
	log->tail = tail_new(dir, name, TOP_LOG_LINES, err_r);
	if (log->tail == NULL)
		return -1;
	top_log_read(log);
	return 0;
}

void
top_log_read(struct top_log *log)
{
	const char *line;
	size_t len;

	while (
	    log->tail != NULL && (line = tail_next(log->tail, &len)) != NULL) {
		if (!log->is_one && !top_log_is_of(line, len, log->label))
			continue;
		free(log->lines[log->next]);
		log->lines[log->next] = strndup(line, len);
		log->next = (log->next + 1) % TOP_LOG_LINES;
		if (log->count < TOP_LOG_LINES)
			log->count++;
	}
}

const char *
top_log_line(const struct top_log *log, size_t back)
{
	if (back >= log->count)
		return NULL;
	return log
	    ->lines[(log->next + TOP_LOG_LINES - 1 - back) % TOP_LOG_LINES];
}
