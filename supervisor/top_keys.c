/* top_keys: what the keys of msvc top do. */
#include <stdio.h>
#include <string.h>

#include "ipc/err.h"

#include "top.h"

/* Keep the cursor in the list, and the list around the cursor. */
static void
top_move(struct top *top, size_t at)
{
	size_t rows = top_screen_rows();
	const struct cmd_model_instance *inst;

	top->at = at < top->row_count  ? at
		  : top->row_count > 0 ? top->row_count - 1
				       : 0;
	if (top->first > top->at)
		top->first = top->at;
	if (top->at >= top->first + rows)
		top->first = top->at - rows + 1;
	/* No empty lines below while there are rows above. */
	if (top->first + rows > top->row_count)
		top->first = top->row_count > rows ? top->row_count - rows : 0;
	inst = top_selected(top);
	if (inst == NULL)
		return;
	top_label(&top->model, inst, top->label, sizeof(top->label));
	top->is_beside = inst->is_beside;
}

void
top_arrange(struct top *top)
{
	const struct cmd_model_instance *inst;
	char label[sizeof(top->label)];

	top->row_count = top->rows != NULL
			     ? top_select(&top->model, &top->order, top->rows)
			     : 0;
	for (size_t i = 0; i < top->row_count; i++) {
		inst = &top->model.instances[top->rows[i]];
		top_label(&top->model, inst, label, sizeof(label));
		if (strcmp(label, top->label) != 0 ||
		    inst->is_beside != top->is_beside)
			continue;
		top_move(top, i);
		return;
	}
	top_move(top, top->at);
}

/* instance 0: the whole service. */
static void
top_ask_for(struct top *top, enum control_command command, const char *service,
    unsigned instance)
{
	struct err err = { "" };
	char number[16] = "";

	if (instance > 0)
		snprintf(number, sizeof(number), "/%u", instance);
	snprintf(top->note, sizeof(top->note), "%s %s%s ...",
	    control_command_name(command), service, number);
	if (top_link_ask(&top->act, top->run_dir, command, service, instance,
		&err) == -1)
		snprintf(top->note, sizeof(top->note), "%s", err.text);
}

/* The service of the row under the cursor. */
static void
top_service(const struct top *top, char *name, size_t size)
{
	snprintf(name, size, "%.*s", (int)strcspn(top->label, "/"), top->label);
}

static void
top_act(struct top *top, enum control_command command)
{
	const struct cmd_model_instance *inst = top_selected(top);
	char name[sizeof(top->label)];

	if (inst == NULL)
		return;
	top_service(top, name, sizeof(name));
	top_ask_for(top, command, name,
	    command == CONTROL_START ? 0 : inst->index);
}

static void
top_ask_whether(struct top *top)
{
	if (top_selected(top) == NULL)
		return;
	top_service(top, top->stop, sizeof(top->stop));
	snprintf(top->note, sizeof(top->note), "stop %s?", top->stop);
	top->mode = TOP_CONFIRM;
}

static void
top_open_log(struct top *top)
{
	const struct cmd_model_instance *inst = top_selected(top);
	struct cmd_text dir = top_about(top, "log_dir");
	struct err err = { "" };
	char path[4096];

	if (inst == NULL)
		return;
	snprintf(path, sizeof(path), "%.*s", (int)dir.len, dir.str);
	if (top_log_open(&top->log, path, top->label,
		top->model.services[inst->service].instance_count == 1,
		&err) == 0)
		top->mode = TOP_LOG;
	else
		snprintf(top->note, sizeof(top->note), "%s", err.text);
}

static void
top_key_filter(struct top *top, int key)
{
	size_t len = strlen(top->order.filter);

	if (key == TOP_KEY_ESCAPE)
		top->order.filter[0] = '\0';
	if (key == TOP_KEY_ESCAPE || key == TOP_KEY_ENTER)
		top->mode = TOP_LIST;
	else if (key == TOP_KEY_ERASE && len > 0)
		top->order.filter[len - 1] = '\0';
	else if (key > 0x20 && key < 0x7f && len + 1 < TOP_FILTER_MAX) {
		top->order.filter[len] = (char)key;
		top->order.filter[len + 1] = '\0';
	}
	top_arrange(top);
}

/* Returns false when the key does not move the cursor. */
static bool
top_key_move(struct top *top, int key)
{
	size_t page = top_screen_rows(), at = top->at;

	if (key == TOP_KEY_UP)
		at -= at > 0;
	else if (key == TOP_KEY_DOWN)
		at++;
	else if (key == TOP_KEY_PAGE_UP)
		at = at > page ? at - page : 0;
	else if (key == TOP_KEY_PAGE_DOWN)
		at += page;
	else if (key == TOP_KEY_HOME)
		at = 0;
	else if (key == TOP_KEY_END)
		at = top->row_count;
	else if (key != TOP_KEY_RESIZE)
		return false;
	top_move(top, at);
	return true;
}

static void
top_key_list(struct top *top, int key)
{
	static const struct {
		int key;
		enum control_command command;
	} acts[] = {
		{ 'r', CONTROL_RESTART },
		{ 'd', CONTROL_DRAIN },
		{ 'u', CONTROL_UNDRAIN },
		{ 'S', CONTROL_START },
	};

	top->note[0] = '\0';
	if (key == 'q')
		top->is_over = true;
	else if (key == 'l')
		top_open_log(top);
	else if (key == '/')
		top->mode = TOP_FILTER;
	else if (key == 's')
		top_ask_whether(top);
	else if (!top_key_move(top, key) && top_order_key(&top->order, key))
		top_arrange(top);
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		if (acts[i].key == key)
			top_act(top, acts[i].command);
	}
}

void
top_key(struct top *top, int key)
{
	switch (top->mode) {
	case TOP_FILTER:
		top_key_filter(top, key);
		break;
	case TOP_CONFIRM:
		if (key == TOP_KEY_RESIZE)
			break;
		top->mode = TOP_LIST;
		top->note[0] = '\0';
		/* Whatever is under the cursor by now. */
		if (key == 'y')
			top_ask_for(top, CONTROL_STOP, top->stop, 0);
		break;
	case TOP_LOG:
		if (key != 'q' && key != 'l' && key != TOP_KEY_ESCAPE)
			break;
		top_log_close(&top->log);
		top->mode = TOP_LIST;
		break;
	default:
		top_key_list(top, key);
		break;
	}
}
