#include "value.h"

#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

#include "buf.h"
#include "err.h"

enum {
	ZONE_CHUNK = 2048
};

struct value_zone {
	msgpack_zone zone;
};

/* A struct value is a msgpack_object under a name of ours. */
static const msgpack_object *
object_of(const struct value *value)
{
	return (const msgpack_object *)(const void *)value;
}

static const struct value *
value_of(const msgpack_object *object)
{
	return (const struct value *)(const void *)object;
}

struct value_zone *
value_zone_new(void)
{
	struct value_zone *zone = malloc(sizeof(*zone));

	if (zone != NULL && !msgpack_zone_init(&zone->zone, ZONE_CHUNK)) {
		free(zone);
		zone = NULL;
	}
	return zone;
}

void
value_zone_free(struct value_zone **zonep)
{
	struct value_zone *zone = *zonep;

	if (zone == NULL)
		return;
	*zonep = NULL;
	msgpack_zone_destroy(&zone->zone);
	free(zone);
}

void
value_zone_clear(struct value_zone *zone)
{
	msgpack_zone_clear(&zone->zone);
}

/* Is this exactly one value, of at most VALUE_ITEMS_MAX nodes? */
static bool
is_bounded(const uint8_t *bytes, size_t len, struct err *err_r)
{
	struct mp_reader reader = { bytes, bytes + len };
	uint64_t left = 1, seen = 0;
	uint32_t count;

	if (mp_skip(&reader) != 0 || reader.pos != reader.end) {
		err_set(err_r, "not one well-formed MessagePack value");
		return false;
	}
	reader.pos = bytes;
	for (; left > 0; left--, seen++) {
		if (left + seen > VALUE_ITEMS_MAX) {
			err_set(err_r, "a value of more than %d items",
			    (int)VALUE_ITEMS_MAX);
			return false;
		}
		if (mp_get_array(&reader, &count) == 0)
			left += count;
		else if (mp_get_map(&reader, &count) == 0)
			left += (uint64_t)count * 2;
		else
			(void)mp_skip(&reader);
	}
	return true;
}

/* The const is msgpack-c's; the bytes are our writable ones. */
static void
end_string(msgpack_object_str *str)
{
	((char *)(uintptr_t)str->ptr)[str->size] = '\0';
}

/*
 * The byte behind a string is the head of the next value or the spare byte;
 * once everything is unpacked nobody needs it.
 */
static void
terminate_strings(msgpack_object *object)
{
	switch (object->type) {
	case MSGPACK_OBJECT_STR:
		/* Of an empty string msgpack-c leaves ptr anywhere. */
		if (object->via.str.size == 0)
			object->via.str.ptr = "";
		else
			end_string(&object->via.str);
		break;
	case MSGPACK_OBJECT_ARRAY:
		for (uint32_t i = 0; i < object->via.array.size; i++)
			terminate_strings(&object->via.array.ptr[i]);
		break;
	case MSGPACK_OBJECT_MAP:
		for (uint32_t i = 0; i < object->via.map.size; i++) {
			terminate_strings(&object->via.map.ptr[i].key);
			terminate_strings(&object->via.map.ptr[i].val);
		}
		break;
	default:
		break;
	}
}

const struct value *
value_unpack(struct value_zone *zone, uint8_t *bytes, size_t len,
    struct err *err_r)
{
	msgpack_object *root;
	size_t offset = 0;
	msgpack_unpack_return got;

	if (!is_bounded(bytes, len, err_r))
		return NULL;
	root = msgpack_zone_malloc(&zone->zone, sizeof(*root));
	if (root == NULL) {
		err_set(err_r, "out of memory");
		return NULL;
	}
	got = msgpack_unpack((const char *)bytes, len, &offset, &zone->zone,
	    root);
	if (got != MSGPACK_UNPACK_SUCCESS &&
	    got != MSGPACK_UNPACK_EXTRA_BYTES) {
		err_set(err_r, "a value that is nested too deep or too large");
		return NULL;
	}
	terminate_strings(root);
	return value_of(root);
}

