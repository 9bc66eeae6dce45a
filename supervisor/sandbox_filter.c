/*
 * sandbox_filter: the system calls that no service needs.
 */
#include "sandbox.h"

#include <errno.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/err.h"

enum {
	FILTER_TIME_S = 1 /* to make it: it takes milliseconds */
};

/* They fail with EPERM. Listed in msvc.ini(5); names unknown here are left. */
static const char *const denied[] = {
	/* the machine: its kernel, modules, power, swap, accounting */
	"kexec_load",
	"kexec_file_load",
	"init_module",
	"finit_module",
	"delete_module",
	"create_module",
	"query_module",
	"get_kernel_syms",
	"reboot",
	"swapon",
	"swapoff",
	"acct",
	"quotactl",
	"quotactl_fd",
	"nfsservctl",
	"syslog",
	"vhangup",
	"sethostname",
	"setdomainname",
	/* its clock */
	"clock_settime",
	"clock_settime64",
	"settimeofday",
	"stime",
	"clock_adjtime",
	"clock_adjtime64",
	"adjtimex",
	/* what is mounted where */
	"mount",
	"umount",
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
	/* other processes; LeakSanitizer looks at its own in that way */
	"ptrace",
#endif
	"process_vm_readv",
	"process_vm_writev",
	"kcmp",
	"pidfd_getfd",
	/* doors to the kernel that are seldom needed and often broken */
	"bpf",
	"perf_event_open",
	"userfaultfd",
	"keyctl",
	"add_key",
	"request_key",
	"lookup_dcookie",
	"uselib",
	"ustat",
	"sysfs",
	"_sysctl",
	"vm86",
	"vm86old",
	"modify_ldt",
	/* the hardware */
	"iopl",
	"ioperm",
	"pciconfig_read",
	"pciconfig_write",
	"pciconfig_iobase",
	"s390_pci_mmio_read",
	"s390_pci_mmio_write",
};

static int
filter_fill(scmp_filter_ctx ctx)
{
	int number;

	/* Programs of its other word sizes are filtered, not killed. */
	switch (seccomp_arch_native()) {
	case SCMP_ARCH_X86_64:
		(void)seccomp_arch_add(ctx, SCMP_ARCH_X86);
		(void)seccomp_arch_add(ctx, SCMP_ARCH_X32);
		break;
	case SCMP_ARCH_AARCH64:
		(void)seccomp_arch_add(ctx, SCMP_ARCH_ARM);
		break;
	default:
		break;
	}
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
	/* A tree of comparisons in place of a list. */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
		number = seccomp_syscall_resolve_name(denied[i]);
		if (number != __NR_SCMP_ERROR &&
		    seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), number, 0) < 0)
			return -1;
	}
	return 0;
}

/* The program as the kernel takes it, from an exported file. */
static int
filter_read(int fd, struct sock_fprog *program)
{
	struct sock_filter *code;
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size <= 0)
		return -1;
	code = malloc((size_t)st.st_size);
	if (code == NULL ||
	    pread(fd, code, (size_t)st.st_size, 0) != st.st_size) {
		free(code);
		return -1;
	}
	program->filter = code;
	program->len =
	    (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter));
	return 0;
}

/*
 * libseccomp (2.5) crashes or hangs without memory, so it works in a process
 * apart.
 */
static pid_t
filter_fork(int fd)
{
	scmp_filter_ctx ctx;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_DUMPABLE, 0); /* no core file either */
	(void)signal(SIGALRM, SIG_DFL);
	(void)alarm(FILTER_TIME_S);
	ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (ctx == NULL || filter_fill(ctx) < 0 ||
	    seccomp_export_bpf(ctx, fd) < 0)
		_exit(1);
	_exit(0);
}

/* Once in our life, and for some milliseconds: it is waited for. */
static int
filter_make(struct sock_fprog *program)
{
	int fd = memfd_create("seccomp", MFD_CLOEXEC), status = -1, rc = -1;
	pid_t pid = fd >= 0 ? filter_fork(fd) : -1;

	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && status == 0)
		rc = filter_read(fd, program);
	if (fd >= 0)
		close(fd);
	return rc;
}

const struct sock_fprog *
sandbox_filter(struct err *err_r)
{
	static struct sock_fprog program; /* kept: the same for all */

	if (program.filter == NULL && filter_make(&program) < 0) {
		err_set(err_r, "seccomp: cannot make the filter");
		return NULL;
	}
	return &program;
}
