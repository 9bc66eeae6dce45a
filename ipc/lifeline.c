#include "lifeline.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "buf.h"
#include "err.h"
#include "log.h"
#include "mp.h"

/*
 * What the items of each packet are, in wire order. Items may be added at the
 * end of a list, never moved or taken out.
 */

enum lifeline_kind {
	KIND_UINT,
	KIND_BOOL,
	KIND_STR
};

struct lifeline_field {
	const char *name; /* for errors */
	enum lifeline_kind kind;
	size_t offset; /* in struct lifeline_msg */
};

#define FIELD(kind, part, field)                                          \
	{                                                                 \
#field, kind, offsetof(struct lifeline_msg, u.part.field) \
	}
#define UINT(part, field) FIELD(KIND_UINT, part, field)
#define BOOL(part, field) FIELD(KIND_BOOL, part, field)
#define STR(part, field)  FIELD(KIND_STR, part, field)

static const struct lifeline_field fields_settings[] = {
	UINT(settings, workers),
	UINT(settings, max_connections),
	UINT(settings, max_head),
	UINT(settings, max_headers),
	UINT(settings, max_body),
	UINT(settings, header_timeout),
	UINT(settings, body_timeout),
	UINT(settings, idle_timeout),
	UINT(settings, write_timeout),
	UINT(settings, drain_timeout),
	UINT(settings, access),
	UINT(settings, event_queue),
	UINT(settings, link_queue),
	UINT(settings, detail),
	UINT(settings, poison_key),
	BOOL(settings, is_body_kept),
};

static const struct lifeline_field fields_listener[] = {
	UINT(listener, kind),
	STR(listener, address),
	BOOL(listener, is_sp_allowed),
};

static const struct lifeline_field fields_service[] = {
	STR(service, name),
	UINT(service, instances),
	UINT(service, timeout_ms),
	STR(service, url),
	BOOL(service, is_enabled),
	UINT(service, rules.attempts),
	UINT(service, rules.retry_budget),
	UINT(service, rules.stall_ms),
	UINT(service, rules.hold_max),
	UINT(service, rules.hold_max_bytes),
	UINT(service, rules.max_inflight),
	UINT(service, rules.max_inflight_all),
	UINT(service, rules.queue_ms),
	UINT(service, rules.eject_ms),
	UINT(service, rules.hang_ms),
	UINT(service, rules.quarantine_ms),
	UINT(service, rules.ramp_ms),
	UINT(service, rules.load_ms),
};

static const struct lifeline_field fields_route[] = {
	STR(route, pattern),
	STR(route, service),
	STR(route, op),
	UINT(route, timeout_ms),
	UINT(route, max_body),
	STR(route, name),
	BOOL(route, is_idempotent),
	UINT(route, fallback),
	UINT(route, fallback_on),
	STR(route, fallback_text),
	STR(route, fallback_type),
};

static const struct lifeline_field fields_instance[] = {
	STR(instance, service),
	UINT(instance, index),
	UINT(instance, generation),
	UINT(instance, state),
	UINT(instance, pid),
	STR(instance, listen),
	UINT(instance, retry_ms),
	STR(instance, reason),
	BOOL(instance, is_beside),
	UINT(instance, death),
	UINT(instance, restarts),
	UINT(instance, restart_limit),
	BOOL(instance, is_asleep),
};

static const struct lifeline_field fields_linked[] = {
	STR(linked, service),
	UINT(linked, index),
	UINT(linked, generation),
};

static const struct lifeline_field fields_stream[] = {
	UINT(stream, id),
	STR(stream, name),
	STR(stream, label),
	STR(stream, pattern),
};

static const struct lifeline_field fields_log[] = {
	STR(log, dir),
	UINT(log, max_size),
	UINT(log, keep),
	BOOL(log, is_console),
	BOOL(log, is_colour),
	UINT(log, max_age_ms),
	BOOL(log, is_compressed),
	UINT(log, format),
};

