#include "top_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd_model.h"
#include "cmd_size.h"
#include "cmd_status.h"
#include "ipc/utf8.h"

/* key 0: has none of its own. is_down: the largest first, as is usual. */
static const struct {
	const char *title;
	unsigned width; /* 0: of the name, or to the end */
	int key;
	bool is_down;
} columns[TOP_COLUMNS] = {
	[TOP_NAME] = { "SERVICE/INSTANCE", 0, 'N', false },
	[TOP_STATE] = { "STATE", 8, 0, false },
	[TOP_PID] = { "PID", 7, 0, false },
	[TOP_CPU] = { "CPU", 5, 'P', true },
	[TOP_MEMORY] = { "MEM", 5, 'M', true },
	[TOP_FDS] = { "FDS", 4, 'F', true },
	[TOP_RESTARTS] = { "RESTARTS", 8, 'R', true },
	[TOP_UPTIME] = { "UPTIME", 7, 'T', true },
	[TOP_REASON] = { "LAST EXIT, REASON", 0, 0, false },
};

bool
top_order_key(struct top_order *order, int key)
{
	enum top_column column = order->column;

	if (key == 'I') {
		order->is_reversed = !order->is_reversed;
		return true;
	}
	if (key == '<')
		column = column > 0 ? column - 1 : TOP_COLUMNS - 1;
	else if (key == '>')
		column = (column + 1) % TOP_COLUMNS;
	else {
		for (column = 0; column < TOP_COLUMNS; column++) {
			if (columns[column].key != 0 &&
			    columns[column].key == key)
				break;
		}
	}
	if (column == TOP_COLUMNS)
		return false;
	order->column = column;
	order->is_reversed = false;
	return true;
}

void
top_rates(struct cmd_model *now, const struct cmd_model *before,
    int64_t elapsed_ms)
{
	const struct cmd_model_instance *old;
	struct cmd_model_instance *inst;
	size_t hint = 0, at;

	for (size_t i = 0; i < now->instance_count; i++) {
		inst = &now->instances[i];
		/* Most are where they were: look behind the last one first. */
		for (size_t j = 0; inst->pid > 0 && j < before->instance_count;
		     j++) {
			at = (hint + j) % before->instance_count;
			old = &before->instances[at];
			if (old->pid != inst->pid)
				continue;
			inst->cpu = cmd_usage_percent(&old->usage, &inst->usage,
			    elapsed_ms);
			hint = at + 1;
			break;
		}
	}
}

static bool
top_text_has(struct cmd_text text, const char *part)
{
	return memmem(text.str, text.len, part, strlen(part)) != NULL;
}

static bool
top_is_shown(const struct cmd_model *model,
    const struct cmd_model_instance *inst, const char *filter)
{
	return filter[0] == '\0' ||
	       top_text_has(model->services[inst->service].name, filter) ||
	       top_text_has(inst->state, filter);
}

