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
		    spawn_user_init(&user, svc->user, svc->group, &err) < 0) {
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

static void
reload_removed(struct supervise *sup, const struct conf *conf,
    struct reload_counts *counts)
{
	struct service *svc;

	TAILQ_FOREACH (svc, &sup->services.all, link) {
		if (svc->is_removed ||
		    conf_find_service(conf, svc->name) != NULL)
			continue;
		service_remove(svc);
		counts->removed++;
	}
}

/* Returns which count the change belongs to. */
static unsigned *
reload_service(struct supervise *sup, const struct conf_service *after,
    struct reload_counts *counts)
{
	struct service *svc =
	    services_find(&sup->services, after->name, strlen(after->name));
	enum conf_change change;
	unsigned *count;
	struct err err;

	if (svc == NULL) {
		if (services_add(&sup->services, after, &err) < 0)
			log_errorx("%s", err.text);
		return &counts->added;
	}
	/* One that was removed, and has not gone yet, starts anew. */
	change = svc->is_removed ? CONF_RESTART : service_compare(svc, after);
	count = svc->is_removed          ? &counts->added
		: change == CONF_SAME    ? &counts->kept
		: change == CONF_RESTART ? &counts->restarted
					 : &counts->applied;
	if (service_apply(svc, after, change, &err) < 0)
		log_errorx("%s", err.text);
	return count;
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
    struct listeners *listeners, struct reload_counts *counts)
{
	struct conf *old = sup->conf;

	sup->conf = conf;
	listeners_fini(&sup->listeners);
	sup->listeners = *listeners;
	/* The picture first: no request goes to what is about to stop. */
	picture_send(sup);
	picture_send_log(sup);
	reload_removed(sup, conf, counts);
	for (size_t i = 0; i < conf->service_count; i++)
		(*reload_service(sup, conf->services[i], counts))++;
	reload_retire(sup, old);
	supervise_changed(sup);
}

int
reload(struct supervise *sup, struct reload_counts *counts_r, struct buf *text)
{
	struct listeners listeners = { 0 };
	struct conf *conf = NULL;
	struct err err;

	*counts_r = (struct reload_counts){ 0 };
	if (reload_load(sup, &conf, text) < 0 ||
	    reload_check(sup, conf, text) < 0) {
		conf_free(&conf);
		return -1;
	}
	if (listeners_open(&listeners, &conf->router, &sup->rundir,
		&sup->listeners, &err) < 0) {
		buf_printf(text, "%s: %s\n", conf->path, err.text);
		conf_free(&conf);
		return -1;
	}
	reload_apply(sup, conf, &listeners, counts_r);
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
