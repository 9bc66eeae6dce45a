#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "instance.h"
#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "service.h"
#include "sockets_bind.h"
#include "spawn_user.h"

static const char *
unix_path(const struct socket_item *item)
{
	return strncmp(item->text, "unix:", 5) == 0 ? item->text + 5 : NULL;
}

/* Remove the file, unless another one has its place by now. */
static void
file_remove(const struct socket_item *item)
{
	const char *path = unix_path(item);
	struct stat st;

	if (path != NULL && item->fd >= 0 && lstat(path, &st) == 0 &&
	    S_ISSOCK(st.st_mode) && st.st_dev == item->dev &&
	    st.st_ino == item->ino)
		(void)unlink(path);
}

static void
item_free(struct socket_item **itemp)
{
	struct socket_item *item = *itemp;

	if (item == NULL)
		return;
	*itemp = NULL;
	if (item->fd >= 0) {
		file_remove(item);
		close(item->fd);
	}
	free(item->text);
	free(item->service);
	free(item);
}

void
sockets_init(struct sockets *sockets)
{
	TAILQ_INIT(sockets);
}

void
sockets_fini(struct sockets *sockets)
{
	struct socket_item *item;

	while ((item = TAILQ_FIRST(sockets)) != NULL) {
		TAILQ_REMOVE(sockets, item, link);
		item_free(&item);
	}
}

static struct socket_item *
sockets_find(const struct sockets *sockets, const char *text)
{
	struct socket_item *item;

	TAILQ_FOREACH (item, sockets, link) {
		if (strcmp(item->text, text) == 0)
			return item;
	}
	return NULL;
}

/* Is it the socket of item that is open as fd by its path? New: any. */
static bool
file_is(struct socket_item *item, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	if (item->ino == 0) {
		item->dev = st.st_dev;
		item->ino = st.st_ino;
	}
	return st.st_dev == item->dev && st.st_ino == item->ino;
}

/* Give the file of a unix socket to that user. */
static int
file_give(struct socket_item *item, const struct spawn_user *user,
    struct err *err_r)
{
	uid_t uid = user->name != NULL ? user->uid : geteuid();
	gid_t gid = user->name != NULL ? user->gid : getegid();
	int rc = -1, fd;

	/* Whoever owns the directory may have put something else there. */
	fd = open(unix_path(item), O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && !file_is(item, fd))
		err_set(err_r, "%s: is not the socket any more", item->text);
	else if (fd < 0 || fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		err_set_errno(err_r, "%s", item->text);
	else
		rc = 0;
	if (fd >= 0)
		close(fd);
	return rc;
}

static struct socket_item *
item_new(const char *text, const char *service)
{
	struct socket_item *item = calloc(1, sizeof(*item));

	if (item == NULL)
		return NULL;
	item->fd = -1;
	item->text = strdup(text);
	item->service = strdup(service);
	if (item->text == NULL || item->service == NULL)
		item_free(&item);
	return item;
}

static struct socket_item *
item_open(const char *text, const struct conf_service *conf,
    const struct spawn_user *user, struct err *err_r)
{
	struct socket_item *item = item_new(text, conf->name);

	if (item == NULL) {
		err_set(err_r, "out of memory");
		return NULL;
	}
	if (unix_path(item) != NULL)
		item->fd = sockets_bind_unix(unix_path(item), user, err_r);
	else
		item->fd = sockets_bind_tcp(text, err_r);
	if (item->fd < 0 ||
	    (unix_path(item) != NULL && file_give(item, user, err_r) < 0) ||
	    sockets_listen(item->fd, text, err_r) < 0)
		item_free(&item);
	return item;
}

static int
service_open(const struct sockets *present, const struct conf_service *conf,
    struct sockets *added, struct err *err_r)
{
	struct spawn_user user = { 0 };
	struct socket_item *item;
	int rc = -1;

