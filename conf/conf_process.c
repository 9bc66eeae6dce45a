#include "conf_process.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "conf.h"
#include "conf_addr.h"
#include "conf_value.h"
#include "conf_words.h"

int
conf_process_int(const char *text, int64_t min, int64_t max, int *number_r,
    struct conf_why *why)
{
	const char *digits = text[0] == '-' || text[0] == '+' ? text + 1 : text;
	uint64_t number;
	int64_t value;

	if (conf_value_count(digits, &number, why) < 0) {
		conf_why_set(why, "is not a whole number from %lld to %lld",
		    (long long)min, (long long)max);
		return -1;
	}
	value = number > INT32_MAX ? INT32_MAX : (int64_t)number;
	if (text[0] == '-')
		value = -value;
	if (value < min || value > max) {
		conf_why_set(why, "is out of range; %lld to %lld is allowed",
		    (long long)min, (long long)max);
		return -1;
	}
	*number_r = (int)value;
	return 0;
}

int
conf_process_umask(const char *text, unsigned *mask_r, struct conf_why *why)
{
	size_t len = strspn(text, "01234567");

	if (len == 0 || len > 4 || text[len] != '\0' ||
	    strtoul(text, NULL, 8) > 0777) {
		conf_why_set(why,
		    "is not a mask in octal such as 022; 000 to 777 is "
		    "allowed");
		return -1;
	}
	*mask_r = (unsigned)strtoul(text, NULL, 8);
	return 0;
}

int
conf_process_percent(const char *text, uint64_t *percent_r,
    struct conf_why *why)
{
	size_t len = strlen(text);
	char digits[32];

	if (len > 0 && text[len - 1] == '%')
		len--;
	if (len >= sizeof(digits))
		len = sizeof(digits) - 1;
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (conf_value_count(digits, percent_r, why) == 0)
		return 0;
	conf_why_set(why, "is not a percentage such as 150%%");
	return -1;
}

int
conf_process_instances(const char *text, unsigned *least_r, uint64_t *most_r,
    struct conf_why *why)
{
	const char *dots = strstr(text, "..");
	char first[32];
	uint64_t least;
	size_t len = dots == NULL ? strlen(text) : (size_t)(dots - text);

	if (len >= sizeof(first))
		len = sizeof(first) - 1;
	memcpy(first, text, len);
	first[len] = '\0';
	if (conf_value_count(first, &least, why) < 0 ||
	    conf_value_count(dots == NULL ? first : dots + 2, most_r, why) <
		0 ||
	    least > *most_r || *most_r > UINT32_MAX) {
		conf_why_set(why,
		    "is no number of processes such as 4, or 1..4");
		return -1;
	}
	*least_r = (unsigned)least;
	return 0;
}

int
conf_process_durations(const char *text, int64_t max_ms,
    struct conf_durations *durations, struct conf_why *why)
{
	struct conf_strings items = { NULL, 0 };
	char shown[CONF_SHOW_MAX];
	struct conf_why item_why;
	int rc = conf_words_list(&items, text, why);

	/* All of it: what is compared byte by byte. */
	memset(durations, 0, sizeof(*durations));
	if (rc == 0 && items.count > CONF_DURATIONS_MAX) {
		conf_why_set(why, "has %zu items; %d are allowed", items.count,
		    CONF_DURATIONS_MAX);
		rc = -1;
	}
	for (size_t i = 0; rc == 0 && i < items.count; i++) {
		int64_t *ms = &durations->items_ms[i];

		rc = conf_value_duration(items.items[i], ms, &item_why);
		if (rc == 0 && *ms > max_ms) {
			conf_why_set(&item_why,
			    "is out of range; 0 to %lldms is allowed",
			    (long long)max_ms);
			rc = -1;
		}
		if (rc < 0 && items.count == 1)
			*why = item_why;
		else if (rc < 0)
			conf_why_set(why, "has an item \"%s\" that %s",
			    conf_show(shown, items.items[i]), item_why.text);
	}
	durations->count = items.count;
	conf_words_fini(&items);
	return rc;
}

static const struct {
	const char *name;
	unsigned resource;
	bool is_size; /* may have a unit */
} rlimits[] = {
	{ "as", RLIMIT_AS, true },
	{ "core", RLIMIT_CORE, true },
	{ "cpu", RLIMIT_CPU, false },
	{ "data", RLIMIT_DATA, true },
	{ "fsize", RLIMIT_FSIZE, true },
	{ "locks", RLIMIT_LOCKS, false },
	{ "memlock", RLIMIT_MEMLOCK, true },
	{ "msgqueue", RLIMIT_MSGQUEUE, true },
	{ "nice", RLIMIT_NICE, false },
	{ "nofile", RLIMIT_NOFILE, false },
	{ "nproc", RLIMIT_NPROC, false },
	{ "rss", RLIMIT_RSS, true },
	{ "rtprio", RLIMIT_RTPRIO, false },
	{ "rttime", RLIMIT_RTTIME, false },
	{ "sigpending", RLIMIT_SIGPENDING, false },
	{ "stack", RLIMIT_STACK, true },
};

enum {
	RLIMIT_COUNT = sizeof(rlimits) / sizeof(rlimits[0])
};
_Static_assert(CONF_RLIMITS == (int)RLIM_NLIMITS, "all limits of the kernel");

