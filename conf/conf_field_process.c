/* conf_field_process: the fields that describe a process. */
#include <string.h>

#include "conf.h"
#include "conf_cron.h"
#include "conf_keys.h"
#include "conf_probe.h"
#include "conf_process.h"
#include "conf_setting.h"
#include "conf_value.h"

int
conf_setting_int(const struct conf_setting *set)
{
	return conf_process_int(set->text, set->key->min, set->key->max,
	    set->field, set->why);
}

int
conf_setting_octal(const struct conf_setting *set)
{
	return conf_process_umask(set->text, set->field, set->why);
}

int
conf_setting_percent(const struct conf_setting *set)
{
	uint64_t number;

	if (conf_process_percent(set->text, &number, set->why) < 0)
		return -1;
	return conf_setting_number(set, number);
}

int
conf_setting_instances(const struct conf_setting *set)
{
	struct conf_service *service = set->base;
	unsigned least;
	uint64_t most;

	/* The larger one first: the smaller one is what stays. */
	if (conf_process_instances(set->text, &least, &most, set->why) < 0 ||
	    conf_setting_number(set, most) < 0 ||
	    conf_setting_number(set, least) < 0)
		return -1;
	service->instances_max = (unsigned)most;
	return 0;
}

int
conf_setting_durations(const struct conf_setting *set)
{
	return conf_process_durations(set->text, set->key->max, set->field,
	    set->why);
}

int
conf_setting_rlimit(const struct conf_setting *set)
{
	return conf_process_rlimit(strchr(set->name, '.') + 1, set->text,
	    set->field, set->why);
}

int
conf_setting_sockets(const struct conf_setting *set)
{
	return conf_process_sockets(set->text, set->field, set->why);
}

int
conf_setting_capabilities(const struct conf_setting *set)
{
	struct conf_service *service = set->base;

	service->has_capabilities = true;
	return conf_process_capabilities(set->text, set->field, set->why);
}

int
conf_setting_secret(const struct conf_setting *set)
{
	return conf_process_secret(strchr(set->name, '.') + 1, set->text,
	    set->field, set->why);
}

int
conf_setting_probe(const struct conf_setting *set)
{
	if (conf_probe_parse(set->text, set->field, set->why) < 0)
		return -1;
	if (((struct conf_probe *)set->field)->kind != CONF_PROBE_LOG)
		return 0;
	conf_why_set(set->why, "waits for a line; that is for ready only, "
			       "write http, tcp or command");
	return -1;
}

int
conf_setting_ready(const struct conf_setting *set)
{
	struct conf_service *service = set->base;

	if (strpbrk(set->text, " \t") == NULL) {
		if (conf_setting_word(set) == 0)
			return 0;
		conf_why_set(set->why, "is not one of auto, notify, listen, "
				       "none, log REGEX, http URL, tcp "
				       "ADDRESS, command WORDS");
		return -1;
	}
	service->ready = CONF_READY_PROBE;
	return conf_probe_parse(set->text, &service->ready_probe, set->why);
}

int
conf_setting_cron(const struct conf_setting *set)
{
	return conf_cron_parse(set->text, set->field, set->why);
}

int
conf_setting_zone(const struct conf_setting *set)
{
	return conf_cron_check_zone(set->text, set->why) < 0
		   ? -1
		   : conf_setting_text(set);
}
