#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/err.h"
#include "ipc/pattern.h"

static struct pattern_set *
set_of(const char *const *patterns)
{
	struct pattern_set *set = pattern_set_new();

	assert_non_null(set);
	for (; *patterns != NULL; patterns++) {
		struct err err;

		if (pattern_set_add(set, *patterns,
			(void *)(uintptr_t)*patterns, &err) < 0)
			fail_msg("%s", err.text);
	}
	return set;
}

/* "PATTERN name=value name=value", or "-", or "- ALLOW". */
static void
match(const struct pattern_set *set, const char *method, const char *path,
    size_t path_len, char out[512])
{
	/* Of its own size, so that a sanitizer sees a read behind the end. */
	char *copy = malloc(path_len > 0 ? path_len : 1);
	struct pattern_match found;
	size_t at;

	assert_non_null(copy);
	memcpy(copy, path, path_len);
	if (!pattern_set_match(set, method, strlen(method), copy, path_len,
		&found)) {
		assert_int_equal(found.is_path_known, found.allow[0] != '\0');
		snprintf(out, 512, "-%s%s", found.is_path_known ? " " : "",
		    found.allow);
		free(copy);
		return;
	}
	at = (size_t)snprintf(out, 512, "%s", (const char *)found.data);
	for (size_t i = 0; i < found.param_count; i++)
		at += (size_t)snprintf(out + at, 512 - at, " %.*s=%.*s",
		    (int)found.params[i].name_len, found.params[i].name,
		    (int)found.params[i].value_len, found.params[i].value);
	free(copy);
}

static const char *const shop[] = {
	"/",
	"/users",
	"GET /users/{id}",
	"PUT /users/{id}",
	"DELETE /users/{user}",
	"/users/me",
	"POST /users/me",
	"GET /users/{id}/orders/{order}",
	"/users/{id}/*",
	"/files/*",
	"GET /files/readme",
	"GET /a/b/c",
	"GET /a/{x}/d",
	"GET /{y}/b/e",
	"POST /{z}/b/f",
	"GET /caf\u00e9/%7Euser/a%2fb",
	"GET /dots/../up",
	"GET /two//slashes",
	"HEAD /head",
	"GET /head",
	"GET /get",
	NULL,
};

static const struct {
	const char *method, *path, *want;
} cases[] = {
	{ "GET", "/", "/" },
	{ "GET", "", "-" },
	{ "GET", "users", "-" },
	{ "OPTIONS", "*", "-" },
	{ "GET", "/users", "/users" },
	{ "GET", "/users/42", "GET /users/{id} id=42" },
	{ "DELETE", "/users/42", "DELETE /users/{user} user=42" },
	/* The trailing star takes what no method took. */
	{ "PATCH", "/users/42", "/users/{id}/* id=42 *=" },
	{ "GET", "/users/42/", "/users/{id}/* id=42 *=" },
	{ "GET", "/users/42/x//y", "/users/{id}/* id=42 *=x//y" },
	{ "GET", "/users/", "-" },
	/* A literal beats a parameter, a method beats none. */
	{ "GET", "/users/me", "/users/me" },
	{ "POST", "/users/me", "POST /users/me" },
	{ "GET", "/users/mee", "GET /users/{id} id=mee" },
	{ "GET", "/users/1/orders/2",
	    "GET /users/{id}/orders/{order} id=1 order=2" },
	{ "POST", "/users/1/orders/2", "/users/{id}/* id=1 *=orders/2" },
	{ "GET", "/users/1//2", "/users/{id}/* id=1 *=/2" },
	/* A star also matches nothing. */
	{ "GET", "/files", "/files/* *=" },
	{ "GET", "/files/", "/files/* *=" },
	{ "GET", "/files/a/b", "/files/* *=a/b" },
	{ "GET", "/filesx", "-" },
	{ "GET", "/files/readme", "GET /files/readme" },
	{ "PUT", "/files/readme", "/files/* *=readme" },
	/* Ways that end nowhere are left again. */
	{ "GET", "/a/b/c", "GET /a/b/c" },
	{ "GET", "/a/b/d", "GET /a/{x}/d x=b" },
	{ "GET", "/a/b/e", "GET /{y}/b/e y=a" },
	{ "POST", "/a/b/f", "POST /{z}/b/f z=a" },
	{ "GET", "/a/b/g", "-" },
	{ "PUT", "/a/b/c", "- GET, HEAD" },
	/* Escapes of unreserved bytes are the bytes; others are not. */
	{ "GET", "/%75sers/%34%32", "GET /users/{id} id=%34%32" },
	{ "GET", "/caf%c3%A9/~user/a%2Fb", "GET /caf\u00e9/%7Euser/a%2fb" },
	{ "GET", "/caf\u00e9/%7euser/a%2Fb", "GET /caf\u00e9/%7Euser/a%2fb" },
	{ "GET", "/caf%c3%A9/~user/a/b", "-" },
	{ "GET", "/users%2F42", "-" },
	{ "GET", "/files%", "-" },
	{ "GET", "/%6", "-" },
	{ "GET", "/users/%zz", "GET /users/{id} id=%zz" },
	/* Dots and empty segments are segments. */
	{ "GET", "/dots/../up", "GET /dots/../up" },
	{ "GET", "/up", "-" },
	{ "GET", "/two//slashes", "GET /two//slashes" },
	{ "GET", "/two/slashes", "-" },
	{ "GET", "//", "-" },
	/* HEAD. */
	{ "HEAD", "/head", "HEAD /head" },
	{ "HEAD", "/get", "GET /get" },
	{ "get", "/get", "- GET, HEAD" },
	{ "DELETE", "/head", "- GET, HEAD" },
};

