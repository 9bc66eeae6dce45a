#include "cmd_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"

enum {
	TAIL_BLOCK = 64 * 1024,
	TAIL_INDEX_MAX = 10000 /* the most rotated files there can be */
};

struct tail {
	char *dir;
	char *name;
	int fd;         /* the part that is being read */
	struct buf buf; /* read and not yet handed out */
	size_t taken;   /* bytes at its front that the caller still looks at */
	size_t count;   /* lines found by tail_new */
};

static int
tail_path(const struct tail *tail, unsigned index, char path_r[PATH_MAX])
{
	int len;

	if (index == 0)
		len = snprintf(path_r, PATH_MAX, "%s/%s.log", tail->dir,
		    tail->name);
	else
		len = snprintf(path_r, PATH_MAX, "%s/%s.log.%u", tail->dir,
		    tail->name, index);
	if (len < 0 || len >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

static int
tail_open(const struct tail *tail, unsigned index)
{
	char path[PATH_MAX];

	if (tail_path(tail, index, path) == -1)
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

/*
 * Go back in one file until count lines are behind *offset_r. Returns how
 * many there are. A last line without newline is not counted.
 */
static size_t
tail_seek(int fd, size_t count, off_t *offset_r)
{
	char block[TAIL_BLOCK];
	off_t end = lseek(fd, 0, SEEK_END);
	size_t found = 0; /* newlines seen, from the end */

	while (end > 0) {
		off_t start = end > TAIL_BLOCK ? end - TAIL_BLOCK : 0;
		ssize_t n = pread(fd, block, (size_t)(end - start), start);

		if (n <= 0)
			break;
		for (ssize_t i = n; i-- > 0;) {
			if (block[i] != '\n' || found++ < count)
				continue;
			*offset_r = start + i + 1;
			return count;
		}
		end = start;
	}
	*offset_r = 0;
	return found;
}

/* Find the part and offset behind which there are count lines. */
static void
tail_find_start(struct tail *tail, size_t count)
{
	off_t offset;
	size_t found = tail_seek(tail->fd, count, &offset);

	lseek(tail->fd, offset, SEEK_SET);
	for (unsigned i = 1; found < count && i <= TAIL_INDEX_MAX; i++) {
		int fd = tail_open(tail, i);

		if (fd == -1)
			break;
		found += tail_seek(fd, count - found, &offset);
		lseek(fd, offset, SEEK_SET);
		close(tail->fd);
		tail->fd = fd;
	}
	tail->count = found;
}

struct tail *
tail_new(const char *dir, const char *name, size_t count, struct err *err_r)
{
	struct tail *tail = calloc(1, sizeof(*tail));

	if (tail == NULL) {
		err_set_errno(err_r, "%s", name);
		return NULL;
	}
	tail->fd = -1;
	tail->dir = strdup(dir);
	tail->name = strdup(name);
	if (tail->dir != NULL && tail->name != NULL)
		tail->fd = tail_open(tail, 0);
	if (tail->fd == -1) {
		int error = errno;

		err_set_errno(err_r, "%s/%s.log", dir, name);
		tail_free(&tail);
		errno = error;
		return NULL;
	}
	tail_find_start(tail, count);
	return tail;
}

void
tail_free(struct tail **tailp)
{
	struct tail *tail = *tailp;

	if (tail == NULL)
		return;
	*tailp = NULL;
	if (tail->fd != -1)
		close(tail->fd);
	buf_fini(&tail->buf);
	free(tail->dir);
	free(tail->name);
	free(tail);
}

const char *
tail_name(const struct tail *tail)
{
	return tail->name;
}

size_t
tail_count(const struct tail *tail)
{
	return tail->count;
}

/* Where the file of fd is in the row of parts now; -1 when it is gone. */
static int
tail_find_index(const struct tail *tail)
{
	char path[PATH_MAX];
	struct stat own, st;

	if (fstat(tail->fd, &own) == -1)
		return -1;
	for (unsigned i = 0; i <= TAIL_INDEX_MAX; i++) {
		if (tail_path(tail, i, path) == -1)
			return -1;
		if (stat(path, &st) == -1) {
			/* During a rotation the file itself may be missing. */
			if (i > 0)
				return -1;
			continue;
		}
		if (st.st_ino == own.st_ino && st.st_dev == own.st_dev)
			return (int)i;
	}
	return -1;
}

/* Read more. Returns false at the end of this part. */
static bool
tail_read(struct tail *tail)
{
	uint8_t *room = buf_reserve(&tail->buf, TAIL_BLOCK);
	ssize_t n;

	if (room == NULL)
		return false;
	n = read(tail->fd, room, TAIL_BLOCK);
	if (n <= 0)
		return false;
	tail->buf.len += (size_t)n;
	return true;
}

/*
 * At the end of a part: go on to the next newer one. Returns false when this
 * is the newest. What was written between our last read and the rotation is
 * read before (true as well).
 */
static bool
tail_advance(struct tail *tail)
{
	int index = tail_find_index(tail), fd;

	if (index == 0)
		return false;
	if (tail_read(tail))
		return true;
	/* Rotated away for good: the oldest part that is left comes next. */
	if (index == -1) {
		index = 1;
		while ((fd = tail_open(tail, (unsigned)index)) != -1) {
			close(fd);
			index++;
		}
	}
	fd = tail_open(tail, (unsigned)index - 1);
	if (fd == -1)
		return false;
	close(tail->fd);
	tail->fd = fd;
	return true;
}

const char *
tail_next(struct tail *tail, size_t *len_r)
{
	const uint8_t *end;
	size_t seen = 0;

	buf_consume(&tail->buf, tail->taken);
	tail->taken = 0;
	for (;;) {
		end = NULL;
		if (buf_count(&tail->buf) > seen)
			end = memchr(buf_front(&tail->buf) + seen, '\n',
			    buf_count(&tail->buf) - seen);
		if (end != NULL)
			break;
		seen = buf_count(&tail->buf);
		if (!tail_read(tail) && !tail_advance(tail))
			return NULL;
	}
	*len_r = (size_t)(end - buf_front(&tail->buf));
	tail->taken = *len_r + 1;
	return (const char *)buf_front(&tail->buf);
}

const char *
tail_time(const char *line, size_t len)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
	const char *time = line;

	if (len > 0 && line[0] == '{') {
		time = memchr(line, ':', len);
		if (time == NULL || (size_t)(line + len - time) < 2)
			return NULL;
		time += 2;
	}
	if ((size_t)(line + len - time) < TAIL_TIME_LEN)
		return NULL;
	for (size_t i = 0; i < TAIL_TIME_LEN; i++) {
		bool is_digit = time[i] >= '0' && time[i] <= '9';

		if (shape[i] == 'd' ? !is_digit : time[i] != shape[i])
			return NULL;
	}
	return time;
}
