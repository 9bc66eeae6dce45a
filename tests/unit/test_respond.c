#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/frame.h"
#include "ipc/mp.h"
#include "router/problem.h"
#include "router/respond.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DATE         "Sun, 22 Nov 2026 12:00:00 GMT"
#define FIRST        "Date: " DATE "\r\nX-Request-Id: id-1\r\n"
#define OCTETS       "Content-Type: application/octet-stream\r\n"
#define JSON         "Content-Type: application/json\r\nVary: Accept\r\n"

/* MessagePack, with its length, for bytes may be NUL. */
#define MP(text) text, sizeof(text) - 1
#define NO_META  MP("\x80")
#define TYPE(type)    \
	MP("\x81\xac" \
	   "content-type" type)

enum {
	HEAD = 1,
	CLOSE = 2,
	OLD = 4, /* HTTP/1.0 */
	MSGPACK = 8,
	BRIEF = 16,
	FALLBACK = 32
};

static struct respond
surround(struct buf *out, unsigned flags)
{
	return (struct respond){ .out = out,
		.minor = (flags & OLD) != 0 ? 0 : 1,
		.is_head = (flags & HEAD) != 0,
		.keep_alive = (flags & CLOSE) == 0,
		.is_brief = (flags & BRIEF) != 0,
		.fallback = (flags & FALLBACK) != 0 ? "5xx" : NULL,
		.date = DATE,
		.request_id = "id-1",
		.request_id_len = 4 };
}

static void
check_text(const char *name, struct buf *out, const char *expected)
{
	buf_append_byte(out, 0);
	if (strcmp((const char *)buf_front(out), expected) != 0)
		fail_msg("%s:\n%s\nnot\n%s", name, (const char *)buf_front(out),
		    expected);
	buf_fini(out);
}

