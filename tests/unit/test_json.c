#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/json.h"
#include "ipc/mp.h"

#define TEXT(literal) (literal), sizeof(literal) - 1
#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define ORACLE_FLAGS  (JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)

/* Texts that are taken, and how they come back. */
static const struct {
	const char *text;
	size_t len;
	const char *back; /* NULL: as it was */
} accepted[] = {
	{ TEXT("null"), NULL },
	{ TEXT(" true\r\n\t"), "true" },
	{ TEXT("[]"), NULL },
	{ TEXT("{}"), NULL },
	{ TEXT("[[],{},[[]]]"), NULL },
	{ TEXT("{ \"a\" : 1 , \"b\":[ 1 , 2 ] }"), "{\"a\":1,\"b\":[1,2]}" },
	{ TEXT("{\"\":0}"), NULL },
	{ TEXT("\"\""), NULL },
	{ TEXT("\"plain text that is over eight bytes\""), NULL },
	{ TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
	    "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
	{ TEXT("\"\\u0041\\u00e9\\u20AC\\uD834\\udd1e\""),
	    "\"A\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e\"" },
	{ TEXT("\"\\u0000\\u001f\x7f\""), "\"\\u0000\\u001f\x7f\"" },
	{ TEXT("\"\xf4\x8f\xbf\xbf \xef\xbf\xbf \xed\x9f\xbf\""), NULL },
	{ TEXT("0"), NULL },
	{ TEXT("-0"), "0" },
	{ TEXT("-0.0"), NULL },
	{ TEXT("127"), NULL },
	{ TEXT("[128,255,256,65535,65536,4294967295,4294967296]"), NULL },
	{ TEXT("[-32,-33,-128,-129,-32768,-32769,-2147483648,-2147483649]"),
	    NULL },
	{ TEXT("9223372036854775807"), NULL },
	{ TEXT("9223372036854775808"), NULL },
	{ TEXT("18446744073709551615"), NULL },
	{ TEXT("18446744073709551616"), "1.8446744073709552e+19" },
	{ TEXT("-9223372036854775808"), NULL },
	{ TEXT("-9223372036854775809"), "-9.223372036854776e+18" },
	{ TEXT("1.0"), NULL },
	{ TEXT("1e2"), "100.0" },
	{ TEXT("[0.1,0.2,12.34,-3.25,1e-5,52.520008]"),
	    "[0.1,0.2,12.34,-3.25,0.00001,52.520008]" },
	{ TEXT("0.30000000000000004"), NULL },
	{ TEXT("[1E+2,1e-7,1.5E3]"), "[100.0,1e-07,1500.0]" },
	{ TEXT("1e300"), "1e+300" },
	{ TEXT("1e-400"), "0.0" },
	{ TEXT("4.9e-324"), "4.94065645841247e-324" },
	{ TEXT("1.7976931348623157e308"), "1.7976931348623157e+308" },
	{ TEXT("{\"a\":1,\"A\":2,\"a \":3}"), NULL },
	{ TEXT("{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":2}}"), NULL },
};

/* Texts that are refused, where, and why. */
static const struct {
	const char *text;
	size_t len;
	size_t offset;
	const char *why;
} refused[] = {
	{ TEXT(""), 0, "unfinished text" },
	{ TEXT("  "), 2, "unfinished text" },
	{ TEXT("\xef\xbb\xbf{}"), 0, "expected a value" },
	{ TEXT("nul"), 0, "unknown word" },
	{ TEXT("True"), 0, "expected a value" },
	{ TEXT("NaN"), 0, "expected a value" },
	{ TEXT("-Infinity"), 1, "malformed number" },
	{ TEXT("nullx"), 4, "bytes behind the value" },
	{ TEXT("1 2"), 2, "bytes behind the value" },
	{ TEXT("[1]]"), 3, "bytes behind the value" },
	{ TEXT("null\0"), 4, "bytes behind the value" },
	{ TEXT("[1,]"), 3, "expected a value" },
	{ TEXT("[,1]"), 1, "expected a value" },
	{ TEXT("[1 2]"), 3, "expected , or ]" },
	{ TEXT("[1,,2]"), 3, "expected a value" },
	{ TEXT("[1}"), 2, "expected , or ]" },
	{ TEXT("["), 1, "unfinished text" },
	{ TEXT("[1"), 2, "unfinished text" },
	{ TEXT("[1,"), 3, "unfinished text" },
	{ TEXT("]"), 0, "expected a value" },
	{ TEXT("{"), 1, "unfinished text" },
	{ TEXT("{\"a\""), 4, "expected a colon" },
	{ TEXT("{\"a\":"), 5, "unfinished text" },
	{ TEXT("{\"a\":1"), 6, "unfinished text" },
	{ TEXT("{\"a\":1,}"), 7, "expected a key" },
	{ TEXT("{\"a\" 1}"), 5, "expected a colon" },
	{ TEXT("{\"a\":1 \"b\":2}"), 7, "expected , or }" },
	{ TEXT("{a:1}"), 1, "expected a key" },
	{ TEXT("{1:1}"), 1, "expected a key" },
	{ TEXT("{'a':1}"), 1, "expected a key" },
	{ TEXT("[1]//x"), 3, "bytes behind the value" },
	{ TEXT("+1"), 0, "expected a value" },
	{ TEXT("01"), 1, "malformed number" },
	{ TEXT("-01"), 2, "malformed number" },
	{ TEXT("-"), 1, "malformed number" },
	{ TEXT("1."), 2, "malformed number" },
	{ TEXT(".5"), 0, "expected a value" },
	{ TEXT("1.e1"), 2, "malformed number" },
	{ TEXT("1e"), 2, "malformed number" },
	{ TEXT("1e+"), 3, "malformed number" },
	{ TEXT("0x10"), 1, "bytes behind the value" },
	{ TEXT("1e400"), 0, "number too large" },
	{ TEXT("[-1e400]"), 1, "number too large" },
	{ TEXT("\"abc"), 4, "unfinished string" },
	{ TEXT("\"abc\\"), 5, "unfinished string" },
	{ TEXT("\"abc\\\""), 6, "unfinished string" },
	{ TEXT("\"a\nb\""), 2, "control byte" },
	{ TEXT("\"a\0b\""), 2, "control byte" },
	{ TEXT("\"\\x41\""), 1, "unknown escape" },
	{ TEXT("\"\\\0\""), 1, "unknown escape" },
	{ TEXT("\"\\u12\""), 1, "four hexadecimal digits" },
	{ TEXT("\"\\u12g4\""), 1, "four hexadecimal digits" },
	{ TEXT("\"\\uD834\""), 1, "lone surrogate" },
	{ TEXT("\"\\uD834\\u0041\""), 1, "lone surrogate" },
	{ TEXT("\"\\uD834\\uD834\""), 1, "lone surrogate" },
	{ TEXT("\"\\uD834\\uE000\""), 1, "lone surrogate" },
	{ TEXT("\"\\uDC00\\uDC00\""), 1, "lone surrogate" },
	{ TEXT("\"ab\\uDD1E\""), 3, "lone surrogate" },
	{ TEXT("\"\x80\""), 1, "invalid UTF-8" },
	{ TEXT("\"\xc0\xaf\""), 1, "invalid UTF-8" },
	{ TEXT("\"a\xc3\""), 2, "invalid UTF-8" },
	{ TEXT("\"\xe0\x9f\xbf\""), 1, "invalid UTF-8" },
	{ TEXT("\"\xed\xa0\x80\""), 1, "invalid UTF-8" },
	{ TEXT("\"\xf0\x8f\xbf\xbf\""), 1, "invalid UTF-8" },
	{ TEXT("\"\xf4\x90\x80\x80\""), 1, "invalid UTF-8" },
	{ TEXT("\"\xff\""), 1, "invalid UTF-8" },
	{ TEXT("\"\xe2\x82"), 1, "invalid UTF-8" },
	{ TEXT("{\"a\":1,\"a\":2}"), 7, "duplicate key \"a\"" },
	{ TEXT("{\"a\":1,\"\\u0061\":2}"), 7, "duplicate key \"a\"" },
	{ TEXT("{\"\":1,\"\":2}"), 6, "duplicate key \"\"" },
	{ TEXT("[{\"x\":{\"a\":1},\"b\":2,\"x\":3}]"), 20,
	    "duplicate key \"x\"" },
	{ TEXT("{\"\\n\":1,\"\\n\":2}"), 8, "duplicate key \"?\"" },
};

/* Is the next value equal to what jansson read? */
static void
assert_same(struct mp_reader *reader, const json_t *value)
{
	const char *str;
	uint32_t count;
	int64_t integer;
	double real;
	size_t len;
	bool is_true;

	switch (json_typeof(value)) {
	case JSON_NULL:
		assert_int_equal(mp_get_nil(reader), 0);
		return;
	case JSON_TRUE:
	case JSON_FALSE:
		assert_int_equal(mp_get_bool(reader, &is_true), 0);
		assert_int_equal(is_true, json_is_true(value));
		return;
	case JSON_INTEGER:
		assert_int_equal(mp_get_int(reader, &integer), 0);
		assert_true(integer == json_integer_value(value));
		return;
	case JSON_REAL:
		assert_int_equal(mp_get_double(reader, &real), 0);
		assert_memory_equal(&real, &(double){ json_real_value(value) },
		    sizeof(real));
		return;
	case JSON_STRING:
		assert_int_equal(mp_get_str(reader, &str, &len), 0);
		assert_int_equal(len, json_string_length(value));
		assert_memory_equal(str, json_string_value(value), len);
		return;
	case JSON_ARRAY:
		assert_int_equal(mp_get_array(reader, &count), 0);
		assert_int_equal(count, json_array_size(value));
		for (uint32_t i = 0; i < count; i++)
			assert_same(reader, json_array_get(value, i));
		return;
	case JSON_OBJECT:
		assert_int_equal(mp_get_map(reader, &count), 0);
		assert_int_equal(count, json_object_size(value));
		for (uint32_t i = 0; i < count; i++) {
			char key[64] = "";

			assert_int_equal(mp_get_str(reader, &str, &len), 0);
			assert_true(len < sizeof(key));
			memcpy(key, str, len);
			assert_non_null(json_object_get(value, key));
			assert_same(reader, json_object_get(value, key));
		}
		return;
	}
}

static void
assert_agrees_with_oracle(const char *text, size_t len, const struct buf *out)
{
	struct mp_reader reader = { buf_front(out),
		buf_front(out) + buf_count(out) };
	json_error_t error;
	json_t *value = json_loadb(text, len, ORACLE_FLAGS, &error);

	if (value == NULL) {
		/* Its integers are int64. */
		assert_non_null(strstr(error.text, "integer"));
		return;
	}
	assert_same(&reader, value);
	assert_int_equal(mp_peek(&reader), MP_END);
	json_decref(value);
}

static void
test_accepted_texts_come_back_and_agree_with_jansson(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(accepted); i++) {
		const char *back = accepted[i].back;
		struct buf mp = { 0 }, json = { 0 };
		struct err err = { "" };

		if (back == NULL)
			back = accepted[i].text;
		if (json_to_mp(accepted[i].text, accepted[i].len, &mp, NULL,
			&err) == -1)
			fail_msg("%s: %s", accepted[i].text, err.text);
		assert_agrees_with_oracle(accepted[i].text, accepted[i].len,
		    &mp);
		assert_int_equal(json_from_mp(buf_front(&mp), buf_count(&mp),
				     &json, &err),
		    0);
		buf_append_byte(&json, 0);
		assert_string_equal((const char *)buf_front(&json), back);
		buf_fini(&mp);
		buf_fini(&json);
	}
}

