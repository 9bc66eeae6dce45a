/* redact: which fields of a request are shown, and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "router/redact.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
credentials_are_left_out_and_lines_stay_lines(void **state)
{
	static const struct {
		const char *name, *value, *line;
	} cases[] = {
		{ "accept", "a/b", "accept: a/b\n" },
		{ "x", "", "x: \n" },
		{ "x", "a\r\nb: c", "x: a??b: c\n" },
		{ "x", "\xc3\xa9\x7f", "x: ???\n" },
		{ "a\nb", "c", "a?b: c\n" },
		{ "authorization",
		    "Basic eA==", "authorization: (redacted)\n" },
		{ "Authorization", "x", "Authorization: (redacted)\n" },
		{ "proxy-authorization", "x",
		    "proxy-authorization: (redacted)\n" },
		{ "cookie", "a=b", "cookie: (redacted)\n" },
		{ "set-cookie", "a=b", "set-cookie: (redacted)\n" },
		{ "x-api-key", "x", "x-api-key: (redacted)\n" },
		{ "x-csrf-token", "x", "x-csrf-token: (redacted)\n" },
		{ "token", "x", "token: (redacted)\n" },
		{ "X-Client-Secret-2", "x", "X-Client-Secret-2: (redacted)\n" },
		{ "x-passwordless", "x", "x-passwordless: (redacted)\n" },
		{ "x-auth-user", "x", "x-auth-user: (redacted)\n" },
		{ "apikey", "x", "apikey: (redacted)\n" },
		{ "X-Session-Id", "x", "X-Session-Id: (redacted)\n" },
		{ "x-passwd", "x", "x-passwd: (redacted)\n" },
		{ "x-hub-signature-256", "x",
		    "x-hub-signature-256: (redacted)\n" },
		{ "x-credentials", "x", "x-credentials: (redacted)\n" },
		{ "cooki", "x", "cooki: x\n" },
		{ "toke", "x", "toke: x\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf buf = { 0 };

		redact_put_field(&buf, cases[i].name, strlen(cases[i].name),
		    cases[i].value, strlen(cases[i].value));
		buf_append_byte(&buf, 0);
		assert_string_equal((const char *)buf_front(&buf),
		    cases[i].line);
		buf_fini(&buf);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(credentials_are_left_out_and_lines_stay_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
