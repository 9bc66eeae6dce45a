#include "meta.h"

#include <stdbool.h>
#include <string.h>

#include "ipc/buf.h"
#include "ipc/mp.h"
#include "ipc/pattern.h"
#include "ipc/utf8.h"

#include "http.h"
#include "routing.h"
#include "trace.h"

static const char *
field_name(const struct http_request *req, size_t i)
{
	return req->head + req->fields[i].name;
}

static bool
is_name(const char *name, size_t len, const char *word, size_t word_len)
{
	return len == word_len && memcmp(name, word, len) == 0;
}

#define IS_NAME(name, len, word) is_name(name, len, word, sizeof(word) - 1)

/* Fields that the router answers for itself, or that frame the body. */
static bool
is_ours(const char *name, size_t len)
{
	switch (len) {
	case 6:
		return IS_NAME(name, len, "expect");
	case 11:
		return IS_NAME(name, len, "traceparent");
	case 12:
		return IS_NAME(name, len, "x-request-id");
	case 14:
		return IS_NAME(name, len, "content-length");
	case 17:
		return IS_NAME(name, len, "x-request-timeout");
	default:
		return false;
	}
}

static bool
is_same_name(const struct http_request *req, size_t a, size_t b)
{
	size_t len = req->fields[a].name_len;

	return req->fields[b].name_len == len &&
	       memcmp(field_name(req, a), field_name(req, b), len) == 0;
}

/* Was this name there before? Fields are few and their number is limited. */
static bool
is_repeat(const struct http_request *req, size_t i)
{
	for (size_t n = 0; n < i; n++) {
		if (is_same_name(req, n, i))
			return true;
	}
	return false;
}

/*
 * A MessagePack str is UTF-8, and strict peers choke on one that is not; a
 * field value need not be. Bytes over 0x7f that are no UTF-8 are read as the
 * ISO-8859-1 that they were in HTTP before (RFC 9110 section 5.5).
 */
static void
put_text(struct buf *buf, const char *text, size_t len)
{
	struct buf utf8 = { 0 };
	uint8_t *to;

	if (utf8_is_valid(text, len)) {
		mp_put_str(buf, text, len);
		return;
	}
	to = buf_reserve(&utf8, 2 * len);
	for (size_t i = 0; to != NULL && i < len; i++)
		utf8.len += utf8_put(to + utf8.len, (uint8_t)text[i]);
	if (to == NULL)
		buf->is_failed = true;
	mp_put_str(buf, (const char *)buf_front(&utf8), buf_count(&utf8));
	buf_fini(&utf8);
}

static bool
is_passed(const struct http_request *req, size_t i)
{
	return !is_ours(field_name(req, i), req->fields[i].name_len) &&
	       !is_repeat(req, i);
}

static void
put_value(struct buf *buf, const struct http_request *req, size_t first,
    struct buf *text)
{
	const struct http_field *field = &req->fields[first];
	bool is_cookie =
	    IS_NAME(field_name(req, first), field->name_len, "cookie");
	bool is_joined = false;

	for (size_t i = first + 1; i < req->field_count; i++) {
		if (!is_same_name(req, first, i))
			continue;
		if (!is_joined) {
			buf_clear(text);
			buf_append(text, req->head + field->value,
			    field->value_len);
		}
		is_joined = true;
		buf_append_str(text, is_cookie ? "; " : ", ");
		buf_append(text, req->head + req->fields[i].value,
		    req->fields[i].value_len);
	}
	if (is_joined)
		put_text(buf, (const char *)buf_front(text), buf_count(text));
	else
		put_text(buf, req->head + field->value, field->value_len);
}

