#include "respond.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/frame.h"
#include "ipc/json.h"
#include "ipc/mp.h"

#include "fallback.h"
#include "http.h"
#include "media.h"
#include "problem.h"

#define APPEND(out, text) buf_append(out, text, sizeof(text) - 1)

/* Unlike 204 and 304 it has a framing, and the content is to be empty. */
#define RESET_CONTENT 205
#define NO_CONTENT    "Content-Length: 0\r\n"

bool
respond_has_body(unsigned status)
{
	return status >= 200 && status != 204 && status != RESET_CONTENT &&
	       status != 304;
}

static void
append_field(struct buf *out, const char *name, size_t name_len,
    const char *value, size_t value_len)
{
	char *at = (char *)buf_reserve(out, name_len + value_len + 4);

	if (at == NULL)
		return;
	memcpy(at, name, name_len);
	memcpy(at + name_len, ": ", 2);
	memcpy(at + name_len + 2, value, value_len);
	memcpy(at + name_len + 2 + value_len, "\r\n", 2);
	out->len += name_len + value_len + 4;
}

#define FIELD(out, name, value, len) \
	append_field(out, name, sizeof(name) - 1, value, len)

/* Everything that does not depend on the body. */
static void
start(const struct respond *respond, unsigned status)
{
	struct buf *out = respond->out;

	if (status == 200) {
		APPEND(out, "HTTP/1.1 200 OK\r\n");
	} else {
		APPEND(out, "HTTP/1.1 ");
		buf_append_uint(out, status);
		APPEND(out, " ");
		buf_append_str(out, http_status_phrase(status));
		APPEND(out, "\r\n");
	}
	FIELD(out, "Date", respond->date, strlen(respond->date));
	FIELD(out, "X-Request-Id", respond->request_id,
	    respond->request_id_len);
	if (!respond->keep_alive)
		APPEND(out, "Connection: close\r\n");
	else if (respond->minor == 0)
		APPEND(out, "Connection: keep-alive\r\n");
	if (respond->fallback != NULL)
		FIELD(out, FALLBACK_FIELD, respond->fallback,
		    strlen(respond->fallback));
}

static bool
is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

/* Fields that are set by the router whatever the service says. */
static bool
is_ours(const char *name, size_t len)
{
	return is_word(name, len, "content-type") ||
	       is_word(name, len, "content-length") ||
	       is_word(name, len, "date") || is_word(name, len, "x-request-id");
}

/* What a router behind this one fell back from shows unless we do, too. */
static bool
is_fallback(const struct respond *respond, const char *name, size_t len)
{
	return respond->fallback != NULL && is_word(name, len, FALLBACK_META);
}

static void
append_meta(const struct respond *respond, const struct frame *frame)
{
	struct mp_reader reader = { frame->meta,
		frame->meta + frame->meta_len };
	uint32_t count = 0;

	if (mp_get_map(&reader, &count) == -1)
		return;
	for (uint32_t i = 0; i < count; i++) {
		const char *name, *value;
		size_t name_len, value_len;
		char digits[24];
		int64_t number;

		if (mp_get_str(&reader, &name, &name_len) == -1)
			return;
		if (mp_get_int(&reader, &number) == 0) {
			value_len = (size_t)snprintf(digits, sizeof(digits),
			    "%lld", (long long)number);
			value = digits;
		} else if (mp_get_str(&reader, &value, &value_len) == -1) {
			/* An integer over INT64_MAX. */
			if (mp_skip(&reader) == -1)
				return;
			continue;
		}
		if (name_len != 0 && name[0] != ':' &&
		    !is_ours(name, name_len) &&
		    !is_fallback(respond, name, name_len) &&
		    http_field_is_sendable(name, name_len, value, value_len))
			append_field(respond->out, name, name_len, value,
			    value_len);
	}
}

/* The service's own content-type, when it may be sent. */
static bool
find_type(const struct frame *frame, struct respond_body *body)
{
	struct mp_reader value;

	if (!mp_map_find(frame->meta, frame->meta_len, "content-type",
		&value) ||
	    mp_get_str(&value, &body->type, &body->type_len) == -1)
		return false;
	if (http_field_is_sendable("content-type", 12, body->type,
		body->type_len))
		return true;
	body->type = NULL;
	return false;
}

static void
set_type(struct respond_body *body, const char *type)
{
	body->type = type;
	body->type_len = strlen(type);
}

