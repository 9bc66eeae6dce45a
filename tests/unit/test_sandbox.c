/* The system calls that no service needs: each of them, really called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/err.h"
#include "supervisor/sandbox.h"

/* As msvc.ini(5) has them. */
static const char *const denied[] = {
	"kexec_load",
	"kexec_file_load",
	"init_module",
	"finit_module",
	"delete_module",
	"reboot",
	"swapon",
	"swapoff",
	"acct",
	"quotactl",
	"quotactl_fd",
	"syslog",
	"sethostname",
	"setdomainname",
	"clock_settime",
	"settimeofday",
	"clock_adjtime",
	"adjtimex",
	"mount",
	"umount2",
	"pivot_root",
	"open_tree",
	"move_mount",
	"fsopen",
	"fsconfig",
	"fsmount",
	"fspick",
	"mount_setattr",
	"setns",
	"open_by_handle_at",
#ifndef __SANITIZE_ADDRESS__
	"ptrace",
#endif
	"process_vm_readv",
	"process_vm_writev",
	"pidfd_getfd",
	"kcmp",
	"bpf",
	"perf_event_open",
	"userfaultfd",
	"keyctl",
	"add_key",
	"request_key",
#ifdef __x86_64__
	"iopl",
	"ioperm",
	"modify_ldt",
#endif
};

/* In a child that has the filter; returns its exit code. */
static int
with_filter(int (*fn)(int), int arg)
{
	const struct sock_fprog *filter;
	struct err err;
	int status;
	pid_t pid;

	filter = sandbox_filter(&err);
	assert_non_null(filter);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter) <
			0)
			_exit(99);
		_exit(fn(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

/* With arguments that none of them takes for good. */
static int
call(int number)
{
	return syscall(number, -1L, -1L, -1L, -1L, -1L, -1L) < 0 ? errno : 0;
}

static void
test_each_call_that_is_denied_is_not_permitted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
		int number = seccomp_syscall_resolve_name(denied[i]), rc;

		if (number < 0)
			fail_msg("%s is not known", denied[i]);
		rc = with_filter(call, number);
		if (rc != EPERM)
			fail_msg("%s gives %d", denied[i], rc);
	}
}

static void
test_what_all_need_is_left_as_it_is(void **state)
{
	static const int usual[] = { SYS_read, SYS_write, SYS_openat, SYS_close,
		SYS_socket, SYS_connect, SYS_clone, SYS_unshare, SYS_chdir,
		SYS_prctl, SYS_futex, SYS_getpriority };

	(void)state;
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		assert_int_not_equal(with_filter(call, usual[i]), EPERM);
}

#ifdef __x86_64__
/* keyctl() as a 32-bit program calls it; ENOSYS where no kernel has those. */
static int
call_32(int number)
{
	int rc;

	__asm__ volatile("int $0x80"
			 : "=a"(rc)
			 : "a"(number), "b"(-1), "c"(-1), "d"(-1), "S"(-1),
			 "D"(-1)
			 : "memory", "r8", "r9", "r10", "r11");
	return -rc;
}

/* The numbers of i386: keyctl, mount, ptrace, bpf; those of umount and stime
 * are of old and have none elsewhere. */
static void
test_calls_of_32_bits_are_no_way_around_it(void **state)
{
	static const int numbers[] = { 288, 21, 357, 22, 25, 124 };

	(void)state;
	if (with_filter(call_32, 20) == 98)
		skip();
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_int_equal(with_filter(call_32, numbers[i]), EPERM);
}

/* x32 has a bit of its own in the number. */
static void
test_nor_are_those_of_x32(void **state)
{
	int rc = with_filter(call, 0x40000000 | SYS_keyctl);

	(void)state;
	assert_true(rc == EPERM || rc == ENOSYS);
}
#endif

static void
test_it_is_made_once(void **state)
{
	struct err err;

	(void)state;
	assert_ptr_equal(sandbox_filter(&err), sandbox_filter(&err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_each_call_that_is_denied_is_not_permitted),
		cmocka_unit_test(test_what_all_need_is_left_as_it_is),
#ifdef __x86_64__
		cmocka_unit_test(test_calls_of_32_bits_are_no_way_around_it),
		cmocka_unit_test(test_nor_are_those_of_x32),
#endif
		cmocka_unit_test(test_it_is_made_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
