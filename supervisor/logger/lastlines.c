#include "lastlines.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "ipc/buf.h"
#include "ipc/mp.h"
#include "ipc/mp_text.h"
#include "logrec.h"
#include "logrotate.h"

enum {
	LASTLINES_FIRST_BYTES = 32 * 1024, /* as a rule they are enough */
	/* Of a compressed file that bytes can make of us. */
	LASTLINES_UNZIPPED_MAX = 32 * 1024 * 1024
};

struct lastlines {
	const char *label;
	size_t label_len;
	struct buf lines[LASTLINES_MAX]; /* the newest first */
	size_t count;
	struct buf scratch; /* of logrec_read() */
};

/* Is it a line with that label? Then keep "TIME text". */
static void
lastlines_take(struct lastlines *last, const char *line, size_t len)
{
	struct buf *to = &last->lines[last->count];
	struct logrec rec;

	if (!logrec_read(line, len, &last->scratch, &rec) ||
	    rec.label_len != last->label_len ||
	    memcmp(rec.label, last->label, last->label_len) != 0)
		return;
	buf_append(to, rec.time, LOGREC_TIME_LEN);
	buf_append_byte(to, ' ');
	buf_append(to, rec.text, rec.len);
	last->count++;
}

/* The lines of text from its end on; the first may be a part of one. */
static void
lastlines_scan(struct lastlines *last, const char *text, size_t len,
    bool is_whole)
{
	const char *start;

	while (len > 0 && last->count < LASTLINES_MAX) {
		if (text[len - 1] == '\n')
			len--;
		start = memrchr(text, '\n', len);
		if (start == NULL && !is_whole)
			return;
		start = start != NULL ? start + 1 : text;
		lastlines_take(last, start, len - (size_t)(start - text));
		len = (size_t)(start - text);
	}
}

static void
lastlines_drop(struct lastlines *last, size_t from)
{
	while (last->count > from)
		buf_fini(&last->lines[--last->count]);
}

/* The last bytes of an open file; more of them while lines are missing. */
static void
lastlines_read(struct lastlines *last, int fd, off_t size)
{
	off_t want = LASTLINES_FIRST_BYTES;
	size_t before = last->count;
	char *text = NULL, *more;
	ssize_t len;

	for (;;) {
		if (want > size)
			want = size;
		more = realloc(text, (size_t)want + 1);
		if (more == NULL)
			break;
		text = more;
		len = pread(fd, text, (size_t)want, size - want);
		if (len <= 0)
			break;
		lastlines_drop(last, before);
		lastlines_scan(last, text, (size_t)len, want == size);
		if (last->count >= LASTLINES_MAX || want == size ||
		    want >= LASTLINES_BYTES_MAX)
			break;
		want = want * 8 < LASTLINES_BYTES_MAX ? want * 8
						      : LASTLINES_BYTES_MAX;
	}
	free(text);
}

/* Read all of it; only its end is kept. */
static void
lastlines_unzip(struct lastlines *last, gzFile file)
{
	const size_t max = LASTLINES_BYTES_MAX;
	char *text = malloc(2 * max);
	size_t len = 0, total = 0;
	int n;

	while (text != NULL && total < LASTLINES_UNZIPPED_MAX &&
	       (n = gzread(file, text + len, (unsigned)(2 * max - len))) > 0) {
		len += (size_t)n;
		total += (size_t)n;
		if (len <= max)
			continue;
		memmove(text, text + len - max, max);
		len = max;
	}
	if (text != NULL)
		lastlines_scan(last, text, len, len == total);
	free(text);
}

/* Takes fd. */
static void
lastlines_read_zipped(struct lastlines *last, int fd, off_t size)
{
	gzFile file = NULL;

	if (size <= LASTLINES_BYTES_MAX)
		file = gzdopen(fd, "r");
	if (file == NULL) {
		close(fd);
		return;
	}
	lastlines_unzip(last, file);
	gzclose(file);
}

static void
lastlines_file(struct lastlines *last, const char *dir, const char *name,
    unsigned index, bool is_zipped)
{
	char path[PATH_MAX];
	struct stat st;
	int fd;

	if (logrotate_path(dir, name, index, is_zipped, path) == -1)
		return;
	/* O_NONBLOCK: nobody shall stop us with a FIFO of that name. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_size == 0)
		close(fd);
	else if (is_zipped)
		lastlines_read_zipped(last, fd, st.st_size);
	else {
		lastlines_read(last, fd, st.st_size);
		close(fd);
	}
}

void
lastlines_put(struct buf *out, const char *dir, const char *name,
    const char *label)
{
	struct lastlines last = { .label = label, .label_len = strlen(label) };

	if (dir[0] != '\0') {
		lastlines_file(&last, dir, name, 0, false);
		for (int form = 0; form < 2; form++) {
			if (last.count < LASTLINES_MAX)
				lastlines_file(&last, dir, name, 1, form == 1);
		}
	}
	mp_put_array(out, (uint32_t)last.count);
	for (size_t i = last.count; i-- > 0;) {
		const struct buf *line = &last.lines[i];

		mp_put_text(out, (const char *)buf_front(line), buf_count(line),
		    LASTLINES_TEXT_MAX);
	}
	lastlines_drop(&last, 0);
	buf_fini(&last.scratch);
}