static const struct lifeline_field fields_log_rule[] = {
	STR(log_rule, name),
	UINT(log_rule, target),
	UINT(log_rule, rate),
	UINT(log_rule, rate_ms),
};

static const struct lifeline_field fields_load[] = {
	STR(load, service),
	UINT(load, requests),
	UINT(load, inflight),
	UINT(load, held),
	UINT(load, wait_max_us),
};

static const struct lifeline_field fields_wanted[] = {
	STR(wanted, service),
};

static const struct lifeline_field fields_drained[] = {
	UINT(drained, id),
};

static const struct lifeline_field fields_hung[] = {
	STR(hung, service),
	UINT(hung, index),
	UINT(hung, generation),
	STR(hung, what),
	UINT(hung, age_ms),
};

static const struct lifeline_field fields_stats[] = {
	STR(stats, service),
	UINT(stats, index),
	UINT(stats, generation),
	UINT(stats, requests),
	UINT(stats, failures),
	UINT(stats, latency_us),
};

static const struct lifeline_field fields_casualty[] = {
	STR(casualty, service),
	UINT(casualty, index),
	UINT(casualty, generation),
	UINT(casualty, delivery),
	STR(casualty, method),
	STR(casualty, target),
	STR(casualty, route),
	STR(casualty, request_id),
	STR(casualty, trace),
	STR(casualty, client),
	UINT(casualty, age_us),
};

static const struct lifeline_field fields_quarantine[] = {
	STR(quarantine, service),
	STR(quarantine, print),
	UINT(quarantine, left_ms),
	STR(quarantine, method),
	STR(quarantine, target),
	STR(quarantine, route),
	STR(quarantine, client),
	STR(quarantine, fields),
	STR(quarantine, body),
	UINT(quarantine, body_len),
};

static const struct lifeline_field fields_release[] = {
	STR(release, print),
};

static const struct lifeline_field fields_fault[] = {
	STR(fault, service),
	UINT(fault, kind),
	UINT(fault, value),
	UINT(fault, percent),
	UINT(fault, for_ms),
};

static const struct lifeline_field fields_crash[] = {
	STR(crash, id),
	STR(crash, dir),
	UINT(crash, keep),
	UINT(crash, max_size),
	UINT(crash, stream),
	STR(crash, name),
	STR(crash, label),
	STR(crash, json),
};

struct lifeline_shape {
	const char *name;
	const struct lifeline_field *fields;
	size_t count;
};

#define SHAPE(name, list)                                \
	{                                                \
		name, list, sizeof(list) / sizeof(*list) \
	}

static const struct lifeline_shape lifeline_shapes[] = {
	[LIFELINE_BEGIN] = { "begin", NULL, 0 },
	[LIFELINE_SETTINGS] = SHAPE("settings", fields_settings),
	[LIFELINE_LISTENER] = SHAPE("listener", fields_listener),
	[LIFELINE_SERVICE] = SHAPE("service", fields_service),
	[LIFELINE_ROUTE] = SHAPE("route", fields_route),
	[LIFELINE_COMMIT] = { "commit", NULL, 0 },
	[LIFELINE_INSTANCE] = SHAPE("instance", fields_instance),
	[LIFELINE_STOP] = { "stop", NULL, 0 },
	[LIFELINE_APPLIED] = { "applied", NULL, 0 },
	[LIFELINE_LINKED] = SHAPE("linked", fields_linked),
	[LIFELINE_STREAM] = SHAPE("stream", fields_stream),
	[LIFELINE_LOG] = SHAPE("log", fields_log),
	[LIFELINE_DRAINED] = SHAPE("drained", fields_drained),
	[LIFELINE_REOPEN] = { "reopen", NULL, 0 },
	[LIFELINE_UNLINKED] = SHAPE("unlinked", fields_linked),
	[LIFELINE_HUNG] = SHAPE("hung", fields_hung),
	[LIFELINE_IDLE] = SHAPE("idle", fields_linked),
	[LIFELINE_STATS] = SHAPE("stats", fields_stats),
	[LIFELINE_CASUALTY] = SHAPE("casualty", fields_casualty),
	[LIFELINE_CASUALTIES_END] = SHAPE("casualties end", fields_linked),
	[LIFELINE_QUARANTINE] = SHAPE("quarantine", fields_quarantine),
	[LIFELINE_RELEASE] = SHAPE("release", fields_release),
	[LIFELINE_FAULT] = SHAPE("fault", fields_fault),
	[LIFELINE_CRASH] = SHAPE("crash", fields_crash),
	[LIFELINE_MATCHED] = SHAPE("matched", fields_drained),
	[LIFELINE_LOAD] = SHAPE("load", fields_load),
	[LIFELINE_WANTED] = SHAPE("wanted", fields_wanted),
	[LIFELINE_LOG_RULE] = SHAPE("log rule", fields_log_rule),
};

