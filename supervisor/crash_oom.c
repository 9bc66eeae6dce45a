/*
 * crash_oom: has the kernel killed a process for want of memory?
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash_oom.h"
#include "supervisor.h"

enum {
	OOM_PATH_MAX = 4096,
	OOM_TEXT_MAX = 16 * 1024 /* vmstat has 7 KB of lines */
};

/* memory.events of our own cgroup; the root of all of them has none. */
static int
oom_open_cgroup(void)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[OOM_PATH_MAX], path[OOM_PATH_MAX + 64];
	int fd = -1;

	if (file == NULL)
		return -1;
	/* The line of cgroup v2 is "0::PATH" (cgroups(7)). */
	while (fd == -1 && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.events",
		    line + 3);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	fclose(file);
	return fd;
}

int
crash_oom_open(void)
{
	int fd = oom_open_cgroup();

	return fd != -1 ? fd : open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
}

uint64_t
crash_oom_parse(const char *text)
{
	static const char key[] = "oom_kill ";
	const char *at = text;

	while (at != NULL && strncmp(at, key, sizeof(key) - 1) != 0) {
		at = strchr(at, '\n');
		at = at != NULL ? at + 1 : NULL;
	}
	return at != NULL ? strtoull(at + sizeof(key) - 1, NULL, 10) : 0;
}

uint64_t
crash_oom_read(int fd)
{
	char text[OOM_TEXT_MAX];
	ssize_t len = fd != -1 ? pread(fd, text, sizeof(text) - 1, 0) : 0;

	if (len <= 0)
		return 0;
	text[len] = '\0';
	return crash_oom_parse(text);
}

static uint64_t
oom_count_now(struct supervise *sup)
{
	struct crashes *crashes = &sup->failures.crashes;

	crashes->oom_count = crash_oom_read(crashes->oom_fd);
	crashes->oom_us = loop_now_us(sup->loop);
	return crashes->oom_count;
}

uint64_t
crash_oom_count(struct supervise *sup)
{
	const struct crashes *crashes = &sup->failures.crashes;

	/* Many start in one turn, and the kernel takes its time to tell. */
	return crashes->oom_us == loop_now_us(sup->loop) ? crashes->oom_count
							 : oom_count_now(sup);
}

bool
crash_is_oom(struct supervise *sup, int status, uint64_t count_at_start,
    bool is_asked)
{
	struct crashes *crashes = &sup->failures.crashes;
	uint64_t count;

	if (is_asked || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		return false;
	count = oom_count_now(sup);
	if (count <= count_at_start || count <= crashes->oom_known)
		return false;
	/* Those from before the start had other victims. */
	if (crashes->oom_known < count_at_start)
		crashes->oom_known = count_at_start;
	crashes->oom_known++;
	return true;
}