static void
put_param(struct buf *buf, const struct pattern_param *param, struct buf *text)
{
	buf_clear(text);
	buf_append_str(text, ":param-");
	buf_append(text, param->name, param->name_len);
	mp_put_str(buf, (const char *)buf_front(text), buf_count(text));
	if (memchr(param->value, '%', param->value_len) == NULL) {
		mp_put_str(buf, param->value, param->value_len);
		return;
	}
	buf_clear(text);
	routing_percent_decode(text, param->value, param->value_len);
	/* Decoded bytes that are no text have no str: then as they were sent.
	 */
	if (utf8_is_valid(buf_front(text), buf_count(text)))
		mp_put_str(buf, (const char *)buf_front(text), buf_count(text));
	else
		mp_put_str(buf, param->value, param->value_len);
}

static uint32_t
count_ours(const struct meta *meta)
{
	uint32_t count = 5;

	if (meta->route != NULL)
		count++;
	if (meta->match != NULL)
		count += (uint32_t)meta->match->param_count;
	return count;
}

#define PUT_KEY(buf, key) mp_put_str(buf, key, sizeof(key) - 1)

static void
put_ours(struct buf *buf, const struct meta *meta, struct buf *text)
{
	size_t params = meta->match == NULL ? 0 : meta->match->param_count;

	PUT_KEY(buf, ":deadline-ms");
	mp_put_int(buf, meta->deadline_ms);
	PUT_KEY(buf, ":request-id");
	mp_put_str(buf, meta->request_id, meta->request_id_len);
	PUT_KEY(buf, "traceparent");
	mp_put_str(buf, meta->traceparent, TRACE_PARENT_LEN);
	PUT_KEY(buf, ":traceparent");
	mp_put_str(buf, meta->traceparent, TRACE_PARENT_LEN);
	PUT_KEY(buf, ":client");
	mp_put_cstr(buf, meta->client);
	if (meta->route != NULL) {
		PUT_KEY(buf, ":route");
		mp_put_cstr(buf, meta->route);
	}
	for (size_t i = 0; i < params; i++)
		put_param(buf, &meta->match->params[i], text);
}

void
meta_put_http(struct buf *buf, const struct meta *meta,
    const struct http_request *req, struct buf *text)
{
	uint32_t count = count_ours(meta);

	for (size_t i = 0; i < req->field_count; i++)
		count += is_passed(req, i) ? 1 : 0;
	mp_put_map(buf, count);
	for (size_t i = 0; i < req->field_count; i++) {
		if (!is_passed(req, i))
			continue;
		mp_put_str(buf, field_name(req, i), req->fields[i].name_len);
		put_value(buf, req, i, text);
	}
	put_ours(buf, meta, text);
}

/*
 * Step to the next string entry that may be passed on; integers of a peer
 * have no meaning under names that are not ours.
 */
static bool
next_given(struct mp_reader *reader, uint32_t *left, const char **name,
    size_t *name_len, const char **value, size_t *value_len)
{
	while (*left != 0) {
		(*left)--;
		if (mp_get_str(reader, name, name_len) == -1)
			return false;
		if (mp_get_str(reader, value, value_len) == -1) {
			if (mp_skip(reader) == -1)
				return false;
			continue;
		}
		if (!is_ours(*name, *name_len) &&
		    http_field_is_sendable(*name, *name_len, *value,
			*value_len))
			return true;
	}
	return false;
}

void
meta_put_sp(struct buf *buf, const struct meta *meta, const uint8_t *given,
    size_t given_len, struct buf *text)
{
	uint32_t count = count_ours(meta), left = 0;
	const char *name, *value;
	size_t name_len, value_len;

	for (int pass = 0; pass < 2; pass++) {
		struct mp_reader reader = { given, given + given_len };

		if (mp_get_map(&reader, &left) == -1)
			left = 0;
		if (pass == 1)
			mp_put_map(buf, count);
		while (next_given(&reader, &left, &name, &name_len, &value,
		    &value_len)) {
			if (pass == 0) {
				count++;
				continue;
			}
			mp_put_str(buf, name, name_len);
			put_text(buf, value, value_len);
		}
	}
	put_ours(buf, meta, text);
}
