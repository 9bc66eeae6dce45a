/*
 * reload: from the running configuration to the one in the file, or not.
 *
 * Everything that can be refused is tried first, aside; only then the services
 * that differ are touched.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/log.h"
#include "notify.h"
#include "reload_plan.h"
#include "supervisor.h"

static int
reload_check(const struct supervise *sup, const struct conf *conf,
    struct buf *text)
{
	const struct conf_service *svc;
	struct spawn_user user;
	struct err err;
	bool is_bad = false;

	if (strcmp(conf->run_dir, sup->rundir.path) != 0) {
		buf_printf(text,
		    "%s: run_dir %s differs from the running %s; stop and "
		    "start to change it\n",
		    conf->path, conf->run_dir, sup->rundir.path);
		is_bad = true;
	}
	for (size_t i = 0; i < conf->service_count; i++) {
		svc = conf->services[i];
		if (rundir_check_service(sup->rundir.path, svc->name, &err) <
			0 ||
		    spawn_user_init(&user, svc->user, svc->group,
			svc->supplementary_groups.items, &err) < 0) {
			buf_printf(text, "%s:%u: service \"%s\": %s\n",
			    svc->place.file, svc->place.line, svc->name,
			    err.text);
			is_bad = true;
			continue;
		}
		spawn_user_fini(&user);
	}
	return is_bad ? -1 : 0;
}

static int
reload_load(const struct supervise *sup, struct conf **conf_r, struct buf *text)
{
	struct conf_report report = { 0 };
	int rc;

	rc = conf_load(sup->conf->path, conf_r, &report);
	for (size_t i = 0; rc < 0 && i < report.count; i++)
		buf_printf(text, "%s\n", report.lines[i]);
	conf_report_fini(&report);
	return rc;
}

/* How it runs; svc NULL: it does not. */
static struct reload_present
reload_present(const struct service *svc, const char *name,
    const struct conf_service *conf)
{
	struct reload_present present = { .name = name };

	if (svc == NULL || svc->is_removed)
		return present;
	present.name = svc->name;
	present.conf = svc->conf;
	present.is_wanted = svc->is_wanted && !svc->is_asleep;
	if (conf == NULL)
		return present;
	present.change = service_compare(svc, conf);
	if (svc->is_held && svc->count > 0)
		present.other = svc->instances[0]->conf;
	return present;
}

/*
 * From what runs to conf, services that leave first. plan is zeroed. Returns
 * 0, or -1 with text.
 */
static int
reload_make_plan(const struct supervise *sup, const struct conf *conf,
    struct reload_plan *plan, struct buf *text)
{
	const struct conf_service *after;
	struct reload_present present;
	const struct service *svc;
	int rc = 0;

	TAILQ_FOREACH (svc, &sup->services.all, link) {
		if (rc < 0 || svc->is_removed ||
		    conf_find_service(conf, svc->name) != NULL)
			continue;
		present = reload_present(svc, svc->name, NULL);
		rc = reload_plan_add(plan, &present, NULL);
	}
	for (size_t i = 0; rc == 0 && i < conf->service_count; i++) {
		after = conf->services[i];
		svc = services_find(&sup->services, after->name,
		    strlen(after->name));
		present = reload_present(svc, after->name, after);
		rc = reload_plan_add(plan, &present, after);
	}
	if (rc == 0)
		rc = reload_plan_add_rest(plan, sup->conf, conf);
	if (rc < 0)
		buf_append_str(text, "out of memory\n");
	return rc;
}

static void
reload_service(struct supervise *sup, const struct reload_item *item)
{
	struct service *svc =
	    services_find(&sup->services, item->name, strlen(item->name));
	enum conf_change change = item->is_new ? CONF_RESTART : item->change;
	struct err err;
	int rc;

	if (item->conf == NULL) {
		service_remove(svc);
		return;
	}
	/* One that was removed, and has not gone yet, starts anew. */
	rc = svc == NULL ? services_add(&sup->services, item->conf, &err)
			 : service_apply(svc, item->conf, change, &err);
	if (rc < 0)
		log_errorx("%s", err.text);
}

/*
 * Services that are being removed or replaced still refer to their old
 * configuration: it goes once nothing does.
 */
static void
reload_retire(struct supervise *sup, struct conf *old)
{
	struct conf **confs;

	confs = reallocarray(sup->old_confs, sup->old_conf_count + 1,
	    sizeof(struct conf *));
	/* Out of memory: losing track of the old one is the lesser harm. */
	if (confs == NULL)
		return;
	sup->old_confs = confs;
	confs[sup->old_conf_count++] = old;
}

