#include "top_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/err.h"
#include "ipc/mp.h"

enum {
	LINK_READ = 64 * 1024,
	LINK_MAX = 256 * 1024 * 1024
};

void
top_link_init(struct top_link *link)
{
	*link = (struct top_link){ .fd = -1 };
}

void
top_link_close(struct top_link *link)
{
	if (link->fd != -1)
		close(link->fd);
	link->fd = -1;
	buf_clear(&link->in);
	buf_shrink(&link->in, LINK_READ);
}

void
top_link_fini(struct top_link *link)
{
	top_link_close(link);
	buf_fini(&link->in);
}

int
top_link_ask(struct top_link *link, const char *run_dir,
    enum control_command command, const char *service, unsigned instance,
    struct err *err_r)
{
	int cause;

	top_link_close(link);
	link->fd = control_connect_now(run_dir, err_r);
	if (link->fd == -1)
		return -1;
	/* So short that a new connection takes it whole. */
	if (control_request(link->fd, command, service, instance, NULL,
		err_r) == 0)
		return 0;
	cause = errno;
	top_link_close(link);
	errno = cause;
	return -1;
}

/*
 * Take a whole message from the front. Returns 1 when it was the last one, 0
 * when it is not there yet, -1 when it makes no sense.
 */
static int
link_take(struct top_link *link, struct buf *answer)
{
	struct mp_reader reader, ignored;
	uint32_t prefix;

	while (buf_count(&link->in) >= sizeof(prefix)) {
		memcpy(&prefix, buf_front(&link->in), sizeof(prefix));
		prefix = ntohl(prefix);
		if (prefix > LINK_MAX)
			return -1;
		if (buf_count(&link->in) < sizeof(prefix) + prefix)
			return 0;
		buf_consume(&link->in, sizeof(prefix));
		reader.pos = buf_front(&link->in);
		reader.end = reader.pos + prefix;
		if (mp_peek(&reader) != MP_MAP || mp_skip(&reader) == -1 ||
		    reader.pos != reader.end)
			return -1;
		buf_clear(answer);
		buf_append(answer, buf_front(&link->in), prefix);
		buf_consume(&link->in, prefix);
		if (mp_map_find(buf_front(answer), buf_count(answer), "ok",
			&ignored))
			return answer->is_failed ? -1 : 1;
	}
	return 0;
}

int
top_link_read(struct top_link *link, struct buf *answer, struct err *err_r)
{
	uint8_t *room = buf_reserve(&link->in, LINK_READ);
	ssize_t len = room != NULL ? read(link->fd, room, LINK_READ) : 0;
	int rc;

	if (len == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (len > 0)
		link->in.len += (size_t)len;
	rc = len > 0 ? link_take(link, answer) : -1;
	if (len == -1)
		err_set_errno(err_r, "cannot read from the supervisor");
	else if (rc == -1)
		err_set(err_r, len == 0
				   ? "the supervisor closed the connection"
				   : "the supervisor's answer is malformed");
	if (rc != 0)
		top_link_close(link);
	return rc;
}