static const struct {
	const char *name;
	unsigned status;
	const char *meta;
	size_t meta_len;
	const char *payload;
	size_t payload_len;
	unsigned flags;
	const char *expected;
} whole[] = {
	{ "bytes without a type", 200, NO_META, MP("\xc4\x02hi"), 0,
	    "HTTP/1.1 200 OK\r\n" FIRST OCTETS "Content-Length: 2\r\n\r\nhi" },
	{ "bytes with a type", 200,
	    TYPE("\xa3"
		 "a/b"),
	    MP("\xc4\x02hi"), 0,
	    "HTTP/1.1 200 OK\r\n" FIRST
	    "Content-Type: a/b\r\nContent-Length: 2\r\n\r\nhi" },
	{ "a type that breaks the line", 200,
	    TYPE("\xa5"
		 "a/b\r\n"),
	    MP("\xc4\x02hi"), 0,
	    "HTTP/1.1 200 OK\r\n" FIRST OCTETS "Content-Length: 2\r\n\r\nhi" },
	{ "no bytes", 200, NO_META, MP("\xc4\x00"), 0,
	    "HTTP/1.1 200 OK\r\n" FIRST "Content-Length: 0\r\n\r\n" },
	{ "nothing", 404, NO_META, MP("\xc0"), 0,
	    "HTTP/1.1 404 Not Found\r\n" FIRST "Content-Length: 0\r\n\r\n" },
	{ "a value", 200, NO_META,
	    MP("\x81\xa1"
	       "a\x01"),
	    0,
	    "HTTP/1.1 200 OK\r\n" FIRST JSON "Content-Length: 7\r\n\r\n"
	    "{\"a\":1}" },
	{ "a value with a JSON type of its own", 400,
	    TYPE("\xba"
		 "application/a+json;x=\"y z\""),
	    MP("\x90"), 0,
	    "HTTP/1.1 400 Bad Request\r\n" FIRST
	    "Content-Type: application/a+json;x=\"y z\"\r\nVary: Accept\r\n"
	    "Content-Length: 2\r\n\r\n[]" },
	{ "a value is JSON whatever it claims", 200,
	    TYPE("\xa9"
		 "text/html"),
	    MP("\xa1x"), 0,
	    "HTTP/1.1 200 OK\r\n" FIRST JSON "Content-Length: 3\r\n\r\n\"x\"" },
	{ "a value as MessagePack", 200, NO_META,
	    MP("\x81\xa1"
	       "a\x01"),
	    MSGPACK,
	    "HTTP/1.1 200 OK\r\n" FIRST
	    "Content-Type: application/msgpack\r\nVary: Accept\r\n"
	    "Content-Length: 4\r\n\r\n\x81\xa1"
	    "a\x01" },
	{ "bytes stay bytes for MessagePack", 200, NO_META, MP("\xc4\x01x"),
	    MSGPACK,
	    "HTTP/1.1 200 OK\r\n" FIRST OCTETS "Content-Length: 1\r\n\r\nx" },
	{ "HEAD", 200, NO_META, MP("\xa1x"), HEAD,
	    "HTTP/1.1 200 OK\r\n" FIRST JSON "Content-Length: 3\r\n\r\n" },
	{ "close", 200, NO_META, MP("\xc0"), CLOSE,
	    "HTTP/1.1 200 OK\r\n" FIRST
	    "Connection: close\r\nContent-Length: 0\r\n\r\n" },
	{ "HTTP/1.0 is told that it stays", 200, NO_META, MP("\xc0"), OLD,
	    "HTTP/1.1 200 OK\r\n" FIRST
	    "Connection: keep-alive\r\nContent-Length: 0\r\n\r\n" },
	{ "204 has no body, length and type", 204,
	    TYPE("\xa3"
		 "a/b"),
	    MP("\xc4\x02hi"), 0, "HTTP/1.1 204 No Content\r\n" FIRST "\r\n" },
	{ "205 says that it is empty", 205, NO_META, MP("\xc4\x02hi"), 0,
	    "HTTP/1.1 205 Reset Content\r\n" FIRST
	    "Content-Length: 0\r\n\r\n" },
	{ "304 has the type only", 304,
	    TYPE("\xa3"
		 "a/b"),
	    MP("\xc4\x02hi"), 0,
	    "HTTP/1.1 304 Not Modified\r\n" FIRST "Content-Type: a/b\r\n\r\n" },
	{ "a status without a name", 299, NO_META, MP("\xc0"), 0,
	    "HTTP/1.1 299 Status\r\n" FIRST "Content-Length: 0\r\n\r\n" },
	{ "fields in order, integers as digits", 200,
	    MP("\x83\xa1"
	       "b\xa2 1\xa1"
	       "a\xd0\xff\xa4"
	       "etag\xa0"),
	    MP("\xc0"), 0,
	    "HTTP/1.1 200 OK\r\n" FIRST "b:  1\r\na: -1\r\netag: \r\n"
	    "Content-Length: 0\r\n\r\n" },
	{ "an integer over 2^63 is left out, what follows is not", 200,
	    MP("\x82\xa1"
	       "a\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa1"
	       "b\xa1"
	       "1"),
	    MP("\xc0"), 0,
	    "HTTP/1.1 200 OK\r\n" FIRST "b: 1\r\nContent-Length: 0\r\n\r\n" },
	{ "fields that are ours or no fields", 200,
	    MP("\x88\xa4"
	       "Date\xa1"
	       "1\xae"
	       "Content-Length\xa1"
	       "1\xaa"
	       "Connection\xa1"
	       "1\xac"
	       "X-Request-Id\xa1"
	       "1\xa1:\xa1"
	       "1\xa0\xa1"
	       "1\xa3"
	       "a b\xa1"
	       "1\xa1"
	       "a\xa3"
	       "b\r\n"),
	    MP("\xc0"), 0,
	    "HTTP/1.1 200 OK\r\n" FIRST "Content-Length: 0\r\n\r\n" },
};

static void
test_a_whole_response_is_these_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(whole); i++) {
		struct frame frame = { .status = whole[i].status,
			.meta = (const uint8_t *)whole[i].meta,
			.meta_len = whole[i].meta_len,
			.payload = (const uint8_t *)whole[i].payload,
			.payload_len = whole[i].payload_len };
		struct buf out = { 0 }, text = { 0 };
		struct respond respond = surround(&out, whole[i].flags);
		struct respond_body body;
		const char *at;
		size_t len;

		assert_int_equal(respond_decode(&frame,
				     (whole[i].flags & MSGPACK) != 0, &text,
				     &body, NULL),
		    0);
		len = respond_frame(&respond, &frame, &body);
		at = strstr(whole[i].expected, "\r\n\r\n");
		assert_int_equal(len, strlen(at + 4));
		check_text(whole[i].name, &out, whole[i].expected);
		buf_fini(&text);
	}
}