static void
test_refused_texts_name_place_and_cause_and_leave_no_output(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct buf mp = { 0 };
		struct err err = { "" };
		size_t offset = 999;
		json_t *oracle;

		buf_append_str(&mp, "before");
		if (json_to_mp(refused[i].text, refused[i].len, &mp, &offset,
			&err) == 0)
			fail_msg("accepted: %s", refused[i].text);
		if (strstr(err.text, refused[i].why) == NULL ||
		    offset != refused[i].offset)
			fail_msg("%s: %s at %zu", refused[i].text, err.text,
			    offset);
		assert_int_equal(buf_count(&mp), 6);
		oracle = json_loadb(refused[i].text, refused[i].len,
		    ORACLE_FLAGS, NULL);
		/* jansson takes a NUL behind the value for the end. */
		if (oracle != NULL && strcmp(refused[i].text, "null") != 0)
			fail_msg("jansson takes it: %s", refused[i].text);
		json_decref(oracle);
		buf_fini(&mp);
	}
}

/* No text may be read behind its end: each prefix, in memory of its size. */
static void
test_every_prefix_is_refused_or_agrees(void **state)
{
	static const char text[] =
	    "{\"a\\u00e9\xc3\xa9\\ud834\\udd1e\":[1.5e+3,-12,true,null,"
	    "{\"b\":\"c\"}]}";

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		char *copy = malloc(len > 0 ? len : 1);
		struct buf mp = { 0 };
		size_t offset = 0;

		assert_non_null(copy);
		memcpy(copy, text, len);
		assert_int_equal(json_to_mp(copy, len, &mp, &offset, NULL), -1);
		assert_true(offset <= len);
		assert_int_equal(buf_count(&mp), 0);
		free(copy);
		buf_fini(&mp);
	}
}

