#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/sp.h"

static void
test_the_handshake_has_the_bytes_nng_sends(void **state)
{
	static const struct {
		enum sp_protocol protocol;
		uint8_t bytes[SP_HANDSHAKE_LEN];
	} cases[] = {
		{ SP_REQ, { 0, 'S', 'P', 0, 0, 0x30, 0, 0 } },
		{ SP_REP, { 0, 'S', 'P', 0, 0, 0x31, 0, 0 } },
		{ SP_PUB, { 0, 'S', 'P', 0, 0, 0x20, 0, 0 } },
		{ SP_SUB, { 0, 'S', 'P', 0, 0, 0x21, 0, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t out[SP_HANDSHAKE_LEN];

		sp_handshake_encode(cases[i].protocol, out);
		assert_memory_equal(out, cases[i].bytes, sizeof(out));
		assert_int_equal(sp_handshake_decode(out), cases[i].protocol);
		assert_int_equal(sp_protocol_peer(
				     sp_protocol_peer(cases[i].protocol)),
		    cases[i].protocol);
	}
}

static void
test_what_is_not_sp_is_no_handshake(void **state)
{
	static const uint8_t cases[][SP_HANDSHAKE_LEN] = {
		"GET / HT",
		{ 0, 'S', 'P', 1, 0, 0x30, 0, 0 },
		{ 0, 'S', 'P', 0, 0, 0x30, 0, 1 },
		{ 0, 'S', 'P', 0, 0, 0x30, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(sp_handshake_decode(cases[i]), SP_NONE);
}

static void
test_prefixes_come_back_as_they_were(void **state)
{
	static const uint64_t lens[] = { 0, 1, 255, 256, 0x0102030405060708,
		UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		uint8_t out[SP_PREFIX_MAX];
		uint64_t len;

		sp_prefix_encode(SP_IPC, lens[i], out);
		assert_int_equal(out[0], 1);
		assert_int_equal(sp_prefix_decode(SP_IPC, out, &len), 0);
		assert_int_equal(len, lens[i]);
		out[0] = 2;
		assert_int_equal(sp_prefix_decode(SP_IPC, out, &len), -1);
		sp_prefix_encode(SP_TCP, lens[i], out);
		assert_int_equal(sp_prefix_decode(SP_TCP, out, &len), 0);
		assert_int_equal(len, lens[i]);
	}
}

static void
test_the_header_ends_with_the_first_high_bit(void **state)
{
	uint8_t data[SP_HEADER_MAX + 4] = { 0 };
	struct sp_header header;

	(void)state;
	for (size_t at = 0; at + 4 <= sizeof(data); at += 4) {
		int want = at < SP_HEADER_MAX ? (int)at + 4 : -1;

		memset(data, 0, sizeof(data));
		data[at] = 0x80;
		data[at + 3] = 7;
		assert_int_equal(sp_header_split(data, sizeof(data), &header),
		    want);
		assert_int_equal(sp_header_split(data, at + 3, &header), -1);
		if (want < 0)
			continue;
		assert_int_equal(header.len, want);
		assert_int_equal(sp_header_id(&header), 7);
	}
}

static void
test_a_header_of_one_word_holds_its_id(void **state)
{
	static const uint32_t ids[] = { 0, 1, 0x01020304, 0x7fffffff };
	struct sp_header header, again;

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		sp_header_init(&header, ids[i]);
		assert_int_equal(header.len, 4);
		assert_int_equal(sp_header_id(&header), ids[i]);
		assert_int_equal(sp_header_split(header.data, 4, &again), 4);
		assert_int_equal(sp_header_id(&again), ids[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_handshake_has_the_bytes_nng_sends),
		cmocka_unit_test(test_what_is_not_sp_is_no_handshake),
		cmocka_unit_test(test_prefixes_come_back_as_they_were),
		cmocka_unit_test(test_the_header_ends_with_the_first_high_bit),
		cmocka_unit_test(test_a_header_of_one_word_holds_its_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