const char *
conf_process_rlimit_name(unsigned resource)
{
	for (size_t i = 0; i < RLIMIT_COUNT; i++)
		if (rlimits[i].resource == resource)
			return rlimits[i].name;
	return NULL;
}

static int
rlimit_value(const char *text, bool is_size, uint64_t *value_r)
{
	struct conf_why why;

	if (strcmp(text, "infinity") == 0 || strcmp(text, "unlimited") == 0) {
		*value_r = UINT64_MAX;
		return 0;
	}
	return is_size ? conf_value_size(text, value_r, &why)
		       : conf_value_count(text, value_r, &why);
}

static int
rlimit_names(const char *name, struct conf_why *why)
{
	char shown[CONF_SHOW_MAX], list[256];
	size_t used = 0;

	for (size_t i = 0; i < RLIMIT_COUNT; i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used,
		    "%s%s", i == 0 ? "" : ", ", rlimits[i].name);
	conf_why_set(why, "is of no limit called \"%s\"; there are %s",
	    conf_show(shown, name), list);
	return -1;
}

int
conf_process_rlimit(const char *name, const char *text,
    struct conf_rlimits *limits, struct conf_why *why)
{
	const char *colon = strchr(text, ':');
	char soft[64];
	size_t i = 0,
	       len = colon == NULL ? strlen(text) : (size_t)(colon - text);
	unsigned resource;

	while (i < RLIMIT_COUNT && strcmp(rlimits[i].name, name) != 0)
		i++;
	if (i == RLIMIT_COUNT)
		return rlimit_names(name, why);
	resource = rlimits[i].resource;
	snprintf(soft, sizeof(soft), "%.*s", len > 63 ? 63 : (int)len, text);
	if (rlimit_value(soft, rlimits[i].is_size, &limits->soft[resource]) <
		0 ||
	    rlimit_value(colon == NULL ? soft : colon + 1, rlimits[i].is_size,
		&limits->hard[resource]) < 0) {
		conf_why_set(why, "is not a limit such as %s, %s or infinity",
		    rlimits[i].is_size ? "64m" : "1024",
		    rlimits[i].is_size ? "64m:1g" : "1024:4096");
		return -1;
	}
	if (limits->soft[resource] > limits->hard[resource]) {
		conf_why_set(why, "has a soft limit over the hard one; write "
				  "SOFT:HARD");
		return -1;
	}
	limits->is_set[resource] = true;
	return 0;
}

static int
socket_check(const char *text, struct conf_why *why)
{
	struct conf_listen listen;
	int rc;

	if (strncmp(text, "unix:/", 6) == 0 && strlen(text) - 5 < 108)
		return 0;
	if (strncmp(text, "tcp:", 4) == 0) {
		rc = conf_addr_listen(text + 4, &listen, why);
		free(listen.host);
		free(listen.port);
		if (rc == 0 && listen.is_sp_allowed)
			return 0;
	}
	conf_why_set(why, "is not a socket such as tcp:127.0.0.1:9000 or "
			  "unix:/run/app.sock");
	return -1;
}

int
conf_process_sockets(const char *text, struct conf_strings *sockets,
    struct conf_why *why)
{
	char shown[CONF_SHOW_MAX];
	struct conf_why item_why;

	if (conf_words_list(sockets, text, why) < 0)
		return -1;
	for (size_t i = 0; i < sockets->count; i++) {
		for (size_t j = 0; j < i; j++)
			if (strcmp(sockets->items[i], sockets->items[j]) == 0) {
				conf_why_set(why, "has \"%s\" twice; drop one",
				    conf_show(shown, sockets->items[i]));
				return -1;
			}
		if (socket_check(sockets->items[i], &item_why) == 0)
			continue;
		if (sockets->count == 1)
			*why = item_why;
		else
			conf_why_set(why, "has an item \"%s\" that %s",
			    conf_show(shown, sockets->items[i]), item_why.text);
		return -1;
	}
	return 0;
}

int
conf_process_capabilities(const char *text, struct conf_strings *capabilities,
    struct conf_why *why)
{
	char shown[CONF_SHOW_MAX];

	if (strcmp(text, "none") == 0)
		return 0;
	if (conf_words_list(capabilities, text, why) < 0)
		return -1;
	for (size_t i = 0; i < capabilities->count; i++) {
		char *name = capabilities->items[i];

		for (char *c = name; *c != '\0'; c++)
			*c = (char)tolower((unsigned char)*c);
		if (strncmp(name, "cap_", 4) == 0 &&
		    name[strspn(name, "abcdefghijklmnopqrstuvwxyz_")] == '\0')
			continue;
		conf_why_set(why,
		    "has an item \"%s\" that is no capability such as "
		    "cap_net_bind_service",
		    conf_show(shown, name));
		return -1;
	}
	return 0;
}

int
conf_process_secret(const char *name, const char *text,
    struct conf_strings *secrets, struct conf_why *why)
{
	size_t len = strlen(name);
	char *item;
	int rc;

	/* It becomes the name of a file. */
	if (len == 0 || len > 64 || name[0] == '.' ||
	    name[strspn(name,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789_.-")] != '\0') {
		conf_why_set(why,
		    "is of a secret whose name is not 1 to 64 letters, "
		    "digits, \"_\", \"-\" and \".\"");
		return -1;
	}
	if (asprintf(&item, "%s=%s", name, text) < 0)
		return -1;
	rc = conf_words_add(secrets, item, strlen(item));
	free(item);
	return rc;
}