static void
test_the_most_specific_pattern_wins(void **state)
{
	struct pattern_set *set = set_of(shop);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char got[512];

		match(set, cases[i].method, cases[i].path,
		    strlen(cases[i].path), got);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s %s: got \"%s\", want \"%s\"",
			    cases[i].method, cases[i].path, got, cases[i].want);
	}
	pattern_set_free(&set);
	assert_null(set);
}

static void
test_the_order_of_adding_does_not_matter(void **state)
{
	const char *reversed[64] = { NULL };
	size_t count = sizeof(shop) / sizeof(*shop) - 1;
	struct pattern_set *set;

	(void)state;
	for (size_t i = 0; i < count; i++)
		reversed[i] = shop[count - 1 - i];
	set = set_of(reversed);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char got[512];

		match(set, cases[i].method, cases[i].path,
		    strlen(cases[i].path), got);
		/* Methods of Allow come in any order. */
		if (cases[i].want[0] != '-')
			assert_string_equal(got, cases[i].want);
	}
	pattern_set_free(&set);
}

static void
test_a_star_at_the_root_takes_every_path(void **state)
{
	static const char *const all[] = { "/*", NULL };
	struct pattern_set *set = set_of(all);
	char got[512];

	(void)state;
	match(set, "GET", "/", 1, got);
	assert_string_equal(got, "/* *=");
	match(set, "GET", "/a/../\0", 7, got);
	assert_string_equal(got, "/* *=a/../");
	match(set, "GET", "*", 1, got);
	assert_string_equal(got, "-");
	pattern_set_free(&set);
}

static const struct {
	const char *text, *want;
} bad[] = {
	{ "", "pattern \"\": want \"/path\" or \"METHOD /path\"" },
	{ "users", "pattern \"users\": want \"/path\" or \"METHOD /path\"" },
	{ "get /a", "pattern \"get /a\": want \"/path\" or \"METHOD /path\"" },
	{ "GET", "pattern \"GET\": a path starts with /" },
	{ "GET a/b", "pattern \"GET a/b\": a path starts with /" },
	{ "/a b", "pattern \"/a b\": \"a b\": byte 0x20 cannot be in a path" },
	{ "/a?b", "pattern \"/a?b\": \"a?b\": byte 0x3f cannot be in a path" },
	{ "/a{b}", "pattern \"/a{b}\": \"a{b}\": {name} and * stand for whole "
		   "segments" },
	{ "/a*",
	    "pattern \"/a*\": \"a*\": {name} and * stand for whole segments" },
	{ "/*/a", "pattern \"/*/a\": a * must be the last segment" },
	{ "/*/", "pattern \"/*/\": a * must be the last segment" },
	{ "/{}", "pattern \"/{}\": {}: a name is letters, digits, - and _" },
	{ "/{a}/{a}", "pattern \"/{a}/{a}\": {a} is there twice" },
	{ "/%4",
	    "pattern \"/%4\": \"%4\": a broken % escape or over 255 bytes" },
	{ "/x/{b}", "pattern \"/x/{b}\" is the same as \"/x/{a}\"" },
	{ "/%78/{b}", "pattern \"/%78/{b}\" is the same as \"/x/{a}\"" },
	{ "GET  /y", "pattern \"GET  /y\" is the same as \"GET /y\"" },
};

