#include "core.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ipc/json.h"
#include "ipc/mp.h"

void
payload_set(struct payload *payload, uint8_t *bytes, size_t len)
{
	payload->bytes = bytes;
	payload->len = len;
	payload->value = NULL;
	payload->is_done = false;
}

void
payload_clear(struct payload *payload)
{
	if (payload->zone != NULL && payload->is_done)
		value_zone_clear(payload->zone);
	payload->bytes = NULL;
	payload->len = 0;
	payload->value = NULL;
	payload->is_done = false;
	buf_clear(&payload->text);
	buf_shrink(&payload->text, 4096);
}

void
payload_fini(struct payload *payload)
{
	value_zone_free(&payload->zone);
	buf_fini(&payload->text);
}

/* "application/json", "application/problem+json; charset=utf-8". */
static bool
is_json_type(const char *type)
{
	size_t len;

	if (type == NULL)
		return false;
	len = strcspn(type, "; \t");
	return (len == 16 && strncasecmp(type, "application/json", 16) == 0) ||
	       (len > 5 && strncasecmp(type + len - 5, "+json", 5) == 0);
}

/* Turn a bin of JSON text into MessagePack. Returns false when it is none. */
static bool
payload_from_json(struct payload *payload, const char *content_type)
{
	struct mp_reader reader = { payload->bytes,
		payload->bytes + payload->len };
	const uint8_t *text;
	size_t len;

	if (mp_peek(&reader) != MP_BIN)
		return true;
	if (!is_json_type(content_type) ||
	    mp_get_bin(&reader, &text, &len) != 0 ||
	    json_to_mp((const char *)text, len, &payload->text, NULL, NULL) !=
		0)
		return false;
	payload->len = payload->text.len;
	buf_append_byte(&payload->text, 0); /* the spare byte of value.h */
	payload->bytes = payload->text.data;
	return !payload->text.is_failed;
}

const struct value *
payload_value(struct payload *payload, const char *content_type)
{
	if (payload->is_done)
		return payload->value;
	payload->is_done = true;
	if (!payload_from_json(payload, content_type))
		return NULL;
	if (payload->zone == NULL)
		payload->zone = value_zone_new();
	if (payload->zone != NULL)
		payload->value = value_unpack(payload->zone, payload->bytes,
		    payload->len, NULL);
	return payload->value;
}

enum svc_type
svc_type(const struct svc_value *value)
{
	switch (value_type(payload_private(value))) {
	case MP_END:
		return SVC_NONE;
	case MP_NIL:
		return SVC_NIL;
	case MP_BOOL:
		return SVC_BOOL;
	case MP_INT:
	case MP_UINT:
		return SVC_INT;
	case MP_DOUBLE:
		return SVC_DOUBLE;
	case MP_STR:
		return SVC_STR;
	case MP_ARRAY:
		return SVC_ARRAY;
	case MP_MAP:
		return SVC_MAP;
	default:
		return SVC_BIN;
	}
}

const struct svc_value *
svc_get(const struct svc_value *map, const char *key)
{
	return payload_public(value_get(payload_private(map), key));
}

size_t
svc_count(const struct svc_value *value)
{
	return value_count(payload_private(value));
}

const struct svc_value *
svc_at(const struct svc_value *value, size_t i)
{
	return payload_public(value_at(payload_private(value), i));
}

const char *
svc_key_at(const struct svc_value *map, size_t i)
{
	return svc_str(payload_public(value_key_at(payload_private(map), i)));
}

const char *
svc_str(const struct svc_value *value)
{
	const char *text;
	size_t len;

	if (value_type(payload_private(value)) != MP_STR)
		return NULL;
	text = value_bytes(payload_private(value), &len);
	return strlen(text) == len ? text : NULL;
}

const void *
svc_bytes(const struct svc_value *value, size_t *len_r)
{
	return value_bytes(payload_private(value), len_r);
}

bool
svc_int(const struct svc_value *value, int64_t *int_r)
{
	return value_int(payload_private(value), int_r);
}

bool
svc_double(const struct svc_value *value, double *double_r)
{
	return value_double(payload_private(value), double_r);
}

bool
svc_bool(const struct svc_value *value, bool *bool_r)
{
	return value_bool(payload_private(value), bool_r);
}

char *
svc_to_json(const struct svc_value *value)
{
	struct buf encoded = { 0 }, text = { 0 };
	char *copy = NULL;

	value_put(&encoded, payload_private(value));
	if (!encoded.is_failed && json_from_mp(buf_front(&encoded),
				      buf_count(&encoded), &text, NULL) == 0)
		copy = strndup((const char *)text.data, text.len);
	buf_fini(&encoded);
	buf_fini(&text);
	return copy;
}
