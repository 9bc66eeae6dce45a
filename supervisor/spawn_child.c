#include "spawn_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/launch.h"
#include "limits.h"
#include "sandbox.h"
#include "spawn.h"

enum {
	SPAWN_UMASK = 022,
	SPAWN_PATH_MAX = 4096,
};

/* One child on its way. */
struct birth {
	const struct spawn *spawn;
	const char *value; /* with what a step has failed; or NULL */
	pid_t parent;
	bool is_outside; /* of its control group */
	int report_fd;
};

__attribute__((noreturn)) static void
birth_fail(const struct birth *birth, const char *what, int code)
{
	const char *value = birth->value;
	char report[SPAWN_REPORT_MAX + 1];
	int cause = errno;
	const char *text = strerrordesc_np(cause);

	snprintf(report, sizeof(report), "%s%s%s: %s", what,
	    value != NULL ? " " : "", value != NULL ? value : "",
	    text != NULL ? text : "unknown error");
	/* What the machine cannot give just now is not the service's fault. */
	if (cause == EAGAIN || cause == ENOMEM || cause == EMFILE ||
	    cause == ENFILE)
		code = LAUNCH_EXIT_RESOURCE;
	/* A reader that is gone leaves the exit code to tell. */
	(void)!write(birth->report_fd, report, strlen(report));
	_exit(code);
}

/* Above every place that descriptors are passed to. */
static int
birth_keep_report(struct birth *birth)
{
	int first = LAUNCH_FD_LIFELINE + 1 + (int)birth->spawn->fd_count;
	int fd = fcntl(birth->report_fd, F_DUPFD_CLOEXEC, first);

	if (fd >= 0)
		birth->report_fd = fd;
	return fd < 0 ? -1 : 0;
}

static int
birth_set_group(struct birth *birth)
{
	int fd, rc;

	if (!birth->is_outside)
		return 0;
	fd = openat(birth->spawn->sandbox->cgroup_fd, "cgroup.procs",
	    O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = write(fd, "0", 1) == 1 ? 0 : -1;
	close(fd);
	return rc;
}

static int
birth_set_session(struct birth *birth)
{
	(void)birth;
	return setsid() < 0 ? -1 : 0;
}

/*
 * The descriptors from 3 on. First all of them out of the way: one may stand
 * where another has to go.
 */
static int
birth_pass_fds(const int *fds, size_t count)
{
	int first = LAUNCH_FD_LIFELINE, high[SPAWN_FDS_MAX];

	for (size_t i = 0; i < count; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, first + (int)count);
		if (high[i] < 0)
			return -1;
	}
	for (size_t i = 0; i < count; i++) {
		if (dup2(high[i], first + (int)i) < 0)
			return -1;
	}
	return 0;
}

/* Put the descriptors in their places; all others close on exec. */
static int
birth_set_fds(struct birth *birth)
{
	const struct spawn *spawn = birth->spawn;
	const int *fds = spawn->fds;
	size_t count = spawn->fd_count;
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (spawn->lifeline_fd >= 0) {
		fds = &spawn->lifeline_fd;
		count = 1;
	}
	if (null_fd < 0 || dup2(null_fd, LAUNCH_FD_STDIN) < 0 ||
	    dup2(spawn->out_fd, LAUNCH_FD_STDOUT) < 0 ||
	    dup2(spawn->err_fd, LAUNCH_FD_STDERR) < 0 ||
	    birth_pass_fds(fds, count) < 0)
		return -1;
	return close_range(LAUNCH_FD_LIFELINE + (unsigned)count, ~0U,
	    CLOSE_RANGE_CLOEXEC);
}

static int
birth_set_limits(struct birth *birth)
{
	const struct spawn *spawn = birth->spawn;
	const struct limits *limits = spawn->limits;

	birth->value = "nofile";
	if ((limits == NULL || !limits->is_set[RLIMIT_NOFILE]) &&
	    setrlimit(RLIMIT_NOFILE, &spawn->nofile) < 0)
		return -1;
	return limits == NULL ? 0 : limits_enter(limits, &birth->value);
}

static int
birth_set_mounts(struct birth *birth)
{
	const struct sandbox *sandbox = birth->spawn->sandbox;

	return sandbox == NULL ? 0
			       : sandbox_enter_mounts(sandbox, &birth->value);
}

static int
birth_set_early(struct birth *birth)
{
	const struct sandbox *sandbox = birth->spawn->sandbox;

	return sandbox == NULL ? 0
			       : sandbox_enter_early(sandbox, &birth->value);
}

