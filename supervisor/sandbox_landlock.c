/*
 * sandbox_landlock: read-only paths for a supervisor that is not root.
 *
 * Rules of Landlock let something, for a whole hierarchy; nothing can be taken
 * out of one again. So each directory on the way to a read-only path is let
 * entry by entry but for that one, which is why nothing new can be made in
 * those directories themselves.
 */
#include "sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "conf/conf.h"
#include "ipc/err.h"

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (UINT64_C(1) << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (UINT64_C(1) << 14)
#endif

enum {
	LANDLOCK_ABI_REFER = 2,
	LANDLOCK_ABI_TRUNCATE = 3,
};

struct walk {
	int ruleset_fd;
	uint64_t dir_access, file_access;
	char **paths; /* real ones; owned */
	size_t count;
};

static uint64_t
landlock_dir_access(int abi)
{
	uint64_t access =
	    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
	    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
	    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
	    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

	if (abi >= LANDLOCK_ABI_REFER)
		access |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= LANDLOCK_ABI_TRUNCATE)
		access |= LANDLOCK_ACCESS_FS_TRUNCATE;
	return access;
}

/* What cannot be opened cannot be written by the service either. */
static void
walk_allow(const struct walk *walk, const char *path, bool is_dir)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = is_dir ? walk->dir_access : walk->file_access,
		.parent_fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW),
	};

	if (rule.parent_fd < 0)
		return;
	(void)syscall(SYS_landlock_add_rule, walk->ruleset_fd,
	    LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent_fd);
}

/* 1: read-only itself; -1: on the way to what is; 0: what is not said. */
static int
walk_look(const struct walk *walk, const char *path)
{
	size_t len = strlen(path);
	int found = 0;

	for (size_t i = 0; i < walk->count; i++) {
		if (strcmp(walk->paths[i], path) == 0)
			return 1;
		if (strncmp(walk->paths[i], path, len) == 0 &&
		    (walk->paths[i][len] == '/' || path[len - 1] == '/'))
			found = -1;
	}
	return found;
}

/*
 * Let all below a directory but what is read-only; or only what is in itself,
 * and none. The depth is bounded by the paths of the configuration.
 */
static void
walk_dir(const struct walk *walk, const char *path)
{
	bool is_flat = walk_look(walk, path) > 0;
	const char *slash = path[1] == '\0' ? "" : "/";
	char below[SANDBOX_PATH_MAX];
	const struct dirent *entry;
	DIR *dir = opendir(path);
	int found;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0 ||
		    entry->d_type == DT_LNK ||
		    (size_t)snprintf(below, sizeof(below), "%s%s%s", path,
			slash, entry->d_name) >= sizeof(below))
			continue;
		found = walk_look(walk, below);
		if (is_flat && (found != 0 || entry->d_type == DT_DIR))
			continue;
		if (found < 0)
			walk_dir(walk, below);
		else if (found == 0)
			walk_allow(walk, below, entry->d_type == DT_DIR);
	}
	if (dir != NULL)
		closedir(dir);
}

/* Devices are no files: nothing is changed by what they are told. */
static void
walk_devices(const struct walk *walk)
{
	if (walk_look(walk, "/dev") == 0)
		walk_allow(walk, "/dev", true);
	else
		walk_dir(walk, "/dev");
}

static int
walk_init(struct walk *walk, const struct conf_strings *read_only,
    struct err *err_r)
{
	walk->paths = calloc(read_only->count, sizeof(*walk->paths));
	if (walk->paths == NULL) {
		err_set_errno(err_r, "read_only");
		return -1;
	}
	for (size_t i = 0; i < read_only->count; i++) {
		walk->paths[i] = realpath(read_only->items[i], NULL);
		if (walk->paths[i] == NULL) {
			err_set_errno(err_r, "read_only %s",
			    read_only->items[i]);
			return -1;
		}
		walk->count++;
	}
	return 0;
}

static void
walk_fini(struct walk *walk)
{
	for (size_t i = 0; i < walk->count; i++)
		free(walk->paths[i]);
	free(walk->paths);
}

int
sandbox_landlock(const struct conf_strings *read_only, const char *own_dir,
    struct err *err_r)
{
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr = {
		.handled_access_fs = landlock_dir_access(abi),
	};
	struct walk walk = {
		.ruleset_fd = -1,
		.dir_access = attr.handled_access_fs,
		.file_access =
		    attr.handled_access_fs & (LANDLOCK_ACCESS_FS_WRITE_FILE |
						 LANDLOCK_ACCESS_FS_TRUNCATE),
	};

	if (abi < 1) {
		err_set(err_r, "read_only: takes root, or Landlock, which this "
			       "kernel does not have");
		return -1;
	}
	if (walk_init(&walk, read_only, err_r) == 0) {
		walk.ruleset_fd = (int)syscall(SYS_landlock_create_ruleset,
		    &attr, sizeof(attr), 0);
		if (walk.ruleset_fd < 0)
			err_set_errno(err_r, "read_only: landlock");
	}
	if (walk.ruleset_fd >= 0) {
		if (walk_look(&walk, "/") == -1)
			walk_dir(&walk, "/");
		walk_devices(&walk);
		walk_allow(&walk, own_dir, true);
	}
	walk_fini(&walk);
	return walk.ruleset_fd;
}
