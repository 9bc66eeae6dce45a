#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/event.h"
#include "ipc/mp.h"

static void
assert_text(const char *got, size_t len, const char *want)
{
	assert_int_equal(len, strlen(want));
	assert_memory_equal(got, want, len);
}

static int
decode(const void *bytes, size_t len)
{
	struct event event;
	uint8_t *copy = malloc(len > 0 ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	rc = event_decode(copy, len, &event, NULL);
	free(copy);
	return rc;
}

static void
test_an_event_comes_back_as_it_was_sent(void **state)
{
	const struct event in = { .topic = "orders.new",
		.topic_len = 10,
		.id = "id-1",
		.id_len = 4,
		.time_ms = 1700000000123,
		.from = "orders",
		.from_len = 6,
		.type = "made",
		.type_len = 4,
		.data = (const uint8_t *)"\x92\x01\x02",
		.data_len = 3 };
	struct event out;
	struct buf buf = { 0 };

	(void)state;
	event_encode(&buf, &in);
	assert_int_equal(event_topic_len(buf.data, buf.len), 10);
	assert_int_equal(event_decode(buf.data, buf.len, &out, NULL), 0);
	assert_text(out.topic, out.topic_len, "orders.new");
	assert_text(out.id, out.id_len, "id-1");
	assert_int_equal(out.time_ms, in.time_ms);
	assert_text(out.from, out.from_len, "orders");
	assert_text(out.type, out.type_len, "made");
	assert_int_equal(out.data_len, 3);
	assert_memory_equal(out.data, in.data, 3);
	for (size_t len = 0; len < buf.len; len++)
		assert_int_equal(decode(buf.data, len), -1);
	buf_append_byte(&buf, 0xc0);
	assert_int_equal(decode(buf.data, buf.len), -1);
	buf_fini(&buf);
}

static void
test_type_is_the_topic_and_data_nil_unless_said(void **state)
{
	const struct event in = { .topic = "a",
		.topic_len = 1,
		.id = "",
		.from = "" };
	struct event out;
	struct buf buf = { 0 };

	(void)state;
	event_encode(&buf, &in);
	assert_int_equal(event_decode(buf.data, buf.len, &out, NULL), 0);
	assert_text(out.type, out.type_len, "a");
	assert_int_equal(out.data_len, 1);
	assert_int_equal(*out.data, 0xc0);
	assert_int_equal(event_decode((const uint8_t *)"a\0\x80", 3, &out,
			     NULL),
	    0);
	assert_text(out.type, out.type_len, "a");
	assert_text(out.id, out.id_len, "");
	assert_null(out.data);
	buf_fini(&buf);
}

#define CASE(text) text, sizeof(text) - 1

static const struct {
	const char *name;
	const char *bytes;
	size_t len;
	int want;
} cases[] = {
	{ "an empty topic", CASE("\0\x80"), -1 },
	{ "no NUL", CASE("topic"), -1 },
	{ "no map", CASE("t\0\x90"), -1 },
	{ "nothing behind the NUL", CASE("t\0"), -1 },
	{ "two- to four-byte UTF-8", CASE("\u00e4\u20ac\U0001f600\0\x80"), 0 },
	{ "overlong UTF-8", CASE("\xc0\xaf\0\x80"), -1 },
	{ "overlong UTF-8 of three bytes", CASE("\xe0\x80\xaf\0\x80"), -1 },
	{ "a surrogate", CASE("\xed\xa0\x80\0\x80"), -1 },
	{ "behind the last code point", CASE("\xf4\x90\x80\x80\0\x80"), -1 },
	{ "UTF-8 cut by the NUL", CASE("\xe2\x82\0\x80"), -1 },
	{ "an unknown key", CASE("t\0\x81\xa3new\x01"), 0 },
	{ "a key that is no string", CASE("t\0\x81\x01\x01"), -1 },
	{ "an id that is no string", CASE("t\0\x81\xa2id\x01"), -1 },
	{ "a time that is no integer",
	    CASE("t\0\x81\xa4time\xa1"
		 "1"),
	    -1 },
	{ "a count that the bytes cannot hold",
	    CASE("t\0\xdf\xff\xff\xff\xff\x01"), -1 },
};

static void
test_only_topic_nul_map_is_an_event(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (decode(cases[i].bytes, cases[i].len) != cases[i].want)
			fail_msg("%s", cases[i].name);
	}
}

static void
test_a_topic_has_at_most_255_bytes(void **state)
{
	char bytes[300];

	(void)state;
	memset(bytes, 't', sizeof(bytes));
	bytes[255] = '\0';
	bytes[256] = (char)0x80;
	assert_int_equal(decode(bytes, 257), 0);
	bytes[255] = 't';
	bytes[256] = '\0';
	bytes[257] = (char)0x80;
	assert_int_equal(decode(bytes, 258), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_event_comes_back_as_it_was_sent),
		cmocka_unit_test(
		    test_type_is_the_topic_and_data_nil_unless_said),
		cmocka_unit_test(test_only_topic_nul_map_is_an_event),
		cmocka_unit_test(test_a_topic_has_at_most_255_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
