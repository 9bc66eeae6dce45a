#include "logzip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "ipc/err.h"
#include "ipc/log.h"
#include "ipc/loop.h"
#include "logrotate.h"

enum {
	LOGZIP_FLAG_COMMENT = 0x10, /* RFC 1952 section 2.3.1 */
	LOGZIP_FIXED_HEADER = 10
};

/* A log of which some rotated files may be plain. */
struct logzip_log {
	TAILQ_ENTRY(logzip_log) link;
	char *dir, *name;
};

struct logzip {
	struct loop *loop;
	struct loop_timer timer; /* the next slice */
	TAILQ_HEAD(, logzip_log) logs;
	/* Of the first log, the file under way; in is -1 between two. */
	int in, out;
	struct stat plain;
	z_stream stream;
	gz_header header;
	char comment[32]; /* of the header */
	uint8_t from[LOGZIP_SLICE], to[LOGZIP_SLICE];
};

static int
logzip_temp_path(const struct logzip_log *log, char path_r[PATH_MAX])
{
	int len =
	    snprintf(path_r, PATH_MAX, "%s/%s.log.gz.tmp", log->dir, log->name);

	errno = ENAMETOOLONG;
	return len < 0 || len >= PATH_MAX ? -1 : 0;
}

static void
logzip_log_free(struct logzip *zip, struct logzip_log *log)
{
	TAILQ_REMOVE(&zip->logs, log, link);
	free(log->dir);
	free(log->name);
	free(log);
}

/* The newest plain file: it is the one that stays longest. -1: none. */
static int
logzip_open_next(const struct logzip_log *log)
{
	const int flags =
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
	char path[PATH_MAX];
	int fd;

	for (unsigned i = 1; i <= LOGROTATE_MAX; i++) {
		if (logrotate_path(log->dir, log->name, i, false, path) == -1)
			return -1;
		fd = open(path, flags);
		if (fd != -1)
			return fd;
		if (logrotate_path(log->dir, log->name, i, true, path) == -1 ||
		    access(path, F_OK) == -1)
			return -1;
	}
	return -1;
}

/* What is between begin and end; the temporary file is removed if still there.
 */
static void
logzip_close(struct logzip *zip, const struct logzip_log *log)
{
	char path[PATH_MAX];

	if (zip->in == -1)
		return;
	close(zip->in);
	zip->in = -1;
	if (zip->out == -1)
		return;
	close(zip->out);
	zip->out = -1;
	deflateEnd(&zip->stream);
	if (logzip_temp_path(log, path) == 0)
		(void)unlink(path);
}