static const struct lifeline_shape *
lifeline_shape_of(uint64_t type)
{
	if (type >= sizeof(lifeline_shapes) / sizeof(*lifeline_shapes) ||
	    lifeline_shapes[type].name == NULL)
		return NULL;
	return &lifeline_shapes[type];
}

const char *
lifeline_state_name(unsigned state)
{
	static const char *const names[] = {
		[STATE_STARTING] = "starting",
		[STATE_READY] = "ready",
		[STATE_DRAINING] = "draining",
		[STATE_STOPPING] = "stopping",
		[STATE_BACKOFF] = "backoff",
		[STATE_FAILED] = "failed",
		[STATE_STOPPED] = "stopped",
		[STATE_DISABLED] = "disabled",
	};

	if (state >= sizeof(names) / sizeof(*names) || names[state] == NULL)
		return "unknown";
	return names[state];
}

void
lifeline_encode(struct buf *buf, const struct lifeline_msg *msg)
{
	const struct lifeline_shape *shape = lifeline_shape_of(msg->type);

	if (shape == NULL)
		bug("no lifeline type %u", (unsigned)msg->type);
	mp_put_array(buf, (uint32_t)(1 + shape->count));
	mp_put_uint(buf, msg->type);
	for (size_t i = 0; i < shape->count; i++) {
		const struct lifeline_field *field = &shape->fields[i];
		const void *at = (const char *)msg + field->offset;
		const char *str;

		switch (field->kind) {
		case KIND_UINT:
			mp_put_uint(buf, *(const uint64_t *)at);
			break;
		case KIND_BOOL:
			mp_put_bool(buf, *(const bool *)at);
			break;
		case KIND_STR:
			str = *(const char *const *)at;
			mp_put_cstr(buf, str == NULL ? "" : str);
			break;
		}
	}
}

/* A string is ended later: its end is the head of the item behind it. */
static int
lifeline_get(struct mp_reader *reader, const struct lifeline_field *field,
    void *at, size_t *len_r)
{
	const char **str_r = at;

	switch (field->kind) {
	case KIND_UINT:
		return mp_get_uint(reader, at);
	case KIND_BOOL:
		return mp_get_bool(reader, at);
	case KIND_STR:
		if (mp_get_str(reader, str_r, len_r) < 0)
			return -1;
		return memchr(*str_r, '\0', *len_r) == NULL ? 0 : -1;
	}
	return -1;
}

enum {
	LIFELINE_FIELD_MAX = 20
};
_Static_assert(sizeof(fields_service) / sizeof(*fields_service) <=
		   LIFELINE_FIELD_MAX,
    "the longest list must fit");

static int
lifeline_decode_fields(struct mp_reader *reader, uint32_t count,
    const struct lifeline_shape *shape, struct lifeline_msg *msg,
    struct err *err_r)
{
	size_t lens[LIFELINE_FIELD_MAX] = { 0 };

