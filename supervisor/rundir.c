#include "rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ipc/err.h"
#include "ipc/launch.h"
#include "secret.h"
#include "spawn.h"

enum {
	RUNDIR_PATH_MAX = 4096,
	RUNDIR_BACKLOG = 4096,
	/* "/svc/" NAME "/" 5 digits "." 10 digits */
	RUNDIR_SERVICE_EXTRA = 5 + 1 + 5 + 1 + 10,
};

static void
rundir_path(const struct rundir *rundir, const char *name, char *path)
{
	snprintf(path, RUNDIR_PATH_MAX, "%s/%s", rundir->path, name);
}

/* Make all directories of path; those that are there stay as they are. */
static int
rundir_mkdirs(const char *path, struct err *err_r)
{
	char part[RUNDIR_PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(part)) {
		err_set(err_r, "run_dir is longer than %zu bytes",
		    sizeof(part) - 1);
		return -1;
	}
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, i == len ? 0711 : 0755) < 0 &&
		    errno != EEXIST) {
			err_set_errno(err_r, "run_dir %s", part);
			return -1;
		}
	}
	return 0;
}

/* Others could replace the sockets in a directory that is not ours. */
static int
rundir_check_owner(const char *path, struct err *err_r)
{
	struct stat link, st;

	if (lstat(path, &link) < 0 || stat(path, &st) < 0) {
		err_set_errno(err_r, "run_dir %s", path);
		return -1;
	}
	/* Nor may others choose, by a link, which directory of ours it is. */
	if (link.st_uid != geteuid())
		st.st_uid = link.st_uid;
	if (!S_ISDIR(st.st_mode)) {
		err_set(err_r, "run_dir %s: not a directory", path);
		return -1;
	}
	if (st.st_uid != geteuid()) {
		err_set(err_r,
		    "run_dir %s: belongs to user %u, not to us (%u); set "
		    "run_dir to a directory of your own",
		    path, (unsigned)st.st_uid, (unsigned)geteuid());
		return -1;
	}
	/* It may be one that others read too, such as /run. */
	if (chmod(path, (st.st_mode & 07777 & ~(mode_t)022) | 0711) < 0) {
		err_set_errno(err_r, "run_dir %s", path);
		return -1;
	}
	return 0;
}

static void
rundir_refuse(const struct rundir *rundir, const char *path, struct err *err_r)
{
	char pid[16] = "?";
	ssize_t len;

	if (errno != EWOULDBLOCK) {
		err_set_errno(err_r, "lock %s", path);
		return;
	}
	len = pread(rundir->lock_fd, pid, sizeof(pid) - 1, 0);
	if (len > 0)
		pid[strcspn(pid, "\n")] = '\0';
	err_set(err_r, "already running as pid %s (lock %s)", pid, path);
}

/* "" when the lock holds no pid: whoever had it has let it go. */
static void
rundir_read_run(const struct rundir *rundir, char run[RUNDIR_RUN_MAX])
{
	char pid[16] = "";
	struct stat st;

	run[0] = '\0';
	if (pread(rundir->lock_fd, pid, sizeof(pid) - 1, 0) > 0 &&
	    fstat(rundir->lock_fd, &st) == 0)
		snprintf(run, RUNDIR_RUN_MAX, "%d.%lld", atoi(pid),
		    (long long)st.st_mtime);
}

static int
rundir_lock(struct rundir *rundir, struct err *err_r)
{
	char path[RUNDIR_PATH_MAX], pid[16];
	int len;

	rundir_path(rundir, LAUNCH_PATH_LOCK, path);
	rundir->lock_fd =
	    open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	/* Whoever can open it, if only to read it, can lock it before us. */
	if (rundir->lock_fd < 0 || fchmod(rundir->lock_fd, 0600) < 0) {
		err_set_errno(err_r, "lock %s", path);
		goto fail;
	}
	if (flock(rundir->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		rundir_refuse(rundir, path, err_r);
		goto fail;
	}
	rundir_read_run(rundir, rundir->old_run);
	rundir->was_killed = rundir->old_run[0] != '\0';
	len = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(rundir->lock_fd, 0) < 0 ||
	    pwrite(rundir->lock_fd, pid, (size_t)len, 0) != len) {
		err_set_errno(err_r, "lock %s", path);
		goto fail;
	}
	rundir_read_run(rundir, rundir->run);
	return 0;
fail:
	if (rundir->lock_fd >= 0)
		close(rundir->lock_fd);
	rundir->lock_fd = -1;
	return -1;
}

/* "1.7", an instance and its generation */
static bool
rundir_is_ours(const char *name)
{
	static const char digits[] = "0123456789";
	size_t index_len = strspn(name, digits), len;

	if (index_len == 0 || name[index_len] != '.')
		return false;
	name += index_len + 1;
	len = strspn(name, digits);
	return len > 0 && name[len] == '\0';
}

/*
 * Remove our files in one service directory, and the directory if it is empty
 * then. What else is there stays: the service's user may have put it there, or
 * it is no directory of ours at all, as with run_dir = . beside svc/NAME/main.c
 */
