#include "control_scale.h"

#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "control_client.h"
#include "instance.h"
#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "ipc/mp.h"
#include "supervisor.h"

/* One service, from so many instances to so many. */
struct scale_item {
	char *service; /* owned */
	unsigned from, to;
};

struct control_scale {
	size_t count;
	struct scale_item items[];
};

void
control_scale_free(struct control_scale **scalep)
{
	struct control_scale *scale = *scalep;

	if (scale == NULL)
		return;
	*scalep = NULL;
	for (size_t i = 0; i < scale->count; i++)
		free(scale->items[i].service);
	free(scale);
}

/* [name, count]; returns -1 for anything else. */
static int
scale_item_read(struct mp_reader *reader, struct scale_item *item)
{
	uint32_t count;
	const char *name;
	size_t len;
	uint64_t to;

	if (mp_get_array(reader, &count) < 0 || count != 2 ||
	    mp_get_str(reader, &name, &len) < 0 ||
	    mp_get_uint(reader, &to) < 0 || memchr(name, '\0', len) != NULL)
		return -1;
	item->to =
	    to > SERVICE_SCALE_MAX ? SERVICE_SCALE_MAX + 1 : (unsigned)to;
	item->service = strndup(name, len);
	return item->service == NULL ? -1 : 0;
}

/* NULL: malformed, or no memory. */
static struct control_scale *
scale_read(const uint8_t *bytes, size_t len)
{
	struct control_scale *scale;
	struct mp_reader args, list;
	uint32_t count = 0;

	if (!mp_map_find(bytes, len, "args", &args) ||
	    !mp_map_find(args.pos, (size_t)(args.end - args.pos), "scale",
		&list) ||
	    mp_get_array(&list, &count) < 0 || count == 0)
		return NULL;
	scale = calloc(1, sizeof(*scale) + count * sizeof(scale->items[0]));
	for (uint32_t i = 0; scale != NULL && i < count; i++) {
		if (scale_item_read(&list, &scale->items[i]) < 0) {
			control_scale_free(&scale);
			return NULL;
		}
		scale->count++;
	}
	return scale;
}

static void
scale_check_number(const struct service *svc, unsigned to, struct err *err)
{
	const struct conf_service *conf = svc->conf;

	if (to == 0)
		err_set(err,
		    "%s: 0 is not a number of instances; \"msvc stop "
		    "%s\" stops it",
		    svc->name, svc->name);
	else if (to > SERVICE_SCALE_MAX)
		err_set(err, "%s: must be 1 to %d instances", svc->name,
		    SERVICE_SCALE_MAX);
	else if (service_scales(conf) &&
		 (to < conf->instances || to > conf->instances_max))
		err_set(err, "%s: %u is not in instances = %u..%u", svc->name,
		    to, conf->instances, conf->instances_max);
	else if (!conf_path_fits(svc->sup->conf, svc->name, to))
		err_set(err, "%s: the paths of so many sockets are too long",
		    svc->name);
}

/* Can that be done? err->text stays empty then. */
static struct service *
scale_check(struct supervise *sup, const struct scale_item *item,
    struct err *err)
{
	struct service *svc =
	    services_find(&sup->services, item->service, strlen(item->service));

	err->text[0] = '\0';
	if (svc == NULL || svc->is_removed)
		err_set(err, "there is no service \"%s\"", item->service);
	else if (svc->conf->url != NULL)
		err_set(err,
		    "%s is on another machine (%s), msvc does not run it",
		    item->service, svc->conf->url);
	else if (!svc->conf->is_enabled)
		err_set(err, "%s is disabled (enabled = no)", item->service);
	else if (svc->conf->kind == CONF_KIND_ONESHOT && item->to > 1)
		err_set(err, "%s runs once (type = oneshot)", item->service);
	else
		scale_check_number(svc, item->to, err);
	return svc;
}

/* Returns -1, with err, at the first that cannot be done. */
static int
scale_check_all(struct supervise *sup, const struct control_scale *scale,
    struct err *err)
{
	for (size_t i = 0; i < scale->count; i++) {
		(void)scale_check(sup, &scale->items[i], err);
		if (err->text[0] != '\0')
			return -1;
	}
	return 0;
}

static int
scale_apply(struct supervise *sup, struct control_scale *scale, struct err *err)
{
	for (size_t i = 0; i < scale->count; i++) {
		struct scale_item *item = &scale->items[i];
		struct service *svc = scale_check(sup, item, err);

		item->from = svc->scale;
		if (item->from == item->to)
			continue;
		log_info("%s: scaled from %u to %u by an operator", svc->name,
		    item->from, item->to);
		if (service_scale(svc, item->to, err) < 0)
			return -1;
	}
	return 0;
}

void
control_do_scale(struct control_client *client, const uint8_t *bytes,
    size_t len)
{
	struct supervise *sup = client->server->sup;
	struct control_scale *scale;
	struct err err;

	if (sup->phase > SUPERVISE_RUNNING) {
		control_answer_errorf(client, "the supervisor is stopping");
		return;
	}
	scale = scale_read(bytes, len);
	if (scale == NULL) {
		control_answer_errorf(client, "scale needs SERVICE=N");
		return;
	}
	if (scale_check_all(sup, scale, &err) < 0 ||
	    scale_apply(sup, scale, &err) < 0) {
		control_scale_free(&scale);
		control_answer_errorf(client, "%s", err.text);
		return;
	}
	client->scale = scale;
	client->pending = CONTROL_SCALE;
	supervise_changed(sup);
}

/* Of one of those that were added. */
static int
scale_check_instance(const struct instance *inst, struct buf *text)
{
	int settled = instance_settled(inst);

	if (inst->state == INSTANCE_WAITING &&
	    service_waits_in_vain(inst->service))
		settled = -1;
	if (settled < 0)
		instance_put_bad(text, inst);
	return settled;
}

static int
scale_check_service(const struct service *svc, const struct scale_item *item,
    struct buf *text)
{
	int rc, result = 1;

	if (svc->scale != item->to) {
		buf_printf(text, "%s: was scaled to %u since\n", svc->name,
		    svc->scale);
		return -1;
	}
	/* One that is down or sleeps starts with that many. */
	if (!svc->is_wanted || svc->is_asleep)
		return 1;
	if (svc->count > item->to ||
	    (svc->beside != NULL && svc->beside->index > item->to))
		return 0;
	for (unsigned i = item->from; i < svc->count; i++) {
		rc = scale_check_instance(svc->instances[i], text);
		if (rc == 0)
			return 0;
		if (rc < 0)
			result = -1;
	}
	return result;
}

int
control_check_scale(const struct control_client *client, struct buf *text)
{
	const struct services *services = &client->server->sup->services;
	int rc, result = 1;

	for (size_t i = 0; i < client->scale->count; i++) {
		const struct scale_item *item = &client->scale->items[i];
		const struct service *svc = services_find(services,
		    item->service, strlen(item->service));

		if (svc == NULL || svc->is_removed) {
			buf_printf(text, "%s: was removed\n", item->service);
			result = -1;
			continue;
		}
		rc = scale_check_service(svc, item, text);
		if (rc == 0) {
			buf_clear(text);
			return 0;
		}
		if (rc < 0)
			result = -1;
	}
	return result;
}
