/* What is handed on by reexec: structs by tables of their fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/loop.h"
#include "supervisor/keep.h"
#include "supervisor/parent.h"

struct thing {
	bool is_on;
	uint8_t small;
	uint16_t medium;
	unsigned plain;
	uint64_t large;
	int below;
	int64_t far;
	char *text, *nothing;
	char name[8];
	struct buf bytes;
	struct loop_timer set, unset;
	int fd, none;
};

static const struct keep_field fields[] = {
	KEEP_FIELD(KEEP_BOOL, thing, is_on),
	KEEP_FIELD(KEEP_UINT, thing, small),
	KEEP_FIELD(KEEP_UINT, thing, medium),
	KEEP_FIELD(KEEP_UINT, thing, plain),
	KEEP_FIELD(KEEP_UINT, thing, large),
	KEEP_FIELD(KEEP_INT, thing, below),
	KEEP_FIELD(KEEP_INT, thing, far),
	KEEP_FIELD(KEEP_TEXT, thing, text),
	KEEP_FIELD(KEEP_TEXT, thing, nothing),
	KEEP_FIELD(KEEP_CHARS, thing, name),
	KEEP_FIELD(KEEP_BUF, thing, bytes),
	KEEP_FIELD(KEEP_TIMER, thing, set),
	KEEP_FIELD(KEEP_TIMER, thing, unset),
	KEEP_FIELD(KEEP_FD, thing, fd),
	KEEP_FIELD(KEEP_FD, thing, none),
};

static void
on_timer(struct loop_timer *timer)
{
	(void)timer;
}

/* What is read is in in->err's hands; returns what keep_get() does. */
static int
read_back(const struct keep_out *out, struct keep_in *in, struct thing *thing,
    size_t count)
{
	struct mp_reader reader = { buf_front(&out->bytes),
		buf_front(&out->bytes) + buf_count(&out->bytes) };

	return keep_get(in, &reader, fields, count, thing);
}

static void
test_every_kind_of_field_comes_back(void **state)
{
	struct loop *loop = loop_new(NULL);
	struct thing from = { .is_on = true,
		.small = 200,
		.medium = 60000,
		.plain = 4000000000U,
		.large = UINT64_MAX,
		.below = -7,
		.far = INT64_MIN,
		.text = strdup("text"),
		.name = "name",
		.set = { .fn = on_timer },
		.unset = { .fn = on_timer },
		.fd = dup(0),
		.none = -1 };
	struct thing to = { .text = strdup("old"),
		.nothing = strdup("old"),
		.set = { .fn = on_timer },
		.unset = { .fn = on_timer } };
	struct keep_in in = { .loop = loop };
	struct keep_out out = { 0 };
	int fd;

	(void)state;
	buf_append(&from.bytes, "a\0b", 3);
	loop_timer_set(loop, &from.set, 123456789);
	keep_put(&out, fields, KEEP_COUNT(fields), &from);
	assert_false(out.bytes.is_failed);
	assert_int_equal(buf_count(&out.fds), sizeof(fd));
	memcpy(&fd, buf_front(&out.fds), sizeof(fd));
	assert_int_equal(fd, from.fd);
	assert_int_equal(read_back(&out, &in, &to, KEEP_COUNT(fields)), 0);
	assert_true(to.is_on);
	assert_int_equal(to.small, 200);
	assert_int_equal(to.medium, 60000);
	assert_int_equal(to.plain, 4000000000U);
	assert_true(to.large == UINT64_MAX);
	assert_int_equal(to.below, -7);
	assert_true(to.far == INT64_MIN);
	assert_string_equal(to.text, "text");
	assert_null(to.nothing);
	assert_string_equal(to.name, "name");
	assert_int_equal(buf_count(&to.bytes), 3);
	assert_memory_equal(buf_front(&to.bytes), "a\0b", 3);
	assert_int_equal(to.set.due_us, 123456789);
	assert_true(loop_timer_is_set(&to.set));
	assert_false(loop_timer_is_set(&to.unset));
	assert_int_equal(to.fd, from.fd);
	assert_int_equal(to.none, -1);
	close(from.fd);
	free(from.text);
	free(to.text);
	buf_fini(&from.bytes);
	buf_fini(&to.bytes);
	keep_out_fini(&out);
	loop_free(&loop);
}

static void
test_an_unknown_field_is_skipped_and_a_missing_one_stays(void **state)
{
	struct thing from = { .is_on = true, .small = 3, .medium = 4 },
		     to = { .plain = 77 };
	struct keep_in in = { 0 };
	struct keep_out out = { 0 };

	(void)state;
	keep_put(&out, fields, 3, &from);
	assert_int_equal(read_back(&out, &in, &to, 1), 0);
	assert_true(to.is_on);
	assert_int_equal(to.small, 0);
	assert_int_equal(to.plain, 77);
	keep_out_fini(&out);
}

static void
test_what_does_not_fit_is_refused_by_name(void **state)
{
	static const struct keep_field wide[] = {
		KEEP_FIELD(KEEP_UINT, thing, large),
	};
	struct keep_field narrow = { "large", KEEP_UINT,
		offsetof(struct thing, small), 1 };
	struct thing from = { .large = 256 }, to = { 0 };
	struct keep_in in = { 0 };
	struct keep_out out = { 0 };
	struct mp_reader reader;

	(void)state;
	keep_put(&out, wide, 1, &from);
	reader.pos = buf_front(&out.bytes);
	reader.end = reader.pos + buf_count(&out.bytes);
	assert_int_equal(keep_get(&in, &reader, &narrow, 1, &to), -1);
	assert_string_equal(in.err.text, "large: malformed");
	keep_out_fini(&out);
}

static void
test_bytes_that_are_cut_off_are_refused(void **state)
{
	struct thing from = { .is_on = true, .name = "name", .fd = -1 };
	struct keep_out out = { 0 };
	size_t len;

	(void)state;
	keep_put(&out, fields, 10, &from);
	len = buf_count(&out.bytes);
	for (size_t cut = 1; cut <= len; cut++) {
		struct thing to = { 0 };
		struct keep_in in = { 0 };

		out.bytes.len--;
		assert_int_equal(read_back(&out, &in, &to, 10), -1);
		assert_true(in.err.text[0] != '\0');
		free(to.text);
	}
	keep_out_fini(&out);
}

static void
test_a_watchdog_is_fed_twice_in_its_period_and_only_by_whom_it_means(
    void **state)
{
	(void)state;
	assert_int_equal(parent_watchdog_us("3000000", NULL, 5), 1500000);
	assert_int_equal(parent_watchdog_us("3000000", "5", 5), 1500000);
	assert_int_equal(parent_watchdog_us("3000000", "6", 5), 0);
	assert_int_equal(parent_watchdog_us(NULL, NULL, 5), 0);
	assert_int_equal(parent_watchdog_us("", NULL, 5), 0);
	assert_int_equal(parent_watchdog_us("3s", NULL, 5), 0);
	assert_int_equal(parent_watchdog_us("-1", NULL, 5), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_of_field_comes_back),
		cmocka_unit_test(
		    test_an_unknown_field_is_skipped_and_a_missing_one_stays),
		cmocka_unit_test(test_what_does_not_fit_is_refused_by_name),
		cmocka_unit_test(test_bytes_that_are_cut_off_are_refused),
		cmocka_unit_test(
		    test_a_watchdog_is_fed_twice_in_its_period_and_only_by_whom_it_means),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