static int
logzip_begin_stream(struct logzip *zip)
{
	const int gzip_window = 15 + 16;

	memset(&zip->stream, 0, sizeof(zip->stream));
	if (deflateInit2(&zip->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
		gzip_window, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		errno = ENOMEM;
		return -1;
	}
	snprintf(zip->comment, sizeof(zip->comment), "inode %llu",
	    (unsigned long long)zip->plain.st_ino);
	memset(&zip->header, 0, sizeof(zip->header));
	zip->header.os = 3; /* Unix */
	zip->header.time = (uLong)zip->plain.st_mtim.tv_sec;
	zip->header.comment = (Bytef *)zip->comment;
	deflateSetHeader(&zip->stream, &zip->header);
	return 0;
}

/* Returns 1 when there is a file to compress now, 0 for none, or -1. */
static int
logzip_begin(struct logzip *zip, const struct logzip_log *log)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
	char path[PATH_MAX];

	if (logzip_temp_path(log, path) == -1)
		return -1;
	/* Of a logger that was killed meanwhile. */
	(void)unlink(path);
	zip->in = logzip_open_next(log);
	if (zip->in == -1)
		return 0;
	if (fstat(zip->in, &zip->plain) == -1)
		return -1;
	if (!S_ISREG(zip->plain.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	zip->out = open(path, flags, zip->plain.st_mode & 0666);
	if (zip->out == -1)
		return -1;
	if (logzip_begin_stream(zip) == 0)
		return 1;
	close(zip->out);
	zip->out = -1;
	(void)unlink(path);
	errno = ENOMEM;
	return -1;
}

static int
logzip_write(int fd, const uint8_t *bytes, size_t len)
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

/* Compress what is in from. Returns 0 or -1. */
static int
logzip_deflate(struct logzip *zip, size_t len, bool is_last)
{
	z_stream *stream = &zip->stream;

	stream->next_in = zip->from;
	stream->avail_in = (uInt)len;
	do {
		stream->next_out = zip->to;
		stream->avail_out = sizeof(zip->to);
		deflate(stream, is_last ? Z_FINISH : Z_NO_FLUSH);
		if (logzip_write(zip->out, zip->to,
			sizeof(zip->to) - stream->avail_out) == -1)
			return -1;
	} while (stream->avail_out == 0);
	return 0;
}

/* Put the whole file in the place of the plain one, wherever that is now. */
static int
logzip_finish(struct logzip *zip, const struct logzip_log *log)
{
	const struct timespec times[2] = { zip->plain.st_atim,
		zip->plain.st_mtim };
	char plain[PATH_MAX], whole[PATH_MAX], temp[PATH_MAX];
	struct stat st;

	(void)futimens(zip->out, times);
	if (logzip_temp_path(log, temp) == -1)
		return -1;
	for (unsigned i = 1; i <= LOGROTATE_MAX; i++) {
		if (logrotate_path(log->dir, log->name, i, false, plain) ==
			-1 ||
		    logrotate_path(log->dir, log->name, i, true, whole) == -1)
			return -1;
		if (stat(plain, &st) == -1) {
			if (access(whole, F_OK) == -1)
				return 0; /* it was too old to be kept */
			continue;
		}
		if (st.st_ino != zip->plain.st_ino ||
		    st.st_dev != zip->plain.st_dev)
			continue;
		return rename(temp, whole) == -1 || unlink(plain) == -1 ? -1
									: 0;
	}
	return 0;
}

/* One slice. Returns 1 when there is more to do, 0 when done, or -1. */
static int
logzip_step(struct logzip *zip, const struct logzip_log *log)
{
	ssize_t len;
	int rc;

	if (zip->in == -1 && (rc = logzip_begin(zip, log)) != 1)
		return rc;
	len = read(zip->in, zip->from, sizeof(zip->from));
	if (len == -1)
		return errno == EINTR ? 1 : -1;
	if (logzip_deflate(zip, (size_t)len, len == 0) == -1)
		return -1;
	if (len > 0)
		return 1;
	if (logzip_finish(zip, log) == -1)
		return -1;
	/* Perhaps there is another one. */
	logzip_close(zip, log);
	return 1;
}

static void
logzip_on_timer(struct loop_timer *timer)
{
	struct logzip *zip = loop_owner(timer, struct logzip, timer);
	struct logzip_log *log = TAILQ_FIRST(&zip->logs);
	int rc;

	if (log == NULL)
		return;
	rc = logzip_step(zip, log);
	if (rc == -1)
		log_warn("%s/%s.log: cannot compress a rotated file, it stays",
		    log->dir, log->name);
	if (rc != 1) {
		logzip_close(zip, log);
		logzip_log_free(zip, log);
	}
	if (!TAILQ_EMPTY(&zip->logs))
		loop_timer_set(zip->loop, timer,
		    loop_now_us(zip->loop) + LOGZIP_PAUSE_US);
}

void
logzip_add(struct logzip *zip, const char *dir, const char *name)
{
	struct logzip_log *log;

	TAILQ_FOREACH (log, &zip->logs, link) {
		if (strcmp(log->name, name) == 0 && strcmp(log->dir, dir) == 0)
			return;
	}
	log = calloc(1, sizeof(*log));
	if (log == NULL)
		return;
	log->dir = strdup(dir);
	log->name = strdup(name);
	TAILQ_INSERT_TAIL(&zip->logs, log, link);
	if (log->dir == NULL || log->name == NULL)
		logzip_log_free(zip, log);
	else if (!loop_timer_is_set(&zip->timer))
		loop_timer_set(zip->loop, &zip->timer,
		    loop_now_us(zip->loop) + LOGZIP_PAUSE_US);
}

uint64_t
logzip_inode(const uint8_t *bytes, uint64_t len)
{
	static const char prefix[] = "inode ";
	const uint8_t *at = bytes + LOGZIP_FIXED_HEADER;
	const uint8_t *end = bytes + len;
	uint64_t inode = 0;

	if (len < LOGZIP_FIXED_HEADER + sizeof(prefix) || bytes[0] != 0x1f ||
	    bytes[1] != 0x8b || bytes[3] != LOGZIP_FLAG_COMMENT ||
	    memcmp(at, prefix, sizeof(prefix) - 1) != 0)
		return 0;
	for (at += sizeof(prefix) - 1; at < end && *at != '\0'; at++) {
		if (*at < '0' || *at > '9')
			return 0;
		inode = inode * 10 + (uint64_t)(*at - '0');
	}
	return at < end ? inode : 0;
}

struct logzip *
logzip_new(struct loop *loop, struct err *err_r)
{
	struct logzip *zip = calloc(1, sizeof(*zip));

	if (zip == NULL) {
		err_set_errno(err_r, "logger");
		return NULL;
	}
	zip->loop = loop;
	zip->timer.fn = logzip_on_timer;
	zip->in = zip->out = -1;
	TAILQ_INIT(&zip->logs);
	return zip;
}

void
logzip_free(struct logzip **zipp)
{
	struct logzip *zip = *zipp;
	struct logzip_log *log;

	if (zip == NULL)
		return;
	*zipp = NULL;
	loop_timer_drop(zip->loop, &zip->timer);
	if ((log = TAILQ_FIRST(&zip->logs)) != NULL)
		logzip_close(zip, log);
	while ((log = TAILQ_FIRST(&zip->logs)) != NULL)
		logzip_log_free(zip, log);
	free(zip);
}
