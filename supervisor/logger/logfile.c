#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ipc/log.h"
#include "logline.h"

struct logfile {
	char *name;
	int fd;                   /* -1 while closed */
	uint64_t size;            /* bytes in the open file */
	uint64_t dropped;         /* lines lost since it failed */
	int error;                /* errno of the failure */
	int64_t retry_us;         /* no attempt before, while dropped > 0 */
	int64_t rotate_us;        /* no rotation before, after one failed */
	bool is_rotation_failing; /* said so already */
};

struct logfile *
logfile_new(const char *name)
{
	struct logfile *file = calloc(1, sizeof(*file));

	if (file == NULL)
		return NULL;
	file->fd = -1;
	file->name = strdup(name);
	if (file->name == NULL)
		logfile_free(&file);
	return file;
}

void
logfile_free(struct logfile **filep)
{
	struct logfile *file = *filep;

	if (file == NULL)
		return;
	*filep = NULL;
	logfile_close(file);
	free(file->name);
	free(file);
}

const char *
logfile_name(const struct logfile *file)
{
	return file->name;
}

uint64_t
logfile_dropped(const struct logfile *file)
{
	return file->dropped;
}

void
logfile_close(struct logfile *file)
{
	if (file->fd != -1)
		close(file->fd);
	file->fd = -1;
}

