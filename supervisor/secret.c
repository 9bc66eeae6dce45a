#include "secret.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "conf/conf.h"
#include "ipc/err.h"
#include "ipc/launch.h"
#include "small_file.h"
#include "spawn_user.h"

void
secret_path(const char *run_dir, const char *service, unsigned index,
    unsigned long long generation, char path[SECRET_PATH_MAX])
{
	snprintf(path, SECRET_PATH_MAX, "%s/%s/%s.%u.%llu", run_dir,
	    LAUNCH_PATH_SECRETS, service, index, generation);
}

enum {
	SECRET_FDS = 16, /* for directories below one another */
};

static bool
secret_is_for_other(const struct spawn_user *user)
{
	return user->name != NULL && user->uid != geteuid();
}

static int
secret_give(int fd, const struct spawn_user *user)
{
	if (secret_is_for_other(user) && fchown(fd, user->uid, user->gid) < 0)
		return -1;
	return fchmod(fd, 0400);
}

/*
 * The directory stays ours, for another user's group to look into: what he
 * could make in there, in any number, we would have to remove.
 */
static int
secret_show(int dir_fd, const struct spawn_user *user)
{
	if (!secret_is_for_other(user))
		return fchmod(dir_fd, 0500);
	if (fchown(dir_fd, (uid_t)-1, user->gid) < 0)
		return -1;
	return fchmod(dir_fd, 0550);
}

static int
secret_write(int dir_fd, const char *name, const char *text, size_t len,
    const struct spawn_user *user)
{
	int fd = openat(dir_fd, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
	ssize_t put = 0;
	int rc = -1;

	if (fd < 0)
		return -1;
	for (size_t done = 0; done < len && put >= 0; done += (size_t)put) {
		put = write(fd, text + done, len - done);
		if (put < 0 && errno == EINTR)
			put = 0;
	}
	if (put >= 0)
		rc = secret_give(fd, user);
	close(fd);
	return rc;
}

/* One "NAME=/path". */
static int
secret_copy(int dir_fd, const char *item, const struct spawn_user *user,
    struct err *err_r)
{
	const char *equals = strchr(item, '=');
	char name[NAME_MAX + 1], *text;
	size_t len;
	int rc;

	snprintf(name, sizeof(name), "%.*s", (int)(equals - item), item);
	if (small_file_read(equals + 1, SECRET_MAX, &text, &len, err_r) < 0) {
		err_prefix(err_r, "secret.%s", name);
		return -1;
	}
	rc = secret_write(dir_fd, name, text, len, user);
	if (rc < 0)
		err_set_errno(err_r, "secret.%s", name);
	explicit_bzero(text, len);
	free(text);
	return rc;
}

static int
secret_open_dir(const char *run_dir, const char *path, struct err *err_r)
{
	char all[SECRET_PATH_MAX];
	int fd;

	snprintf(all, sizeof(all), "%s/%s", run_dir, LAUNCH_PATH_SECRETS);
	if (mkdir(all, 0711) < 0 && errno != EEXIST) {
		err_set_errno(err_r, "%s", all);
		return -1;
	}
	secret_drop(path);
	if (mkdir(path, 0700) < 0) {
		err_set_errno(err_r, "%s", path);
		return -1;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		err_set_errno(err_r, "%s", path);
	return fd;
}

int
secret_make(const char *run_dir, const char *path,
    const struct conf_strings *secrets, const struct spawn_user *user,
    struct err *err_r)
{
	int fd = secret_open_dir(run_dir, path, err_r), rc = 0;

	if (fd < 0)
		return -1;
	for (size_t i = 0; rc == 0 && i < secrets->count; i++)
		rc = secret_copy(fd, secrets->items[i], user, err_r);
	if (rc == 0 && secret_show(fd, user) < 0) {
		err_set_errno(err_r, "%s", path);
		rc = -1;
	}
	close(fd);
	if (rc < 0)
		secret_drop(path);
	return rc;
}

static int
secret_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	(void)remove(path);
	return 0; /* go on with the others */
}

void
secret_drop(const char *path)
{
	/* Without root it is as read-only for us as for the service. */
	if (chmod(path, 0700) < 0)
		return;
	/* A service of our own user may have made directories in there. */
	(void)nftw(path, secret_remove, SECRET_FDS, FTW_DEPTH | FTW_PHYS);
}

/* Does it end with a dot and digits? Then *len is without them. */
static bool
secret_cut_number(const char *name, size_t *len)
{
	size_t at = *len;

	while (at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9')
		at--;
	if (at == *len || at < 2 || name[at - 1] != '.')
		return false;
	*len = at - 1;
	return true;
}

/*
 * "users.1.7": a service, an instance and its generation; with a mode that we
 * give, as somebody may have a directory called secrets himself.
 */
static bool
secret_is_ours(int dir_fd, const char *name)
{
	size_t len = strlen(name);
	struct stat st;

	if (!secret_cut_number(name, &len))
		return false;
	if (!secret_cut_number(name, &len) ||
	    fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISDIR(st.st_mode))
		return false;
	st.st_mode &= 07777;
	return st.st_mode == 0500 || st.st_mode == 0550 || st.st_mode == 0700;
}

void
secret_drop_all(const char *run_dir)
{
	char path[SECRET_PATH_MAX], one[SECRET_PATH_MAX + NAME_MAX + 2];
	const struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", run_dir, LAUNCH_PATH_SECRETS);
	dir = opendir(path);
	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (!secret_is_ours(dirfd(dir), entry->d_name))
			continue;
		snprintf(one, sizeof(one), "%s/%s", path, entry->d_name);
		secret_drop(one);
	}
	closedir(dir);
	(void)rmdir(path);
}

bool
secret_is_on_disk(const char *run_dir)
{
	struct statfs fs;

	return statfs(run_dir, &fs) == 0 && fs.f_type != TMPFS_MAGIC &&
	       fs.f_type != RAMFS_MAGIC;
}
