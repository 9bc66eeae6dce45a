/*
 * cgroup_base: the directory of all our groups, and its controllers.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "ipc/err.h"
#include "small_file.h"

enum {
	CGROUP_TEXT_MAX = 1024 * 1024,
};

static const char *const names[CGROUP_CONTROLLERS] = {
	[CGROUP_MEMORY] = "memory",
	[CGROUP_CPU] = "cpu",
	[CGROUP_PIDS] = "pids",
};

/* Write text into a file of the group dir_fd. */
static int
base_put(int dir_fd, const char *file, const char *text)
{
	int fd = openat(dir_fd, file, O_WRONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return -1;
	rc = write(fd, text, strlen(text)) < 0 ? -1 : 0;
	close(fd);
	return rc;
}

static int
base_find(char base[CGROUP_PATH_MAX], struct err *err_r)
{
	char mount[CGROUP_PATH_MAX], root[CGROUP_PATH_MAX],
	    path[CGROUP_PATH_MAX];
	char *mounts = NULL, *own = NULL;
	int rc = -1;

	if (small_file_read("/proc/self/mountinfo", CGROUP_TEXT_MAX, &mounts,
		NULL, err_r) == 0 &&
	    small_file_read("/proc/self/cgroup", CGROUP_TEXT_MAX, &own, NULL,
		err_r) == 0) {
		if (cgroup_find_mount(mounts, mount, root) &&
		    cgroup_find_own(own, root, (int)getpid(), path) &&
		    (size_t)snprintf(base, CGROUP_PATH_MAX, "%s%s", mount,
			strcmp(path, "/") == 0 ? "" : path) < CGROUP_PATH_MAX)
			rc = 0;
		else
			err_set(err_r, "no cgroup2 hierarchy is mounted here");
	}
	free(mounts);
	free(own);
	return rc;
}

/* End and remove all that is below a group whose msvc is gone. */
static void
base_sweep_group(int base_fd, const char *name)
{
	int fd = openat(base_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Its owner holds the lock for as long as it lives. */
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
		(void)base_put(fd, "cgroup.kill", "1");
		(void)cgroup_remove(base_fd, name);
	}
	if (fd >= 0)
		close(fd);
}

/* own_name: what we have made ourselves before a reexec. */
static void
base_sweep(int base_fd, const char *own_name)
{
	int fd = openat(base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, "msvc-", 5) == 0 &&
		    (own_name == NULL || strcmp(entry->d_name, own_name) != 0))
			base_sweep_group(base_fd, entry->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
}

/* "+" or "-" all of them, one by one: not all may be there. */
static unsigned
base_control(int dir_fd, char sign)
{
	char text[16];
	unsigned done = 0;

	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		snprintf(text, sizeof(text), "%c%s", sign, names[i]);
		if (base_put(dir_fd, "cgroup.subtree_control", text) == 0)
			done |= 1U << i;
	}
	return done;
}

static bool
base_is_ours(const char *name)
{
	char own[64], *text = NULL;
	struct err err;
	bool is_ours = false;

	snprintf(own, sizeof(own), "/%s/supervisor\n", name);
	if (small_file_read("/proc/self/cgroup", CGROUP_TEXT_MAX, &text, NULL,
		&err) == 0)
		is_ours = strstr(text, own) != NULL;
	free(text);
	return is_ours;
}

static int
base_make(struct cgroups *groups, int base_fd, struct err *err_r)
{
	char name[32];
	bool is_ours;
	int fd;

	snprintf(name, sizeof(name), "msvc-%d", (int)getpid());
	is_ours = base_is_ours(name);
	base_sweep(base_fd, is_ours ? name : NULL);
	/* Others may look at files in there, but not open, and lock, it. */
	if (mkdirat(base_fd, name, 0711) < 0 && errno != EEXIST)
		goto fail;
	fd = openat(base_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		goto fail;
	(void)flock(fd, LOCK_EX | LOCK_NB);
	if ((mkdirat(fd, "supervisor", 0755) < 0 && errno != EEXIST) ||
	    base_put(fd, "supervisor/cgroup.procs", "0") < 0) {
		err_set_errno(err_r, "%s/%s/supervisor", groups->base, name);
		(void)unlinkat(fd, "supervisor", AT_REMOVEDIR);
		close(fd);
		(void)unlinkat(base_fd, name, AT_REMOVEDIR);
		return -1;
	}
	groups->dir_fd = fd;
	groups->controllers = base_control(base_fd, '+');
	groups->controllers &= base_control(fd, '+');
	return 0;
fail:
	err_set_errno(err_r, "%s/%s", groups->base, name);
	return -1;
}

int
cgroups_open(struct cgroups *groups, struct err *err_r)
{
	char base[CGROUP_PATH_MAX];
	int base_fd, rc;

	if (groups->dir_fd >= 0)
		return 0;
	if (base_find(base, err_r) < 0)
		return -1;
	free(groups->base);
	groups->base = strdup(base);
	base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (groups->base == NULL || base_fd < 0) {
		err_set_errno(err_r, "%s", base);
		if (base_fd >= 0)
			close(base_fd);
		return -1;
	}
	rc = base_make(groups, base_fd, err_r);
	close(base_fd);
	return rc;
}

static void
base_remove(struct cgroups *groups)
{
	int base_fd = open(groups->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[32];

	if (base_fd < 0)
		return;
	snprintf(name, sizeof(name), "msvc-%d", (int)getpid());
	(void)base_control(groups->dir_fd, '-');
	/* A group with controllers for others takes no process back. */
	if (base_put(base_fd, "cgroup.procs", "0") < 0) {
		(void)base_control(base_fd, '-');
		(void)base_put(base_fd, "cgroup.procs", "0");
	}
	(void)unlinkat(groups->dir_fd, "supervisor", AT_REMOVEDIR);
	(void)unlinkat(base_fd, name, AT_REMOVEDIR);
	close(base_fd);
}

void
cgroups_close(struct cgroups *groups)
{
	for (size_t i = 0; i < groups->leftover_count; i++) {
		(void)cgroup_remove(groups->dir_fd, groups->leftovers[i]);
		free(groups->leftovers[i]);
	}
	free(groups->leftovers);
	if (groups->dir_fd >= 0) {
		base_remove(groups);
		close(groups->dir_fd);
	}
	free(groups->base);
	cgroups_init(groups);
}