static int
top_compare_text(struct cmd_text a, struct cmd_text b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = memcmp(a.str, b.str, len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int64_t
top_number(const struct cmd_model_instance *inst, enum top_column column)
{
	switch (column) {
	case TOP_PID:
		return inst->pid;
	case TOP_CPU:
		return inst->cpu;
	case TOP_MEMORY:
		return (int64_t)inst->usage.memory;
	case TOP_FDS:
		return inst->usage.fd_count;
	case TOP_RESTARTS:
		return inst->restarts;
	default:
		return inst->usage.age_ms;
	}
}

struct top_sort {
	const struct cmd_model *model;
	const struct top_order *order;
};

static int
top_compare(const void *left, const void *right, void *arg)
{
	const struct top_sort *sort = arg;
	const struct cmd_model *model = sort->model;
	const struct cmd_model_instance
	    *a = &model->instances[*(const unsigned *)left],
	    *b = &model->instances[*(const unsigned *)right];
	enum top_column column = sort->order->column;
	int64_t x = top_number(a, column), y = top_number(b, column);
	int order;

	if (column == TOP_NAME)
		order = top_compare_text(model->services[a->service].name,
		    model->services[b->service].name);
	else if (column == TOP_STATE)
		order = top_compare_text(a->state, b->state);
	else if (column == TOP_REASON)
		order = top_compare_text(a->reason, b->reason);
	else
		order = (x > y) - (x < y);
	if (columns[column].is_down != sort->order->is_reversed)
		order = -order;
	/* As in the file, so that equals do not jump about. */
	return order != 0 ? order : (a > b) - (a < b);
}

size_t
top_select(const struct cmd_model *model, const struct top_order *order,
    unsigned *rows)
{
	struct top_sort sort = { model, order };
	size_t count = 0;

	for (size_t i = 0; i < model->instance_count; i++) {
		if (top_is_shown(model, &model->instances[i], order->filter))
			rows[count++] = (unsigned)i;
	}
	qsort_r(rows, count, sizeof(*rows), top_compare, &sort);
	return count;
}

unsigned
top_name_width(const struct cmd_model *model)
{
	size_t width = TOP_NAME_MIN;

	for (size_t i = 0; i < model->service_count; i++) {
		if (model->services[i].name.len + 3 > width)
			width = model->services[i].name.len + 3;
	}
	return width < TOP_NAME_MAX ? (unsigned)width : TOP_NAME_MAX;
}

unsigned
top_column_at(enum top_column column, unsigned name_width, unsigned *width_r)
{
	unsigned at = 0;

	for (unsigned i = 0; i < (unsigned)column; i++)
		at += (i == TOP_NAME ? name_width : columns[i].width) + 1;
	*width_r = column == TOP_NAME     ? name_width
		   : column == TOP_REASON ? TOP_LINE_MAX
					  : columns[column].width;
	return at;
}

void
top_format_head(unsigned name_width, char text_r[TOP_LINE_MAX])
{
	snprintf(text_r, TOP_LINE_MAX, "%-*s %-8s %7s %5s %5s %4s %8s %7s %s",
	    (int)name_width, columns[TOP_NAME].title, columns[TOP_STATE].title,
	    columns[TOP_PID].title, columns[TOP_CPU].title,
	    columns[TOP_MEMORY].title, columns[TOP_FDS].title,
	    columns[TOP_RESTARTS].title, columns[TOP_UPTIME].title,
	    columns[TOP_REASON].title);
}

void
top_label(const struct cmd_model *model, const struct cmd_model_instance *inst,
    char *text_r, size_t size)
{
	struct cmd_text name = model->services[inst->service].name;

	if (inst->index > 0)
		snprintf(text_r, size, "%.*s/%u", (int)name.len, name.str,
		    inst->index);
	else
		snprintf(text_r, size, "%.*s", (int)name.len, name.str);
}

/* Control characters would move the cursor. */
static void
top_clean(char *text)
{
	size_t step;

	for (; *text != '\0'; text += step) {
		step = utf8_printable((const uint8_t *)text, strlen(text));
		if (step == 0) {
			*text = '?';
			step = 1;
		}
	}
}

void
top_format_row(const struct cmd_model *model,
    const struct cmd_model_instance *inst, unsigned name_width,
    char text_r[TOP_LINE_MAX])
{
	const struct cmd_usage *usage = &inst->usage;
	struct cmd_text name = model->services[inst->service].name,
			why = cmd_text_is(inst->reason, "-") ? inst->last_exit
							     : inst->reason;
	char label[64], pid[16] = "-", cpu[16] = "-", memory[16] = "-",
			fds[16] = "-", uptime[16] = "-";
	size_t len;

	cmd_status_name(name.str, name.len, inst->index,
	    name_width - inst->is_beside, label, sizeof(label) - 1);
	if (inst->is_beside)
		strcat(label, "+");
	if (inst->pid > 0)
		snprintf(pid, sizeof(pid), "%d", (int)inst->pid);
	if (inst->cpu >= 0)
		snprintf(cpu, sizeof(cpu), "%d%%", inst->cpu);
	if (usage->is_known) {
		cmd_size_format(usage->memory, memory);
		snprintf(fds, sizeof(fds), "%u", usage->fd_count);
		cmd_status_duration(usage->age_ms / 1000, uptime);
	}
	len = (size_t)snprintf(text_r, TOP_LINE_MAX,
	    "%-*s %-8.*s %7s %5s %5s %4s %8lld %7s ", (int)name_width, label,
	    inst->state.len < 8 ? (int)inst->state.len : 8, inst->state.str,
	    pid, cpu, memory, fds, (long long)inst->restarts, uptime);
	snprintf(text_r + len, TOP_LINE_MAX - len, "%.*s", (int)why.len,
	    why.str);
	top_clean(text_r);
}
