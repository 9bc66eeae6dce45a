/* What a fault shall be is read from its words, or refused. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervisor/cmd_fault.h"

/* The messages go nowhere. */
static int
read_fault(const char *what, const char *percent, const char *duration,
    struct cmd_fault *fault_r)
{
	int rc, saved = dup(STDERR_FILENO);
	int null = open("/dev/null", O_WRONLY);

	dup2(null, STDERR_FILENO);
	rc = cmd_fault_read(what, percent, duration, fault_r);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(null);
	return rc;
}

static void
test_good_words_are_read(void **state)
{
	static const struct {
		const char *what, *percent, *duration, *kind;
		int64_t value, share, for_ms;
	} cases[] = {
		{ "kill", NULL, NULL, "kill", 0, 100, 0 },
		{ "none", NULL, NULL, "none", 0, 100, 0 },
		{ "stop", NULL, NULL, "stop", 0, 100, 10000 },
		{ "stop", NULL, "300ms", "stop", 0, 100, 300 },
		{ "delay=200", NULL, NULL, "delay", 200, 100, 60000 },
		{ "delay=2s", "5", "1m", "delay", 2000, 5, 60000 },
		{ "error=503", "100", "24h", "error", 503, 100, 86400000 },
		{ "error=400", "1", "1ms", "error", 400, 1, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cmd_fault fault;

		print_message("%s\n", cases[i].what);
		assert_int_equal(read_fault(cases[i].what, cases[i].percent,
				     cases[i].duration, &fault),
		    0);
		assert_string_equal(fault.kind, cases[i].kind);
		assert_int_equal(fault.value, cases[i].value);
		assert_int_equal(fault.percent, cases[i].share);
		assert_int_equal(fault.for_ms, cases[i].for_ms);
	}
}

static void
test_bad_words_are_refused(void **state)
{
	static const struct {
		const char *what, *percent, *duration;
	} cases[] = {
		{ "", NULL, NULL },
		{ "explode", NULL, NULL },
		{ "kil", NULL, NULL },
		{ "kill=1", NULL, NULL },
		{ "delay", NULL, NULL },
		{ "delay=", NULL, NULL },
		{ "delay=x", NULL, NULL },
		{ "delay=0", NULL, NULL },
		{ "delay=-1", NULL, NULL },
		{ "delay=25h", NULL, NULL },
		{ "error=200", NULL, NULL },
		{ "error=600", NULL, NULL },
		{ "error=abc", NULL, NULL },
		{ "kill", "50", NULL },
		{ "kill", NULL, "1s" },
		{ "none", NULL, "1s" },
		{ "stop", "50", NULL },
		{ "stop", NULL, "0" },
		{ "stop", NULL, "25h" },
		{ "stop", NULL, "ten" },
		{ "error=503", "0", NULL },
		{ "error=503", "101", NULL },
		{ "error=503", "5%", NULL },
	};
	struct cmd_fault fault;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].what);
		assert_int_equal(read_fault(cases[i].what, cases[i].percent,
				     cases[i].duration, &fault),
		    -1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_words_are_read),
		cmocka_unit_test(test_bad_words_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