enum mp_type
value_type(const struct value *value)
{
	if (value == NULL)
		return MP_END;
	switch (object_of(value)->type) {
	case MSGPACK_OBJECT_NIL:
		return MP_NIL;
	case MSGPACK_OBJECT_BOOLEAN:
		return MP_BOOL;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		return MP_UINT;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		return MP_INT;
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		return MP_DOUBLE;
	case MSGPACK_OBJECT_STR:
		return MP_STR;
	case MSGPACK_OBJECT_BIN:
		return MP_BIN;
	case MSGPACK_OBJECT_ARRAY:
		return MP_ARRAY;
	case MSGPACK_OBJECT_MAP:
		return MP_MAP;
	default:
		return MP_EXT;
	}
}

size_t
value_count(const struct value *value)
{
	switch (value_type(value)) {
	case MP_ARRAY:
		return object_of(value)->via.array.size;
	case MP_MAP:
		return object_of(value)->via.map.size;
	default:
		return 0;
	}
}

const struct value *
value_at(const struct value *value, size_t i)
{
	if (i >= value_count(value))
		return NULL;
	if (value_type(value) == MP_ARRAY)
		return value_of(&object_of(value)->via.array.ptr[i]);
	return value_of(&object_of(value)->via.map.ptr[i].val);
}

const struct value *
value_key_at(const struct value *map, size_t i)
{
	if (value_type(map) != MP_MAP || i >= value_count(map))
		return NULL;
	return value_of(&object_of(map)->via.map.ptr[i].key);
}

const struct value *
value_get(const struct value *map, const char *key)
{
	size_t key_len = strlen(key), count, len;
	const char *text;

	if (value_type(map) != MP_MAP)
		return NULL;
	count = value_count(map);
	for (size_t i = 0; i < count; i++) {
		text = value_bytes(value_key_at(map, i), &len);
		if (text != NULL && len == key_len &&
		    memcmp(text, key, len) == 0)
			return value_at(map, i);
	}
	return NULL;
}

const char *
value_bytes(const struct value *value, size_t *len_r)
{
	switch (value_type(value)) {
	case MP_STR:
		*len_r = object_of(value)->via.str.size;
		return object_of(value)->via.str.ptr;
	case MP_BIN:
		*len_r = object_of(value)->via.bin.size;
		return *len_r == 0 ? "" : object_of(value)->via.bin.ptr;
	default:
		*len_r = 0;
		return NULL;
	}
}

bool
value_int(const struct value *value, int64_t *int_r)
{
	const msgpack_object *object = object_of(value);
	double number;

	switch (value_type(value)) {
	case MP_UINT:
		if (object->via.u64 > INT64_MAX)
			return false;
		*int_r = (int64_t)object->via.u64;
		return true;
	case MP_INT:
		*int_r = object->via.i64;
		return true;
	case MP_DOUBLE:
		/* 2^63 is the first double behind INT64_MAX. */
		number = object->via.f64;
		if (!(number >= -0x1p63 && number < 0x1p63) ||
		    (double)(int64_t)number != number)
			return false;
		*int_r = (int64_t)number;
		return true;
	default:
		return false;
	}
}

bool
value_double(const struct value *value, double *double_r)
{
	const msgpack_object *object = object_of(value);

	switch (value_type(value)) {
	case MP_UINT:
		*double_r = (double)object->via.u64;
		return true;
	case MP_INT:
		*double_r = (double)object->via.i64;
		return true;
	case MP_DOUBLE:
		*double_r = object->via.f64;
		return true;
	default:
		return false;
	}
}

bool
value_bool(const struct value *value, bool *bool_r)
{
	if (value_type(value) != MP_BOOL)
		return false;
	*bool_r = object_of(value)->via.boolean;
	return true;
}

static int
append(void *arg, const char *data, size_t len)
{
	buf_append(arg, data, len);
	return 0;
}

void
value_put(struct buf *buf, const struct value *value)
{
	msgpack_packer packer;

	if (value == NULL) {
		mp_put_nil(buf);
		return;
	}
	msgpack_packer_init(&packer, buf, append);
	(void)msgpack_pack_object(&packer, *object_of(value));
}
