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

#include "ipc/buf.h"
#include "ipc/log.h"
#include "logline.h"
#include "logrec.h"
#include "logrotate.h"

struct logfile {
	char *name;
	int fd;                   /* -1 while closed */
	bool is_regular;          /* it is a file, which can be rotated */
	uint64_t size;            /* bytes in the open file */
	uint64_t dropped;         /* lines lost since it failed */
	int error;                /* errno of the failure */
	int64_t retry_us;         /* no attempt before, while dropped > 0 */
	int64_t first_ms;         /* time of its first line; 0: not known */
	int64_t check_us;         /* no look at its path before */
	int64_t rotate_us;        /* no rotation before, after one failed */
	bool is_rotation_failing; /* said so already */
	bool is_rotated;          /* since somebody asked */
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

/* When the first line of a file was written, or the file was made. */
static int64_t
logfile_read_age(int fd)
{
	char start[64];
	const char *time = NULL;
	struct statx stx;
	ssize_t len;

	len = pread(fd, start, sizeof(start), 0);
	if (len > 0)
		time = logrec_time(start, (size_t)len);
	if (time != NULL)
		return logrec_time_ms(time);
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &stx) == -1 ||
	    (stx.stx_mask & STATX_BTIME) == 0)
		return 0;
	return stx.stx_btime.tv_sec * 1000;
}

/*
 * What a file has that others began. Half a line at its end is of a logger that
 * was killed, or of a machine that lost power: ours is not to go on with it.
 */
static void
logfile_take_over(struct logfile *file, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char last;

	if (fd == -1)
		return;
	file->first_ms = logfile_read_age(fd);
	if (pread(fd, &last, 1, (off_t)file->size - 1) == 1 && last != '\n' &&
	    write(file->fd, "\n", 1) == 1)
		file->size++;
	close(fd);
}

static int
logfile_open(struct logfile *file, const char *dir, int64_t now_us)
{
	char path[PATH_MAX];
	struct stat st;

	if (logrotate_path(dir, file->name, 0, false, path) == -1)
		return -1;
	file->fd = logfile_open_path(path);
	if (file->fd == -1 && errno == ENOENT && logfile_make_dir(dir) == 0)
		file->fd = logfile_open_path(path);
	if (file->fd == -1)
		return -1;
	file->check_us = now_us + LOGFILE_CHECK_US;
	file->first_ms = 0;
	file->size = 0;
	file->is_regular = fstat(file->fd, &st) == 0 && S_ISREG(st.st_mode);
	if (file->is_regular)
		file->size = (uint64_t)st.st_size;
	if (file->size > 0)
		logfile_take_over(file, path);
	return 0;
}

/* Somebody may have moved, removed or emptied the file meanwhile. */
static void
logfile_check(struct logfile *file, const char *dir, int64_t now_us)
{
	char path[PATH_MAX];
	struct stat own, st;

	if (file->fd == -1 || !file->is_regular || now_us < file->check_us)
		return;
	file->check_us = now_us + LOGFILE_CHECK_US;
	if (fstat(file->fd, &own) == -1 ||
	    logrotate_path(dir, file->name, 0, false, path) == -1)
		return;
	file->size = (uint64_t)own.st_size;
	if (stat(path, &st) == -1
		? errno == ENOENT
		: st.st_ino != own.st_ino || st.st_dev != own.st_dev)
		logfile_close(file);
}

