/*
 * Any bytes as JSON: what json_to_mp() takes comes back from json_from_mp()
 * and gives the same MessagePack again, and jansson agrees on what is JSON.
 * The same bytes as MessagePack must never do harm either.
 */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(int condition)
{
	if (!condition)
		abort();
}

static void
round_trip(const struct buf *mp)
{
	struct buf text = { 0 }, again = { 0 };

	check(json_from_mp(buf_front(mp), buf_count(mp), &text, NULL) == 0);
	check(json_to_mp((const char *)buf_front(&text), buf_count(&text),
		  &again, NULL, NULL) == 0);
	check(buf_count(&again) == buf_count(mp));
	check(memcmp(buf_front(&again), buf_front(mp), buf_count(mp)) == 0);
	buf_fini(&text);
	buf_fini(&again);
}

/* jansson differs by design where it has int64 only, NUL and depth apart. */
static void
ask_oracle(const uint8_t *data, size_t len, int rc, const char *why)
{
	json_error_t error;
	json_t *value = json_loadb((const char *)data, len,
	    JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

	if (rc == 0 && value == NULL)
		check(strstr(error.text, "integer") != NULL ||
		      strstr(error.text, "NUL byte in object key") != NULL);
	if (rc == -1 && value != NULL)
		check(strstr(why, "nested too deep") != NULL ||
		      memchr(data, 0, len) != NULL);
	json_decref(value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf mp = { 0 }, text = { 0 }, back = { 0 };
	struct err err = { "" };
	size_t offset = 0;
	int rc;

	rc = json_to_mp((const char *)data, len, &mp, &offset, &err);
	if (rc == 0)
		round_trip(&mp);
	else
		check(offset <= len && buf_count(&mp) == 0 && err.text[0]);
	ask_oracle(data, len, rc, err.text);
	if (json_from_mp(data, len, &text, NULL) == -1)
		check(buf_count(&text) == 0);
	else if (json_to_mp((const char *)buf_front(&text), buf_count(&text),
		     &back, NULL, &err) == -1)
		/* MessagePack maps may repeat a key. */
		check(strstr(err.text, "duplicate key") != NULL);
	buf_fini(&mp);
	buf_fini(&text);
	buf_fini(&back);
	return 0;
}