static void
reload_apply(struct supervise *sup, struct conf *conf,
    struct listeners *listeners, struct sockets *added,
    const struct reload_plan *plan)
{
	struct conf *old = sup->conf;

	sup->conf = conf;
	listeners_fini(&sup->listeners);
	sup->listeners = *listeners;
	sockets_commit(&sup->sockets, conf, added);
	/* The picture first: no request goes to what is about to stop. */
	picture_send(sup);
	picture_send_log(sup);
	for (size_t i = 0; i < plan->count; i++) {
		if (plan->items[i].section == CONF_SECTION_SERVICE)
			reload_service(sup, &plan->items[i]);
	}
	groups_apply(&sup->services);
	reload_retire(sup, old);
	supervise_changed(sup);
}

/*
 * All that can be refused. Returns 0 with a configuration, listeners, sockets
 * to add and a plan, the caller's; -1 with text.
 */
static int
reload_prepare(const struct supervise *sup, struct conf **conf_r,
    struct listeners *listeners_r, struct sockets *added,
    struct reload_plan *plan, struct buf *text)
{
	struct conf *conf = NULL;
	struct err err;

	*listeners_r = (struct listeners){ 0 };
	sockets_init(added);
	if (reload_load(sup, &conf, text) < 0 ||
	    reload_check(sup, conf, text) < 0 ||
	    reload_make_plan(sup, conf, plan, text) < 0)
		goto fail;
	if (listeners_open(listeners_r, &conf->router, &sup->rundir,
		&sup->listeners, &err) < 0) {
		buf_printf(text, "%s: %s\n", conf->path, err.text);
		goto fail;
	}
	if (sockets_open(&sup->sockets, conf, added, &err) < 0) {
		buf_printf(text, "%s: %s\n", conf->path, err.text);
		listeners_fini(listeners_r);
		goto fail;
	}
	*conf_r = conf;
	return 0;
fail:
	reload_plan_fini(plan);
	conf_free(&conf);
	return -1;
}

int
reload(struct supervise *sup, struct reload_counts *counts_r, struct buf *text)
{
	struct reload_plan plan = { 0 };
	struct listeners listeners;
	struct sockets added;
	struct conf *conf;

	*counts_r = (struct reload_counts){ 0 };
	if (reload_prepare(sup, &conf, &listeners, &added, &plan, text) < 0)
		return -1;
	*counts_r = reload_plan_count(&plan);
	reload_apply(sup, conf, &listeners, &added, &plan);
	reload_plan_fini(&plan);
	return 0;
}

int
reload_put_plan(const struct supervise *sup, struct reload_counts *counts_r,
    struct buf *plan_r, struct buf *text)
{
	struct reload_plan plan = { 0 };
	struct listeners listeners;
	struct sockets added;
	struct conf *conf;

	if (sup->phase > SUPERVISE_RUNNING) {
		buf_append_str(text, "the supervisor is stopping\n");
		return -1;
	}
	if (reload_prepare(sup, &conf, &listeners, &added, &plan, text) < 0)
		return -1;
	*counts_r = reload_plan_count(&plan);
	reload_plan_put(&plan, plan_r);
	reload_plan_fini(&plan);
	listeners_fini(&listeners);
	sockets_fini(&added);
	conf_free(&conf);
	return 0;
}

static void
reload_log_lines(const struct buf *text)
{
	const char *line, *stop, *end;

	if (text->is_failed || buf_count(text) == 0)
		return;
	line = (const char *)buf_front(text);
	end = line + buf_count(text);
	for (; line < end; line = stop + 1) {
		stop = memchr(line, '\n', (size_t)(end - line));
		if (stop == NULL)
			stop = end;
		log_errorx("%.*s", (int)(stop - line), line);
	}
}

int
supervise_reload(struct supervise *sup, struct reload_counts *counts_r,
    struct buf *text)
{
	int rc;

	if (sup->phase > SUPERVISE_RUNNING) {
		buf_printf(text, "the supervisor is stopping\n");
		return -1;
	}
	/* READY=1 behind it would be a lie while the first start goes on. */
	if (sup->phase == SUPERVISE_RUNNING)
		notify_parent_reloading();
	rc = reload(sup, counts_r, text);
	if (rc == 0)
		log_info("supervisor: reloaded: %u added, %u removed, "
			 "%u restarted, %u applied, %u kept",
		    counts_r->added, counts_r->removed, counts_r->restarted,
		    counts_r->applied, counts_r->kept);
	else {
		reload_log_lines(text);
		log_errorx("supervisor: reload refused, the present "
			   "configuration stays");
	}
	if (sup->phase == SUPERVISE_RUNNING)
		notify_parent(rc == 0 ? "READY=1\nSTATUS=reloaded\n"
				      : "READY=1\nSTATUS=reload refused, the "
					"present configuration stays\n");
	return rc;
}
