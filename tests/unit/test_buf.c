#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ipc/buf.h"

static void
assert_bytes(const struct buf *buf, const char *want)
{
	assert_false(buf->is_failed);
	assert_int_equal(buf_count(buf), strlen(want));
	if (*want != '\0')
		assert_memory_equal(buf_front(buf), want, strlen(want));
}

static void
test_a_zeroed_buf_is_empty_and_usable(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	assert_int_equal(buf_count(&buf), 0);
	assert_null(buf_front(&buf));
	buf_append(&buf, NULL, 0);
	buf_consume(&buf, 0);
	buf_shrink(&buf, 0);
	assert_null(buf.data);
	assert_non_null(buf_reserve(&buf, 0));
	buf_append_str(&buf, "ab");
	buf_append_byte(&buf, 'c');
	assert_bytes(&buf, "abc");
	buf_fini(&buf);
	assert_null(buf.data);
}

static void
test_bytes_come_out_in_the_order_they_went_in(void **state)
{
	struct buf buf = { 0 };
	uint8_t in = 0, out = 0;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		for (int i = 0; i < round % 41; i++)
			buf_append_byte(&buf, in++);
		for (int i = 0; i < round % 37 && buf_count(&buf) > 0; i++) {
			assert_int_equal(*buf_front(&buf), out++);
			buf_consume(&buf, 1);
		}
	}
	assert_int_equal(buf_count(&buf) % 256, (uint8_t)(in - out));
	buf_fini(&buf);
}

static void
test_a_number_becomes_its_decimal_digits(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	buf_append_uint(&buf, 0);
	buf_append_byte(&buf, ' ');
	buf_append_uint(&buf, 10);
	buf_append_byte(&buf, ' ');
	buf_append_uint(&buf, UINT64_MAX);
	assert_bytes(&buf, "0 10 18446744073709551615");
	buf_fini(&buf);
}

static void
test_a_queue_in_steady_use_stops_growing(void **state)
{
	struct buf buf = { 0 };
	char chunk[100];

	(void)state;
	memset(chunk, 'x', sizeof(chunk));
	buf_append(&buf, chunk, sizeof(chunk));
	for (int i = 0; i < 100000; i++) {
		buf_append(&buf, chunk, sizeof(chunk));
		buf_consume(&buf, sizeof(chunk));
	}
	assert_int_equal(buf_count(&buf), sizeof(chunk));
	assert_true(buf.cap <= 1024);
	buf_fini(&buf);
}

static void
test_printf_grows_and_keeps_no_nul(void **state)
{
	struct buf buf = { 0 };
	char want[701];

	(void)state;
	buf_printf(&buf, "%s", "");
	assert_bytes(&buf, "");
	memset(want, 'y', sizeof(want) - 1);
	want[sizeof(want) - 1] = '\0';
	buf_printf(&buf, "%s", want);
	assert_bytes(&buf, want);
	buf_clear(&buf);
	buf_printf(&buf, "%d-%s", 42, "a");
	assert_bytes(&buf, "42-a");
	/* Also when the text would just fit without its NUL. */
	for (size_t len = 1; len < sizeof(want) - 1; len++) {
		buf_fini(&buf);
		buf_printf(&buf, "%.*s", (int)len, want);
		assert_int_equal(buf_count(&buf), len);
		assert_int_equal(buf.data[len - 1], 'y');
	}
	buf_fini(&buf);
}

static void
test_a_failure_sticks_until_clear(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	buf_append_str(&buf, "kept");
	assert_null(buf_reserve(&buf, SIZE_MAX - 2));
	assert_true(buf.is_failed);
	buf_append_str(&buf, "not this");
	buf_append_byte(&buf, '!');
	buf_printf(&buf, "nor %s", "this");
	assert_int_equal(buf_count(&buf), 4);
	buf_clear(&buf);
	buf_append_str(&buf, "again");
	assert_bytes(&buf, "again");
	buf_fini(&buf);
}

static void
test_shrink_gives_back_only_what_is_empty_and_large(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	buf_reserve(&buf, 5000);
	buf_append_str(&buf, "x");
	buf_shrink(&buf, 100);
	assert_non_null(buf.data);
	buf_consume(&buf, 1);
	buf_shrink(&buf, 10000);
	assert_non_null(buf.data);
	buf_shrink(&buf, 100);
	assert_null(buf.data);
	buf_fini(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_zeroed_buf_is_empty_and_usable),
		cmocka_unit_test(test_bytes_come_out_in_the_order_they_went_in),
		cmocka_unit_test(test_a_number_becomes_its_decimal_digits),
		cmocka_unit_test(test_a_queue_in_steady_use_stops_growing),
		cmocka_unit_test(test_printf_grows_and_keeps_no_nul),
		cmocka_unit_test(test_a_failure_sticks_until_clear),
		cmocka_unit_test(
		    test_shrink_gives_back_only_what_is_empty_and_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