static void
test_depth_is_32_both_ways_and_mp_skip_takes_it(void **state)
{
	char text[80] = "";
	struct buf mp = { 0 }, json = { 0 }, deep = { 0 };
	struct mp_reader reader;
	struct err err;

	(void)state;
	memset(text, '[', 33);
	memset(text + 33, ']', 33);
	assert_int_equal(json_to_mp(text, 66, &mp, NULL, &err), -1);
	assert_non_null(strstr(err.text, "nested too deep at byte 32"));
	assert_int_equal(json_to_mp(text + 1, 64, &mp, NULL, NULL), 0);
	reader = (struct mp_reader){ buf_front(&mp),
		buf_front(&mp) + buf_count(&mp) };
	assert_int_equal(mp_skip(&reader), 0);
	assert_int_equal(json_from_mp(buf_front(&mp), buf_count(&mp), &json,
			     NULL),
	    0);
	assert_int_equal(buf_count(&json), 64);
	mp_put_array(&deep, 1);
	buf_append(&deep, buf_front(&mp), buf_count(&mp));
	assert_int_equal(json_from_mp(buf_front(&deep), buf_count(&deep), &json,
			     &err),
	    -1);
	assert_non_null(strstr(err.text, "nested too deep"));
	buf_fini(&mp);
	buf_fini(&json);
	buf_fini(&deep);
}