static void
test_each_mistake_in_a_pattern_is_named(void **state)
{
	static const char *const there[] = { "/x/{a}", "GET /y", NULL };
	struct pattern_set *set = set_of(there);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct err err = { .text = "" };

		assert_int_equal(pattern_set_add(set, bad[i].text, NULL, &err),
		    -1);
		assert_string_equal(err.text, bad[i].want);
	}
	pattern_set_free(&set);
}

static void
test_sizes_are_bounded(void **state)
{
	struct pattern_set *set = pattern_set_new();
	char text[1024], got[512];
	struct err err;

	(void)state;
	text[0] = '\0';
	for (int i = 0; i < PATTERN_PARAM_MAX; i++)
		sprintf(text + strlen(text), "/{p%d}", i);
	assert_int_equal(pattern_set_add(set, text, text, &err), 0);
	strcat(text, "/{q}");
	assert_int_equal(pattern_set_add(set, text, NULL, &err), -1);
	assert_non_null(strstr(err.text, "more than 16 parameters"));
	text[0] = '\0';
	for (int i = 0; i < PATTERN_SEGMENT_MAX; i++)
		strcat(text, "/s");
	assert_int_equal(pattern_set_add(set, text, text, &err), 0);
	strcat(text, "/s");
	assert_int_equal(pattern_set_add(set, text, NULL, &err), -1);
	match(set, "GET", text, strlen(text), got);
	assert_string_equal(got, "-");
	memset(text, 'x', 256);
	text[0] = '/';
	text[256] = '\0';
	assert_int_equal(pattern_set_add(set, text, text, &err), 0);
	text[256] = 'x';
	text[257] = '\0';
	assert_int_equal(pattern_set_add(set, text, NULL, &err), -1);
	pattern_set_free(&set);
}

static void
test_a_path_of_any_length_and_bytes_is_safe(void **state)
{
	static const char *const some[] = { "/a/a/a/{x}/b", "/{x}/a/{y}/*",
		"/a/*", NULL };
	struct pattern_set *set = set_of(some);
	static const char alphabet[] = "/a%4\xff";
	unsigned seed = 1;
	char *path = malloc(100001);
	struct pattern_match found;

	(void)state;
	assert_non_null(path);
	memset(path, '/', 100000);
	assert_false(pattern_set_match(set, "GET", 3, path, 100000, &found));
	for (int round = 0; round < 20000; round++) {
		char got[512];
		size_t len = (size_t)round % 24;

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1103515245 + 12345;
			path[i] = alphabet[(seed >> 16) % 6];
		}
		match(set, "GET", path, len, got);
	}
	free(path);
	pattern_set_free(&set);
}

static void
test_ten_thousand_patterns_are_all_found(void **state)
{
	enum {
		COUNT = 10000
	};
	struct pattern_set *set = pattern_set_new();
	static char texts[COUNT][64];
	struct pattern_match found;
	struct err err;

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		snprintf(texts[i], sizeof(texts[i]), "GET /svc%d/{id}/part%d",
		    i / 2, i);
		assert_int_equal(pattern_set_add(set, texts[i], texts[i], &err),
		    0);
	}
	for (int i = 0; i < COUNT; i++) {
		char path[64];
		int len = snprintf(path, sizeof(path), "/svc%d/%d/part%d",
		    i / 2, i, i);

		assert_true(pattern_set_match(set, "GET", 3, path, (size_t)len,
		    &found));
		assert_ptr_equal(found.data, texts[i]);
	}
	pattern_set_free(&set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_most_specific_pattern_wins),
		cmocka_unit_test(test_the_order_of_adding_does_not_matter),
		cmocka_unit_test(test_a_star_at_the_root_takes_every_path),
		cmocka_unit_test(test_each_mistake_in_a_pattern_is_named),
		cmocka_unit_test(test_sizes_are_bounded),
		cmocka_unit_test(test_a_path_of_any_length_and_bytes_is_safe),
		cmocka_unit_test(test_ten_thousand_patterns_are_all_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
