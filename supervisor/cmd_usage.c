#include "cmd_usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/mp.h"

#include "cmd_map.h"

enum {
	/* Fields of /proc/PID/stat, counted from 1; the name is the second. */
	USAGE_UTIME = 14,
	USAGE_STIME = 15,
	USAGE_STARTTIME = 22
};

int
cmd_usage_parse(const char *stat, uint64_t *ticks_r, uint64_t *begun_r)
{
	/* The name may hold anything, also blanks and brackets. */
	const char *at = strrchr(stat, ')');
	unsigned long long value, ticks = 0;
	int used;

	if (at == NULL || sscanf(at, ") %*c%n", &used) < 0)
		return -1;
	at += used;
	for (int field = 4; field <= USAGE_STARTTIME; field++) {
		used = 0;
		if (sscanf(at, " %llu%n", &value, &used) != 1 &&
		    sscanf(at, " -%llu%n", &value, &used) != 1)
			return -1;
		at += used;
		if (field == USAGE_UTIME || field == USAGE_STIME)
			ticks += value;
	}
	*ticks_r = ticks;
	*begun_r = value;
	return 0;
}

/* Returns the length of a small file's text, or -1. */
static ssize_t
usage_slurp(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	len = read(fd, text, size - 1);
	close(fd);
	if (len >= 0)
		text[len] = '\0';
	return len;
}

static unsigned
usage_count_fds(pid_t pid)
{
	struct dirent *entry;
	unsigned count = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

struct cmd_usage
cmd_usage_read(pid_t pid)
{
	struct cmd_usage usage = { 0 };
	int64_t hz = sysconf(_SC_CLK_TCK);
	unsigned long long pages = 0;
	uint64_t ticks, begun;
	struct timespec now;
	char text[1024];

	if (pid <= 0 || usage_slurp(pid, "stat", text, sizeof(text)) <= 0 ||
	    cmd_usage_parse(text, &ticks, &begun) == -1 ||
	    usage_slurp(pid, "statm", text, sizeof(text)) <= 0 ||
	    sscanf(text, "%*u %llu", &pages) != 1)
		return usage;
	clock_gettime(CLOCK_BOOTTIME, &now);
	usage.is_known = true;
	usage.cpu_ms = (int64_t)ticks * 1000 / hz;
	usage.age_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 -
		       (int64_t)begun * 1000 / hz;
	usage.memory = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	usage.fd_count = usage_count_fds(pid);
	return usage;
}

int
cmd_usage_percent(const struct cmd_usage *before, const struct cmd_usage *now,
    int64_t elapsed_ms)
{
	bool is_same = before != NULL && before->is_known &&
		       now->cpu_ms >= before->cpu_ms &&
		       now->age_ms > before->age_ms;
	int64_t used = is_same ? now->cpu_ms - before->cpu_ms : now->cpu_ms;
	int64_t over = is_same ? elapsed_ms : now->age_ms;

	if (!now->is_known || over < 0)
		return -1;
	/* Time is told in ticks: over less than one anything is possible. */
	return over < 10 ? 0 : (int)((used * 100 + over / 2) / over);
}

static void
usage_put(struct buf *out, const struct cmd_usage *usage)
{
	static const char *const keys[] = { "cpu_ms", "cpu_percent", "memory",
		"fds" };
	const int64_t values[] = { usage->cpu_ms,
		cmd_usage_percent(NULL, usage, 0), (int64_t)usage->memory,
		usage->fd_count };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		mp_put_cstr(out, keys[i]);
		if (usage->is_known)
			mp_put_int(out, values[i]);
		else
			mp_put_nil(out);
	}
}

static int
usage_copy_value(struct mp_reader *in, struct buf *out)
{
	const uint8_t *start = in->pos;

	if (mp_skip(in) == -1)
		return -1;
	buf_append(out, start, (size_t)(in->pos - start));
	return 0;
}

/*
 * Copy a map. Along path it leads to an array of maps, each treated likewise;
 * the maps at its end get their usage.
 */
static int
usage_copy(struct mp_reader *in, const char *const *path, struct buf *out)
{
	const struct mp_reader map = *in;
	uint32_t count, items;
	struct cmd_usage usage;
	const char *key;
	size_t len;

	if (mp_get_map(in, &count) == -1)
		return -1;
	mp_put_map(out, *path == NULL ? count + 4 : count);
	for (uint32_t i = 0; i < count; i++) {
		if (mp_get_str(in, &key, &len) == -1)
			return -1;
		mp_put_str(out, key, len);
		if (*path == NULL || strlen(*path) != len ||
		    memcmp(*path, key, len) != 0) {
			if (usage_copy_value(in, out) == -1)
				return -1;
			continue;
		}
		if (mp_get_array(in, &items) == -1)
			return -1;
		mp_put_array(out, items);
		for (uint32_t j = 0; j < items; j++) {
			if (usage_copy(in, path + 1, out) == -1)
				return -1;
		}
	}
	if (*path == NULL) {
		usage = cmd_usage_read((pid_t)cmd_map_int(map, "pid"));
		usage_put(out, &usage);
	}
	return 0;
}

int
cmd_usage_put(const struct buf *status, struct buf *out)
{
	static const char *const path[] = { "services", "instances", NULL };
	struct mp_reader in = cmd_map_open(status);

	return usage_copy(&in, path, out);
}
