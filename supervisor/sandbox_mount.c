/*
 * sandbox_mount: the child's own view of the files. Runs in the child.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"

static int
mount_clone(const char *path, unsigned flags)
{
	return open_tree(AT_FDCWD, path,
	    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
}

static int
mount_put(int fd, const char *path)
{
	int rc = move_mount(fd, "", AT_FDCWD, path,
	    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS);

	close(fd);
	return rc;
}

static int
mount_read_only(const char *path)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	int fd;

	/* A process does not leave its root for what is put on top of it. */
	if (strcmp(path, "/") == 0)
		return mount_setattr(AT_FDCWD, path, AT_RECURSIVE, &attr,
		    sizeof(attr));
	fd = mount_clone(path, AT_RECURSIVE);
	if (fd < 0)
		return -1;
	if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr,
		sizeof(attr)) < 0) {
		close(fd);
		return -1;
	}
	return mount_put(fd, path);
}

static bool
mount_is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/';
}

static int
mount_mkdirs(const char *path)
{
	char part[SANDBOX_PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(part)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -1;
	}
	return 0;
}

static int
mount_tmp(const char *path)
{
	if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") ==
		0 ||
	    errno == ENOENT)
		return 0;
	return -1;
}

/* The run directory must be seen wherever it is, and whatever leads there. */
static int
mount_tmps(const struct sandbox *sandbox)
{
	char run_dir[PATH_MAX];
	bool is_hidden;
	int fd = -1;

	if (realpath(sandbox->run_dir, run_dir) == NULL)
		return -1;
	is_hidden = mount_is_below(run_dir, "/tmp") ||
		    mount_is_below(run_dir, "/var/tmp");
	if (is_hidden) {
		fd = mount_clone(run_dir, AT_RECURSIVE);
		if (fd < 0)
			return -1;
	}
	if (mount_tmp("/tmp") < 0 || mount_tmp("/var/tmp") < 0)
		return -1;
	if (!is_hidden)
		return 0;
	if (mount_mkdirs(run_dir) < 0)
		return -1;
	return mount_put(fd, run_dir);
}

int
sandbox_enter_mounts(const struct sandbox *sandbox, const char **what_r)
{
	const struct conf_strings *read_only = sandbox->read_only;
	int own_fd = -1;

	if (!sandbox->is_tmp_private && read_only == NULL)
		return 0;
	*what_r = sandbox->is_tmp_private ? "private_tmp" : "read_only";
	/* What is mounted later elsewhere is seen, not the other way round. */
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return -1;
	/* First, for as long as the run directory is where it was. */
	if (read_only != NULL) {
		*what_r = sandbox->own_dir;
		own_fd = mount_clone(sandbox->own_dir, 0);
		if (own_fd < 0)
			return -1;
	}
	for (size_t i = 0; read_only != NULL && i < read_only->count; i++) {
		*what_r = read_only->items[i];
		if (mount_read_only(read_only->items[i]) < 0)
			return -1;
	}
	*what_r = "private_tmp";
	if (sandbox->is_tmp_private && mount_tmps(sandbox) < 0)
		return -1;
	*what_r = sandbox->own_dir;
	return own_fd >= 0 ? mount_put(own_fd, sandbox->own_dir) : 0;
}
