/*
 * cgroup_text: what is read and written there. Pure.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cgroup.h"
#include "conf/conf.h"

enum {
	CPU_PERIOD_US = 100000,
	CPU_PERCENT_US = CPU_PERIOD_US / 100,
	CPU_WEIGHT_USUAL = 100,
};

static void
setting_max(uint64_t value, char *text)
{
	if (value == 0)
		snprintf(text, CGROUP_VALUE_MAX, "max");
	else
		snprintf(text, CGROUP_VALUE_MAX, "%" PRIu64, value);
}

static void
setting_memory(const struct conf_service *conf, char *text)
{
	setting_max(conf->memory_max, text);
}

static void
setting_weight(const struct conf_service *conf, char *text)
{
	setting_max(conf->cpu_weight == 0 ? CPU_WEIGHT_USUAL : conf->cpu_weight,
	    text);
}

static void
setting_quota(const struct conf_service *conf, char *text)
{
	if (conf->cpu_quota == 0)
		snprintf(text, CGROUP_VALUE_MAX, "max %d", CPU_PERIOD_US);
	else
		snprintf(text, CGROUP_VALUE_MAX, "%" PRIu64 " %d",
		    (uint64_t)conf->cpu_quota * CPU_PERCENT_US, CPU_PERIOD_US);
}

static void
setting_tasks(const struct conf_service *conf, char *text)
{
	setting_max(conf->tasks_max, text);
}

static const struct {
	enum cgroup_controller controller;
	const char *file;
	void (*put)(const struct conf_service *conf, char *text);
} settings[] = {
	{ CGROUP_MEMORY, "memory.max", setting_memory },
	{ CGROUP_CPU, "cpu.weight", setting_weight },
	{ CGROUP_CPU, "cpu.max", setting_quota },
	{ CGROUP_PIDS, "pids.max", setting_tasks },
};

const char *
cgroup_setting(size_t i, const struct conf_service *conf,
    enum cgroup_controller *controller_r, char *value)
{
	if (i >= sizeof(settings) / sizeof(settings[0]))
		return NULL;
	*controller_r = settings[i].controller;
	settings[i].put(conf, value);
	return settings[i].file;
}

unsigned
cgroup_needs(const struct conf_service *conf)
{
	return (conf->memory_max > 0 ? 1U << CGROUP_MEMORY : 0U) |
	       (conf->cpu_weight > 0 || conf->cpu_quota > 0 ? 1U << CGROUP_CPU
							    : 0U) |
	       (conf->tasks_max > 0 ? 1U << CGROUP_PIDS : 0U);
}

bool
cgroup_is_asked(const struct conf_service *conf)
{
	return cgroup_needs(conf) != 0;
}

/* Copy up to end, with the \040 of mountinfo as the space that it is. */
static void
mount_copy(const char *at, size_t len, char to[CGROUP_PATH_MAX])
{
	size_t used = 0;

	for (size_t i = 0; i < len && used < CGROUP_PATH_MAX - 1; i++) {
		if (len - i >= 4 && strncmp(at + i, "\\040", 4) == 0) {
			to[used++] = ' ';
			i += 3;
		} else
			to[used++] = at[i];
	}
	to[used] = '\0';
}

bool
cgroup_find_mount(const char *mountinfo, char mount[CGROUP_PATH_MAX],
    char root[CGROUP_PATH_MAX])
{
	const char *line, *end, *type, *field;

	for (line = mountinfo; *line != '\0'; line = end) {
		end = line + strcspn(line, "\n");
		type = strstr(line, " - cgroup2 ");
		field = line;
		/* "36 35 98:0 ROOT MOUNT ...", see proc(5) */
		for (int i = 0; i < 3 && field < end; i++)
			field += strcspn(field, " \n") + 1;
		if (type == NULL || type >= end || field >= type) {
			end += *end == '\n';
			continue;
		}
		mount_copy(field, strcspn(field, " \n"), root);
		field += strcspn(field, " \n") + 1;
		mount_copy(field, strcspn(field, " \n"), mount);
		return true;
	}
	return false;
}

bool
cgroup_find_own(const char *cgroup, const char *root, int pid,
    char path[CGROUP_PATH_MAX])
{
	size_t root_len = strcmp(root, "/") == 0 ? 0 : strlen(root), len;
	char own[64];
	const char *at =
	    strncmp(cgroup, "0::", 3) == 0 ? cgroup : strstr(cgroup, "\n0::");
	size_t own_len =
	    (size_t)snprintf(own, sizeof(own), "/msvc-%d/supervisor", pid);

	if (at == NULL)
		return false;
	at = strchr(at, '/');
	if (at == NULL || strncmp(at, root, root_len) != 0)
		return false;
	at += root_len;
	len = strcspn(at, "\n");
	if (len >= own_len && strncmp(at + len - own_len, own, own_len) == 0)
		len -= own_len;
	if (len >= CGROUP_PATH_MAX)
		return false;
	memcpy(path, at, len);
	path[len] = '\0';
	return true;
}
