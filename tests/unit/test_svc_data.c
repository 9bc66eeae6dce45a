/* Values that go out (svc/data.c), read back as values that came in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/json.h"
#include "ipc/mp.h"
#include "ipc/value.h"
#include "svc/core.h"

/* The JSON of a value that is being made, or "failed". Consumes it. */
static const char *
json_of(struct svc_data *data)
{
	static char text[4096];
	char *json = svc_data_to_json(data);

	(void)snprintf(text, sizeof(text), "%s",
	    json != NULL ? json : "failed");
	free(json);
	return text;
}

static void
put_all_types(struct svc_data *data)
{
	svc_put_nil(data, "nil");
	svc_put_bool(data, "bool", true);
	svc_put_int(data, "int", -7);
	svc_put_double(data, "double", 0.5);
	svc_put_str(data, "str", "a\"b");
	svc_put_str(data, "null", NULL);
	svc_put_bytes(data, "bytes", "\x01", 1);
	svc_put_json(data, "json", "[1, {\"a\": 2}]");
}

static void
put_nested(struct svc_data *data)
{
	svc_put_map(data, "map");
	svc_put_array(data, "list");
	svc_put_int(data, NULL, 1);
	svc_put_map(data, NULL);
	svc_end(data);
	svc_end(data);
	svc_end(data);
	svc_put_int(data, "after", 2);
}

static void
leave_open(struct svc_data *data)
{
	svc_put_array(data, "list");
	svc_put_int(data, NULL, 1);
}

static void
forget_key(struct svc_data *data)
{
	svc_put_int(data, NULL, 1);
}

static void
give_key_in_array(struct svc_data *data)
{
	svc_put_array(data, "list");
	svc_put_int(data, "key", 1);
}

static void
end_too_often(struct svc_data *data)
{
	svc_end(data);
}

static void
put_bad_json(struct svc_data *data)
{
	svc_put_json(data, "a", "{");
}

static void
nest_too_deep(struct svc_data *data)
{
	for (int i = 0; i < MP_DEPTH_MAX + 1; i++)
		svc_put_map(data, "a");
}

static void
put_bad_utf8(struct svc_data *data)
{
	svc_put_text(data, "text", "\xc3\x28", 2);
}

static void
a_map_is_what_was_put_into_it(void **state)
{
	static const struct {
		const char *claim;
		void (*put)(struct svc_data *data);
		const char *json;
	} cases[] = {
		{ "all types", put_all_types,
		    "{\"nil\":null,\"bool\":true,\"int\":-7,\"double\":0.5,"
		    "\"str\":\"a\\\"b\",\"null\":null,\"bytes\":\"AQ==\","
		    "\"json\":[1,{\"a\":2}]}" },
		{ "nested", put_nested,
		    "{\"map\":{\"list\":[1,{}]},\"after\":2}" },
		{ "open ones are closed", leave_open, "{\"list\":[1]}" },
		{ "a map wants keys", forget_key, "failed" },
		{ "an array has none", give_key_in_array, "failed" },
		{ "an end without a begin", end_too_often, "failed" },
		{ "text that is no JSON", put_bad_json, "failed" },
		{ "too deep", nest_too_deep, "failed" },
		{ "no UTF-8 is bytes", put_bad_utf8, "{\"text\":\"wyg=\"}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct svc_data *data = svc_map();
		const char *json;

		cases[i].put(data);
		json = json_of(data);
		if (strcmp(json, cases[i].json) != 0)
			fail_msg("%s: %s", cases[i].claim, json);
	}
}

static void
a_head_grows_with_its_count(void **state)
{
	static const uint32_t counts[] = { 0, 1, 15, 16, 65535, 65536 };
	struct mp_reader reader;
	uint32_t count;

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct svc_data *data = svc_array();
		const struct buf *value;

		svc_put_array(data, NULL);
		for (uint32_t n = 0; n < counts[i]; n++)
			svc_put_int(data, NULL, 5);
		svc_end(data);
		svc_put_str(data, NULL, "behind");
		value = data_finish(data);
		assert_non_null(value);
		reader = (struct mp_reader){ buf_front(value),
			buf_front(value) + buf_count(value) };
		assert_int_equal(mp_get_array(&reader, &count), 0);
		assert_int_equal(count, 2);
		assert_int_equal(mp_get_array(&reader, &count), 0);
		assert_int_equal(count, counts[i]);
		for (uint32_t n = 0; n < count; n++)
			assert_int_equal(mp_skip(&reader), 0);
		assert_int_equal(mp_peek(&reader), MP_STR);
		assert_int_equal(mp_skip(&reader), 0);
		assert_ptr_equal(reader.pos, reader.end);
		svc_data_free(data);
	}
}

static void
a_mistake_fails_the_value_and_not_only_its_json(void **state)
{
	static void (*const mistakes[])(struct svc_data *) = { forget_key,
		give_key_in_array, end_too_often, put_bad_json, nest_too_deep };

	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct svc_data *data = svc_map();

		mistakes[i](data);
		assert_null(data_finish(data));
		svc_data_free(data);
	}
}

static void
json_text_that_is_none_is_null(void **state)
{
	(void)state;
	assert_null(svc_json("{"));
	assert_null(svc_json("1 2"));
	assert_string_equal(json_of(svc_json(" [1 ] ")), "[1]");
}

static void
a_failed_or_missing_value_is_safe_to_use(void **state)
{
	(void)state;
	svc_put_int(NULL, "a", 1);
	svc_put_map(NULL, "a");
	svc_end(NULL);
	svc_data_free(NULL);
	assert_null(svc_data_to_json(NULL));
	assert_int_equal(svc_type(NULL), SVC_NONE);
	assert_null(svc_get(NULL, "a"));
	assert_null(svc_str(NULL));
	assert_int_equal(svc_count(NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_map_is_what_was_put_into_it),
		cmocka_unit_test(a_head_grows_with_its_count),
		cmocka_unit_test(
		    a_mistake_fails_the_value_and_not_only_its_json),
		cmocka_unit_test(json_text_that_is_none_is_null),
		cmocka_unit_test(a_failed_or_missing_value_is_safe_to_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