/* Index 0 is the file itself. Returns -1 when the path is too long. */
static int
logfile_path(const struct logfile *file, const char *dir, unsigned index,
    char path_r[PATH_MAX])
{
	int len;

	if (index == 0)
		len = snprintf(path_r, PATH_MAX, "%s/%s.log", dir, file->name);
	else
		len = snprintf(path_r, PATH_MAX, "%s/%s.log.%u", dir,
		    file->name, index);
	if (len < 0 || len >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

/* Make the directory and what is missing above it. */
static int
logfile_make_dir(const char *dir)
{
	size_t len = strlen(dir);
	char path[PATH_MAX];

	if (len >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(path, dir, len + 1);
	for (char *p = path + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) == -1 && errno != EEXIST)
			return -1;
		*p = '/';
	}
	return mkdir(path, 0750) == -1 && errno != EEXIST ? -1 : 0;
}

/*
 * A symbolic link is followed only if our own user made it: another who may
 * write into the directory must not choose the file that we append to.
 */
static int
logfile_open_path(const char *path)
{
	/* O_NONBLOCK: a FIFO there without a reader is an error, not a wait. */
	const int flags =
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = open(path, flags | O_NOFOLLOW, 0640);
	struct stat st;

	if (fd != -1 || errno != ELOOP)
		return fd;
	if (lstat(path, &st) == -1 || st.st_uid != geteuid()) {
		errno = ELOOP;
		return -1;
	}
	return open(path, flags, 0640);
}

static int
logfile_open(struct logfile *file, const char *dir)
{
	char path[PATH_MAX];
	struct stat st;

	if (logfile_path(file, dir, 0, path) == -1)
		return -1;
	file->fd = logfile_open_path(path);
	if (file->fd == -1 && errno == ENOENT && logfile_make_dir(dir) == 0)
		file->fd = logfile_open_path(path);
	if (file->fd == -1)
		return -1;
	file->size = fstat(file->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	return 0;
}

/* NAME.log.1 becomes NAME.log.2 and so on, then NAME.log NAME.log.1. */
static int
logfile_shift(const struct logfile *file,
    const struct logfile_settings *settings)
{
	char from[PATH_MAX], to[PATH_MAX];

	if (settings->keep == 0) {
		if (logfile_path(file, settings->dir, 0, from) == -1)
			return -1;
		return unlink(from) == -1 && errno != ENOENT ? -1 : 0;
	}
	for (unsigned i = settings->keep; i-- > 0;) {
		if (logfile_path(file, settings->dir, i, from) == -1 ||
		    logfile_path(file, settings->dir, i + 1, to) == -1)
			return -1;
		if (rename(from, to) == -1 && errno != ENOENT)
			return -1;
	}
	return 0;
}

/* A rotation that fails costs space, not lines: the old file goes on. */
static void
logfile_rotate(struct logfile *file, const struct logfile_settings *settings,
    int64_t now_us)
{
	if (now_us < file->rotate_us)
		return;
	if (logfile_shift(file, settings) == -1) {
		if (!file->is_rotation_failing)
			log_warn("%s/%s.log: cannot rotate, going on with it",
			    settings->dir, file->name);
		file->is_rotation_failing = true;
		file->rotate_us = now_us + LOGFILE_RETRY_US;
		return;
	}
	file->is_rotation_failing = false;
	file->rotate_us = 0;
	logfile_close(file);
}

static uint64_t
logfile_count_lines(const uint8_t *bytes, size_t len)
{
	uint64_t count = 0;

	for (const uint8_t *p = bytes, *end = bytes + len; p < end; p++) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (p == NULL)
			break;
		count++;
	}
	return count;
}

static void
logfile_fail(struct logfile *file, const struct logfile_settings *settings,
    const uint8_t *bytes, size_t len, int64_t now_us)
{
	file->error = errno;
	if (file->dropped == 0)
		log_error("%s/%s.log: dropping lines", settings->dir,
		    file->name);
	file->dropped += logfile_count_lines(bytes, len);
	file->retry_us = now_us + LOGFILE_RETRY_US;
	/* A new try starts from the path: someone may have made room there. */
	logfile_close(file);
}

/*
 * Write all bytes, or as many whole lines as there is room for. Returns the
 * bytes that stay in the file; fewer than len with errno set.
 */
static size_t
logfile_put(struct logfile *file, const uint8_t *bytes, size_t len)
{
	size_t done = 0, kept;
	int error;

	while (done < len) {
		ssize_t n = write(file->fd, bytes + done, len - done);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	error = errno;
	kept = done;
	while (kept > 0 && bytes[kept - 1] != '\n')
		kept--;
	if (kept < done &&
	    ftruncate(file->fd, (off_t)(file->size + kept)) == -1)
		log_warn("%s.log: half a line stays", file->name);
	file->size += kept;
	errno = error;
	return kept;
}

/* The note that stands where lines are missing. */
static int
logfile_put_note(struct logfile *file)
{
	char note[256], time[LOGLINE_TIME_SIZE];
	struct timespec now;
	int len;

	clock_gettime(CLOCK_REALTIME, &now);
	logline_time((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, time);
	len = snprintf(note, sizeof(note),
	    "%s msvc-logger warn %llu lines dropped: %s\n", time,
	    (unsigned long long)file->dropped, strerror(file->error));
	if (len < 0 || (size_t)len >= sizeof(note))
		return 0;
	if (logfile_put(file, (const uint8_t *)note, (size_t)len) !=
	    (size_t)len)
		return -1;
	log_warnx("%s.log: written again, %llu lines were dropped", file->name,
	    (unsigned long long)file->dropped);
	file->dropped = 0;
	return 0;
}

/*
 * How many bytes of whole lines go into the open file: all, or what still
 * fits below max_size, or nothing (rotate first). A single line larger than
 * that gets a file of its own.
 */
static size_t
logfile_room(const struct logfile *file,
    const struct logfile_settings *settings, const uint8_t *bytes, size_t len)
{
	const uint8_t *end;
	uint64_t room;

	if (settings->max_size == 0 || file->size + len <= settings->max_size)
		return len;
	room = file->size < settings->max_size ? settings->max_size - file->size
					       : 0;
	end = memrchr(bytes, '\n', room < len ? (size_t)room : len);
	if (end != NULL)
		return (size_t)(end - bytes) + 1;
	if (file->size > 0)
		return 0;
	end = memchr(bytes, '\n', len);
	return end != NULL ? (size_t)(end - bytes) + 1 : len;
}

/* One step of a write: returns the bytes done, or -1 with errno. */
static ssize_t
logfile_write_some(struct logfile *file,
    const struct logfile_settings *settings, const uint8_t *bytes, size_t len,
    int64_t now_us)
{
	size_t room, done;

	if (file->fd == -1 && logfile_open(file, settings->dir) == -1)
		return -1;
	if (file->dropped > 0 && logfile_put_note(file) == -1)
		return -1;
	room = logfile_room(file, settings, bytes, len);
	if (room == 0 && len > 0) {
		logfile_rotate(file, settings, now_us);
		if (file->fd == -1 && logfile_open(file, settings->dir) == -1)
			return -1;
		/* Without a rotation the file goes on growing. */
		room = file->size > 0
			   ? len
			   : logfile_room(file, settings, bytes, len);
	}
	done = logfile_put(file, bytes, room);
	return done < room && done == 0 ? -1 : (ssize_t)done;
}

void
logfile_write(struct logfile *file, const struct logfile_settings *settings,
    const uint8_t *bytes, size_t len, int64_t now_us)
{
	if (settings->dir[0] == '\0')
		return;
	if (file->dropped > 0 && now_us < file->retry_us) {
		file->dropped += logfile_count_lines(bytes, len);
		return;
	}
	do {
		ssize_t n =
		    logfile_write_some(file, settings, bytes, len, now_us);

		if (n == -1) {
			logfile_fail(file, settings, bytes, len, now_us);
			return;
		}
		bytes += n;
		len -= (size_t)n;
	} while (len > 0);
}