static int
birth_set_user(struct birth *birth)
{
	const struct spawn_user *user = birth->spawn->user;

	if (user == NULL)
		return 0;
	birth->value = user->name;
	/* One that is the same already takes no privilege. */
	if (user->uid == geteuid() && user->gid == getegid() &&
	    !user->has_more_groups)
		return 0;
	if (setgroups((size_t)user->group_count, user->groups) < 0 ||
	    setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return -1;
	return 0;
}

static int
birth_set_capabilities(struct birth *birth)
{
	const struct sandbox *sandbox = birth->spawn->sandbox;

	return sandbox == NULL
		   ? 0
		   : sandbox_enter_capabilities(sandbox, &birth->value);
}

/* Only now: a change of user clears it. */
static int
birth_set_fate(struct birth *birth)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -1;
	if (getppid() != birth->parent)
		_exit(LAUNCH_EXIT_SETUP);
	return 0;
}

static int
birth_set_dir(struct birth *birth)
{
	const struct spawn *spawn = birth->spawn;

	(void)umask(spawn->limits == NULL ? SPAWN_UMASK : spawn->limits->umask);
	birth->value = spawn->dir;
	return spawn->dir == NULL ? 0 : chdir(spawn->dir);
}

static int
birth_set_late(struct birth *birth)
{
	const struct sandbox *sandbox = birth->spawn->sandbox;

	return sandbox == NULL ? 0 : sandbox_enter_late(sandbox, &birth->value);
}

/* The kernel resets those that are caught at exec, not those ignored. */
static int
birth_reset_signals(struct birth *birth)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	(void)birth;
	/* glibc refuses to touch the signals of its own, which its
	 * posix_spawn() may have left ignored; the kernel does not. */
	for (int signum = 1; signum < NSIG; signum++)
		if (sigaction(signum, &action, NULL) == -1)
			(void)syscall(SYS_rt_sigaction, signum,
			    (const unsigned long[8]){ 0 }, NULL, NSIG / 8);
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In this order: later ones take away what earlier ones need. */
static const struct {
	const char *what;
	int (*fn)(struct birth *birth);
} steps[] = {
	{ "report", birth_keep_report },
	{ "control group", birth_set_group },
	{ "setsid", birth_set_session },
	{ "file descriptors", birth_set_fds },
	{ "set limit", birth_set_limits },
	{ "mount for", birth_set_mounts },
	{ "restrict", birth_set_early },
	{ "change to user", birth_set_user },
	{ "keep", birth_set_capabilities },
	{ "prctl", birth_set_fate },
	{ "chdir", birth_set_dir },
	{ "signals", birth_reset_signals },
	{ "restrict", birth_set_late },
};

/* A service gets to know that the descriptors are meant for it. */
static void
birth_sign(char *const *env)
{
	static const char key[] = LAUNCH_ENV_LISTEN_PID "=";
	size_t len = sizeof(key) - 1;

	for (; *env != NULL; env++) {
		if (strncmp(*env, key, len) == 0)
			snprintf(*env + len, LAUNCH_LISTEN_PID_MAX + 1, "%d",
			    (int)getpid());
	}
}

static const char *
birth_search_path(char *const *env)
{
	for (; *env != NULL; env++) {
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	}
	return "/usr/local/bin:/usr/bin:/bin";
}

/* As execvpe(3), but by the PATH that the program will have. */
static void
birth_exec(const struct spawn *spawn)
{
	const char *name = spawn->argv[0], *dir, *end;
	char path[SPAWN_PATH_MAX];
	int cause = ENOENT;

	if (strchr(name, '/') != NULL) {
		(void)execvpe(name, spawn->argv, spawn->env);
		return;
	}
	for (dir = birth_search_path(spawn->env); dir != NULL;
	     dir = *end == '\0' ? NULL : end + 1) {
		end = strchrnul(dir, ':');
		if ((size_t)snprintf(path, sizeof(path), "%.*s%s%s",
			(int)(end - dir), dir, end == dir ? "./" : "/",
			name) >= sizeof(path))
			continue;
		(void)execvpe(path, spawn->argv, spawn->env);
		if (errno == EACCES)
			cause = EACCES;
		else if (errno != ENOENT && errno != ENOTDIR)
			return;
	}
	errno = cause;
}

void
spawn_become(const struct spawn *spawn, int report_fd, pid_t parent,
    bool is_outside)
{
	struct birth birth = { .spawn = spawn,
		.parent = parent,
		.is_outside = is_outside,
		.report_fd = report_fd };

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		birth.value = NULL;
		if (steps[i].fn(&birth) < 0)
			birth_fail(&birth, steps[i].what, LAUNCH_EXIT_SETUP);
	}
	birth_sign(spawn->env);
	birth_exec(spawn);
	birth.value = spawn->argv[0];
	birth_fail(&birth, "exec", LAUNCH_EXIT_EXEC);
}
