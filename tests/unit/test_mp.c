#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/mp.h"

#define BYTES(...)                        \
	(const uint8_t[]){ __VA_ARGS__ }, \
	    sizeof((const uint8_t[]){ __VA_ARGS__ })

static struct mp_reader
reader_of(const struct buf *buf)
{
	return (struct mp_reader){ buf_front(buf), buf->data + buf->len };
}

/* A copy of its own size, so that a sanitizer sees a read behind the end. */
static struct mp_reader
exact_copy(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	return (struct mp_reader){ copy, copy + len };
}

static void
test_integers_keep_their_value(void **state)
{
	static const int64_t cases[] = { 0, 1, 127, 128, 255, 256, 65535, 65536,
		UINT32_MAX, (int64_t)UINT32_MAX + 1, INT64_MAX, -1, -32, -33,
		-128, -129, -32768, -32769, INT32_MIN, (int64_t)INT32_MIN - 1,
		INT64_MIN };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf buf = { 0 };
		struct mp_reader reader;
		int64_t value = 0;
		uint64_t large = 0;
		bool is_uint;

		mp_put_int(&buf, cases[i]);
		reader = reader_of(&buf);
		is_uint = mp_peek(&reader) == MP_UINT;
		assert_int_equal(is_uint, cases[i] >= 0);
		assert_int_equal(mp_get_uint(&reader, &large),
		    cases[i] >= 0 ? 0 : -1);
		reader = reader_of(&buf);
		assert_int_equal(mp_get_int(&reader, &value), 0);
		assert_true(value == cases[i]);
		assert_ptr_equal(reader.pos, reader.end);
		buf_fini(&buf);
	}
}

static void
test_the_largest_uint_is_out_of_range_for_int(void **state)
{
	struct buf buf = { 0 };
	struct mp_reader reader;
	int64_t value;
	uint64_t large;

	(void)state;
	mp_put_uint(&buf, UINT64_MAX);
	reader = reader_of(&buf);
	assert_int_equal(mp_get_int(&reader, &value), -1);
	assert_ptr_equal(reader.pos, buf.data);
	assert_int_equal(mp_get_uint(&reader, &large), 0);
	assert_true(large == UINT64_MAX);
	buf_fini(&buf);
}

static const struct {
	const char *name;
	const uint8_t *bytes;
	size_t len;
	int64_t want;
} integer_cases[] = {
	{ "uint8 of a small value", BYTES(0xcc, 1), 1 },
	{ "int8 that is positive", BYTES(0xd0, 0x7f), 127 },
	{ "int8", BYTES(0xd0, 0x80), -128 },
	{ "int16", BYTES(0xd1, 0xff, 0xfe), -2 },
	{ "int32", BYTES(0xd2, 0x80, 0, 0, 0), INT32_MIN },
	{ "int64", BYTES(0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfd),
	    -3 },
	{ "negative fixint", BYTES(0xe0), -32 },
};

static void
test_every_coding_of_an_integer_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(integer_cases) / sizeof(*integer_cases);
	     i++) {
		struct mp_reader reader = { integer_cases[i].bytes,
			integer_cases[i].bytes + integer_cases[i].len };
		int64_t value = 0;

		if (mp_get_int(&reader, &value) != 0 ||
		    value != integer_cases[i].want)
			fail_msg("%s", integer_cases[i].name);
		for (size_t len = 0; len < integer_cases[i].len; len++) {
			reader = exact_copy(integer_cases[i].bytes, len);
			assert_int_equal(mp_get_int(&reader, &value), -1);
			free((void *)(uintptr_t)reader.pos);
		}
	}
}

static void
put_one_of_each(struct buf *buf, const char *text, size_t len)
{
	mp_put_array(buf, 9);
	mp_put_nil(buf);
	mp_put_bool(buf, true);
	mp_put_bool(buf, false);
	mp_put_int(buf, -70000);
	mp_put_double(buf, 1.5);
	mp_put_str(buf, text, len);
	mp_put_bin(buf, text, len);
	mp_put_map(buf, 1);
	mp_put_cstr(buf, "key");
	mp_put_array(buf, 0);
	buf_append(buf, "\xc7\x03\x01xyz", 6); /* ext */
}

