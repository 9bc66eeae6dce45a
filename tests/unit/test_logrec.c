/* A line of a log is read back as it was written, as text or as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/json.h"
#include "supervisor/logger/logrec.h"

#define TIME "2026-11-22T11:20:30.123Z"

static const char *
to_json(const char *label, const char *text, size_t len, bool is_cut)
{
	static char json[1024];
	const struct logrec rec = { .time = TIME,
		.label = label,
		.label_len = strlen(label),
		.text = text,
		.len = len,
		.is_cut = is_cut };
	struct buf out = { 0 };

	logrec_put_json(&out, &rec);
	assert_false(out.is_failed);
	assert_true(buf_count(&out) < sizeof(json));
	memcpy(json, buf_front(&out), buf_count(&out));
	json[buf_count(&out)] = '\0';
	buf_fini(&out);
	return json;
}

static void
test_lines_become_objects(void **state)
{
	static const struct {
		const char *label, *text, *json;
		bool is_cut;
	} cases[] = {
		{ "echo/1", "hello",
		    "\"service\":\"echo\",\"instance\":1,\"line\":\"hello\"}",
		    false },
		{ "router", "", "\"service\":\"router\",\"line\":\"\"}",
		    false },
		{ "a/12", "x",
		    "\"service\":\"a\",\"instance\":12,\"line\":\"x\","
		    "\"cut\":true}",
		    true },
		{ "a/x", "y", "\"service\":\"a\",\"line\":\"y\"}", false },
		{ "a/1", "{\"b\":1}",
		    "\"service\":\"a\",\"instance\":1,"
		    "\"line\":\"{\\\"b\\\":1}\"}",
		    false },
		{ "a/1", "\t\033[31m\x7f\\",
		    "\"service\":\"a\",\"instance\":1,"
		    "\"line\":\"\\u0009\\u001b[31m\\u007f\\\\\"}",
		    false },
		{ "a/1", "\xc2\x9b \xff\xc3 \xc3\xa4\xe2\x82",
		    "\"service\":\"a\",\"instance\":1,"
		    "\"line\":\"\\u009b \\ufffd\\ufffd \xc3\xa4"
		    "\\ufffd\\ufffd\"}",
		    false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *json = to_json(cases[i].label, cases[i].text,
		    strlen(cases[i].text), cases[i].is_cut);
		struct buf mp = { 0 };

		assert_memory_equal(json, "{\"time\":\"" TIME "\",", 35);
		assert_string_equal(json + 35, cases[i].json);
		assert_int_equal(json_to_mp(json, strlen(json), &mp, NULL,
				     NULL),
		    0);
		buf_fini(&mp);
	}
}

static void
assert_part(const char *part, size_t len, const char *expected)
{
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(part, expected, len);
}

static void
test_both_forms_are_taken_apart(void **state)
{
	static const struct {
		const char *line, *label, *text;
		bool is_cut;
	} cases[] = {
		{ TIME " echo/1 hello  you", "echo/1", "hello  you", false },
		{ TIME " echo/1 ", "echo/1", "", false },
		{ "{\"time\":\"" TIME "\",\"service\":\"echo\",\"instance\":2,"
		  "\"line\":\"a\\u001b\\\"\"}",
		    "echo/2", "a\033\"", false },
		{ "{\"time\":\"" TIME "\",\"service\":\"router\","
		  "\"line\":\"\",\"cut\":true}",
		    "router", "", true },
	};
	struct buf scratch = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct logrec rec;

		assert_true(logrec_read(cases[i].line, strlen(cases[i].line),
		    &scratch, &rec));
		assert_memory_equal(rec.time, TIME, LOGREC_TIME_LEN);
		assert_part(rec.label, rec.label_len, cases[i].label);
		assert_part(rec.text, rec.len, cases[i].text);
		assert_int_equal(rec.is_cut, cases[i].is_cut);
	}
	buf_fini(&scratch);
}

static void
test_other_lines_are_not(void **state)
{
	static const char *const lines[] = { "", "{", "{}", "hello", TIME,
		TIME " ", TIME " label", TIME "  text",
		"{\"time\":\"" TIME "\",\"service\":\"a\"}",
		"{\"time\":\"" TIME "\",\"line\":\"a\"}",
		"{\"time\":\"now\",\"service\":\"a\",\"line\":\"b\"}",
		"{\"time\":1,\"service\":\"a\",\"line\":\"b\"}" };
	struct buf scratch = { 0 };
	struct logrec rec;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_false(
		    logrec_read(lines[i], strlen(lines[i]), &scratch, &rec));
	buf_fini(&scratch);
}

static void
test_the_time_of_a_line_is_found(void **state)
{
	static const struct {
		const char *line;
		int at; /* -1: none */
	} cases[] = {
		{ "2026-11-22T11:20:30.123Z echo/1 x", 0 },
		{ "{\"time\":\"2026-11-22T11:20:30.123Z\"}", 9 },
		{ "2026-11-22T11:20:30.123", -1 },
		{ "2026-11-22 11:20:30.123Z", -1 },
		{ "", -1 },
		{ "{", -1 },
		{ "{:", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *line = cases[i].line;
		const char *time = logrec_time(line, strlen(line));

		if (cases[i].at == -1)
			assert_null(time);
		else
			assert_ptr_equal(time, line + cases[i].at);
	}
	assert_int_equal(logrec_time_ms("1970-01-02T00:00:01.007Z"), 86401007);
	assert_int_equal(logrec_time_ms(TIME), 1795346430123);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_become_objects),
		cmocka_unit_test(test_both_forms_are_taken_apart),
		cmocka_unit_test(test_other_lines_are_not),
		cmocka_unit_test(test_the_time_of_a_line_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