static void
test_a_response_that_makes_no_sense_has_a_reason(void **state)
{
	static const struct {
		const char *name;
		unsigned status;
		const char *payload;
		size_t payload_len;
		bool wants_msgpack;
	} cases[] = {
		{ "100", 100, MP("\xc0"), false },
		{ "101", 101, MP("\xc0"), true },
		{ "199", 199, MP("\xc4\x00"), false },
		{ "600", 600, MP("\xc0"), false },
		{ "no UTF-8", 200, MP("\xa1\xff"), false },
		{ "a key that is no string", 200, MP("\x81\x01\x01"), false },
		{ "not a number", 200, MP("\xcb\x7f\xf8\0\0\0\0\0\0"), false },
		{ "an extension", 200, MP("\xd4\x05\x01"), false },
		{ "bytes cut off", 200,
		    MP("\xc4\x05"
		       "a"),
		    false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct frame frame = { .status = cases[i].status,
			.meta = (const uint8_t *)"\x80",
			.meta_len = 1,
			.payload = (const uint8_t *)cases[i].payload,
			.payload_len = cases[i].payload_len };
		struct buf text = { 0 };
		struct respond_body body;
		struct err err = { "" };

		if (respond_decode(&frame, cases[i].wants_msgpack, &text, &body,
			&err) != -1 ||
		    err.text[0] == '\0')
			fail_msg("%s: %s", cases[i].name, err.text);
		buf_fini(&text);
	}
}

static const struct {
	const char *name;
	unsigned status;
	const char *meta;
	size_t meta_len;
	unsigned flags;
	const char *expected;
} streamed[] = {
	{ "chunked", 200,
	    TYPE("\xa3"
		 "a/b"),
	    0,
	    "HTTP/1.1 200 OK\r\n" FIRST "Content-Type: a/b\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"
	    "5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n" },
	{ "up to the close for HTTP/1.0", 200, NO_META, OLD | CLOSE,
	    "HTTP/1.1 200 OK\r\n" FIRST "Connection: close\r\n" OCTETS
	    "\r\nhello0123456789abcdef" },
	{ "204", 204, NO_META, 0, "HTTP/1.1 204 No Content\r\n" FIRST "\r\n" },
	{ "205", 205, NO_META, 0,
	    "HTTP/1.1 205 Reset Content\r\n" FIRST
	    "Content-Length: 0\r\n\r\n" },
	{ "304", 304, NO_META, 0,
	    "HTTP/1.1 304 Not Modified\r\n" FIRST "\r\n" },
};

static void
test_a_streamed_response_is_these_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(streamed); i++) {
		struct frame frame = { .status = streamed[i].status,
			.meta = (const uint8_t *)streamed[i].meta,
			.meta_len = streamed[i].meta_len };
		struct buf out = { 0 };
		struct respond respond = surround(&out, streamed[i].flags);

		respond_stream(&respond, &frame);
		if (respond_has_body(frame.status)) {
			respond_chunk(&out, respond.minor, "hello", 5);
			/* An empty chunk must not end the body. */
			respond_chunk(&out, respond.minor, "", 0);
			respond_chunk(&out, respond.minor, "0123456789abcdef",
			    16);
			respond_last_chunk(&out, respond.minor);
		}
		check_text(streamed[i].name, &out, streamed[i].expected);
	}
}

static void
test_a_fallback_names_the_failure_that_it_is_in_place_of(void **state)
{
	static const struct respond_body body = { (const uint8_t *)"hi", 2,
		"a/b", 3, false };
	struct frame frame = { .status = 200,
		.meta = (const uint8_t *)"\x81\xaf"
					 "X-MSVC-Fallback\xa4"
					 "down",
		.meta_len = 22 };
	struct buf out = { 0 };
	struct respond respond = surround(&out, FALLBACK);

	(void)state;
	assert_int_equal(respond_body(&respond, 200, &body), 2);
	check_text("a body", &out,
	    "HTTP/1.1 200 OK\r\n" FIRST
	    "X-Msvc-Fallback: 5xx\r\nContent-Type: a/b\r\n"
	    "Content-Length: 2\r\n\r\nhi");
	respond = surround(&out, FALLBACK | HEAD);
	assert_int_equal(respond_body(&respond, 200, &body), 0);
	check_text("a body of HEAD", &out,
	    "HTTP/1.1 200 OK\r\n" FIRST
	    "X-Msvc-Fallback: 5xx\r\nContent-Type: a/b\r\n"
	    "Content-Length: 2\r\n\r\n");
	respond = surround(&out, FALLBACK);
	respond_frame(&respond, &frame, &body);
	check_text("a service", &out,
	    "HTTP/1.1 200 OK\r\n" FIRST
	    "X-Msvc-Fallback: 5xx\r\nContent-Type: a/b\r\n"
	    "Content-Length: 2\r\n\r\nhi");
	respond = surround(&out, 0);
	respond_frame(&respond, &frame, &body);
	check_text("the fallback of another router", &out,
	    "HTTP/1.1 200 OK\r\n" FIRST
	    "X-MSVC-Fallback: down\r\nContent-Type: a/b\r\n"
	    "Content-Length: 2\r\n\r\nhi");
}

#define PROBLEM "Content-Type: application/problem+json\r\n"

