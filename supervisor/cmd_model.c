#include "cmd_model.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buf.h"

static const char *const kinds[] = { "requires", "wants", "after" };

enum {
	KIND_COUNT = sizeof(kinds) / sizeof(kinds[0])
};

bool
cmd_text_is(struct cmd_text text, const char *other)
{
	return text.len == strlen(other) &&
	       memcmp(text.str, other, text.len) == 0;
}

static int
text_compare(struct cmd_text left, struct cmd_text right)
{
	size_t len = left.len < right.len ? left.len : right.len;
	int order = memcmp(left.str, right.str, len);

	return order != 0 ? order
			  : (left.len > right.len) - (left.len < right.len);
}

void
cmd_model_fini(struct cmd_model *model)
{
	free(model->services);
	free(model->instances);
	free(model->needs);
	free(model->by_name);
	*model = (struct cmd_model){ 0 };
}

/* Make room for all, so that pointers into it stay. */
static int
model_reserve(struct cmd_model *model, struct mp_reader status)
{
	struct mp_reader reader, service, ignored;
	uint32_t count = cmd_map_items(status, "services", &reader), own;
	size_t instances = 0, needs = 0;

	for (uint32_t i = 0; i < count && cmd_map_next(&reader, &service);
	     i++) {
		own = cmd_map_items(service, "instances", &ignored);
		instances += own > 0 ? own : 1;
		for (size_t j = 0; j < KIND_COUNT; j++)
			needs += cmd_map_items(service, kinds[j], &ignored);
	}
	model->services = calloc(count + 1U, sizeof(*model->services));
	model->instances = calloc(instances + 1, sizeof(*model->instances));
	model->needs = calloc(needs + 1, sizeof(*model->needs));
	model->by_name = calloc(count + 1U, sizeof(*model->by_name));
	return model->services != NULL && model->instances != NULL &&
		       model->needs != NULL && model->by_name != NULL
		   ? 0
		   : -1;
}

static void
model_add_instance(struct cmd_model *model, struct cmd_model_service *service,
    struct mp_reader map)
{
	struct cmd_model_instance *inst =
	    &service->instances[service->instance_count++];

	model->instance_count++;
	inst->service = (unsigned)(service - model->services);
	inst->index = (unsigned)cmd_map_int(map, "index");
	inst->is_beside = cmd_map_bool(map, "beside");
	inst->state = cmd_map_text(map, "state");
	inst->reason = cmd_map_text(map, "reason");
	inst->last_exit = cmd_map_text(map, "last_exit");
	inst->pid = (pid_t)cmd_map_int(map, "pid");
	inst->generation = cmd_map_int(map, "generation");
	inst->restarts = cmd_map_int(map, "restarts");
	inst->since = cmd_map_int(map, "since");
	inst->cpu = -1;
}

/* One that is needed in several ways is there once, with the strongest. */
static bool
model_has_need(const struct cmd_model_service *service, struct cmd_text name)
{
	for (size_t i = 0; i < service->need_count; i++) {
		if (text_compare(service->needs[i].name, name) == 0)
			return true;
	}
	return false;
}

static void
model_add_needs(struct cmd_model *model, struct cmd_model_service *service,
    struct mp_reader map)
{
	struct mp_reader reader;
	struct cmd_text name;
	uint32_t count;

	for (size_t i = 0; i < KIND_COUNT; i++) {
		count = cmd_map_items(map, kinds[i], &reader);
		for (uint32_t j = 0; j < count; j++) {
			if (mp_get_str(&reader, &name.str, &name.len) == -1)
				break;
			if (model_has_need(service, name))
				continue;
			service->needs[service->need_count++] =
			    (struct cmd_model_need){ name, kinds[i] };
			model->need_count++;
		}
	}
}

static void
model_add_service(struct cmd_model *model, struct mp_reader map)
{
	struct cmd_model_service *service =
	    &model->services[model->service_count];
	struct mp_reader reader, item;
	uint32_t count = cmd_map_items(map, "instances", &reader);

	model->by_name[model->service_count] = (unsigned)model->service_count;
	model->service_count++;
	service->name = cmd_map_text(map, "name");
	service->state = cmd_map_text(map, "state");
	service->type = cmd_map_text(map, "type");
	service->group = cmd_map_text(map, "group");
	service->waits_for = cmd_map_text(map, "waits_for");
	service->instances = &model->instances[model->instance_count];
	service->needs = &model->needs[model->need_count];
	for (uint32_t i = 0; i < count && cmd_map_next(&reader, &item); i++)
		model_add_instance(model, service, item);
	/* One that runs elsewhere, or is disabled, has its state only. */
	if (service->instance_count == 0) {
		model_add_instance(model, service,
		    (struct mp_reader){ NULL, NULL });
		service->instances[0].state = service->state;
		service->instances[0].since = -1;
	}
	model_add_needs(model, service, map);
}

static int
model_compare(const void *left, const void *right, void *arg)
{
	const struct cmd_model *model = arg;
	const unsigned *a = left, *b = right;

	return text_compare(model->services[*a].name, model->services[*b].name);
}

int
cmd_model_init(struct cmd_model *model_r, const struct buf *answer)
{
	struct mp_reader status, reader, service;
	uint32_t count;

	*model_r = (struct cmd_model){ 0 };
	if (buf_count(answer) == 0 ||
	    !cmd_map_has(cmd_map_open(answer), "status"))
		return -1;
	status = cmd_map_find(cmd_map_open(answer), "status");
	if (model_reserve(model_r, status) == -1) {
		cmd_model_fini(model_r);
		return -1;
	}
	count = cmd_map_items(status, "services", &reader);
	for (uint32_t i = 0; i < count && cmd_map_next(&reader, &service); i++)
		model_add_service(model_r, service);
	qsort_r(model_r->by_name, model_r->service_count,
	    sizeof(*model_r->by_name), model_compare, model_r);
	return 0;
}

void
cmd_model_measure(struct cmd_model *model)
{
	struct cmd_model_instance *inst;

	for (size_t i = 0; i < model->instance_count; i++) {
		inst = &model->instances[i];
		inst->usage = cmd_usage_read(inst->pid);
		inst->cpu = cmd_usage_percent(NULL, &inst->usage, 0);
	}
}

const struct cmd_model_service *
cmd_model_find(const struct cmd_model *model, struct cmd_text name)
{
	size_t low = 0, high = model->service_count, middle;
	int order;

	while (low < high) {
		middle = low + (high - low) / 2;
		order = text_compare(name,
		    model->services[model->by_name[middle]].name);
		if (order == 0)
			return &model->services[model->by_name[middle]];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}
