#include "cmd_tree.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "cmd_model.h"
#include "cmd_size.h"

enum {
	/* So deep that a name has room; what is below goes on at the left. */
	TREE_DEPTH_MAX = 4,
	TREE_NAME_MIN = 24,
	/* STATE PID UPTIME RESTARTS CPU MEM, and the blanks. */
	TREE_FIXED = 1 + 8 + 1 + 7 + 1 + 7 + 1 + 3 + 1 + 4 + 1 + 5 + 1
};

/* What is drawn before a name, four columns each. */
struct tree_glyphs {
	const char *branch, *last, *pass, *blank;
};

struct tree {
	const struct cmd_model *model;
	const struct cmd_status_view *view;
	const struct tree_glyphs *glyphs;
	FILE *out;      /* NULL: only find out how wide it is */
	bool *is_shown; /* with all that is below it */
	bool *is_due;   /* what is below it is still to come, at the left */
	bool is_last[TREE_DEPTH_MAX + 1]; /* of each level above */
	size_t name_width, width;
};

/* "requires db/2+ (data)". */
static size_t
tree_format_name(const struct cmd_model_service *service, const char *kind,
    const struct cmd_model_instance *inst, char *text, size_t size)
{
	bool has_group = inst == NULL && !cmd_text_is(service->group, "-");
	char number[16] = "";
	int len;

	if (inst != NULL && inst->index != 0)
		snprintf(number, sizeof(number), "/%u%s", inst->index,
		    inst->is_beside ? "+" : "");
	len = snprintf(text, size, "%s%s%.*s%s%s%.*s%s", kind,
	    kind[0] != '\0' ? " " : "", (int)service->name.len,
	    service->name.str, number, has_group ? " (" : "",
	    has_group ? (int)service->group.len : 0, service->group.str,
	    has_group ? ")" : "");
	return len > 0 ? ((size_t)len < size ? (size_t)len : size - 1) : 0;
}

static void
tree_print_why(const struct tree *tree, const struct cmd_model_instance *inst,
    FILE *out)
{
	size_t room = tree->view->width - tree->name_width - TREE_FIXED;
	struct cmd_text text = inst->reason;

	if (cmd_text_is(text, "-"))
		text = inst->last_exit;
	putc(' ', out);
	cmd_map_print(text, room, out);
	putc('\n', out);
}

static void
tree_print_columns(const struct tree *tree,
    const struct cmd_model_instance *inst, FILE *out)
{
	const struct cmd_usage *usage = &inst->usage;
	char uptime[16] = "-", pid[16] = "-", cpu[16] = "-", memory[16] = "-";
	bool is_colour = tree->view->is_colour;

	if (inst->pid > 0) {
		snprintf(pid, sizeof(pid), "%d", (int)inst->pid);
		cmd_status_duration(usage->is_known ? usage->age_ms / 1000 : -1,
		    uptime);
	}
	if (inst->cpu >= 0)
		snprintf(cpu, sizeof(cpu), "%d%%", inst->cpu);
	if (usage->is_known)
		cmd_size_format(usage->memory, memory);
	fprintf(out, " %s%-8.*s%s",
	    is_colour ? cmd_status_colour(inst->state) : "",
	    inst->state.len < 8 ? (int)inst->state.len : 8, inst->state.str,
	    is_colour ? CMD_STATUS_PLAIN : "");
	fprintf(out, " %7s %7s %3lld %4s %5s", pid, uptime,
	    (long long)(inst->restarts < 999 ? inst->restarts : 999), cpu,
	    memory);
	tree_print_why(tree, inst, out);
}

static void
tree_print_branches(const struct tree *tree, size_t depth)
{
	const struct tree_glyphs *glyphs = tree->glyphs;

	if (depth == 0)
		return;
	for (size_t i = 1; i < depth; i++)
		fputs(tree->is_last[i] ? glyphs->blank : glyphs->pass,
		    tree->out);
	fputs(tree->is_last[depth] ? glyphs->last : glyphs->branch, tree->out);
}

