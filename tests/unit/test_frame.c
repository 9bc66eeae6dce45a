#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/frame.h"
#include "ipc/mp.h"

static struct mp_reader
reader_of(const struct buf *buf)
{
	return (struct mp_reader){ buf_front(buf),
		buf_front(buf) + buf_count(buf) };
}

static void
put_all_kinds(struct buf *buf)
{
	frame_put_request(buf, 7, "users.get", 9);
	mp_put_map(buf, 1);
	mp_put_cstr(buf, ":deadline-ms");
	mp_put_uint(buf, 250);
	mp_put_nil(buf);
	frame_put_response(buf, FRAME_ID_MAX, 404);
	mp_put_map(buf, 0);
	mp_put_bin(buf, "no", 2);
	frame_put_cancel(buf, 9);
	frame_put_chunk(buf, 10, UINT64_MAX, FRAME_LAST, "abc", 3);
	frame_put_credit(buf, 11, 65536);
	frame_put_hello(buf, 256, 1 << 18, true);
}

static struct frame
next(struct mp_reader *reader)
{
	struct frame frame;
	struct err err = { "" };

	if (frame_decode(reader, &frame, &err) < 0)
		fail_msg("%s", err.text);
	return frame;
}

static void
test_every_kind_comes_back_as_it_was_put(void **state)
{
	struct buf buf = { .data = NULL };
	struct mp_reader reader;
	struct frame frame;

	(void)state;
	put_all_kinds(&buf);
	reader = reader_of(&buf);
	frame = next(&reader);
	assert_int_equal(frame.kind, FRAME_REQUEST);
	assert_int_equal(frame.id, 7);
	assert_int_equal(frame.op_len, 9);
	assert_memory_equal(frame.op, "users.get", 9);
	assert_int_equal(frame.meta_len, 16);
	assert_int_equal(frame.payload_len, 1);
	frame = next(&reader);
	assert_int_equal(frame.kind, FRAME_RESPONSE);
	assert_int_equal(frame.id, FRAME_ID_MAX);
	assert_int_equal(frame.status, 404);
	assert_memory_equal(frame.payload, "\xc4\x02no", 4);
	frame = next(&reader);
	assert_int_equal(frame.kind, FRAME_CANCEL);
	assert_int_equal(frame.id, 9);
	frame = next(&reader);
	assert_int_equal(frame.kind, FRAME_CHUNK);
	assert_true(frame.seq == UINT64_MAX);
	assert_int_equal(frame.flags, FRAME_LAST);
	assert_memory_equal(frame.chunk, "abc", 3);
	frame = next(&reader);
	assert_int_equal(frame.kind, FRAME_CREDIT);
	assert_int_equal(frame.credit, 65536);
	frame = next(&reader);
	assert_int_equal(frame.kind, FRAME_HELLO);
	assert_int_equal(frame.version, FRAME_VERSION);
	assert_int_equal(frame.max_batch, 256);
	assert_int_equal(frame.window, 1 << 18);
	assert_ptr_equal(reader.pos, reader.end);
	buf_fini(&buf);
}

static size_t
count_frames(const uint8_t *data, size_t len, size_t *whole_len_r)
{
	struct mp_reader reader = { data, data + len };
	struct frame frame;
	struct err err = { "" };
	size_t count = 0;

	*whole_len_r = 0;
	while (reader.pos < reader.end) {
		if (frame_decode(&reader, &frame, &err) < 0) {
			assert_int_not_equal(err.text[0], '\0');
			break;
		}
		count++;
		*whole_len_r = (size_t)(reader.pos - data);
	}
	return count;
}