/* Counts around each header size; nested, so that contents move twice. */
static void
test_containers_of_every_header_size_round_trip(void **state)
{
	static const size_t counts[] = { 15, 16, 17, 31, 32, 33, 65535, 65536,
		100000 };

	(void)state;
	for (size_t i = 0; i < COUNT(counts); i++) {
		struct buf text = { 0 }, mp = { 0 }, json = { 0 };

		buf_append_str(&text, "[\"x\",{");
		for (size_t k = 0; k < counts[i]; k++)
			buf_printf(&text, "%s\"k%zu\":[%zu]", k ? "," : "", k,
			    k);
		buf_append_str(&text, "},[");
		for (size_t k = 0; k < counts[i]; k++)
			buf_printf(&text, "%s%zu", k ? "," : "", k);
		buf_append_str(&text, "],1,2,3,4,5,6,7,8,9,10,11,12,13,14]");
		assert_int_equal(json_to_mp((const char *)buf_front(&text),
				     buf_count(&text), &mp, NULL, NULL),
		    0);
		assert_int_equal(json_from_mp(buf_front(&mp), buf_count(&mp),
				     &json, NULL),
		    0);
		assert_int_equal(buf_count(&json), buf_count(&text));
		assert_memory_equal(buf_front(&json), buf_front(&text),
		    buf_count(&text));
		if (counts[i] < 1000)
			assert_agrees_with_oracle((const char *)buf_front(
						      &text),
			    buf_count(&text), &mp);
		buf_fini(&text);
		buf_fini(&mp);
		buf_fini(&json);
	}
}