/* The name, cut if it must be, and behind it the mark, which is not. */
static void
tree_print_name(const struct tree *tree, const char *name, size_t len,
    const char *mark, size_t room)
{
	bool is_cut = len + strlen(mark) > room;

	if (is_cut)
		len = room - strlen(mark) - 1;
	fprintf(tree->out, "%.*s%s%-*s", (int)len, name, is_cut ? "~" : "",
	    (int)(room - len - is_cut), mark);
}

/*
 * One line; inst NULL: of a service that has several, its state alone. mark:
 * where the rest is, " ^" or " v" or "" for here.
 */
static void
tree_line(struct tree *tree, size_t depth,
    const struct cmd_model_service *service, const char *kind,
    const struct cmd_model_instance *inst, const char *mark)
{
	struct cmd_model_instance whole = { .state = service->state,
		.reason = { "-", 1 },
		.last_exit = { "-", 1 },
		.cpu = -1 };
	char name[256];
	bool is_part = inst != NULL && service->instance_count > 1;
	size_t len = tree_format_name(service, kind, is_part ? inst : NULL,
		   name, sizeof(name)),
	       indent = 3 * depth, width = indent + len + strlen(mark);

	if (tree->out == NULL) {
		if (width > tree->width)
			tree->width = width;
		return;
	}
	tree_print_branches(tree, depth);
	tree_print_name(tree, name, len, mark, tree->name_width - indent);
	tree_print_columns(tree, inst != NULL ? inst : &whole, tree->out);
}

static void
tree_instances(struct tree *tree, size_t depth,
    const struct cmd_model_service *service, bool is_followed)
{
	for (size_t i = 0; i < service->instance_count; i++) {
		tree->is_last[depth] =
		    !is_followed && i + 1 == service->instance_count;
		tree_line(tree, depth, service, "", &service->instances[i], "");
	}
}

static void
tree_service(struct tree *tree, size_t depth,
    const struct cmd_model_service *service, const char *kind)
{
	size_t at = (size_t)(service - tree->model->services);
	bool is_one = service->instance_count == 1,
	     has_more = service->need_count > 0 || !is_one,
	     is_above = has_more && tree->is_shown[at],
	     is_below = has_more && !is_above &&
			(tree->is_due[at] || depth == TREE_DEPTH_MAX);
	const struct cmd_model_service *need;

	tree_line(tree, depth, service, kind,
	    is_one ? &service->instances[0] : NULL,
	    is_above   ? " ^"
	    : is_below ? " v"
		       : "");
	tree->is_due[at] = is_below;
	if (is_above || is_below)
		return;
	/* Before those below it: in a circle, if there could be one, it ends.
	 */
	tree->is_shown[at] = true;
	if (!is_one)
		tree_instances(tree, depth + 1, service,
		    service->need_count > 0);
	for (size_t i = 0; i < service->need_count; i++) {
		need = cmd_model_find(tree->model, service->needs[i].name);
		tree->is_last[depth + 1] = i + 1 == service->need_count;
		if (need != NULL)
			tree_service(tree, depth + 1, need,
			    service->needs[i].kind);
	}
}

/* What was too deep, until nothing is. */
static void
tree_walk_due(struct tree *tree)
{
	const struct cmd_model *model = tree->model;
	bool is_over = false;

	while (!is_over) {
		is_over = true;
		for (size_t i = 0; i < model->service_count; i++) {
			if (!tree->is_due[i])
				continue;
			tree->is_due[i] = false;
			if (tree->is_shown[i])
				continue;
			tree_service(tree, 0, &model->services[i], "");
			is_over = false;
		}
	}
}

/* All that nothing comes after, or the one that is asked for. */
static int
tree_walk(struct tree *tree, const bool *is_needed)
{
	const struct cmd_model *model = tree->model;
	int rc = -1;

	memset(tree->is_shown, 0, model->service_count);
	for (size_t i = 0; i < model->service_count; i++) {
		if (tree->view->service == NULL
			? is_needed[i]
			: !cmd_text_is(model->services[i].name,
			      tree->view->service))
			continue;
		tree_service(tree, 0, &model->services[i], "");
		tree_walk_due(tree);
		rc = 0;
	}
	return tree->view->service == NULL ? 0 : rc;
}

