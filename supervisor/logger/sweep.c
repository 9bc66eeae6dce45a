#include "sweep.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include "ipc/launch.h"

enum {
	SWEEP_PARENT_MS = 200, /* from its last close() to its end */
	/* Our variables are among the first ones. */
	SWEEP_ENVIRON_MAX = 64 * 1024,
	SWEEP_GROUP_MAX = 16 * 1024
};

/* Whom we look for. */
struct sweep {
	const char *run;
	const char *own_group; /* /proc/self/cgroup */
};

int
sweep_open(void)
{
	return pidfd_open(getppid(), 0);
}

bool
sweep_is_due(int parent_fd)
{
	struct pollfd pfd = { .fd = parent_fd, .events = POLLIN };

	return parent_fd >= 0 && poll(&pfd, 1, SWEEP_PARENT_MS) == 1;
}

bool
sweep_is_of_run(const char *environment, size_t len, const char *run)
{
	static const char key[] = LAUNCH_ENV_RUN "=";
	size_t key_len = sizeof(key) - 1, run_len = strlen(run);
	const char *end = environment + len, *stop;

	while (environment < end) {
		stop = memchr(environment, '\0', (size_t)(end - environment));
		if (stop == NULL)
			stop = end;
		if ((size_t)(stop - environment) == key_len + run_len &&
		    memcmp(environment, key, key_len) == 0 &&
		    memcmp(environment + key_len, run, run_len) == 0)
			return true;
		environment = stop + 1;
	}
	return false;
}

/* The path in the version 2 hierarchy of a /proc/PID/cgroup; NULL: none. */
static const char *
sweep_group(const char *text)
{
	const char *at =
	    strncmp(text, "0::", 3) == 0 ? text - 1 : strstr(text, "\n0::");

	return at != NULL ? at + 4 : NULL;
}

bool
sweep_is_in_group(const char *text, const char *own, int pid)
{
	char name[32], inner[48];
	size_t name_len, inner_len, len;
	const char *at = sweep_group(text), *base = sweep_group(own);

	if (at == NULL || base == NULL)
		return false;
	name_len = (size_t)snprintf(name, sizeof(name), "/msvc-%d/", pid);
	inner_len =
	    (size_t)snprintf(inner, sizeof(inner), "%ssupervisor", name);
	len = strcspn(base, "\n");
	if (len >= inner_len &&
	    strncmp(base + len - inner_len, inner, inner_len) == 0)
		len -= inner_len;
	else if (len == 1)
		len = 0; /* "/" */
	return strncmp(at, base, len) == 0 &&
	       strncmp(at + len, name, name_len) == 0;
}

/* Returns how much of it there is; a NUL follows. */
static size_t
sweep_read(const char *pid, const char *file, char *bytes, size_t size)
{
	char path[64];
	size_t len = 0;
	ssize_t got;
	int fd;

	bytes[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%.20s/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	while (len < size - 1) {
		got = read(fd, bytes + len, size - 1 - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	close(fd);
	bytes[len] = '\0';
	return len;
}

bool
sweep_is_spared(const char *stat)
{
	const char *name = strchr(stat, '('), *end = strrchr(stat, ')');
	static const char logger[] = "(msvc-logger)";

	if (name == NULL || end == NULL || end[1] != ' ')
		return true;
	if (strchr("ZX", end[2]) != NULL)
		return true;
	/* Unless it was stopped it does what we do, and then ends. */
	return strncmp(name, logger, sizeof(logger) - 1) == 0 &&
	       strchr("Tt", end[2]) == NULL;
}

static bool
sweep_look(const char *pid, const struct sweep *sweep)
{
	static char bytes[SWEEP_ENVIRON_MAX];
	size_t len;

	(void)sweep_read(pid, "stat", bytes, sizeof(bytes));
	if (sweep_is_spared(bytes))
		return false;
	len = sweep_read(pid, "environ", bytes, sizeof(bytes));
	if (sweep_is_of_run(bytes, len, sweep->run))
		return true;
	(void)sweep_read(pid, "cgroup", bytes, sizeof(bytes));
	return sweep_is_in_group(bytes, sweep->own_group, atoi(sweep->run));
}

/* A handle first, so that the number cannot be given to another meanwhile. */
static bool
sweep_kill(const char *name, const struct sweep *sweep)
{
	pid_t pid = atoi(name);
	bool is_killed = false;
	int fd;

	if (pid <= 1 || pid == getpid() || !sweep_look(name, sweep))
		return false;
	fd = pidfd_open(pid, 0);
	if (fd < 0)
		return false;
	/* Again, of the very process that the handle stands for. */
	if (sweep_look(name, sweep))
		is_killed = pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0;
	close(fd);
	return is_killed;
}

static unsigned
sweep_round(const struct sweep *sweep)
{
	const struct dirent *entry;
	DIR *dir = opendir("/proc");
	unsigned count = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		if (isdigit((unsigned char)entry->d_name[0]))
			count += sweep_kill(entry->d_name, sweep);
	}
	closedir(dir);
	return count;
}

static int64_t
sweep_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

unsigned
sweep_run(const char *run)
{
	const struct timespec pause = { .tv_nsec = SWEEP_PAUSE_MS * 1000000L };
	int64_t until_ms = sweep_now_ms() + SWEEP_TIME_MS;
	static char own[SWEEP_GROUP_MAX];
	const struct sweep sweep = { .run = run, .own_group = own };
	unsigned total = 0, count, quiet = 0;

	(void)sweep_read("self", "cgroup", own, sizeof(own));
	/* One that is killed may have made another just before. */
	while (quiet < SWEEP_QUIET_ROUNDS && sweep_now_ms() < until_ms) {
		count = sweep_round(&sweep);
		quiet = count == 0 ? quiet + 1 : 0;
		total += count;
		(void)nanosleep(&pause, NULL);
	}
	return total;
}