static const struct {
	const char *name;
	struct problem problem;
	unsigned flags;
	const char *expected;
} problems[] = {
	{ "plain",
	    { .status = 404, .cause = "c", .detail = "d\"", .offset = -1 }, 0,
	    "HTTP/1.1 404 Not Found\r\n" FIRST PROBLEM
	    "Content-Length: 82\r\n\r\n"
	    "{\"type\":\"about:blank\",\"title\":\"Not Found\","
	    "\"status\":404,\"detail\":\"d\\\"\",\"cause\":\"c\"}" },
	{ "with all there is",
	    { .status = 503,
		.cause = "c",
		.detail = "d",
		.service = "s",
		.instance = 2,
		.retry_after = 7,
		.offset = 0 },
	    CLOSE,
	    "HTTP/1.1 503 Service Unavailable\r\n" FIRST
	    "Connection: close\r\nRetry-After: 7\r\n" PROBLEM
	    "Content-Length: 144\r\n\r\n"
	    "{\"type\":\"about:blank\",\"title\":\"Service "
	    "Unavailable\",\"status\":503,\"detail\":\"d\",\"cause\":"
	    "\"c\",\"service\":\"s\",\"instance\":2,\"retry_after\":7,"
	    "\"offset\":0}" },
	{ "in brief no more than the cause",
	    { .status = 503,
		.cause = "c",
		.detail = "d",
		.service = "s",
		.instance = 2,
		.retry_after = 7,
		.offset = -1 },
	    BRIEF,
	    "HTTP/1.1 503 Service Unavailable\r\n" FIRST
	    "Retry-After: 7\r\n" PROBLEM "Content-Length: 93\r\n\r\n"
	    "{\"type\":\"about:blank\",\"title\":\"Service "
	    "Unavailable\",\"status\":503,\"cause\":\"c\","
	    "\"retry_after\":7}" },
	{ "in brief what a client did wrong is told",
	    { .status = 499, .cause = "c", .detail = "d", .offset = 5 }, BRIEF,
	    "HTTP/1.1 499 Status\r\n" FIRST PROBLEM "Content-Length: 88\r\n\r\n"
	    "{\"type\":\"about:blank\",\"title\":\"Status\","
	    "\"status\":499,\"detail\":\"d\",\"cause\":\"c\","
	    "\"offset\":5}" },
	{ "in brief what is said of a service is not",
	    { .status = 418,
		.cause = "c",
		.detail = "d",
		.service = "s",
		.offset = -1 },
	    BRIEF,
	    "HTTP/1.1 418 Status\r\n" FIRST PROBLEM "Content-Length: 64\r\n\r\n"
	    "{\"type\":\"about:blank\",\"title\":\"Status\","
	    "\"status\":418,\"cause\":\"c\"}" },
	{ "OPTIONS",
	    { .status = 204, .cause = "c", .offset = -1, .allow = "GET, HEAD" },
	    0, "HTTP/1.1 204 No Content\r\n" FIRST "Allow: GET, HEAD\r\n\r\n" },
	{ "405 to HEAD",
	    { .status = 405, .cause = "c", .offset = -1, .allow = "PUT" }, HEAD,
	    "HTTP/1.1 405 Method Not Allowed\r\n" FIRST "Allow: PUT\r\n" PROBLEM
	    "Content-Length: 88\r\n\r\n" },
};

static void
test_the_routers_own_answer_is_these_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(problems); i++) {
		struct buf out = { 0 }, text = { 0 };
		struct respond respond = surround(&out, problems[i].flags);

		respond_problem(&respond, &problems[i].problem, &text);
		check_text(problems[i].name, &out, problems[i].expected);
		buf_fini(&text);
	}
}

static void
test_a_problem_is_plain_text_whatever_is_quoted_in_it(void **state)
{
	struct problem problem;

	(void)state;
	problem_set(&problem, 400, "c", "%s", "a\r\n\x7f\xc3\xa9z");
	assert_string_equal(problem.detail, "a?????z");
	problem_set(&problem, 400, "c", "%0300d", 1);
	assert_int_equal(strlen(problem.detail), sizeof(problem.detail) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_fallback_names_the_failure_that_it_is_in_place_of),
		cmocka_unit_test(test_a_whole_response_is_these_bytes),
		cmocka_unit_test(
		    test_a_response_that_makes_no_sense_has_a_reason),
		cmocka_unit_test(test_a_streamed_response_is_these_bytes),
		cmocka_unit_test(test_the_routers_own_answer_is_these_bytes),
		cmocka_unit_test(
		    test_a_problem_is_plain_text_whatever_is_quoted_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
