/*
 * json_keys: have we seen this key in this object before?
 *
 * Objects nest, so the keys of all open objects lie on one stack. An object
 * with few keys is searched one by one; a larger one gets a hash table, keyed
 * with a secret of the process, so that no choice of keys is quadratic.
 */
#ifndef MSVC_IPC_JSON_KEYS_H
#define MSVC_IPC_JSON_KEYS_H

#include <stddef.h>
#include <stdint.h>

enum {
	JSON_KEYS_SMALL = 64 /* keys held without allocating */
};

/* A decoded key, by its place in the output that grows meanwhile. */
struct json_key {
	size_t offset;
	size_t len;
};

/* The keys of one object. A zeroed struct but for first is an empty one. */
struct json_object {
	size_t first;    /* index of its first key */
	uint32_t *table; /* owned; key index - first + 1, 0 is free */
	size_t slots;    /* a power of two, or 0 */
};

struct json_keys {
	struct json_key small[JSON_KEYS_SMALL];
	struct json_key *keys; /* small, or owned */
	size_t count;
	size_t cap;
	uint64_t secret[2]; /* of the hash; set with the first table */
};

enum json_keys_result {
	JSON_KEYS_NEW,
	JSON_KEYS_SEEN,
	JSON_KEYS_NO_MEMORY
};

void json_keys_init(struct json_keys *keys);
void json_keys_fini(struct json_keys *keys);

void json_keys_open(struct json_keys *keys, struct json_object *object);

/* Forget the keys of the innermost object. */
void json_keys_close(struct json_keys *keys, struct json_object *object);

/* base is the output of which offset is meant; the key is read from there. */
enum json_keys_result json_keys_add(struct json_keys *keys,
    struct json_object *object, const uint8_t *base, size_t offset, size_t len);

#endif
