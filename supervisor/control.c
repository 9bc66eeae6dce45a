#include "control.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/launch.h"
#include "ipc/mp.h"

enum {
	/* A status of 10,000 instances is about 2 MiB. */
	CONTROL_REPLY_MAX = 256 * 1024 * 1024
};

static const char *const names[] = {
#define X(NAME, name, args, help) name,
#include "control.def"
#undef X
};

const char *
control_command_name(enum control_command command)
{
	return command < CONTROL_COMMAND_COUNT ? names[command] : "unknown";
}

enum control_command
control_command_find(const char *name, size_t len)
{
	for (unsigned i = 0; i < CONTROL_COMMAND_COUNT; i++) {
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return (enum control_command)i;
	}
	return CONTROL_COMMAND_COUNT;
}

static int
control_open(const char *run_dir, int flags, struct err *err_r)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock, len, cause;

	len = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", run_dir,
	    LAUNCH_PATH_CONTROL);
	if (len < 0 || (size_t)len >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		err_set_errno(err_r, "%s/%s", run_dir, LAUNCH_PATH_CONTROL);
		return -1;
	}
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (sock >= 0 &&
	    connect(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return sock;
	cause = errno;
	err_set_errno(err_r, "%s", addr.sun_path);
	if (sock >= 0)
		close(sock);
	errno = cause;
	return -1;
}

int
control_connect(const char *run_dir, struct err *err_r)
{
	return control_open(run_dir, 0, err_r);
}

int
control_connect_now(const char *run_dir, struct err *err_r)
{
	return control_open(run_dir, SOCK_NONBLOCK, err_r);
}

static int
control_write(int sock, const uint8_t *bytes, size_t len, struct err *err_r)
{
	ssize_t done;

	while (len > 0) {
		done = send(sock, bytes, len, MSG_NOSIGNAL);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0) {
			err_set_errno(err_r, "cannot write to the supervisor");
			return -1;
		}
		bytes += done;
		len -= (size_t)done;
	}
	return 0;
}

int
control_request(int sock, enum control_command command, const char *service,
    unsigned instance, const struct buf *args, struct err *err_r)
{
	struct buf buf = { 0 };
	uint32_t prefix = 0;
	int rc = -1;

	buf_append(&buf, &prefix, sizeof(prefix));
	mp_put_map(&buf,
	    (service != NULL ? 3U : 1U) + (args != NULL ? 1U : 0U));
	mp_put_cstr(&buf, "cmd");
	mp_put_cstr(&buf, control_command_name(command));
	if (service != NULL) {
		mp_put_cstr(&buf, "service");
		mp_put_cstr(&buf, service);
		mp_put_cstr(&buf, "instance");
		mp_put_uint(&buf, instance);
	}
	if (args != NULL) {
		mp_put_cstr(&buf, "args");
		buf_append(&buf, buf_front(args), buf_count(args));
	}
	if (buf.is_failed || (args != NULL && args->is_failed))
		err_set(err_r, "out of memory");
	else if (buf_count(&buf) - sizeof(prefix) > CONTROL_REQUEST_MAX)
		err_set(err_r, "the request is too long");
	else {
		prefix = htonl((uint32_t)(buf_count(&buf) - sizeof(prefix)));
		memcpy(buf.data + buf.head, &prefix, sizeof(prefix));
		rc = control_write(sock, buf_front(&buf), buf_count(&buf),
		    err_r);
	}
	buf_fini(&buf);
	return rc;
}

static int
control_read(int sock, uint8_t *bytes, size_t len, struct err *err_r)
{
	ssize_t done;

	while (len > 0) {
		done = read(sock, bytes, len);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0) {
			err_set_errno(err_r, "cannot read from the supervisor");
			return -1;
		}
		if (done == 0) {
			err_set(err_r, "the supervisor closed the connection");
			return -1;
		}
		bytes += done;
		len -= (size_t)done;
	}
	return 0;
}

int
control_receive(int sock, struct buf *out, struct err *err_r)
{
	struct mp_reader reader;
	uint32_t prefix;
	uint8_t *bytes;

	buf_clear(out);
	if (control_read(sock, (uint8_t *)&prefix, sizeof(prefix), err_r) < 0)
		return -1;
	prefix = ntohl(prefix);
	bytes = prefix <= CONTROL_REPLY_MAX ? buf_reserve(out, prefix) : NULL;
	if (bytes == NULL) {
		err_set(err_r, "an answer of %lu bytes is too long",
		    (unsigned long)prefix);
		return -1;
	}
	if (control_read(sock, bytes, prefix, err_r) < 0)
		return -1;
	out->len += prefix;
	reader.pos = buf_front(out);
	reader.end = reader.pos + prefix;
	if (mp_peek(&reader) != MP_MAP || mp_skip(&reader) < 0 ||
	    reader.pos != reader.end) {
		err_set(err_r, "the supervisor's answer is malformed");
		return -1;
	}
	return 0;
}