static int
decode_value(const struct frame *frame, bool wants_msgpack, struct buf *text,
    struct respond_body *body, struct err *err_r)
{
	body->varies = true;
	if (wants_msgpack) {
		set_type(body, "application/msgpack");
		body->bytes = frame->payload;
		body->len = frame->payload_len;
		return 0;
	}
	buf_clear(text);
	if (json_from_mp(frame->payload, frame->payload_len, text, err_r) == -1)
		return -1;
	if (text->is_failed) {
		err_set(err_r, "out of memory");
		return -1;
	}
	if (!find_type(frame, body) ||
	    media_kind(body->type, body->type_len) != MEDIA_JSON)
		set_type(body, "application/json");
	body->bytes = buf_front(text);
	body->len = buf_count(text);
	return 0;
}

int
respond_decode(const struct frame *frame, bool wants_msgpack, struct buf *text,
    struct respond_body *body_r, struct err *err_r)
{
	struct mp_reader reader = { frame->payload,
		frame->payload + frame->payload_len };

	*body_r = (struct respond_body){ 0 };
	if (frame->status < 200 || frame->status > 599) {
		err_set(err_r, "its status is %u", frame->status);
		return -1;
	}
	switch (mp_peek(&reader)) {
	case MP_NIL:
		find_type(frame, body_r);
		return 0;
	case MP_BIN:
		if (mp_get_bin(&reader, &body_r->bytes, &body_r->len) == -1) {
			err_set(err_r, "its payload is cut off");
			return -1;
		}
		if (!find_type(frame, body_r) && body_r->len != 0)
			set_type(body_r, "application/octet-stream");
		return 0;
	default:
		return decode_value(frame, wants_msgpack, text, body_r, err_r);
	}
}

/* Type, length, the empty line, and the body where there may be one. */
static size_t
finish(const struct respond *respond, unsigned status,
    const struct respond_body *body)
{
	struct buf *out = respond->out;
	bool has_body = respond_has_body(status);

	if (body->type != NULL && (has_body || status == 304))
		FIELD(out, "Content-Type", body->type, body->type_len);
	if (body->varies)
		APPEND(out, "Vary: Accept\r\n");
	if (has_body) {
		APPEND(out, "Content-Length: ");
		buf_append_uint(out, body->len);
		APPEND(out, "\r\n");
	} else if (status == RESET_CONTENT) {
		APPEND(out, NO_CONTENT);
	}
	APPEND(out, "\r\n");
	if (!has_body || respond->is_head)
		return 0;
	buf_append(out, body->bytes, body->len);
	return body->len;
}

size_t
respond_frame(const struct respond *respond, const struct frame *frame,
    const struct respond_body *body)
{
	start(respond, frame->status);
	append_meta(respond, frame);
	return finish(respond, frame->status, body);
}

size_t
respond_body(const struct respond *respond, unsigned status,
    const struct respond_body *body)
{
	start(respond, status);
	return finish(respond, status, body);
}

void
respond_stream(const struct respond *respond, const struct frame *frame)
{
	struct buf *out = respond->out;
	struct respond_body body = { 0 };

	start(respond, frame->status);
	append_meta(respond, frame);
	if (respond_has_body(frame->status)) {
		if (!find_type(frame, &body))
			set_type(&body, "application/octet-stream");
		FIELD(out, "Content-Type", body.type, body.type_len);
		if (respond->minor != 0)
			APPEND(out, "Transfer-Encoding: chunked\r\n");
	} else if (frame->status == RESET_CONTENT) {
		APPEND(out, NO_CONTENT);
	}
	APPEND(out, "\r\n");
}

void
respond_chunk(struct buf *out, unsigned minor, const void *bytes, size_t len)
{
	/* An empty chunk would end the body. */
	if (len == 0)
		return;
	if (minor == 0) {
		buf_append(out, bytes, len);
		return;
	}
	buf_printf(out, "%zx\r\n", len);
	buf_append(out, bytes, len);
	APPEND(out, "\r\n");
}

void
respond_last_chunk(struct buf *out, unsigned minor)
{
	if (minor != 0)
		APPEND(out, "0\r\n\r\n");
}

size_t
respond_problem(const struct respond *respond, const struct problem *problem,
    struct buf *text)
{
	struct buf *out = respond->out;
	struct respond_body body = { 0 };

	start(respond, problem->status);
	if (problem->allow != NULL)
		FIELD(out, "Allow", problem->allow, strlen(problem->allow));
	if (problem->retry_after != 0) {
		APPEND(out, "Retry-After: ");
		buf_append_uint(out, problem->retry_after);
		APPEND(out, "\r\n");
	}
	if (respond_has_body(problem->status)) {
		buf_clear(text);
		problem_put_json(problem, respond->is_brief, text);
		set_type(&body, PROBLEM_TYPE);
		body.bytes = buf_front(text);
		body.len = buf_count(text);
	}
	return finish(respond, problem->status, &body);
}
