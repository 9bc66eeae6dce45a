#include "core.h"

#include <string.h>

#include "ipc/mp.h"

struct svc *
svc_of(const struct svc_request *req)
{
	return req->svc;
}

const char *
svc_request_method(const struct svc_request *req)
{
	return req->method;
}

const char *
svc_request_path(const struct svc_request *req)
{
	return req->path;
}

const char *
svc_request_query(const struct svc_request *req)
{
	return req->query;
}

const char *
svc_request_op(const struct svc_request *req)
{
	return req->op;
}

const struct svc_value *
svc_meta(struct svc_request *req)
{
	return payload_public(payload_value(&req->meta, NULL));
}

const char *
svc_header(struct svc_request *req, const char *name)
{
	return svc_str(svc_get(svc_meta(req), name));
}

const char *
svc_request_id(struct svc_request *req)
{
	const char *id = svc_header(req, ":request-id");

	return id != NULL ? id : "";
}

int64_t
svc_deadline_ms(const struct svc_request *req)
{
	int64_t left_us;

	if (req->due_us == 0)
		return -1;
	left_us = req->due_us - core_now_us();
	return left_us > 0 ? left_us / 1000 : 0;
}

const struct svc_value *
svc_payload(struct svc_request *req)
{
	const char *type = NULL;

	if (!req->is_structured)
		type = svc_header(req, "content-type");
	return payload_public(payload_value(&req->payload, type));
}

const void *
svc_body(const struct svc_request *req, size_t *len_r)
{
	*len_r = req->raw != NULL ? req->raw_len : 0;
	return req->raw;
}

bool
svc_is_structured(const struct svc_request *req)
{
	return req->is_structured;
}

void
svc_defer(struct svc_request *req)
{
	req->is_deferred = true;
}

void
svc_on_cancel(struct svc_request *req, svc_request_fn *fn, void *arg)
{
	req->cancel_fn = fn;
	req->cancel_arg = arg;
	if (fn != NULL)
		request_watch_due(req);
}

bool
svc_is_cancelled(const struct svc_request *req)
{
	return req->is_cancelled;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Percent-decode len bytes in place and end them with NUL. A % without two
 * digits stays as it is. Returns text, or NULL when a NUL was encoded.
 */
static char *
decode(char *text, size_t len, bool plus_is_space)
{
	size_t out = 0;
	int high, low;

	for (size_t i = 0; i < len; i++) {
		text[out] = text[i];
		if (text[i] == '+' && plus_is_space)
			text[out] = ' ';
		if (text[i] == '%' && i + 2 < len &&
		    (high = hex_value(text[i + 1])) >= 0 &&
		    (low = hex_value(text[i + 2])) >= 0) {
			text[out] = (char)(high * 16 + low);
			i += 2;
		}
		if (text[out++] == '\0')
			return NULL;
	}
	text[out] = '\0';
	return text;
}

/*
 * Decode all parameters of the match into a copy of the path, each where it
 * stands: it only gets shorter, and the "/" behind it makes room for the NUL.
 */
static void
decode_params(struct svc_request *req)
{
	size_t size = req->path_len + 1;
	char *copy = (char *)buf_reserve(&req->decoded, size);
	const struct pattern_param *param;

	req->is_decoded = true;
	memset(req->params, 0, sizeof(req->params));
	if (copy == NULL)
		return;
	memcpy(copy, req->path, size);
	for (size_t i = 0; i < req->match.param_count; i++) {
		param = &req->match.params[i];
		if (param->value_len == 0)
			req->params[i] = copy + req->path_len;
		else
			req->params[i] =
			    decode(copy + (param->value - req->path),
				param->value_len, false);
	}
	/* An empty rest of the path is the NUL behind it. */
	copy[req->path_len] = '\0';
}

/* A parameter of the route's pattern, which the router put into the meta. */
static const char *
meta_param(struct svc_request *req, const char *name)
{
	char key[256] = ":param-";
	size_t len = strlen(name), prefix = strlen(key);

	if (prefix + len >= sizeof(key))
		return NULL;
	memcpy(key + prefix, name, len + 1);
	return svc_header(req, key);
}

const char *
svc_param(struct svc_request *req, const char *name)
{
	size_t len = strlen(name);
	const struct pattern_param *param;

	if (!req->is_decoded)
		decode_params(req);
	for (size_t i = 0; i < req->match.param_count; i++) {
		param = &req->match.params[i];
		if (param->name_len == len &&
		    memcmp(param->name, name, len) == 0)
			return req->params[i];
	}
	return meta_param(req, name);
}

/* Split "a=1&b" into name NUL value NUL name NUL value NUL, decoded. */
static void
split_query(struct svc_request *req)
{
	struct buf *pairs = &req->query_pairs;
	const char *pos = req->query;

	req->is_query_split = true;
	while (*pos != '\0') {
		size_t len = strcspn(pos, "&");
		size_t name_len = strcspn(pos, "=&");
		size_t value_at = name_len < len ? name_len + 1 : len;
		char *out = (char *)buf_reserve(pairs, len + 2);

		if (out == NULL)
			return;
		memcpy(out, pos, name_len);
		memcpy(out + name_len + 1, pos + value_at, len - value_at);
		if (decode(out, name_len, true) != NULL &&
		    decode(out + name_len + 1, len - value_at, true) != NULL) {
			size_t used = strlen(out) + 1;

			memmove(out + used, out + name_len + 1,
			    strlen(out + name_len + 1) + 1);
			pairs->len += used + strlen(out + used) + 1;
		}
		pos += len + (pos[len] == '&');
	}
}

const char *
svc_query(struct svc_request *req, const char *name)
{
	const char *pos, *end, *value;

	if (!req->is_query_split)
		split_query(req);
	if (buf_count(&req->query_pairs) == 0)
		return NULL;
	pos = (const char *)buf_front(&req->query_pairs);
	end = pos + buf_count(&req->query_pairs);
	while (pos < end) {
		value = pos + strlen(pos) + 1;
		if (strcmp(pos, name) == 0)
			return value;
		pos = value + strlen(value) + 1;
	}
	return NULL;
}

void
access_clear(struct svc_request *req)
{
	if (req->is_decoded) {
		buf_clear(&req->decoded);
		buf_shrink(&req->decoded, CORE_BUF_KEEP);
	}
	if (req->is_query_split) {
		buf_clear(&req->query_pairs);
		buf_shrink(&req->query_pairs, CORE_BUF_KEEP);
	}
	req->is_decoded = req->is_query_split = false;
	req->match.param_count = 0;
	req->match.is_path_known = false;
}
