#include "crashfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/crash_id.h"
#include "ipc/err.h"

enum {
	CRASHFILE_NAME_MAX = CRASH_ID_MAX + 16
};

struct crashfile {
	char id[CRASH_ID_MAX];
	uint64_t size;
};

/* Make the directory and what is missing above it. Returns its fd or -1. */
static int
crashfile_open_dir(const char *dir)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int fd = open(dir, flags);
	size_t len = strlen(dir);
	char path[PATH_MAX];

	if (fd != -1 || errno != ENOENT)
		return fd;
	if (len >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(path, dir);
	/* "crash/" is not above "crash". */
	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	for (char *p = path + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) == -1 && errno != EEXIST)
			return -1;
		*p = '/';
	}
	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return -1;
	return open(dir, flags);
}

/* A temporary file that is there was left by a logger that was killed. */
static int
crashfile_open(int dir_fd, const char *name)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
	int fd = openat(dir_fd, name, flags, 0600);

	if (fd != -1 || errno != EEXIST)
		return fd;
	if (unlinkat(dir_fd, name, 0) == -1)
		return -1;
	return openat(dir_fd, name, flags, 0600);
}

static int
crashfile_put(int fd, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Returns 0, or -1 with errno and no file left. */
static int
crashfile_write_at(int dir_fd, const char *id, const void *bytes, size_t len)
{
	char name[CRASHFILE_NAME_MAX], temp[CRASHFILE_NAME_MAX];
	int fd, rc, cause;

	snprintf(name, sizeof(name), "%s.json", id);
	snprintf(temp, sizeof(temp), ".%s.tmp", id);
	fd = crashfile_open(dir_fd, temp);
	if (fd == -1)
		return -1;
	rc = crashfile_put(fd, bytes, len);
	cause = errno;
	/* Some file systems tell only now that there was no room. */
	if (close(fd) == -1 && rc == 0) {
		rc = -1;
		cause = errno;
	}
	if (rc == 0 && renameat(dir_fd, temp, dir_fd, name) == -1) {
		rc = -1;
		cause = errno;
	}
	if (rc == -1)
		unlinkat(dir_fd, temp, 0);
	errno = cause;
	return rc;
}

int
crashfile_write(const char *dir, const char *id, const void *bytes, size_t len,
    struct err *err_r)
{
	int dir_fd, rc;

	if (!crash_id_is_good(id)) {
		err_set(err_r, "\"%s\" is no name for a crash bundle", id);
		return -1;
	}
	dir_fd = crashfile_open_dir(dir);
	if (dir_fd == -1) {
		err_set_errno(err_r, "%s", dir);
		return -1;
	}
	rc = crashfile_write_at(dir_fd, id, bytes, len);
	if (rc == -1)
		err_set_errno(err_r, "%s/%s.json", dir, id);
	close(dir_fd);
	return rc;
}

/* Is it ".ID.tmp", which we alone make? */
static bool
crashfile_is_temp(const char *name)
{
	size_t len = strlen(name);
	char id[CRASH_ID_MAX];

	if (name[0] != '.' || len < 6 || len - 5 >= sizeof(id) ||
	    strcmp(name + len - 4, ".tmp") != 0)
		return false;
	memcpy(id, name + 1, len - 5);
	id[len - 5] = '\0';
	return crash_id_is_good(id);
}

/* All bundles; the caller must free() them. */
static struct crashfile *
crashfile_list(DIR *dir, size_t *count_r)
{
	struct crashfile *files = NULL, *more;
	size_t count = 0, cap = 0;
	char id[CRASH_ID_MAX];
	struct dirent *entry;
	struct stat st;

	while ((entry = readdir(dir)) != NULL) {
		if (crashfile_is_temp(entry->d_name))
			unlinkat(dirfd(dir), entry->d_name, 0);
		if (!crash_id_of_file(entry->d_name, id) ||
		    fstatat(dirfd(dir), entry->d_name, &st,
			AT_SYMLINK_NOFOLLOW) == -1 ||
		    !S_ISREG(st.st_mode))
			continue;
		if (count == cap) {
			cap = cap == 0 ? 64 : cap * 2;
			more = realloc(files, cap * sizeof(*files));
			if (more == NULL)
				break;
			files = more;
		}
		memcpy(files[count].id, id, sizeof(id));
		files[count++].size = (uint64_t)st.st_size;
	}
	*count_r = count;
	return files;
}

static int
crashfile_compare(const void *a, const void *b)
{
	const struct crashfile *left = a, *right = b;

	return crash_id_compare(left->id, right->id);
}

unsigned
crashfile_prune(const char *path, uint64_t keep, uint64_t max_size,
    const char *spared)
{
	DIR *dir = opendir(path);
	struct crashfile *files;
	char name[CRASHFILE_NAME_MAX];
	size_t count = 0, left;
	uint64_t size = 0;

	if (dir == NULL)
		return 0;
	files = crashfile_list(dir, &count);
	if (count > 0)
		qsort(files, count, sizeof(*files), crashfile_compare);
	for (size_t i = 0; i < count; i++)
		size += files[i].size;
	left = count;
	for (size_t i = 0; left > 1 && (left > keep || size > max_size); i++) {
		if (spared != NULL && strcmp(files[i].id, spared) == 0)
			continue;
		left--;
		size -= files[i].size;
		snprintf(name, sizeof(name), "%s.json", files[i].id);
		unlinkat(dirfd(dir), name, 0);
	}
	free(files);
	closedir(dir);
	return (unsigned)(count - left);
}
