#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/err.h"

void
cgroups_init(struct cgroups *groups)
{
	*groups = (struct cgroups){ .dir_fd = -1 };
}

/* Write text into NAME/FILE. */
static int
cgroup_put(const struct cgroups *groups, const char *name, const char *file,
    const char *text)
{
	char path[CGROUP_NAME_MAX + CGROUP_VALUE_MAX];
	size_t len = strlen(text);
	int fd, rc;

	snprintf(path, sizeof(path), "%s/%s", name, file);
	fd = openat(groups->dir_fd, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = write(fd, text, len) == (ssize_t)len ? 0 : -1;
	close(fd);
	return rc;
}

static void
cgroup_keep_leftover(struct cgroups *groups, const char *name)
{
	char **grown = reallocarray(groups->leftovers,
	    groups->leftover_count + 1, sizeof(*grown));

	/* Without memory the next msvc removes it. */
	if (grown == NULL)
		return;
	groups->leftovers = grown;
	grown[groups->leftover_count] = strdup(name);
	if (grown[groups->leftover_count] != NULL)
		groups->leftover_count++;
}

enum {
	CGROUP_DEPTH_MAX = 16, /* of groups that a service makes */
};

static int
cgroup_remove_all(int dir_fd, const char *name, int depth)
{
	const struct dirent *entry;
	DIR *dir;
	int fd;

	/* Most have none below. */
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno != EBUSY || depth == 0)
		return -1;
	fd = openat(dir_fd, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL && fd >= 0)
		close(fd);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			(void)cgroup_remove_all(dirfd(dir), entry->d_name,
			    depth - 1);
	}
	if (dir != NULL)
		closedir(dir);
	return unlinkat(dir_fd, name, AT_REMOVEDIR);
}

int
cgroup_remove(int dir_fd, const char *name)
{
	return cgroup_remove_all(dir_fd, name, CGROUP_DEPTH_MAX);
}

/* Those that were not empty yet: what was killed takes its time to die. */
static void
cgroup_retry(struct cgroups *groups)
{
	size_t kept = 0;

	for (size_t i = 0; i < groups->leftover_count; i++) {
		if (cgroup_remove(groups->dir_fd, groups->leftovers[i]) < 0 &&
		    errno == EBUSY)
			groups->leftovers[kept++] = groups->leftovers[i];
		else
			free(groups->leftovers[i]);
	}
	groups->leftover_count = kept;
}

int
cgroup_apply(const struct cgroups *groups, const char *name,
    const struct conf_service *conf, struct err *err_r)
{
	enum cgroup_controller controller;
	char value[CGROUP_VALUE_MAX];
	const char *file;
	int rc = 0;

	for (size_t i = 0;
	     (file = cgroup_setting(i, conf, &controller, value)) != NULL;
	     i++) {
		if ((groups->controllers >> controller & 1) == 0 ||
		    cgroup_put(groups, name, file, value) == 0)
			continue;
		err_set_errno(err_r, "control group: %s", file);
		rc = -1;
	}
	return rc;
}

int
cgroup_open(const struct cgroups *groups, const char *name)
{
	return openat(groups->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int
cgroup_make(struct cgroups *groups, const char *name,
    const struct conf_service *conf, struct err *err_r)
{
	int fd;

	cgroup_retry(groups);
	if (mkdirat(groups->dir_fd, name, 0755) < 0 && errno != EEXIST) {
		err_set_errno(err_r, "control group %s", name);
		return -1;
	}
	fd = cgroup_open(groups, name);
	if (fd < 0) {
		err_set_errno(err_r, "control group %s", name);
	} else if (cgroup_apply(groups, name, conf, err_r) < 0) {
		close(fd);
		fd = -1;
	}
	if (fd < 0)
		cgroup_drop(groups, name);
	return fd;
}

void
cgroup_kill(const struct cgroups *groups, const char *name)
{
	if (groups->dir_fd >= 0)
		(void)cgroup_put(groups, name, "cgroup.kill", "1");
}

void
cgroup_drop(struct cgroups *groups, const char *name)
{
	if (groups->dir_fd < 0)
		return;
	cgroup_retry(groups);
	if (cgroup_remove(groups->dir_fd, name) < 0 && errno == EBUSY)
		cgroup_keep_leftover(groups, name);
}

uint64_t
cgroup_oom_count(const struct cgroups *groups, const char *name)
{
	char path[CGROUP_NAME_MAX + CGROUP_VALUE_MAX], text[512] = "";
	const char *at;
	int fd;

	if (groups->dir_fd < 0)
		return 0;
	snprintf(path, sizeof(path), "%s/memory.events", name);
	fd = openat(groups->dir_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	at = strstr(text, "oom_kill ");
	return at == NULL ? 0 : strtoull(at + strlen("oom_kill "), NULL, 10);
}