static void
test_strings_of_every_header_size_round_trip_plain_and_escaped(void **state)
{
	static const size_t lens[] = { 30, 31, 32, 33, 254, 255, 256, 257,
		65534, 65535, 65536, 65537 };

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(lens); i++) {
		size_t len = lens[i / 2];
		struct buf text = { 0 }, mp = { 0 }, json = { 0 };

		buf_append_byte(&text, '"');
		for (size_t k = 0; k < len; k++)
			buf_append_str(&text,
			    i % 2 == 1 && k % 7 == 0 ? "\\n" : "x");
		buf_append_byte(&text, '"');
		assert_int_equal(json_to_mp((const char *)buf_front(&text),
				     buf_count(&text), &mp, NULL, NULL),
		    0);
		assert_agrees_with_oracle((const char *)buf_front(&text),
		    buf_count(&text), &mp);
		assert_int_equal(json_from_mp(buf_front(&mp), buf_count(&mp),
				     &json, NULL),
		    0);
		assert_int_equal(buf_count(&json), buf_count(&text));
		assert_memory_equal(buf_front(&json), buf_front(&text),
		    buf_count(&text));
		buf_fini(&text);
		buf_fini(&mp);
		buf_fini(&json);
	}
}

/* The first key comes again as the last, plain or escaped. */
static void
test_a_duplicate_is_found_in_objects_of_any_size(void **state)
{
	static const size_t counts[] = { 1, 2, 15, 16, 17, 18, 31, 32, 33, 64,
		65, 1000, 100000 };

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(counts); i++) {
		struct buf text = { 0 }, mp = { 0 };
		struct err err = { "" };
		size_t offset, where;

		buf_append_byte(&text, '{');
		for (size_t k = 0; k < counts[i / 2]; k++)
			buf_printf(&text, "\"key%zu\":0,", k);
		where = buf_count(&text);
		buf_append_str(&text,
		    i % 2 == 0 ? "\"key0\":1}" : "\"k\\u0065y0\":1}");
		assert_int_equal(json_to_mp((const char *)buf_front(&text),
				     buf_count(&text), &mp, &offset, &err),
		    -1);
		assert_non_null(strstr(err.text, "duplicate key \"key0\""));
		assert_int_equal(offset, where);
		buf_fini(&text);
		buf_fini(&mp);
	}
}

/* None is lost where the search changes or the table grows. */
static void
test_any_key_of_an_object_is_found_again(void **state)
{
	(void)state;
	for (size_t count = 1; count <= 140; count++) {
		for (size_t again = 0; again < count; again++) {
			struct buf text = { 0 }, mp = { 0 };
			struct err err = { "" };

			buf_append_byte(&text, '{');
			for (size_t k = 0; k < count; k++)
				buf_printf(&text, "\"%zu\":0,", k);
			buf_printf(&text, "\"%zu\":0}", again);
			assert_int_equal(json_to_mp((const char *)buf_front(
							&text),
					     buf_count(&text), &mp, NULL, &err),
			    -1);
			assert_non_null(strstr(err.text, "duplicate key"));
			buf_fini(&text);
			buf_fini(&mp);
		}
	}
}

static void
test_output_is_appended_behind_unread_bytes(void **state)
{
	struct buf out = { 0 };

	(void)state;
	for (size_t i = 0; i < 300; i++)
		buf_append_byte(&out, 'x');
	buf_consume(&out, 298);
	assert_int_equal(json_to_mp(TEXT("[\"\\n0123456789012345678901234567"
					 "89\",[1,2,3,\"\\t\"]]"),
			     &out, NULL, NULL),
	    0);
	assert_memory_equal(buf_front(&out), "xx\x92\xbf\n0123456789", 15);
	buf_fini(&out);
}