/* A rotation that fails costs space, not lines: the old file goes on. */
static void
logfile_rotate(struct logfile *file, const struct logfile_settings *settings,
    int64_t now_us)
{
	if (now_us < file->rotate_us)
		return;
	if (logrotate_shift(settings->dir, file->name, settings->keep) == -1) {
		if (!file->is_rotation_failing)
			log_warn("%s/%s.log: cannot rotate, going on with it",
			    settings->dir, file->name);
		file->is_rotation_failing = true;
		file->rotate_us = now_us + LOGFILE_RETRY_US;
		return;
	}
	file->is_rotation_failing = false;
	file->rotate_us = 0;
	file->is_rotated = true;
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

/* Remove what was written last. Its end is where the last write ended. */
static void
logfile_take_back(const struct logfile *file, size_t len)
{
	off_t end = lseek(file->fd, 0, SEEK_CUR);

	if (end == -1 || ftruncate(file->fd, end - (off_t)len) == -1)
		log_warn("%s.log: half a line stays", file->name);
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
	if (kept < done)
		logfile_take_back(file, done - kept);
	file->size += kept;
	errno = error;
	return kept;
}

/* The note that stands where lines are missing. */
static int
logfile_put_note(struct logfile *file, const struct logfile_settings *settings,
    int64_t wall_ms)
{
	struct buf note = { 0 };
	char text[128];
	int rc = 0;

	snprintf(text, sizeof(text), "warn %llu lines dropped: %s",
	    (unsigned long long)file->dropped, strerror(file->error));
	logline_put_note(&note, settings->is_json, wall_ms, text);
	if (!note.is_failed && logfile_put(file, buf_front(&note),
				   buf_count(&note)) != buf_count(&note))
		rc = -1;
	buf_fini(&note);
	if (rc == -1)
		return -1;
	log_warnx("%s.log: written again, %llu lines were dropped", file->name,
	    (unsigned long long)file->dropped);
	file->dropped = 0;
	return 0;
}

static bool
logfile_is_old(const struct logfile *file,
    const struct logfile_settings *settings, int64_t wall_ms)
{
	return settings->max_age_ms > 0 && file->is_regular && file->size > 0 &&
	       file->first_ms > 0 &&
	       wall_ms - file->first_ms >= settings->max_age_ms;
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

	if (settings->max_size == 0 || !file->is_regular ||
	    file->size + len <= settings->max_size)
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

/* Rotate and open the new file. Without a rotation the old one goes on. */
static int
logfile_renew(struct logfile *file, const struct logfile_settings *settings,
    int64_t now_us)
{
	logfile_rotate(file, settings, now_us);
	return file->fd == -1 ? logfile_open(file, settings->dir, now_us) : 0;
}

/* One step of a write: returns the bytes done, or -1 with errno. */
static ssize_t
logfile_write_some(struct logfile *file,
    const struct logfile_settings *settings, const uint8_t *bytes, size_t len,
    int64_t now_us, int64_t wall_ms)
{
	size_t room, done;

	if (file->fd == -1 && logfile_open(file, settings->dir, now_us) == -1)
		return -1;
	if (len > 0 && logfile_is_old(file, settings, wall_ms) &&
	    logfile_renew(file, settings, now_us) == -1)
		return -1;
	if (file->size == 0)
		file->first_ms = wall_ms;
	if (file->dropped > 0 &&
	    logfile_put_note(file, settings, wall_ms) == -1)
		return -1;
	room = logfile_room(file, settings, bytes, len);
	if (room == 0 && len > 0) {
		if (logfile_renew(file, settings, now_us) == -1)
			return -1;
		if (file->size == 0) {
			file->first_ms = wall_ms;
			room = logfile_room(file, settings, bytes, len);
		} else
			room = len; /* it goes on growing */
	}
	done = logfile_put(file, bytes, room);
	return done < room && done == 0 ? -1 : (ssize_t)done;
}

void
logfile_write(struct logfile *file, const struct logfile_settings *settings,
    const uint8_t *bytes, size_t len, int64_t now_us, int64_t wall_ms)
{
	if (settings->dir[0] == '\0')
		return;
	if (file->dropped > 0 && now_us < file->retry_us) {
		file->dropped += logfile_count_lines(bytes, len);
		return;
	}
	logfile_check(file, settings->dir, now_us);
	do {
		ssize_t n = logfile_write_some(file, settings, bytes, len,
		    now_us, wall_ms);

		if (n == -1) {
			logfile_fail(file, settings, bytes, len, now_us);
			return;
		}
		bytes += n;
		len -= (size_t)n;
	} while (len > 0);
}

bool
logfile_take_rotated(struct logfile *file)
{
	bool is_rotated = file->is_rotated;

	file->is_rotated = false;
	return is_rotated;
}