	if (count < shape->count) {
		err_set(err_r, "lifeline %s: %u items, want %zu", shape->name,
		    (unsigned)count, shape->count);
		return -1;
	}
	for (size_t i = 0; i < shape->count; i++) {
		const struct lifeline_field *field = &shape->fields[i];

		if (lifeline_get(reader, field, (char *)msg + field->offset,
			&lens[i]) < 0) {
			err_set(err_r, "lifeline %s: bad item \"%s\"",
			    shape->name, field->name);
			return -1;
		}
	}
	for (size_t i = shape->count; i < count; i++) {
		if (mp_skip(reader) < 0) {
			err_set(err_r, "lifeline %s: bad item %zu", shape->name,
			    i + 1);
			return -1;
		}
	}
	for (size_t i = 0; i < shape->count; i++) {
		const struct lifeline_field *field = &shape->fields[i];

		if (field->kind == KIND_STR) {
			char **str = (char **)((char *)msg + field->offset);

			(*str)[lens[i]] = '\0';
		}
	}
	return 0;
}

int
lifeline_decode(uint8_t *bytes, size_t len, struct lifeline_msg *msg_r,
    struct err *err_r)
{
	struct mp_reader reader = { bytes, bytes + len };
	const struct lifeline_shape *shape;
	uint32_t count;
	uint64_t type;

	*msg_r = (struct lifeline_msg){ .type = 0 };
	if (mp_get_array(&reader, &count) < 0 || count == 0 ||
	    mp_get_uint(&reader, &type) < 0) {
		err_set(err_r, "lifeline: a packet is not [type, item...]");
		return -1;
	}
	shape = lifeline_shape_of(type);
	if (shape == NULL) {
		err_set(err_r, "lifeline: unknown type %llu",
		    (unsigned long long)type);
		return -1;
	}
	if (lifeline_decode_fields(&reader, count - 1, shape, msg_r, err_r) < 0)
		return -1;
	if (reader.pos != reader.end) {
		err_set(err_r, "lifeline %s: %zu bytes too many", shape->name,
		    (size_t)(reader.end - reader.pos));
		return -1;
	}
	msg_r->type = (enum lifeline_type)type;
	return 0;
}

/* Room for one file descriptor, aligned as cmsghdr wants it. */
union lifeline_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int
lifeline_send(int sock, const void *bytes, size_t len, int fd)
{
	union lifeline_control control = { .bytes = { 0 } };
	struct iovec part = { .iov_base = (void *)bytes, .iov_len = len };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t done;

	if (len > LIFELINE_PACKET_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if (fd >= 0) {
		struct cmsghdr *head = &control.align;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	}
	do
		done = sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (done < 0 && errno == EINTR);
	if (done >= 0)
		return 0;
	return errno == EAGAIN ? 1 : -1;
}

/* The first fd is the caller's; alignment leaves room for one too many. */
static void
lifeline_take_fds(struct msghdr *msg, int *fd_r)
{
	struct cmsghdr *head = CMSG_FIRSTHDR(msg);

	for (; head != NULL; head = CMSG_NXTHDR(msg, head)) {
		size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (head->cmsg_level != SOL_SOCKET ||
		    head->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(head) + i * sizeof(fd),
			    sizeof(fd));
			if (*fd_r < 0)
				*fd_r = fd;
			else
				close(fd);
		}
	}
}

long
lifeline_recv(int sock, uint8_t *bytes, size_t size, int *fd_r)
{
	union lifeline_control control;
	struct iovec part = { .iov_base = bytes, .iov_len = size - 1 };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t len;

	*fd_r = -1;
	/*
	 * A peer that closed with packets unread shows as ECONNRESET once;
	 * what it sent before is still there to be read.
	 */
	do {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		len = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (len < 0 && (errno == EINTR || errno == ECONNRESET));
	if (len < 0)
		return -1;
	lifeline_take_fds(&msg, fd_r);
	if (msg.msg_flags & MSG_TRUNC) {
		if (*fd_r >= 0)
			close(*fd_r);
		*fd_r = -1;
		errno = EMSGSIZE;
		return -1;
	}
	return len;
}