static void
test_what_was_put_is_got(void **state)
{
	static const size_t lens[] = { 0, 1, 31, 32, 255, 256, 65535, 65536 };
	char *text = malloc(65536);

	(void)state;
	assert_non_null(text);
	memset(text, 'q', 65536);
	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		struct buf buf = { 0 };
		struct mp_reader reader;
		uint32_t count;
		bool yes = false, no = true;
		int64_t number;
		double real;
		const char *str;
		const uint8_t *bin;
		size_t str_len, bin_len;

		put_one_of_each(&buf, text, lens[i]);
		reader = reader_of(&buf);
		assert_int_equal(mp_get_array(&reader, &count), 0);
		assert_int_equal(count, 9);
		assert_int_equal(mp_get_nil(&reader), 0);
		assert_int_equal(mp_get_bool(&reader, &yes), 0);
		assert_int_equal(mp_get_bool(&reader, &no), 0);
		assert_true(yes && !no);
		assert_int_equal(mp_get_int(&reader, &number), 0);
		assert_int_equal(number, -70000);
		assert_int_equal(mp_get_double(&reader, &real), 0);
		assert_true(real >= 1.5 && real <= 1.5);
		assert_int_equal(mp_get_str(&reader, &str, &str_len), 0);
		assert_int_equal(str_len, lens[i]);
		assert_memory_equal(str, text, str_len);
		assert_int_equal(mp_get_bin(&reader, &bin, &bin_len), 0);
		assert_int_equal(bin_len, lens[i]);
		assert_memory_equal(bin, text, bin_len);
		assert_int_equal(mp_get_map(&reader, &count), 0);
		assert_int_equal(count, 1);
		assert_int_equal(mp_skip(&reader), 0);
		assert_int_equal(mp_get_array(&reader, &count), 0);
		assert_int_equal(mp_peek(&reader), MP_EXT);
		assert_int_equal(mp_skip(&reader), 0);
		assert_int_equal(mp_peek(&reader), MP_END);
		buf_fini(&buf);
	}
	free(text);
}

static void
test_a_float_of_32_bits_is_a_double(void **state)
{
	struct mp_reader reader = exact_copy(BYTES(0xca, 0xbf, 0, 0, 0));
	void *copy = (void *)(uintptr_t)reader.pos;
	double value = 0;

	(void)state;
	assert_int_equal(mp_get_double(&reader, &value), 0);
	assert_true(fabs(value + 0.5) < 1e-9);
	free(copy);
}

static void
test_a_value_cut_anywhere_is_refused_and_the_cursor_stays(void **state)
{
	struct buf buf = { 0 };
	char text[300] = { 0 };

	(void)state;
	put_one_of_each(&buf, text, sizeof(text));
	for (size_t len = 0; len < buf_count(&buf); len++) {
		struct mp_reader reader = exact_copy(buf.data, len);
		const uint8_t *start = reader.pos;

		assert_int_equal(mp_skip(&reader), -1);
		assert_ptr_equal(reader.pos, start);
		free((void *)(uintptr_t)start);
	}
	buf_fini(&buf);
}

static const struct {
	const char *name;
	const uint8_t *bytes;
	size_t len;
	bool is_good;
} skip_cases[] = {
	{ "nil", BYTES(0xc0), true },
	{ "the byte that is never used", BYTES(0xc1), false },
	{ "array of 2^32-1 in 6 bytes", BYTES(0xdd, 255, 255, 255, 255, 0),
	    false },
	{ "map of 2^32-1 in 6 bytes", BYTES(0xdf, 255, 255, 255, 255, 0),
	    false },
	{ "map of one pair with half a pair", BYTES(0x81, 0xc0), false },
	{ "map of one pair", BYTES(0x81, 0xc0, 0xc0), true },
	{ "str32 of 2^32-1", BYTES(0xdb, 255, 255, 255, 255, 'a'), false },
	{ "bin8", BYTES(0xc4, 2, 1, 2), true },
	{ "fixext1", BYTES(0xd4, 5, 0), true },
	{ "fixext16 cut", BYTES(0xd8, 5, 0), false },
	{ "ext8 of nothing", BYTES(0xc7, 0, 9), true },
	{ "ext8 without its type", BYTES(0xc7, 0), false },
	{ "ext32 of 2^32-1", BYTES(0xc9, 255, 255, 255, 255, 1, 1), false },
	{ "float64 cut", BYTES(0xcb, 0, 0, 0, 0, 0, 0, 0), false },
	{ "uint64 cut", BYTES(0xcf, 0, 0, 0, 0, 0, 0, 0), false },
	{ "nothing at all", NULL, 0, false },
};

static void
test_skip_takes_whole_values_only(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(skip_cases) / sizeof(*skip_cases); i++) {
		struct mp_reader reader =
		    exact_copy(skip_cases[i].len > 0 ? skip_cases[i].bytes
						     : (const uint8_t *)"",
			skip_cases[i].len);
		const uint8_t *start = reader.pos;
		bool is_good = mp_skip(&reader) == 0;

		if (is_good != skip_cases[i].is_good ||
		    (is_good && reader.pos != reader.end) ||
		    (!is_good && reader.pos != start))
			fail_msg("%s", skip_cases[i].name);
		free((void *)(uintptr_t)start);
	}
}