static const struct {
	const char *name;
	const char *bytes;
	size_t len;
	const char *json; /* NULL: an error */
} written[] = {
	{ "bin becomes base64", TEXT("\xc4\x04\x01\x02\xff\xfe"),
	    "\"AQL//g==\"" },
	{ "bin of three bytes",
	    TEXT("\xc4\x03"
		 "abc"),
	    "\"YWJj\"" },
	{ "empty bin", TEXT("\xc4\x00"), "\"\"" },
	{ "float32", TEXT("\xca\x3f\x80\x00\x00"), "1.0" },
	{ "uint64 max", TEXT("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
	    "18446744073709551615" },
	{ "int64 min", TEXT("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"),
	    "-9223372036854775808" },
	{ "positive value in an int64",
	    TEXT("\xd3\x00\x00\x00\x00\x00\x00\x00\x05"), "5" },
	{ "control bytes", TEXT("\xa3\x00\x1f\n"), "\"\\u0000\\u001f\\n\"" },
	{ "line separator stays", TEXT("\xa3\xe2\x80\xa8"),
	    "\"\xe2\x80\xa8\"" },
	{ "nothing", TEXT(""), NULL },
	{ "two values", TEXT("\x01\x02"), NULL },
	{ "byte 0xc1", TEXT("\xc1"), NULL },
	{ "ext", TEXT("\xd4\x01\x00"), NULL },
	{ "NaN", TEXT("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), NULL },
	{ "infinity", TEXT("\xca\x7f\x80\x00\x00"), NULL },
	{ "integer key", TEXT("\x81\x01\x02"), NULL },
	{ "invalid UTF-8", TEXT("\xa2\xc3("), NULL },
	{ "invalid UTF-8 in a key", TEXT("\x81\xa1\xff\x01"), NULL },
	{ "cut string",
	    TEXT("\xa5"
		 "abc"),
	    NULL },
	{ "cut array", TEXT("\x93\x01\x02"), NULL },
	{ "forged count", TEXT("\xdd\xff\xff\xff\xff\x01"), NULL },
	{ "map without value",
	    TEXT("\x81\xa1"
		 "a"),
	    NULL },
};

static void
test_messagepack_that_json_has_and_has_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(written); i++) {
		struct buf json = { 0 };
		struct err err = { "" };
		int rc;

		buf_append_str(&json, ">");
		rc =
		    json_from_mp(written[i].bytes, written[i].len, &json, &err);
		buf_append_byte(&json, 0);
		if ((rc == 0) != (written[i].json != NULL))
			fail_msg("%s: %d %s", written[i].name, rc, err.text);
		assert_string_equal((const char *)buf_front(&json) + 1,
		    rc == 0 ? written[i].json : "");
		assert_int_equal(err.text[0] == '\0', rc == 0);
		buf_fini(&json);
	}
}

/* Any double written is read back as the same bits, by us and by jansson. */
static void
test_doubles_round_trip_by_bits(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct buf mp = { 0 }, json = { 0 }, again = { 0 };
		double real;

		seed = seed * 6364136223846793005U + 1442695040888963407U;
		if (i % 2 == 0)
			memcpy(&real, &seed, sizeof(real));
		else
			real = (double)(int32_t)(seed >> 32) / 1000;
		mp_put_double(&mp, real);
		if (json_from_mp(buf_front(&mp), buf_count(&mp), &json, NULL) ==
		    0) {
			assert_int_equal(json_to_mp((const char *)buf_front(
							&json),
					     buf_count(&json), &again, NULL,
					     NULL),
			    0);
			assert_int_equal(buf_count(&again), buf_count(&mp));
			assert_memory_equal(buf_front(&again), buf_front(&mp),
			    buf_count(&mp));
			assert_agrees_with_oracle((const char *)buf_front(
						      &json),
			    buf_count(&json), &mp);
		}
		buf_fini(&mp);
		buf_fini(&json);
		buf_fini(&again);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_accepted_texts_come_back_and_agree_with_jansson),
		cmocka_unit_test(
		    test_refused_texts_name_place_and_cause_and_leave_no_output),
		cmocka_unit_test(test_every_prefix_is_refused_or_agrees),
		cmocka_unit_test(
		    test_depth_is_32_both_ways_and_mp_skip_takes_it),
		cmocka_unit_test(
		    test_containers_of_every_header_size_round_trip),
		cmocka_unit_test(
		    test_strings_of_every_header_size_round_trip_plain_and_escaped),
		cmocka_unit_test(
		    test_a_duplicate_is_found_in_objects_of_any_size),
		cmocka_unit_test(test_any_key_of_an_object_is_found_again),
		cmocka_unit_test(test_output_is_appended_behind_unread_bytes),
		cmocka_unit_test(test_messagepack_that_json_has_and_has_not),
		cmocka_unit_test(test_doubles_round_trip_by_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
