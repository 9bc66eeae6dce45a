#include "json_keys.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

enum {
	LINEAR_MAX = 16, /* keys that are searched one by one */
	SLOTS_MIN = 64,
};

void
json_keys_init(struct json_keys *keys)
{
	keys->keys = keys->small;
	keys->count = 0;
	keys->cap = JSON_KEYS_SMALL;
}

void
json_keys_fini(struct json_keys *keys)
{
	if (keys->keys != keys->small)
		free(keys->keys);
}

void
json_keys_open(struct json_keys *keys, struct json_object *object)
{
	*object = (struct json_object){ .first = keys->count };
}

void
json_keys_close(struct json_keys *keys, struct json_object *object)
{
	keys->count = object->first;
	free(object->table);
	object->table = NULL;
}

static uint64_t
rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

/* 16 random bytes of the kernel's, new at each exec: no system call, no lock.
 */
static void
json_keys_seed(struct json_keys *keys)
{
	const void *random = (const void *)(uintptr_t)getauxval(AT_RANDOM);

	memset(keys->secret, 0, sizeof(keys->secret));
	if (random != NULL)
		memcpy(keys->secret, random, sizeof(keys->secret));
}

/* SipHash-1-3: nobody who has not the secret can make keys collide. */
static uint64_t
json_keys_hash(const uint64_t secret[2], const uint8_t *data, size_t len)
{
	uint64_t word, tail = (uint64_t)len << 56;
	uint64_t v[4];

	v[0] = secret[0] ^ 0x736f6d6570736575;
	v[1] = secret[1] ^ 0x646f72616e646f6d;
	v[2] = secret[0] ^ 0x6c7967656e657261;
	v[3] = secret[1] ^ 0x7465646279746573;
	for (; len >= 8; data += 8, len -= 8) {
		memcpy(&word, data, sizeof(word));
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	for (size_t i = 0; i < len; i++)
		tail |= (uint64_t)data[i] << (8 * i);
	v[3] ^= tail;
	sip_round(v);
	v[0] ^= tail;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static bool
json_key_is_equal(const uint8_t *base, const struct json_key *one,
    const struct json_key *other)
{
	return one->len == other->len &&
	       memcmp(base + one->offset, base + other->offset, one->len) == 0;
}

/* Put the last key of the stack into the table; true when it is there. */
static bool
json_keys_place(const struct json_keys *keys, struct json_object *object,
    const uint8_t *base, size_t index)
{
	const struct json_key *key = &keys->keys[index];
	size_t slot =
	    (size_t)json_keys_hash(keys->secret, base + key->offset, key->len);

	for (;; slot++) {
		uint32_t *entry = &object->table[slot & (object->slots - 1)];

		if (*entry == 0) {
			*entry = (uint32_t)(index - object->first + 1);
			return false;
		}
		if (json_key_is_equal(base, key,
			&keys->keys[object->first + *entry - 1]))
			return true;
	}
}

/* A table of at least twice the keys, filled with all but the last one. */
static bool
json_keys_rehash(struct json_keys *keys, struct json_object *object,
    const uint8_t *base)
{
	size_t slots = object->slots > 0 ? object->slots * 4 : SLOTS_MIN;
	uint32_t *table = calloc(slots, sizeof(*table));

	if (table == NULL)
		return false;
	if (object->table == NULL)
		json_keys_seed(keys);
	free(object->table);
	object->table = table;
	object->slots = slots;
	for (size_t i = object->first; i + 1 < keys->count; i++)
		json_keys_place(keys, object, base, i);
	return true;
}

static bool
json_keys_push(struct json_keys *keys, struct json_key key)
{
	size_t cap = keys->cap * 2;
	struct json_key *grown;

	if (keys->count == keys->cap) {
		grown = keys->keys == keys->small ? NULL : keys->keys;
		grown = realloc(grown, cap * sizeof(*grown));
		if (grown == NULL)
			return false;
		if (keys->keys == keys->small)
			memcpy(grown, keys->small, sizeof(keys->small));
		keys->keys = grown;
		keys->cap = cap;
	}
	keys->keys[keys->count++] = key;
	return true;
}

enum json_keys_result
json_keys_add(struct json_keys *keys, struct json_object *object,
    const uint8_t *base, size_t offset, size_t len)
{
	struct json_key key = { offset, len };
	size_t count = keys->count - object->first;

	if (count < LINEAR_MAX) {
		for (size_t i = object->first; i < keys->count; i++) {
			if (json_key_is_equal(base, &key, &keys->keys[i]))
				return JSON_KEYS_SEEN;
		}
		return json_keys_push(keys, key) ? JSON_KEYS_NEW
						 : JSON_KEYS_NO_MEMORY;
	}
	if (!json_keys_push(keys, key))
		return JSON_KEYS_NO_MEMORY;
	if (count * 2 >= object->slots && !json_keys_rehash(keys, object, base))
		return JSON_KEYS_NO_MEMORY;
	return json_keys_place(keys, object, base, keys->count - 1)
		   ? JSON_KEYS_SEEN
		   : JSON_KEYS_NEW;
}
