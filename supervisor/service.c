#include "service.h"

#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "instance.h"
#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/log.h"
#include "supervisor.h"

static unsigned
service_hash(const char *name, size_t len)
{
	unsigned hash = 2166136261U;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619U;
	return hash % SERVICE_BUCKETS;
}

struct service *
services_find(const struct services *services, const char *name, size_t len)
{
	struct service *svc;

	LIST_FOREACH (svc, &services->by_name[service_hash(name, len)],
	    by_name) {
		if (strlen(svc->name) == len &&
		    memcmp(svc->name, name, len) == 0)
			return svc;
	}
	return NULL;
}

struct instance *
services_find_pid(const struct services *services, pid_t pid)
{
	struct instance *inst;

	LIST_FOREACH (inst, &services->by_pid[(unsigned)pid % SERVICE_BUCKETS],
	    by_pid) {
		if (inst->pid == pid)
			return inst;
	}
	return NULL;
}

void
services_set_pid(struct services *services, struct instance *inst, pid_t pid)
{
	if (inst->pid != 0)
		LIST_REMOVE(inst, by_pid);
	inst->pid = pid;
	if (pid != 0)
		LIST_INSERT_HEAD(&services
				      ->by_pid[(unsigned)pid % SERVICE_BUCKETS],
		    inst, by_pid);
}

struct instance *
service_instance(const struct service *svc, uint64_t index)
{
	if (index == 0 || index > svc->count)
		return NULL;
	return svc->instances[index - 1];
}

struct instance *
service_generation(const struct service *svc, uint64_t index,
    uint64_t generation)
{
	struct instance *inst = service_instance(svc, index);

	if (inst != NULL && inst->generation == generation)
		return inst;
	inst = svc->beside;
	if (inst != NULL && inst->index == index &&
	    inst->generation == generation)
		return inst;
	return NULL;
}

const struct spawn_user *
service_user(struct service *svc, const struct conf_service *conf,
    struct err *err_r)
{
	struct spawn_user *user = &svc->other_user;

	if (conf == svc->conf)
		user = &svc->user;
	else if (conf == svc->old_conf)
		user = &svc->old_user;
	if (user != &svc->other_user &&
	    (user->name != NULL || (conf->user == NULL && conf->group == NULL &&
				       conf->supplementary_groups.count == 0)))
		return user;
	/* Never as ourselves because the right one was not known. */
	spawn_user_fini(user);
	return spawn_user_init(user, conf->user, conf->group,
		   conf->supplementary_groups.items, err_r) < 0
		   ? NULL
		   : user;
}

static void
service_drop_last(struct service *svc)
{
	svc->count--;
	if (svc->last_generation < svc->instances[svc->count]->last_generation)
		svc->last_generation =
		    svc->instances[svc->count]->last_generation;
	instance_free(&svc->instances[svc->count]);
}

static void
service_free(struct service **svcp)
{
	struct service *svc = *svcp;

	if (svc == NULL)
		return;
	*svcp = NULL;
	instance_free(&svc->beside);
	while (svc->count > 0)
		service_drop_last(svc);
	if (svc->sup != NULL) {
		service_set_leave(svc, LEAVE_NOT);
		service_load_fini(svc);
		service_roll_end(svc);
		generations_keep(&svc->sup->services.gone, svc->name,
		    svc->last_generation);
	}
	spawn_user_fini(&svc->user);
	spawn_user_fini(&svc->other_user);
	free(svc->rolled_back);
	free(svc->sleep_why);
	schedule_run_fini(&svc->schedule);
	free(svc->instances);
	free(svc->name);
	free(svc);
}

int
service_resize(struct service *svc, struct err *err_r)
{
	unsigned count = svc->scale;
	struct instance **instances;

	if (count > svc->count) {
		instances = reallocarray(svc->instances, count,
		    sizeof(struct instance *));
		if (instances == NULL)
			goto fail;
		svc->instances = instances;
	}
	while (svc->count < count) {
		instances = &svc->instances[svc->count];
		*instances = instance_new(svc, svc->count + 1);
		if (*instances == NULL)
			goto fail;
		(*instances)->generation = svc->last_generation;
		(*instances)->last_generation = svc->last_generation;
		(*instances)->first_generation = svc->last_generation;
		svc->count++;
		if (!svc->conf->is_enabled)
			(*instances)->state = STATE_DISABLED;
	}
	for (unsigned i = count; i < svc->count; i++) {
		instance_retire(svc->instances[i]);
		svc->sup->services.is_purging = true;
		supervise_changed(svc->sup);
	}
	return 0;
fail:
	err_set(err_r, "service \"%s\": out of memory", svc->name);
	return -1;
}

void
service_mark_new(struct service *svc)
{
	if (!svc->is_new)
		svc->sup->services.new_count++;
	svc->is_new = true;
	svc->is_vain = false;
	svc->blocker = NULL;
	supervise_changed(svc->sup);
}

void
service_enqueue(struct service *svc)
{
	unsigned count = svc->scale;
	struct instance *inst;

	svc->is_wanted = true;
	svc->is_asleep = false;
	service_set_leave(svc, LEAVE_NOT);
	service_mark_new(svc);
	for (unsigned i = 0; i < svc->count && i < count; i++) {
		inst = svc->instances[i];
		/* One that still stops comes again when it is down. */
		if (inst->state == STATE_STOPPED ||
		    inst->state == STATE_DISABLED ||
		    inst->goal == INSTANCE_GOAL_DOWN)
			instance_wait(inst);
	}
	supervise_changed(svc->sup);
}

void
service_dequeue(struct service *svc)
{
	if (!svc->is_new)
		return;
	svc->is_new = false;
	svc->is_vain = false;
	svc->blocker = NULL;
	svc->sup->services.new_count--;
}

