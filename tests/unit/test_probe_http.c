/* What a probe sends and what it reads of the answer: any bytes are safe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/probe_http.h"

static void
test_a_request_names_the_host_as_a_client_does(void **state)
{
	static const struct {
		const char *host, *port, *path, *begin;
	} cases[] = {
		{ "127.0.0.1", "80", "/",
		    "GET / HTTP/1.1\r\nHost: 127.0.0.1:80\r\n" },
		{ "localhost", "8080", "/h?a=1",
		    "GET /h?a=1 HTTP/1.1\r\nHost: localhost:8080\r\n" },
		{ "::1", "9", "/", "GET / HTTP/1.1\r\nHost: [::1]:9\r\n" },
		{ "fe80::1%eth0", "9", "/",
		    "GET / HTTP/1.1\r\nHost: [fe80::1]:9\r\n" },
	};
	char *request;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request = probe_http_request(cases[i].host, cases[i].port,
		    cases[i].path);
		assert_non_null(request);
		assert_memory_equal(request, cases[i].begin,
		    strlen(cases[i].begin));
		assert_non_null(strstr(request, "\r\nConnection: close\r\n"));
		assert_string_equal(request + strlen(request) - 4, "\r\n\r\n");
		free(request);
	}
}

static void
test_the_status_is_known_once_its_line_goes_on(void **state)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\n", 200 },
		{ "HTTP/1.0 503 Service Unavailable\r\n", 503 },
		{ "HTTP/1.1 204\r\n", 204 },
		{ "HTTP/1.1 599\n", 599 },
		{ "", 0 },
		{ "H", 0 },
		{ "HTTP/1.1 20", 0 },
		{ "HTTP/1.1 200", 0 },
		{ "HTTP/2 200 OK", -1 },
		{ "HTTP/1.1  200", -1 },
		{ "HTTP/1.1 2000", -1 },
		{ "HTTP/1.1 2x0 ", -1 },
		{ "HTTP/1.x 200 ", -1 },
		{ "HTTP/1.1 099 ", -1 },
		{ "HTTP/1.1 600 ", -1 },
		{ "http/1.1 200 ", -1 },
		{ "220 mail ESMTP", -1 },
		{ "SSH-2.0-x", -1 },
	};
	int status;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		status =
		    probe_http_status(cases[i].text, strlen(cases[i].text));
		if (status != cases[i].status)
			fail_msg("%s: %d", cases[i].text, status);
	}
	assert_int_equal(probe_http_status("HTTP/1.1 200\0", 13), -1);
}

/* Copies on the heap, so that a sanitizer sees each byte read too far. */
static void
test_a_head_that_comes_byte_by_byte_is_none_until_it_is_there(void **state)
{
	static const char text[] = "HTTP/1.1 301 Moved";
	char *copy;

	(void)state;
	for (size_t len = 1; len < sizeof(text); len++) {
		copy = malloc(len);
		assert_non_null(copy);
		memcpy(copy, text, len);
		assert_int_equal(probe_http_status(copy, len),
		    len < PROBE_HTTP_HEAD ? 0 : 301);
		free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_request_names_the_host_as_a_client_does),
		cmocka_unit_test(
		    test_the_status_is_known_once_its_line_goes_on),
		cmocka_unit_test(
		    test_a_head_that_comes_byte_by_byte_is_none_until_it_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
