#include "logpipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "ipc/err.h"
#include "logline.h"

enum {
	LOGPIPE_VIEW_MAX = 1024 * 1024 /* pipe-max-size's default */
};

struct logpipe_view {
	int fds[2];       /* read end, write end; empty between pumps */
	int size;         /* its capacity, F_GETPIPE_SZ */
	uint8_t *bytes;   /* the copy; owned */
	size_t cap;       /* bytes allocated */
	size_t len;       /* bytes in it */
	uint8_t *scratch; /* where taken bytes go; cap bytes, owned */
};

struct logpipe_view *
logpipe_view_new(struct err *err_r)
{
	struct logpipe_view *view = calloc(1, sizeof(*view));

	if (view == NULL || pipe2(view->fds, O_CLOEXEC | O_NONBLOCK) == -1) {
		err_set_errno(err_r, "pipe");
		free(view);
		return NULL;
	}
	view->size = fcntl(view->fds[0], F_GETPIPE_SZ);
	return view;
}

void
logpipe_view_free(struct logpipe_view **viewp)
{
	struct logpipe_view *view = *viewp;

	if (view == NULL)
		return;
	*viewp = NULL;
	close(view->fds[0]);
	close(view->fds[1]);
	free(view->bytes);
	free(view->scratch);
	free(view);
}

/*
 * Give our pipe the capacity of the child's: then ours is full exactly when
 * the child's may be. Not allowed to grow it, we see a part, which is enough.
 */
static int
logpipe_fit(struct logpipe_view *view, int fd)
{
	int size = fcntl(fd, F_GETPIPE_SZ);
	uint8_t *bytes, *scratch;

	if (size <= 0)
		return -1;
	if (size > LOGPIPE_VIEW_MAX)
		size = LOGPIPE_VIEW_MAX;
	if (size != view->size && fcntl(view->fds[0], F_SETPIPE_SZ, size) != -1)
		view->size = fcntl(view->fds[0], F_GETPIPE_SZ);
	if ((size_t)view->size <= view->cap)
		return 0;
	bytes = realloc(view->bytes, (size_t)view->size);
	if (bytes != NULL)
		view->bytes = bytes;
	scratch = realloc(view->scratch, (size_t)view->size);
	if (scratch != NULL)
		view->scratch = scratch;
	if (bytes == NULL || scratch == NULL)
		return -1;
	view->cap = (size_t)view->size;
	return 0;
}

static size_t
logpipe_read(int fd, uint8_t *bytes, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, bytes + done, len - done);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

/*
 * Copy what is in the pipe without taking it. Returns 1, 0 at end of file, -1
 * with errno; is_full_r is set when the pipe may not hold more.
 */
static int
logpipe_look(struct logpipe_view *view, int fd, bool *is_full_r)
{
	struct pollfd pfd = { .fd = view->fds[1], .events = POLLOUT };
	ssize_t n;

	if (logpipe_fit(view, fd) == -1)
		return -1;
	do
		n = tee(fd, view->fds[1], view->cap, SPLICE_F_NONBLOCK);
	while (n == -1 && errno == EINTR);
	if (n <= 0)
		return (int)n;
	*is_full_r = poll(&pfd, 1, 0) == 0;
	view->len = logpipe_read(view->fds[0], view->bytes, (size_t)n);
	return 1;
}

/* Hand on whole lines. Returns how many bytes they are. */
static size_t
logpipe_split(const struct logpipe_view *view, const struct logpipe_sink *sink,
    void *arg)
{
	struct logline_cut cut;
	size_t done = 0;

	while (logline_next(view->bytes + done, view->len - done, &cut)) {
		sink->line(arg, view->bytes + done, cut.text_len, cut.is_cut);
		done += cut.len;
	}
	return done;
}

enum logpipe_result
logpipe_pump(struct logpipe_view *view, int fd, bool is_last,
    const struct logpipe_sink *sink, void *arg)
{
	bool is_full = false;
	size_t done;

	switch (logpipe_look(view, fd, &is_full)) {
	case 0:
		return LOGPIPE_END;
	case -1:
		return errno == EAGAIN && !is_last ? LOGPIPE_PARTIAL
						   : LOGPIPE_END;
	}
	done = logpipe_split(view, sink, arg);
	if (done == 0 && !is_last && !is_full)
		return LOGPIPE_PARTIAL;
	if (done == 0) {
		/* A full pipe without a newline would stop its writer. */
		sink->line(arg, view->bytes, view->len, !is_last);
		done = view->len;
	}
	sink->commit(arg);
	logpipe_read(fd, view->scratch, done);
	return LOGPIPE_MORE;
}