int
service_set_conf(struct service *svc, const struct conf_service *conf,
    struct err *err_r)
{
	svc->scale = service_scale_after(svc, conf);
	/* First, whatever fails below: the old one is about to be freed. */
	svc->conf = conf;
	spawn_user_fini(&svc->user);
	if (spawn_user_init(&svc->user, conf->user, conf->group,
		conf->supplementary_groups.items, err_r) < 0) {
		err_prefix(err_r, "service \"%s\"", conf->name);
		return -1;
	}
	return service_resize(svc, err_r);
}

static void
services_insert(struct services *services, struct service *svc)
{
	TAILQ_INSERT_TAIL(&services->all, svc, link);
	LIST_INSERT_HEAD(&services->by_name[service_hash(svc->name,
			     strlen(svc->name))],
	    svc, by_name);
}

struct service *
services_restore(struct services *services, const char *name,
    const struct conf_service *conf, unsigned count)
{
	struct service *svc = calloc(1, sizeof(*svc));

	if (svc == NULL)
		return NULL;
	svc->conf = conf;
	svc->name = strdup(name);
	svc->instances = calloc(count + 1, sizeof(struct instance *));
	for (unsigned i = 0; svc->instances != NULL && i < count; i++) {
		svc->instances[i] = instance_new(svc, i + 1);
		if (svc->instances[i] == NULL)
			break;
		svc->count++;
	}
	/* From here on what is there goes with the services. */
	svc->sup = services->sup;
	service_load_init(svc);
	if (svc->name == NULL || svc->count < count || svc->instances == NULL)
		return NULL;
	services_insert(services, svc);
	return svc;
}

int
services_add(struct services *services, const struct conf_service *conf,
    struct err *err_r)
{
	struct service *svc = calloc(1, sizeof(*svc));

	if (svc != NULL)
		svc->name = strdup(conf->name);
	if (svc == NULL || svc->name == NULL) {
		err_set(err_r, "service \"%s\": out of memory", conf->name);
		service_free(&svc);
		return -1;
	}
	svc->sup = services->sup;
	service_load_init(svc);
	svc->last_generation = generations_take(&services->gone, svc->name);
	if (service_set_conf(svc, conf, err_r) < 0) {
		service_free(&svc);
		return -1;
	}
	services_insert(services, svc);
	if (conf->is_enabled)
		service_begin(svc);
	return 0;
}

void
service_remove(struct service *svc)
{
	svc->is_removed = true;
	svc->sup->services.is_purging = true;
	service_down(svc);
	supervise_changed(svc->sup);
}

/* Forget what is down and configured no longer. */
static void
services_purge(struct services *services)
{
	struct service *svc, *next;
	bool is_more = false;

	for (svc = TAILQ_FIRST(&services->all); svc != NULL; svc = next) {
		next = TAILQ_NEXT(svc, link);
		while (svc->count > svc->scale &&
		       svc->instances[svc->count - 1]->pid == 0)
			service_drop_last(svc);
		if (svc->count > svc->scale)
			is_more = true;
		if (!svc->is_removed)
			continue;
		if (!service_is_down(svc)) {
			is_more = true;
			continue;
		}
		log_info("%s: removed", svc->name);
		rundir_drop_service(&services->sup->rundir, svc->name);
		TAILQ_REMOVE(&services->all, svc, link);
		LIST_REMOVE(svc, by_name);
		service_free(&svc);
	}
	services->is_purging = is_more;
}

/* What follows for others when one has been given up. */
static void
services_fail_some(struct services *services)
{
	struct service *svc;

	if (!services->is_failing)
		return;
	services->is_failing = false;
	TAILQ_FOREACH (svc, &services->all, link) {
		if (svc->has_failed)
			service_failed(svc);
		svc->has_failed = false;
	}
}

void
services_step(struct services *services)
{
	if (services->is_stopping)
		services_stop_some(services);
	else {
		services_fail_some(services);
		groups_step(services);
		services_leave_some(services);
		services_start_some(services);
	}
	services_roll(services);
	if (services->is_purging)
		services_purge(services);
}

/* Those that wait for something wait no longer; what has failed says so. */
static void
service_give_up_waiting(struct service *svc)
{
	struct instance *inst;

	service_dequeue(svc);
	for (unsigned i = 0; i < svc->count; i++) {
		inst = svc->instances[i];
		if (inst->pid == 0 && inst->state != STATE_FAILED)
			instance_down(inst);
	}
}

void
services_stop(struct services *services)
{
	struct service *svc;

	services->is_stopping = true;
	TAILQ_FOREACH (svc, &services->all, link)
		service_give_up_waiting(svc);
	loop_timer_drop(services->sup->loop, &services->more);
	supervise_changed(services->sup);
}

void
services_kill(struct services *services)
{
	struct service *svc;

	TAILQ_FOREACH (svc, &services->all, link) {
		service_down(svc);
		for (unsigned i = 0; i < svc->count; i++)
			instance_kill(svc->instances[i]);
		if (svc->beside != NULL)
			instance_kill(svc->beside);
	}
}

void
services_init(struct services *services, struct supervise *sup)
{
	memset(services, 0, sizeof(*services));
	TAILQ_INIT(&services->all);
	services->sup = sup;
	services->more.fn = services_on_more;
}

void
services_fini(struct services *services)
{
	struct service *svc;

	if (services->sup == NULL)
		return;
	loop_timer_drop(services->sup->loop, &services->more);
	while ((svc = TAILQ_FIRST(&services->all)) != NULL) {
		TAILQ_REMOVE(&services->all, svc, link);
		LIST_REMOVE(svc, by_name);
		service_free(&svc);
	}
	groups_fini(services);
	generations_fini(&services->gone);
}