static int
skip_nested(size_t depth, bool is_map)
{
	struct buf buf = { 0 };
	struct mp_reader reader;
	int rc;

	for (size_t i = 0; i < depth; i++) {
		if (is_map) {
			mp_put_map(&buf, 1);
			mp_put_nil(&buf);
		} else {
			mp_put_array(&buf, 1);
		}
	}
	mp_put_nil(&buf);
	reader = reader_of(&buf);
	rc = mp_skip(&reader);
	buf_fini(&buf);
	return rc;
}

static void
test_nesting_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(skip_nested(MP_DEPTH_MAX, false), 0);
	assert_int_equal(skip_nested(MP_DEPTH_MAX, true), 0);
	assert_int_equal(skip_nested(MP_DEPTH_MAX + 1, false), -1);
	assert_int_equal(skip_nested(MP_DEPTH_MAX + 1, true), -1);
	assert_int_equal(skip_nested(1000000, false), -1);
}

static void
test_a_getter_leaves_values_of_another_type_alone(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 256; code++) {
		uint8_t bytes[20] = { (uint8_t)code };
		struct mp_reader reader = { bytes, bytes + sizeof(bytes) };
		enum mp_type type = mp_peek(&reader);
		uint64_t u64;
		int64_t i64;
		double real;
		bool flag;
		const char *str;
		const uint8_t *bin;
		size_t len;
		uint32_t count;

#define CHECK(call, is_right)                                \
	do {                                                 \
		reader.pos = bytes;                          \
		if (((call) == 0) != (is_right))             \
			fail_msg("0x%02x: %s", code, #call); \
		if (!(is_right))                             \
			assert_ptr_equal(reader.pos, bytes); \
	} while (0)
		CHECK(mp_get_nil(&reader), type == MP_NIL);
		CHECK(mp_get_bool(&reader, &flag), type == MP_BOOL);
		CHECK(mp_get_int(&reader, &i64),
		    type == MP_INT || type == MP_UINT);
		/* All the coded signed values are zero here but the fix ones.
		 */
		CHECK(mp_get_uint(&reader, &u64),
		    type == MP_UINT || (type == MP_INT && code < 0xe0));
		CHECK(mp_get_double(&reader, &real), type == MP_DOUBLE);
		CHECK(mp_get_str(&reader, &str, &len),
		    type == MP_STR && (code >= 0xd9 || code <= 0xb3));
		CHECK(mp_get_bin(&reader, &bin, &len), type == MP_BIN);
		CHECK(mp_get_array(&reader, &count), type == MP_ARRAY);
		CHECK(mp_get_map(&reader, &count),
		    type == MP_MAP && (code >= 0xde || code <= 0x89));
#undef CHECK
	}
}

static void
test_map_find_finds_string_keys_only(void **state)
{
	struct buf buf = { 0 };
	struct mp_reader value;
	int64_t number;

	(void)state;
	mp_put_map(&buf, 4);
	mp_put_int(&buf, 1);
	mp_put_int(&buf, 10);
	mp_put_cstr(&buf, "ab");
	mp_put_array(&buf, 1);
	mp_put_cstr(&buf, "a");
	mp_put_cstr(&buf, "a");
	mp_put_int(&buf, 20);
	mp_put_cstr(&buf, "");
	mp_put_int(&buf, 30);
	assert_true(mp_map_find(buf.data, buf.len, "a", &value));
	assert_int_equal(mp_get_int(&value, &number), 0);
	assert_int_equal(number, 20);
	assert_true(mp_map_find(buf.data, buf.len, "", &value));
	assert_false(mp_map_find(buf.data, buf.len, "b", &value));
	for (size_t len = 0; len + 1 < buf.len; len++)
		assert_false(mp_map_find(buf.data, len, "", &value));
	assert_false(mp_map_find(BYTES(0x90), "a", &value));
	assert_false(mp_map_find(BYTES(0x81, 0xa1, 'a'), "a", &value));
	assert_false(mp_map_find(NULL, 0, "a", &value));
	buf_fini(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integers_keep_their_value),
		cmocka_unit_test(test_the_largest_uint_is_out_of_range_for_int),
		cmocka_unit_test(test_every_coding_of_an_integer_is_read),
		cmocka_unit_test(test_what_was_put_is_got),
		cmocka_unit_test(test_a_float_of_32_bits_is_a_double),
		cmocka_unit_test(
		    test_a_value_cut_anywhere_is_refused_and_the_cursor_stays),
		cmocka_unit_test(test_skip_takes_whole_values_only),
		cmocka_unit_test(test_nesting_is_bounded),
		cmocka_unit_test(
		    test_a_getter_leaves_values_of_another_type_alone),
		cmocka_unit_test(test_map_find_finds_string_keys_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
