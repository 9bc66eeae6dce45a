#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/err.h"
#include "ipc/launch.h"

void
spawn_user_fini(struct spawn_user *user)
{
	free(user->name);
	free(user->home);
	*user = (struct spawn_user){ 0 };
}

static int
spawn_user_find(struct spawn_user *user_r, const char *name, struct err *err_r)
{
	const struct passwd *entry;

	errno = 0;
	entry = name != NULL ? getpwnam(name) : getpwuid(geteuid());
	if (entry == NULL) {
		err_set(err_r, "user \"%s\" is not known on this machine",
		    name != NULL ? name : "of the supervisor");
		return -1;
	}
	user_r->uid = entry->pw_uid;
	user_r->gid = entry->pw_gid;
	user_r->name = strdup(entry->pw_name);
	user_r->home = strdup(entry->pw_dir);
	if (user_r->name == NULL || user_r->home == NULL) {
		err_set_errno(err_r, "user");
		spawn_user_fini(user_r);
		return -1;
	}
	return 0;
}

int
spawn_user_init(struct spawn_user *user_r, const char *user, const char *group,
    struct err *err_r)
{
	const struct group *entry;

	*user_r = (struct spawn_user){ 0 };
	if (user == NULL && group == NULL)
		return 0;
	if (spawn_user_find(user_r, user, err_r) < 0)
		return -1;
	if (group == NULL)
		return 0;
	entry = getgrnam(group);
	if (entry == NULL) {
		err_set(err_r, "group \"%s\" is not known on this machine",
		    group);
		spawn_user_fini(user_r);
		return -1;
	}
	user_r->gid = entry->gr_gid;
	return 0;
}

/* From here to spawn_become() everything runs in the child. */

__attribute__((noreturn)) static void
spawn_give_up(int report_fd, int code, const char *what, const char *name)
{
	char text[SPAWN_REPORT_MAX];
	int len, cause = errno;

	len = snprintf(text, sizeof(text), "%s%s%s: %s", what,
	    name != NULL ? " " : "", name != NULL ? name : "", strerror(cause));
	if (len >= (int)sizeof(text))
		len = (int)sizeof(text) - 1;
	/* What the machine cannot give just now is not the service's fault. */
	if (cause == EAGAIN || cause == ENOMEM || cause == EMFILE ||
	    cause == ENFILE)
		code = LAUNCH_EXIT_RESOURCE;
	/* A reader that is gone leaves the exit code to tell. */
	if (write(report_fd, text, (size_t)len) < 0)
		_exit(code);
	_exit(code);
}

static void
spawn_reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	/* glibc refuses to touch the signals of its own, which its
	 * posix_spawn() may have left ignored; the kernel does not. */
	for (int signum = 1; signum < NSIG; signum++)
		if (sigaction(signum, &action, NULL) == -1)
			(void)syscall(SYS_rt_sigaction, signum,
			    (const unsigned long[8]){ 0 }, NULL, NSIG / 8);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Put the descriptors in their places; all others close on exec. */
static void
spawn_set_fds(const struct spawn *spawn, int report_fd)
{
	unsigned first = LAUNCH_FD_STDERR + 1;
	int null_fd;

	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null_fd < 0 || dup2(null_fd, LAUNCH_FD_STDIN) < 0 ||
	    dup2(spawn->out_fd, LAUNCH_FD_STDOUT) < 0 ||
	    dup2(spawn->err_fd, LAUNCH_FD_STDERR) < 0)
		spawn_give_up(report_fd, LAUNCH_EXIT_SETUP, "dup2", NULL);
	if (spawn->lifeline_fd >= 0) {
		/* dup2() onto itself would leave close-on-exec set. */
		if (spawn->lifeline_fd == LAUNCH_FD_LIFELINE
			? fcntl(LAUNCH_FD_LIFELINE, F_SETFD, 0) < 0
			: dup2(spawn->lifeline_fd, LAUNCH_FD_LIFELINE) < 0)
			spawn_give_up(report_fd, LAUNCH_EXIT_SETUP, "dup2",
			    NULL);
		first = LAUNCH_FD_LIFELINE + 1;
	}
	if (close_range(first, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		spawn_give_up(report_fd, LAUNCH_EXIT_SETUP, "close_range",
		    NULL);
}

static void
spawn_set_user(const struct spawn_user *user, int report_fd)
{
	if (user->uid == geteuid() && user->gid == getegid())
		return;
	if (initgroups(user->name, user->gid) < 0 || setgid(user->gid) < 0 ||
	    setuid(user->uid) < 0)
		spawn_give_up(report_fd, LAUNCH_EXIT_SETUP, "change to user",
		    user->name);
}

__attribute__((noreturn)) static void
spawn_become(const struct spawn *spawn, int report_fd, pid_t parent)
{
	/* Above every place that spawn_set_fds() fills. */
	report_fd = fcntl(report_fd, F_DUPFD_CLOEXEC, LAUNCH_FD_LIFELINE + 1);
	if (report_fd < 0)
		_exit(LAUNCH_EXIT_SETUP);
	if (setsid() < 0)
		spawn_give_up(report_fd, LAUNCH_EXIT_SETUP, "setsid", NULL);
	spawn_set_fds(spawn, report_fd);
	if (setrlimit(RLIMIT_NOFILE, &spawn->nofile) < 0)
		spawn_give_up(report_fd, LAUNCH_EXIT_SETUP, "setrlimit", NULL);
	if (spawn->user != NULL)
		spawn_set_user(spawn->user, report_fd);
	/* Only now: a change of user clears it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		spawn_give_up(report_fd, LAUNCH_EXIT_SETUP, "prctl", NULL);
	if (getppid() != parent)
		_exit(LAUNCH_EXIT_SETUP);
	if (spawn->dir != NULL && chdir(spawn->dir) < 0)
		spawn_give_up(report_fd, LAUNCH_EXIT_SETUP, "chdir",
		    spawn->dir);
	umask(022);
	spawn_reset_signals();
	environ = (char **)spawn->env;
	execvp(spawn->argv[0], spawn->argv);
	spawn_give_up(report_fd, LAUNCH_EXIT_EXEC, "exec", spawn->argv[0]);
}

pid_t
spawn_child(const struct spawn *spawn, int *report_r, struct err *err_r)
{
	pid_t pid, parent = getpid();
	int report[2];

	if (pipe2(report, O_CLOEXEC | O_NONBLOCK) < 0) {
		err_set_errno(err_r, "pipe");
		return -1;
	}
	pid = fork();
	if (pid == 0)
		spawn_become(spawn, report[1], parent);
	if (pid < 0) {
		err_set_errno(err_r, "fork");
		close(report[0]);
	}
	close(report[1]);
	*report_r = pid < 0 ? -1 : report[0];
	return pid;
}

int
spawn_report(int report_fd, char *text)
{
	ssize_t len;

	do
		len = read(report_fd, text, SPAWN_REPORT_MAX);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return errno == EAGAIN ? 0 : 1;
	text[len] = '\0';
	return len == 0 ? 1 : -1;
}