static void
tree_mark_needed(const struct cmd_model *model, bool *is_needed)
{
	const struct cmd_model_service *need;

	for (size_t i = 0; i < model->need_count; i++) {
		need = cmd_model_find(model, model->needs[i].name);
		if (need != NULL)
			is_needed[need - model->services] = true;
	}
}

static void
tree_set_width(struct tree *tree)
{
	size_t most = tree->view->width - TREE_FIXED - 12;

	tree->name_width = tree->width;
	if (tree->name_width > most)
		tree->name_width = most;
	if (tree->name_width < TREE_NAME_MIN)
		tree->name_width = TREE_NAME_MIN;
}

int
cmd_tree_print(const struct cmd_model *model,
    const struct cmd_status_view *view, bool is_utf8, FILE *out)
{
	static const struct tree_glyphs ascii = { "|- ", "`- ", "|  ", "   " },
					boxes = { "├─ ", "└─ ", "│  ", "   " };
	struct tree tree = { .model = model,
		.view = view,
		.glyphs = is_utf8 ? &boxes : &ascii };
	bool *flags = calloc(model->service_count + 1, 3);
	int rc = -1;

	if (flags == NULL)
		return -1;
	tree.is_shown = flags + model->service_count;
	tree.is_due = flags + 2 * model->service_count;
	tree_mark_needed(model, flags);
	if (tree_walk(&tree, flags) == 0) {
		tree_set_width(&tree);
		tree.out = out;
		fprintf(out, "%-*s %-8s %7s %7s %3s %4s %5s %s\n",
		    (int)tree.name_width, "SERVICE/INSTANCE", "STATE", "PID",
		    "UPTIME", "RES", "CPU", "MEM", "WHY");
		rc = tree_walk(&tree, flags);
	}
	free(flags);
	return rc;
}

void
cmd_tree_print_groups(struct mp_reader status,
    const struct cmd_status_view *view, FILE *out)
{
	struct mp_reader reader, group, names;
	uint32_t count = cmd_map_items(status, "groups", &reader), members;
	struct cmd_text name;
	size_t room;

	for (uint32_t i = 0; i < count && cmd_map_next(&reader, &group); i++) {
		fputs(i == 0 ? "\ngroup " : "group ", out);
		room = view->width - 6;
		room -=
		    (size_t)cmd_map_print(cmd_map_text(group, "name"), 33, out);
		putc(' ', out);
		room -=
		    1 + (size_t)cmd_map_print(cmd_map_text(group, "strategy"),
			    16, out);
		members = cmd_map_items(group, "services", &names);
		for (uint32_t j = 0; j < members; j++) {
			if (mp_get_str(&names, &name.str, &name.len) == -1)
				break;
			if (name.len + 7 > room) {
				fputs(", ...", out);
				break;
			}
			fputs(j == 0 ? ": " : ", ", out);
			room -= 2 + (size_t)cmd_map_print(name, room, out);
		}
		putc('\n', out);
	}
}

int
cmd_tree(const struct buf *answer, const struct cmd_status_view *view)
{
	struct cmd_model model;
	bool is_utf8;
	int rc = CMD_DONE;

	if (cmd_model_init(&model, answer) == -1) {
		cmd_say("the supervisor's answer makes no sense");
		return CMD_FAILED;
	}
	is_utf8 = setlocale(LC_CTYPE, "") != NULL &&
		  strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	cmd_model_measure(&model);
	if (cmd_tree_print(&model, view, is_utf8, stdout) == -1) {
		cmd_say("unknown service \"%s\"",
		    view->service != NULL ? view->service : "-");
		rc = CMD_FAILED;
	} else if (view->service == NULL)
		cmd_tree_print_groups(cmd_map_find(cmd_map_open(answer),
					  "status"),
		    view, stdout);
	cmd_model_fini(&model);
	return rc;
}