static void
rundir_sweep_service(int svc_fd, const char *name)
{
	int fd = openat(svc_fd, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (rundir_is_ours(entry->d_name))
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
	(void)unlinkat(svc_fd, name, AT_REMOVEDIR);
}

static void
rundir_sweep(const struct rundir *rundir)
{
	char path[RUNDIR_PATH_MAX];
	const struct dirent *entry;
	DIR *dir;

	secret_drop_all(rundir->path);
	rundir_path(rundir, LAUNCH_PATH_SERVICE, path);
	dir = opendir(path);
	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			rundir_sweep_service(dirfd(dir), entry->d_name);
	}
	closedir(dir);
}

int
rundir_open(struct rundir *rundir, const char *path, struct err *err_r)
{
	char svc[RUNDIR_PATH_MAX];

	*rundir = (struct rundir){ .path = strdup(path), .lock_fd = -1 };
	if (rundir->path == NULL) {
		err_set_errno(err_r, "run_dir");
		return -1;
	}
	if (rundir_mkdirs(path, err_r) < 0 ||
	    rundir_check_owner(path, err_r) < 0 ||
	    rundir_lock(rundir, err_r) < 0)
		goto fail;
	rundir_sweep(rundir);
	rundir_path(rundir, LAUNCH_PATH_SERVICE, svc);
	if ((mkdir(svc, 0711) < 0 && errno != EEXIST) || chmod(svc, 0711) < 0) {
		err_set_errno(err_r, "%s", svc);
		goto fail;
	}
	return 0;
fail:
	rundir_close(rundir);
	return -1;
}

void
rundir_close(struct rundir *rundir)
{
	static const char *const names[] = { LAUNCH_PATH_CONTROL,
		LAUNCH_PATH_NOTIFY, LAUNCH_PATH_ROUTER, LAUNCH_PATH_ADMIN };
	char path[RUNDIR_PATH_MAX];

	if (rundir->path == NULL)
		return;
	if (rundir->lock_fd >= 0) {
		rundir_sweep(rundir);
		rundir_path(rundir, LAUNCH_PATH_SERVICE, path);
		(void)rmdir(path);
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			rundir_path(rundir, names[i], path);
			(void)unlink(path);
		}
		(void)!ftruncate(rundir->lock_fd, 0);
		close(rundir->lock_fd);
	}
	free(rundir->path);
	*rundir = (struct rundir){ .lock_fd = -1 };
}

int
rundir_listen(const struct rundir *rundir, const char *name, mode_t mode,
    struct err *err_r)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char path[RUNDIR_PATH_MAX];
	int sock;

	rundir_path(rundir, name, path);
	if (strlen(path) >= sizeof(addr.sun_path)) {
		err_set(err_r,
		    "%s: longer than the %zu bytes that a socket path may "
		    "have; set a shorter run_dir",
		    path, sizeof(addr.sun_path) - 1);
		return -1;
	}
	memcpy(addr.sun_path, path, strlen(path) + 1);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)unlink(path);
	/* The mode is set before anyone can connect. */
	if (sock < 0 ||
	    bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    chmod(path, mode) < 0 || listen(sock, RUNDIR_BACKLOG) < 0) {
		err_set_errno(err_r, "%s", path);
		if (sock >= 0)
			close(sock);
		return -1;
	}
	return sock;
}

int
rundir_add_service(const struct rundir *rundir, const char *name,
    const struct spawn_user *user, struct err *err_r)
{
	char path[RUNDIR_PATH_MAX];
	int fd, rc = -1;

	snprintf(path, sizeof(path), "%s/%s/%s", rundir->path,
	    LAUNCH_PATH_SERVICE, name);
	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		err_set_errno(err_r, "%s", path);
		return -1;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && fchmod(fd, 0700) == 0 &&
	    (user->name == NULL || user->uid == geteuid() ||
		fchown(fd, user->uid, user->gid) == 0))
		rc = 0;
	else
		err_set_errno(err_r, "%s", path);
	if (fd >= 0)
		close(fd);
	return rc;
}

void
rundir_drop_service(const struct rundir *rundir, const char *name)
{
	char path[RUNDIR_PATH_MAX];
	int fd;

	rundir_path(rundir, LAUNCH_PATH_SERVICE, path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	rundir_sweep_service(fd, name);
	close(fd);
}

void
rundir_drop_instance(const struct rundir *rundir, const char *service,
    unsigned index, unsigned long long generation)
{
	char path[RUNDIR_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/%s/%u.%llu", rundir->path,
	    LAUNCH_PATH_SERVICE, service, index, generation);
	(void)unlink(path);
	secret_path(rundir->path, service, index, generation, path);
	secret_drop(path);
}

int
rundir_check_service(const char *run_dir, const char *service,
    struct err *err_r)
{
	struct sockaddr_un addr;
	size_t len = strlen(run_dir) + strlen(service) + RUNDIR_SERVICE_EXTRA;

	if (len < sizeof(addr.sun_path))
		return 0;
	err_set(err_r,
	    "service \"%s\": its socket path in %s would have %zu bytes, and "
	    "%zu is the limit; set a shorter run_dir or name",
	    service, run_dir, len, sizeof(addr.sun_path) - 1);
	return -1;
}