static void
test_a_frame_cut_anywhere_is_malformed(void **state)
{
	struct buf buf = { .data = NULL };
	size_t ends[8], end_count = 0, whole_len;

	(void)state;
	put_all_kinds(&buf);
	for (size_t len = 0; len <= buf_count(&buf); len++) {
		/* Bytes of their own, so that reading past them is seen. */
		uint8_t *cut = malloc(len + 1);
		size_t count;

		assert_non_null(cut);
		memcpy(cut, buf_front(&buf), len);
		cut[len] = 0xc0;
		count = count_frames(cut, len, &whole_len);
		if (whole_len == len && len > 0)
			ends[end_count++] = len;
		assert_int_equal(count, end_count);
		assert_int_equal(whole_len,
		    end_count == 0 ? 0 : ends[end_count - 1]);
		free(cut);
	}
	assert_int_equal(end_count, 6);
	buf_fini(&buf);
}

static void
test_unknown_kinds_and_trailing_items_are_skipped(void **state)
{
	static const uint8_t bytes[] = { 0x93, 0x08, 0xc0, 0x81, 0x01, 0x02,
		0x94, 0x02, 0x05, 0xc0, 0x91, 0xc3, 0x92, 0xcd, 0x01, 0x00,
		0x01 };
	struct mp_reader reader = { bytes, bytes + sizeof(bytes) };
	struct frame frame;

	(void)state;
	assert_int_equal(next(&reader).kind, FRAME_UNKNOWN);
	frame = next(&reader);
	assert_int_equal(frame.kind, FRAME_CANCEL);
	assert_int_equal(frame.id, 5);
	assert_int_equal(next(&reader).kind, FRAME_UNKNOWN);
	assert_ptr_equal(reader.pos, reader.end);
}

static void
test_malformed_frames_are_refused_by_name(void **state)
{
#define CASE(name, bytes, text)                      \
	{                                            \
		name, bytes, sizeof(bytes) - 1, text \
	}
	static const struct {
		const char *name, *bytes;
		size_t len;
		const char *text;
	} cases[] = {
		CASE("no array", "\x80", "not an array"),
		CASE("empty array", "\x90", "its kind"),
		CASE("kind is a string", "\x92\xa1x\x01", "its kind"),
		CASE("negative kind", "\x92\xff\x01", "its kind"),
		CASE("id over 2^31-1", "\x92\x02\xce\x80\x00\x00\x00", "id"),
		CASE("negative id", "\x92\x02\xff", "id"),
		CASE("request of 4", "\x94\x00\x01\xa1o\x80", "too few"),
		CASE("op no string", "\x95\x00\x01\x02\x80\xc0", "op"),
		CASE("meta no map", "\x95\x00\x01\xa1o\x90\xc0", "meta"),
		CASE("meta key no string", "\x95\x00\x01\xa1o\x81\x01\x01\xc0",
		    "key"),
		CASE("meta value an array",
		    "\x95\x00\x01\xa1o\x81\xa1k\x90\xc0", "value"),
		CASE("status 99", "\x95\x01\x01\x63\x80\xc0", "status"),
		CASE("status 600", "\x95\x01\x01\xcd\x02\x58\x80\xc0",
		    "status"),
		CASE("map forges its count",
		    "\x95\x00\x01\xa1o\xdf\xff\xff\xff\xff\xc0", "meta"),
		CASE("chunk no bin", "\x95\x03\x01\x00\x00\xa1x", "bin"),
		CASE("hello no map", "\x92\x09\x01", "map"),
		CASE("hello without version", "\x92\x09\x80", "version"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint8_t *bytes = (const uint8_t *)cases[i].bytes;
		struct mp_reader reader = { bytes, bytes + cases[i].len };
		struct frame frame;
		struct err err = { "" };

		if (frame_decode(&reader, &frame, &err) == 0)
			fail_msg("%s: accepted", cases[i].name);
		if (strstr(err.text, cases[i].text) == NULL)
			fail_msg("%s: \"%s\"", cases[i].name, err.text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_comes_back_as_it_was_put),
		cmocka_unit_test(test_a_frame_cut_anywhere_is_malformed),
		cmocka_unit_test(
		    test_unknown_kinds_and_trailing_items_are_skipped),
		cmocka_unit_test(test_malformed_frames_are_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
