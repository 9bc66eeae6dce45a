#include "cmd_tail.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "log_part.h"
#include "logger/logrec.h"
#include "logger/logrotate.h"

enum {
	TAIL_BLOCK = 64 * 1024
};

struct tail {
	char *dir;
	char *name;
	struct log_part part; /* the one that is being read */
	size_t skip;          /* lines to drop first */
	struct buf buf;       /* read and not yet handed out */
	size_t taken; /* bytes at its front that the caller still looks at */
	size_t count; /* lines found by tail_new */
	char time[LOGREC_TIME_LEN]; /* of the last line with one, or empty */
};

/* Find the part behind whose start there are count lines. */
static void
tail_find_start(struct tail *tail, size_t count)
{
	size_t found = log_part_seek(&tail->part, count, &tail->skip);
	struct log_part part;

	for (unsigned i = 1; found < count && i <= LOGROTATE_MAX; i++) {
		if (log_part_open(&part, tail->dir, tail->name, i) == -1)
			break;
		found += log_part_seek(&part, count - found, &tail->skip);
		log_part_close(&tail->part);
		tail->part = part;
	}
	tail->count = found;
}

/* Find the oldest part that has lines since then. */
static void
tail_find_since(struct tail *tail, const char *since)
{
	char time[LOGREC_TIME_LEN];
	struct log_part part;

	for (unsigned i = 1; i <= LOGROTATE_MAX; i++) {
		if (since != NULL && log_part_first_time(&tail->part, time) &&
		    memcmp(time, since, LOGREC_TIME_LEN) < 0)
			break;
		if (log_part_open(&part, tail->dir, tail->name, i) == -1)
			break;
		log_part_close(&tail->part);
		tail->part = part;
	}
}

static struct tail *
tail_open(const char *dir, const char *name, struct err *err_r)
{
	struct tail *tail = calloc(1, sizeof(*tail));

	if (tail == NULL) {
		err_set_errno(err_r, "%s", name);
		return NULL;
	}
	tail->part.fd = -1;
	tail->dir = strdup(dir);
	tail->name = strdup(name);
	if (tail->dir == NULL || tail->name == NULL ||
	    log_part_open(&tail->part, dir, name, 0) == -1) {
		int error = errno;

		err_set_errno(err_r, "%s/%s.log", dir, name);
		tail_free(&tail);
		errno = error;
	}
	return tail;
}

struct tail *
tail_new(const char *dir, const char *name, size_t count, struct err *err_r)
{
	struct tail *tail = tail_open(dir, name, err_r);

	if (tail != NULL)
		tail_find_start(tail, count);
	return tail;
}

struct tail *
tail_new_since(const char *dir, const char *name, const char *since,
    struct err *err_r)
{
	struct tail *tail = tail_open(dir, name, err_r);

	if (tail != NULL)
		tail_find_since(tail, since);
	return tail;
}

void
tail_free(struct tail **tailp)
{
	struct tail *tail = *tailp;

	if (tail == NULL)
		return;
	*tailp = NULL;
	log_part_close(&tail->part);
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

/* Where our part is in the row of parts now; -1 when it is gone. */
static int
tail_find_index(const struct tail *tail)
{
	unsigned missing = 0; /* in a row: a rotation under way makes one */

	for (unsigned i = 0; i <= LOGROTATE_MAX && missing < 2; i++) {
		switch (log_part_is(&tail->part, tail->dir, tail->name, i)) {
		case 1:
			return (int)i;
		case 0:
			missing = 0;
			break;
		default:
			missing++;
			break;
		}
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
	n = log_part_read(&tail->part, room, TAIL_BLOCK);
	tail->buf.len += (size_t)n;
	return n > 0;
}

/*
 * The part to go on with when ours is gone: the oldest one, but for those that
 * begin before the last line that was read. These were read before, unless
 * somebody else than the logger has rotated or removed them.
 */
static unsigned
tail_find_newer(const struct tail *tail)
{
	char time[LOGREC_TIME_LEN];
	struct log_part part;
	bool has_time;
	unsigned index = 0;

	for (unsigned i = 1; i <= LOGROTATE_MAX; i++) {
		if (log_part_open(&part, tail->dir, tail->name, i) == -1)
			break;
		has_time = log_part_first_time(&part, time);
		log_part_close(&part);
		if (has_time && tail->time[0] != '\0' &&
		    memcmp(time, tail->time, LOGREC_TIME_LEN) < 0)
			break;
		index = i;
	}
	return index;
}

/* The newest part has nothing more. Returns true when it begins anew. */
static bool
tail_restart(struct tail *tail)
{
	if (!log_part_restart(&tail->part))
		return false;
	buf_clear(&tail->buf);
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
	int index = tail_find_index(tail);
	struct log_part part;
	unsigned next;

	if (index == 0)
		return tail_restart(tail);
	if (tail_read(tail))
		return true;
	next = index == -1 ? tail_find_newer(tail) : (unsigned)index - 1;
	if (log_part_open(&part, tail->dir, tail->name, next) == -1)
		return false;
	/* A rotation meanwhile: what we have opened may not be the next. */
	if (index != -1 && log_part_is(&tail->part, tail->dir, tail->name,
			       (unsigned)index) != 1) {
		log_part_close(&part);
		return true;
	}
	log_part_close(&tail->part);
	tail->part = part;
	/* What a damaged part ends in is a line of its own. */
	if (buf_count(&tail->buf) > 0)
		buf_append_byte(&tail->buf, '\n');
	return true;
}

/* The next line as it is in the parts, or NULL. */
static const char *
tail_step(struct tail *tail, size_t *len_r)
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
tail_next(struct tail *tail, size_t *len_r)
{
	const char *line, *time;

	while ((line = tail_step(tail, len_r)) != NULL && tail->skip > 0)
		tail->skip--;
	time = line != NULL ? logrec_time(line, *len_r) : NULL;
	if (time != NULL)
		memcpy(tail->time, time, LOGREC_TIME_LEN);
	return line;
}
