/* The access line: its form, and that no client can forge one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "ipc/buf.h"
#include "router/access.h"

static struct access_line
sample(void)
{
	return (struct access_line){ .time_us = 784111777123456,
		.client = "127.0.0.1",
		.method = "GET",
		.method_len = 3,
		.path = "/users/1",
		.path_len = 8,
		.query = "x=1",
		.query_len = 3,
		.protocol = "HTTP/1.1",
		.status = 200,
		.bytes = 60,
		.total_us = 1234,
		.service_us = 999,
		.service = "users",
		.instance = 2,
		.request_id = "abc",
		.request_id_len = 3 };
}

static void
assert_text(const struct access_line *line, const char *text)
{
	struct buf buf = { 0 };

	access_put_text(&buf, line);
	buf_append_byte(&buf, 0);
	assert_string_equal((const char *)buf_front(&buf), text);
	buf_fini(&buf);
}

static void
the_text_line_has_all_fields(void **state)
{
	struct access_line line = sample();

	(void)state;
	assert_text(&line,
	    "1994-11-06T08:49:37.123Z 127.0.0.1 "
	    "\"GET /users/1?x=1 HTTP/1.1\" 200 60 1.234 0.999 users/2 "
	    "abc\n");
}

static void
a_failure_is_told_at_the_end(void **state)
{
	struct access_line line = sample();
	struct buf buf = { 0 };
	json_t *json;

	(void)state;
	line.status = 503;
	line.cause = "failed";
	line.detail = "service users gave up \\ \"why\"";
	assert_text(&line,
	    "1994-11-06T08:49:37.123Z 127.0.0.1 "
	    "\"GET /users/1?x=1 HTTP/1.1\" 503 60 1.234 0.999 users/2 "
	    "abc failed \"service users gave up ' 'why'\"\n");
	access_put_json(&buf, &line);
	json =
	    json_loadb((const char *)buf_front(&buf), buf_count(&buf), 0, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "cause")),
	    "failed");
	assert_string_equal(json_string_value(json_object_get(json, "detail")),
	    "service users gave up ' 'why'");
	json_decref(json);
	buf_fini(&buf);
}

static void
what_is_not_known_is_a_dash(void **state)
{
	struct access_line line = sample();

	(void)state;
	line.method = NULL;
	line.service = NULL;
	line.service_us = -1;
	line.status = 400;
	assert_text(&line,
	    "1994-11-06T08:49:37.123Z 127.0.0.1 \"-\" 400 60 1.234 - - "
	    "abc\n");
}

static void
a_target_cannot_end_its_quotes_or_the_line(void **state)
{
	struct access_line line = sample();

	(void)state;
	line.path = "/a\" 200\n\\\xff";
	line.path_len = strlen(line.path);
	line.query_len = 0;
	assert_text(&line,
	    "1994-11-06T08:49:37.123Z 127.0.0.1 "
	    "\"GET /a\\x22\\x20200\\x0a\\x5c\\xff HTTP/1.1\" 200 60 1.234 "
	    "0.999 users/2 abc\n");
}

/* Any line, however long its parts, fits a write that the kernel keeps whole.
 */
static void
the_longest_line_fits_one_atomic_write(void **state)
{
	static char evil[70000];
	struct access_line line = sample();
	struct buf buf = { 0 };

	(void)state;
	memset(evil, '\n', sizeof(evil) - 1);
	line.method = line.path = line.query = line.request_id = evil;
	line.method_len = line.path_len = line.query_len = line.request_id_len =
	    sizeof(evil) - 1;
	line.client = line.service = evil;
	line.cause = line.detail = evil;
	line.status = UINT32_MAX;
	line.bytes = UINT64_MAX;
	line.total_us = line.service_us = INT64_MAX;
	access_put_text(&buf, &line);
	assert_in_range(buf_count(&buf), 1000, ACCESS_LINE_MAX);
	buf_clear(&buf);
	access_put_json(&buf, &line);
	assert_in_range(buf_count(&buf), 1000, ACCESS_LINE_MAX);
	buf_fini(&buf);
}

static void
the_json_line_is_json_with_the_same_names(void **state)
{
	struct access_line line = sample();
	struct buf buf = { 0 };
	json_t *json;

	(void)state;
	line.path = "/a\"b";
	line.path_len = 4;
	access_put_json(&buf, &line);
	json =
	    json_loadb((const char *)buf_front(&buf), buf_count(&buf), 0, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "time")),
	    "1994-11-06T08:49:37.123Z");
	assert_string_equal(json_string_value(json_object_get(json, "target")),
	    "/a\\x22b?x=1");
	assert_int_equal(json_integer_value(json_object_get(json, "status")),
	    200);
	assert_string_equal(json_string_value(json_object_get(json, "service")),
	    "users/2");
	json_decref(json);
	buf_fini(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_line_has_all_fields),
		cmocka_unit_test(a_failure_is_told_at_the_end),
		cmocka_unit_test(what_is_not_known_is_a_dash),
		cmocka_unit_test(a_target_cannot_end_its_quotes_or_the_line),
		cmocka_unit_test(the_longest_line_fits_one_atomic_write),
		cmocka_unit_test(the_json_line_is_json_with_the_same_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
