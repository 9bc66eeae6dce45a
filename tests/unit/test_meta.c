#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/mp.h"
#include "ipc/pattern.h"
#include "router/http.h"
#include "router/meta.h"
#include "router/trace.h"

enum {
	FIELD_MAX = 8
};

static const char parent[] =
    "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";

static const struct meta ours = {
	.deadline_ms = 1500,
	.request_id = "abc",
	.request_id_len = 3,
	.traceparent = parent,
	.client = "127.0.0.1",
};

/* A request whose fields are these names and values, up to a NULL name. */
struct given {
	char head[512];
	struct http_field fields[FIELD_MAX];
	struct http_request req;
};

static void
given_init(struct given *given, const char *const (*fields)[2])
{
	uint32_t at = 0;
	size_t i = 0;

	memset(given, 0, sizeof(*given));
	for (; i < FIELD_MAX && fields[i][0] != NULL; i++) {
		struct http_field *field = &given->fields[i];

		field->name = at;
		field->name_len = (uint32_t)strlen(fields[i][0]);
		memcpy(given->head + at, fields[i][0], field->name_len);
		at += field->name_len;
		field->value = at;
		field->value_len = (uint32_t)strlen(fields[i][1]);
		memcpy(given->head + at, fields[i][1], field->value_len);
		at += field->value_len;
	}
	given->req.head = given->head;
	given->req.fields = given->fields;
	given->req.field_count = i;
}

/* The map must be well-formed to its last byte; value NULL: not in it. */
static void
expect(const struct buf *map, const char *key, const char *value)
{
	struct mp_reader reader = { buf_front(map),
		buf_front(map) + buf_count(map) };
	struct mp_reader found;
	const char *text = "";
	size_t len = 0;

	assert_int_equal(mp_skip(&reader), 0);
	assert_ptr_equal(reader.pos, reader.end);
	if (value == NULL) {
		assert_false(
		    mp_map_find(buf_front(map), buf_count(map), key, &found));
		return;
	}
	if (!mp_map_find(buf_front(map), buf_count(map), key, &found))
		fail_msg("no %s", key);
	assert_int_equal(mp_get_str(&found, &text, &len), 0);
	if (len != strlen(value) || memcmp(text, value, len) != 0)
		fail_msg("%s is \"%.*s\", not \"%s\"", key, (int)len, text,
		    value);
}

static void
test_fields_become_entries(void **state)
{
	static const struct {
		const char *const fields[FIELD_MAX][2];
		const char *key, *value;
	} cases[] = {
		{ { { "accept", "*/*" } }, "accept", "*/*" },
		{ { { "a", "1" }, { "b", "2" }, { "a", "3" } }, "a", "1, 3" },
		{ { { "a", "1" }, { "b", "2" }, { "a", "3" } }, "b", "2" },
		{ { { "cookie", "a=1" }, { "cookie", "b=2" } }, "cookie",
		    "a=1; b=2" },
		{ { { "a", "" } }, "a", "" },
		{ { { "a", "" }, { "a", "" } }, "a", ", " },
		/* What the router answers for, and says itself. */
		{ { { "expect", "100-continue" } }, "expect", NULL },
		{ { { "content-length", "3" } }, "content-length", NULL },
		{ { { "x-request-id", "mine" } }, "x-request-id", NULL },
		{ { { "traceparent", "junk" } }, "traceparent", parent },
		{ { { "a", "1" } }, ":request-id", "abc" },
		{ { { "a", "1" } }, ":client", "127.0.0.1" },
		{ { { "a", "1" } }, ":route", NULL },
		/* UTF-8 stays, anything else is ISO-8859-1. */
		{ { { "a", "caf\xc3\xa9 \xf0\x9f\x8d\xb5" } }, "a",
		    "caf\xc3\xa9 \xf0\x9f\x8d\xb5" },
		{ { { "a", "caf\xe9" } }, "a", "caf\xc3\xa9" },
		{ { { "a", "\xff\x80" } }, "a", "\xc3\xbf\xc2\x80" },
		{ { { "a", "x" }, { "a", "\xe9" } }, "a", "x, \xc3\xa9" },
		{ { { "a", "long enough \xc0\xaf" } }, "a",
		    "long enough \xc3\x80\xc2\xaf" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf map = { 0 }, text = { 0 };
		struct given given;

		given_init(&given, cases[i].fields);
		meta_put_http(&map, &ours, &given.req, &text);
		expect(&map, cases[i].key, cases[i].value);
		buf_fini(&map);
		buf_fini(&text);
	}
}

static void
test_path_parameters_are_decoded_when_that_is_text(void **state)
{
	static const struct {
		const char *value, *shown;
	} cases[] = {
		{ "42", "42" },
		{ "a%20b", "a b" },
		{ "caf%C3%A9", "caf\xc3\xa9" },
		{ "caf%E9", "caf%E9" },
		{ "%", "%" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pattern_match match = { .param_count = 1 };
		struct meta meta = ours;
		struct buf map = { 0 }, text = { 0 };
		struct given given;

		match.params[0].name = "id";
		match.params[0].name_len = 2;
		match.params[0].value = cases[i].value;
		match.params[0].value_len = strlen(cases[i].value);
		meta.route = "one";
		meta.match = &match;
		given_init(&given, (const char *const[1][2]){ { NULL, NULL } });
		meta_put_http(&map, &meta, &given.req, &text);
		expect(&map, ":param-id", cases[i].shown);
		expect(&map, ":route", "one");
		buf_fini(&map);
		buf_fini(&text);
	}
}

static void
test_of_a_peers_map_only_what_is_a_field_is_passed_on(void **state)
{
	static const struct {
		const char *name, *value, *shown;
	} cases[] = {
		{ "x-a", "1", "1" },
		{ "x-a", "caf\xe9", "caf\xc3\xa9" },
		{ ":client", "forged", "127.0.0.1" },
		{ ":param-id", "forged", NULL },
		{ "traceparent", "forged", parent },
		{ "x-a", "a\r\nb: c", NULL },
		{ "no token", "1", NULL },
		{ "content-length", "1", NULL },
		{ "connection", "close", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf given = { 0 }, map = { 0 }, text = { 0 };

		mp_put_map(&given, 2);
		mp_put_cstr(&given, "a-number");
		mp_put_uint(&given, 7);
		mp_put_cstr(&given, cases[i].name);
		mp_put_cstr(&given, cases[i].value);
		meta_put_sp(&map, &ours, buf_front(&given), buf_count(&given),
		    &text);
		expect(&map, cases[i].name, cases[i].shown);
		expect(&map, "a-number", NULL);
		buf_fini(&given);
		buf_fini(&map);
		buf_fini(&text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_become_entries),
		cmocka_unit_test(
		    test_path_parameters_are_decoded_when_that_is_text),
		cmocka_unit_test(
		    test_of_a_peers_map_only_what_is_a_field_is_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
