/* Values that came in: ipc/value.c and the svc_ functions on top of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/json.h"
#include "ipc/value.h"
#include "svc/core.h"

/* Unpack from exactly len + 1 bytes of heap, so that ASan sees overruns. */
struct unpacked {
	struct value_zone *zone;
	uint8_t *bytes;
	const struct value *value;
};

static struct unpacked
unpack(const void *bytes, size_t len)
{
	struct unpacked out = { value_zone_new(), malloc(len + 1), NULL };

	assert_non_null(out.bytes);
	memcpy(out.bytes, bytes, len);
	out.value = value_unpack(out.zone, out.bytes, len, NULL);
	return out;
}

static struct unpacked
unpack_json(const char *text)
{
	struct buf buf = { 0 };
	struct unpacked out;

	assert_int_equal(json_to_mp(text, strlen(text), &buf, NULL, NULL), 0);
	out = unpack(buf.data, buf.len);
	buf_fini(&buf);
	return out;
}

static void
drop(struct unpacked *in)
{
	value_zone_free(&in->zone);
	free(in->bytes);
}

static void
malformed_or_forged_bytes_are_refused(void **state)
{
	static const struct {
		const char *claim;
		const char *bytes;
		size_t len;
	} cases[] = {
		{ "nothing", "", 0 },
		{ "two values", "\x01\x02", 2 },
		{ "cut off",
		    "\xa5"
		    "ab",
		    3 },
		{ "never used", "\xc1", 1 },
		{ "array of 2^32", "\xdd\xff\xff\xff\xff\x01", 6 },
		{ "map of 2^32", "\xdf\xff\xff\xff\xff\x01", 6 },
		{ "str of 2^32", "\xdb\xff\xff\xff\xff\x01", 6 },
	};
	char deep[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct unpacked in = unpack(cases[i].bytes, cases[i].len);

		if (in.value != NULL)
			fail_msg("%s was unpacked", cases[i].claim);
		drop(&in);
	}
	memset(deep, '\x91', sizeof(deep));
	deep[sizeof(deep) - 1] = '\x01';
	struct unpacked in = unpack(deep, sizeof(deep));
	assert_null(in.value);
	drop(&in);
}

static void
too_many_items_are_refused(void **state)
{
	size_t count = VALUE_ITEMS_MAX, len = count + 5;
	uint8_t *bytes = calloc(1, len);
	struct unpacked in;

	(void)state;
	assert_non_null(bytes);
	bytes[0] = 0xdd;
	for (size_t i = 0; i < 4; i++)
		bytes[1 + i] = (uint8_t)(count >> (8 * (3 - i)));
	in = unpack(bytes, len);
	assert_null(in.value); /* the array itself is one too many */
	drop(&in);
	count--;
	for (size_t i = 0; i < 4; i++)
		bytes[1 + i] = (uint8_t)(count >> (8 * (3 - i)));
	in = unpack(bytes, len - 1);
	assert_int_equal(value_count(in.value), count);
	drop(&in);
	free(bytes);
}

static void
strings_end_with_nul_wherever_they_stand(void **state)
{
	struct unpacked in = unpack_json(
	    "{\"a\":\"\",\"\":\"x\",\"b\":[\"one\",\"\",2,\"three\"],\"c\":"
	    "\"last\"}");
	const struct svc_value *map = payload_public(in.value);

	(void)state;
	assert_string_equal(svc_str(svc_get(map, "a")), "");
	assert_string_equal(svc_str(svc_get(map, "")), "x");
	assert_string_equal(svc_key_at(map, 2), "b");
	assert_string_equal(svc_str(svc_at(svc_get(map, "b"), 0)), "one");
	assert_string_equal(svc_str(svc_at(svc_get(map, "b"), 1)), "");
	assert_string_equal(svc_str(svc_at(svc_get(map, "b"), 3)), "three");
	assert_string_equal(svc_str(svc_get(map, "c")), "last");
	drop(&in);
}

static void
a_string_with_a_nul_has_bytes_but_no_text(void **state)
{
	struct unpacked in = unpack_json("\"a\\u0000b\"");
	const struct svc_value *value = payload_public(in.value);
	size_t len;

	(void)state;
	assert_null(svc_str(value));
	assert_memory_equal(svc_bytes(value, &len), "a\0b", 3);
	assert_int_equal(len, 3);
	drop(&in);
}

static void
a_number_is_an_integer_when_it_has_the_value_of_one(void **state)
{
	static const struct {
		const char *json;
		bool is_int;
		int64_t number;
	} cases[] = {
		{ "0", true, 0 },
		{ "-1", true, -1 },
		{ "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775808", true, INT64_MIN },
		{ "9223372036854775808", false, 0 },
		{ "3.0", true, 3 },
		{ "3.5", false, 0 },
		{ "1e300", false, 0 },
		{ "\"3\"", false, 0 },
		{ "null", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct unpacked in = unpack_json(cases[i].json);
		int64_t number = 0;

		assert_int_equal(svc_int(payload_public(in.value), &number),
		    cases[i].is_int);
		assert_int_equal(number, cases[i].number);
		drop(&in);
	}
}

static void
a_value_survives_the_way_out_and_in(void **state)
{
	const char *text = "{\"a\":[1,-2,0.5,true,null,\"x\",{}]}";
	struct unpacked in = unpack_json(text);
	char *json = svc_to_json(payload_public(in.value));

	(void)state;
	assert_string_equal(json, text);
	free(json);
	drop(&in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_or_forged_bytes_are_refused),
		cmocka_unit_test(too_many_items_are_refused),
		cmocka_unit_test(strings_end_with_nul_wherever_they_stand),
		cmocka_unit_test(a_string_with_a_nul_has_bytes_but_no_text),
		cmocka_unit_test(
		    a_number_is_an_integer_when_it_has_the_value_of_one),
		cmocka_unit_test(a_value_survives_the_way_out_and_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
