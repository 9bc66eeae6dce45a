/* What is read and written about control groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "supervisor/cgroup.h"

static void
test_the_hierarchy_is_found_among_mounts(void **state)
{
	static const struct {
		const char *text, *mount, *root; /* mount NULL: not there */
	} cases[] = {
		{ "", NULL, NULL },
		{ "25 1 0:22 / /sys rw - sysfs sysfs rw\n", NULL, NULL },
		{ "25 1 0:22 / /sys rw - sysfs sysfs rw\n"
		  "31 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 "
		  "cgroup2 rw\n",
		    "/sys/fs/cgroup", "/" },
		{ "31 25 0:26 /docker/x /a\\040b ro - cgroup2 none rw", "/a b",
		    "/docker/x" },
		{ "31 25 0:26 / /x rw - cgroup none rw\n", NULL, NULL },
		{ "a - cgroup2 \n", NULL, NULL },
	};
	char mount[CGROUP_PATH_MAX], root[CGROUP_PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool is_found = cgroup_find_mount(cases[i].text, mount, root);

		assert_int_equal(is_found, cases[i].mount != NULL);
		if (!is_found)
			continue;
		assert_string_equal(mount, cases[i].mount);
		assert_string_equal(root, cases[i].root);
	}
}

static void
test_our_own_group_is_the_one_that_we_were_started_in(void **state)
{
	static const struct {
		const char *text, *root, *path; /* path NULL: not there */
	} cases[] = {
		{ "0::/\n", "/", "/" },
		{ "4:memory:/x\n0::/a.slice/b\n", "/", "/a.slice/b" },
		{ "0::/a/msvc-7/supervisor\n", "/", "/a" },
		{ "0::/a/msvc-8/supervisor\n", "/", "/a/msvc-8/supervisor" },
		{ "0::/docker/x/y\n", "/docker/x", "/y" },
		{ "0::/y\n", "/docker/x", NULL },
		{ "4:memory:/x\n", "/", NULL },
		{ "10::/x\n", "/", NULL },
	};
	char path[CGROUP_PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool is_found =
		    cgroup_find_own(cases[i].text, cases[i].root, 7, path);

		assert_int_equal(is_found, cases[i].path != NULL);
		if (is_found)
			assert_string_equal(path, cases[i].path);
	}
}

static void
test_limits_are_written_as_the_kernel_wants_them(void **state)
{
	static const struct {
		struct conf_service conf;
		const char *want;
		unsigned needs;
	} cases[] = {
		{ { .name = NULL },
		    "memory.max=max cpu.weight=100 cpu.max=max 100000 "
		    "pids.max=max ",
		    0 },
		{ { .memory_max = 1048576,
		      .cpu_weight = 7,
		      .cpu_quota = 150,
		      .tasks_max = 9 },
		    "memory.max=1048576 cpu.weight=7 cpu.max=150000 100000 "
		    "pids.max=9 ",
		    7 },
		{ { .cpu_quota = 100000 },
		    "memory.max=max cpu.weight=100 cpu.max=100000000 100000 "
		    "pids.max=max ",
		    1U << CGROUP_CPU },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum cgroup_controller controller;
		char value[CGROUP_VALUE_MAX], got[256] = "";
		const char *file;
		size_t len = 0;

		for (size_t j = 0; (file = cgroup_setting(j, &cases[i].conf,
					&controller, value)) != NULL;
		     j++)
			len += (size_t)snprintf(got + len, sizeof(got) - len,
			    "%s=%s ", file, value);
		assert_string_equal(got, cases[i].want);
		assert_int_equal(cgroup_needs(&cases[i].conf), cases[i].needs);
		assert_int_equal(cgroup_is_asked(&cases[i].conf),
		    cases[i].needs != 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_hierarchy_is_found_among_mounts),
		cmocka_unit_test(
		    test_our_own_group_is_the_one_that_we_were_started_in),
		cmocka_unit_test(
		    test_limits_are_written_as_the_kernel_wants_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