	if (spawn_user_init(&user, conf->user, conf->group,
		conf->supplementary_groups.items, err_r) < 0)
		goto out;
	for (size_t i = 0; i < conf->sockets.count; i++) {
		const char *text = conf->sockets.items[i];

		if (sockets_find(present, text) != NULL)
			continue;
		item = item_open(text, conf, &user, err_r);
		if (item == NULL)
			goto out;
		TAILQ_INSERT_TAIL(added, item, link);
	}
	rc = 0;
out:
	spawn_user_fini(&user);
	if (rc < 0)
		err_prefix(err_r, "service \"%s\"", conf->name);
	return rc;
}

int
sockets_open(const struct sockets *present, const struct conf *conf,
    struct sockets *added, struct err *err_r)
{
	for (size_t i = 0; i < conf->service_count; i++) {
		const struct conf_service *service = conf->services[i];

		if (!service->is_enabled || service->sockets.count == 0)
			continue;
		if (service_open(present, service, added, err_r) < 0) {
			sockets_fini(added);
			return -1;
		}
	}
	return 0;
}

/* It stays, and belongs to that service from now on. */
static void
item_keep(struct socket_item *item, const struct conf_service *conf,
    const struct spawn_user *user)
{
	char *name = strdup(conf->name);
	struct err err;

	item->is_retired = false;
	if (name != NULL) {
		free(item->service);
		item->service = name;
	}
	if (unix_path(item) != NULL && file_give(item, user, &err) < 0)
		log_warnx("%s: socket %s", conf->name, err.text);
}

static void
service_keep(struct sockets *present, const struct conf_service *conf)
{
	struct spawn_user user = { 0 };
	struct socket_item *item;
	struct err err;

	if (spawn_user_init(&user, conf->user, conf->group,
		conf->supplementary_groups.items, &err) < 0)
		log_warnx("%s: sockets: %s", conf->name, err.text);
	for (size_t i = 0; i < conf->sockets.count; i++) {
		item = sockets_find(present, conf->sockets.items[i]);
		if (item != NULL)
			item_keep(item, conf, &user);
	}
	spawn_user_fini(&user);
}

void
sockets_commit(struct sockets *present, const struct conf *conf,
    struct sockets *added)
{
	struct socket_item *item;

	TAILQ_CONCAT(present, added, link);
	TAILQ_FOREACH (item, present, link)
		item->is_retired = true;
	for (size_t i = 0; i < conf->service_count; i++) {
		if (conf->services[i]->is_enabled &&
		    conf->services[i]->sockets.count > 0)
			service_keep(present, conf->services[i]);
	}
}

static bool
instance_is_ending(const struct instance *inst)
{
	return inst->pid != 0 &&
	       (inst->state == STATE_STOPPING || inst->drain == DRAIN_LEAVING);
}

/*
 * Is a socket that it has no longer still of use? It may go back to the
 * configuration that has it; and while a process that has it ends, nobody could
 * open it again for a reload that brings it back.
 */
static bool
service_may_hold(const struct service *svc)
{
	if (svc->is_rolling || svc->is_held ||
	    (svc->beside != NULL && svc->beside->pid != 0))
		return true;
	for (unsigned i = 0; i < svc->count; i++) {
		if (instance_is_ending(svc->instances[i]))
			return true;
	}
	return false;
}

void
sockets_sweep(struct sockets *present, const struct services *services)
{
	struct socket_item *item, *next;
	const struct service *svc;

	for (item = TAILQ_FIRST(present); item != NULL; item = next) {
		next = TAILQ_NEXT(item, link);
		if (!item->is_retired)
			continue;
		svc = services_find(services, item->service,
		    strlen(item->service));
		if (svc != NULL && service_may_hold(svc))
			continue;
		log_info("%s: socket %s closed", item->service, item->text);
		TAILQ_REMOVE(present, item, link);
		item_free(&item);
	}
}

/* A name has no colon and is plain ASCII: sd_listen_fds_with_names(3). */
static size_t
name_append(const char *text, char *names, size_t len)
{
	if (len > 0)
		names[len++] = ':';
	for (; *text != '\0'; text++)
		names[len++] =
		    *text > ' ' && *text < 0x7f && *text != ':' ? *text : '_';
	names[len] = '\0';
	return len;
}

int
sockets_pass(const struct sockets *present, const struct conf_service *conf,
    struct sockets_passed *passed, struct err *err_r)
{
	const struct socket_item *item;
	size_t len = 0;

	passed->count = 0;
	passed->names[0] = '\0';
	for (size_t i = 0; i < conf->sockets.count; i++) {
		item = sockets_find(present, conf->sockets.items[i]);
		if (item == NULL || passed->count == SPAWN_FDS_MAX ||
		    len + strlen(item->text) + 2 > sizeof(passed->names)) {
			err_set(err_r, "socket %s is not open",
			    conf->sockets.items[i]);
			return -1;
		}
		passed->fds[passed->count++] = item->fd;
		len = name_append(item->text, passed->names, len);
	}
	return 0;
}
