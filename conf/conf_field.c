#include "conf_keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "conf_addr.h"
#include "conf_fallback.h"
#include "conf_pattern.h"
#include "conf_setting.h"
#include "conf_value.h"
#include "conf_words.h"

enum {
	LISTEN_MAX = 64,
	TEXT_MAX = 1024 /* bytes of what travels on in one packet */
};

/* Numbers have fields of 4 or 8 bytes. */
static void
number_store(const struct conf_setting *set, uint64_t number)
{
	uint32_t narrow = (uint32_t)number;

	if (set->key->width == sizeof(narrow))
		memcpy(set->field, &narrow, sizeof(narrow));
	else
		memcpy(set->field, &number, sizeof(number));
}

/* Write a number as one would in the file, in the largest unit that fits. */
static void
number_show(char *out, size_t size, enum conf_type type, int64_t number)
{
	static const struct {
		enum conf_type type;
		int64_t factor;
		const char *unit;
	} units[] = {
		{ CONF_TYPE_DURATION, 3600000, "h" },
		{ CONF_TYPE_DURATION, 60000, "m" },
		{ CONF_TYPE_DURATION, 1000, "s" },
		{ CONF_TYPE_DURATION, 1, "ms" },
		{ CONF_TYPE_SIZE, 1 << 30, "g" },
		{ CONF_TYPE_SIZE, 1 << 20, "m" },
		{ CONF_TYPE_SIZE, 1 << 10, "k" },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].type == type && number != 0 &&
		    number % units[i].factor == 0) {
			snprintf(out, size, "%" PRId64 "%s",
			    number / units[i].factor, units[i].unit);
			return;
		}
	snprintf(out, size, "%" PRId64, number);
}

int
conf_setting_number(const struct conf_setting *set, uint64_t number)
{
	char min[32], max[32];

	if (number > INT64_MAX || (int64_t)number < set->key->min ||
	    (int64_t)number > set->key->max) {
		number_show(min, sizeof(min), set->key->type, set->key->min);
		number_show(max, sizeof(max), set->key->type, set->key->max);
		conf_why_set(set->why, "is out of range; %s to %s is allowed",
		    min, max);
		return -1;
	}
	number_store(set, number);
	return 0;
}

static int
count_set(const struct conf_setting *set)
{
	uint64_t number;

	if (conf_value_count(set->text, &number, set->why) < 0)
		return -1;
	return conf_setting_number(set, number);
}

static int
inflight_set(const struct conf_setting *set)
{
	uint64_t number;

	if (strcmp(set->text, "auto") == 0) {
		number_store(set, CONF_INFLIGHT_AUTO);
		return 0;
	}
	if (conf_value_count(set->text, &number, set->why) < 0) {
		conf_why_set(set->why, "is neither a whole number nor auto");
		return -1;
	}
	return conf_setting_number(set, number);
}

static int
size_set(const struct conf_setting *set)
{
	uint64_t bytes;

	if (conf_value_size(set->text, &bytes, set->why) < 0)
		return -1;
	return conf_setting_number(set, bytes);
}

static int
duration_set(const struct conf_setting *set)
{
	int64_t ms;

	if (conf_value_duration(set->text, &ms, set->why) < 0)
		return -1;
	return conf_setting_number(set, (uint64_t)ms);
}

static int
bool_set(const struct conf_setting *set)
{
	return conf_value_bool(set->text, set->field, set->why);
}

/* The words stand in the order of the enums in conf.h. */
int
conf_setting_word(const struct conf_setting *set)
{
	static const char *const words[][6] = {
		[CONF_TYPE_ACCESS] = { "off", "text", "json" },
		[CONF_TYPE_DETAIL] = { "brief", "full" },
		[CONF_TYPE_RESTART] = { "always", "on-failure", "never" },
		[CONF_TYPE_READY] = { "auto", "notify", "listen", "none" },
		[CONF_TYPE_KIND] = { "service", "oneshot" },
		[CONF_TYPE_ON_FAILED] = { "ignore", "stop-dependents", "exit" },
		[CONF_TYPE_ON_UNHEALTHY] = { "restart", "drain" },
		[CONF_TYPE_SECCOMP] = { "default", "off" },
		[CONF_TYPE_LOG] = { "file", "syslog", "journald", "inherit",
		    "off" },
		[CONF_TYPE_LOG_FORMAT] = { "text", "json" },
		[CONF_TYPE_STRATEGY] = { "one_for_one", "rest_for_one",
		    "one_for_all" },
	};
	unsigned index;

	if (conf_value_word(set->text, words[set->key->type], &index,
		set->why) < 0)
		return -1;
	number_store(set, index);
	return 0;
}

static int
limit_set(const struct conf_setting *set)
{
	struct conf_limit *limit = set->field;

	return conf_value_limit(set->text, &limit->count, &limit->period_ms,
	    set->why);
}

static int
signal_set(const struct conf_setting *set)
{
	return conf_value_signal(set->text, set->field, set->why);
}

static int
codes_set(const struct conf_setting *set)
{
	return conf_value_codes(set->text, set->field, set->why);
}

int
conf_setting_text(const struct conf_setting *set)
{
	char **field = set->field, *copy;

	if (strlen(set->text) > TEXT_MAX) {
		conf_why_set(set->why, "is over %d bytes long; shorten it",
		    TEXT_MAX);
		return -1;
	}
	copy = strdup(set->text);
	if (copy == NULL) {
		conf_why_set(set->why, "does not fit into memory");
		return -1;
	}
	free(*field);
	*field = copy;
	return 0;
}

static int
url_set(const struct conf_setting *set)
{
	return conf_addr_url(set->text, set->why) < 0 ? -1
						      : conf_setting_text(set);
}

static int
pattern_set(const struct conf_setting *set)
{
	struct conf_pattern pattern;

	if (conf_pattern_parse(set->text, &pattern, set->why) < 0)
		return -1;
	conf_pattern_fini(&pattern);
	return conf_setting_text(set);
}

static int
op_set(const struct conf_setting *set)
{
	const char *space = strpbrk(set->text, " \t");

	/* A method and a target is what another msvc behind a url routes. */
	if (space != NULL && (space[0] != ' ' || space[1] != '/' ||
				 strpbrk(space + 1, " \t") != NULL)) {
		conf_why_set(set->why,
		    "has a space; write an operation such as users.get, or a "
		    "method and a path such as GET /users");
		return -1;
	}
	return conf_setting_text(set);
}

static int
address_set(const struct conf_setting *set)
{
	struct conf_listen listen;
	int rc = conf_addr_listen(set->text, &listen, set->why);

	free(listen.host);
	free(listen.port);
	if (rc == 0 && !listen.is_sp_allowed) {
		conf_why_set(set->why,
		    "has more than an address; this one is always http-only");
		rc = -1;
	}
	return rc < 0 ? -1 : conf_setting_text(set);
}

static int
listen_add(const struct conf_setting *set, const char *text)
{
	struct conf_router *router = set->base;
	struct conf_listen listen, *listens;

	if (conf_addr_listen(text, &listen, set->why) < 0)
		goto fail;
	for (size_t i = 0; i < router->listen_count; i++)
		if (strcmp(router->listens[i].host, listen.host) == 0 &&
		    strcmp(router->listens[i].port, listen.port) == 0 &&
		    strcmp(listen.port, "0") != 0) {
			conf_why_set(set->why,
			    "is there already (line %u); drop one",
			    router->listens[i].place.line);
			goto fail;
		}
	conf_why_set(set->why, "is one too many; %d are allowed", LISTEN_MAX);
	if (router->listen_count >= LISTEN_MAX)
		goto fail;
	listens = reallocarray(router->listens, router->listen_count + 1,
	    sizeof(listen));
	if (listens == NULL)
		goto fail;
	listen.place = *set->place;
	router->listens = listens;
	router->listens[router->listen_count++] = listen;
	return 0;
fail:
	free(listen.host);
	free(listen.port);
	return -1;
}

static int
listen_set(const struct conf_setting *set)
{
	struct conf_strings items = { NULL, 0 };
	char shown[CONF_SHOW_MAX];
	struct conf_why why;
	int rc = conf_words_list(&items, set->text, set->why);

	for (size_t i = 0; rc == 0 && i < items.count; i++) {
		rc = listen_add(set, items.items[i]);
		if (rc == 0 || items.count == 1)
			continue;
		why = *set->why;
		conf_why_set(set->why, "has an item \"%s\" that %s",
		    conf_show(shown, items.items[i]), why.text);
	}
	conf_words_fini(&items);
	return rc;
}

static int
argv_set(const struct conf_setting *set)
{
	struct conf_strings *argv = set->field;

	if (conf_words_split(argv, set->text, set->why) < 0)
		return -1;
	if (argv->count > 0 && argv->items[0][0] != '\0')
		return 0;
	conf_why_set(set->why, "has no program; write its path first");
	return -1;
}

static int
names_set(const struct conf_setting *set)
{
	return conf_words_list(set->field, set->text, set->why);
}

static int
prefixes_set(const struct conf_setting *set)
{
	struct conf_service *service = set->base;
	struct conf_strings items = { NULL, 0 };
	char shown[CONF_SHOW_MAX];
	struct conf_why why;
	int rc = conf_words_list(&items, set->text, set->why);

	free(service->prefix_places);
	service->prefix_places =
	    calloc(items.count + 1, sizeof(service->prefix_places[0]));
	if (service->prefix_places == NULL)
		rc = -1;
	for (size_t i = 0; rc == 0 && i < items.count; i++) {
		char *prefix = conf_pattern_prefix(items.items[i], &why);

		service->prefix_places[i] = *set->place;
		if (prefix == NULL) {
			conf_why_set(set->why, "has an item \"%s\" that %s",
			    conf_show(shown, items.items[i]), why.text);
			rc = -1;
		} else {
			rc = conf_words_add(&service->prefixes, prefix,
			    strlen(prefix));
		}
		free(prefix);
	}
	conf_words_fini(&items);
	return rc;
}

/* The text is taken as it is, unless it is one quoted word. */
static int
env_set(const struct conf_setting *set)
{
	struct conf_strings words = { NULL, 0 };
	const char *text = set->text;
	char *line = NULL;
	int rc = -1;

	if (conf_value_env_name(set->name + 4, set->why) < 0)
		return -1;
	if ((text[0] == '"' || text[0] == '\'')) {
		if (conf_words_split(&words, text, set->why) < 0)
			goto out;
		conf_why_set(set->why,
		    "has more than one quoted word; put quotes around all");
		if (words.count != 1)
			goto out;
		text = words.items[0];
	}
	if (asprintf(&line, "%s=%s", set->name + 4, text) < 0)
		line = NULL;
	else
		rc = conf_words_add(set->field, line, strlen(line));
out:
	free(line);
	conf_words_fini(&words);
	return rc;
}

static int
fallback_set(const struct conf_setting *set)
{
	conf_fallback_fini(set->field);
	return conf_fallback_parse(set->text, set->field, set->why);
}

static int
failures_set(const struct conf_setting *set)
{
	return conf_fallback_failures(set->text, set->field, set->why);
}

static int (*const setters[])(const struct conf_setting *) = {
	[CONF_TYPE_PATH] = conf_setting_text,
	[CONF_TYPE_TEXT] = conf_setting_text,
	[CONF_TYPE_SIZE] = size_set,
	[CONF_TYPE_COUNT] = count_set,
	[CONF_TYPE_DURATION] = duration_set,
	[CONF_TYPE_BOOL] = bool_set,
	[CONF_TYPE_LISTEN] = listen_set,
	[CONF_TYPE_ADDRESS] = address_set,
	[CONF_TYPE_ACCESS] = conf_setting_word,
	[CONF_TYPE_DETAIL] = conf_setting_word,
	[CONF_TYPE_INFLIGHT] = inflight_set,
	[CONF_TYPE_FALLBACK] = fallback_set,
	[CONF_TYPE_FAILURES] = failures_set,
	[CONF_TYPE_RESTART] = conf_setting_word,
	[CONF_TYPE_READY] = conf_setting_ready,
	[CONF_TYPE_PATHS] = names_set,
	[CONF_TYPE_SOCKETS] = conf_setting_sockets,
	[CONF_TYPE_CAPABILITIES] = conf_setting_capabilities,
	[CONF_TYPE_DURATIONS] = conf_setting_durations,
	[CONF_TYPE_INSTANCES] = conf_setting_instances,
	[CONF_TYPE_INT] = conf_setting_int,
	[CONF_TYPE_OCTAL] = conf_setting_octal,
	[CONF_TYPE_PERCENT] = conf_setting_percent,
	[CONF_TYPE_PROBE] = conf_setting_probe,
	[CONF_TYPE_CRON] = conf_setting_cron,
	[CONF_TYPE_ZONE] = conf_setting_zone,
	[CONF_TYPE_KIND] = conf_setting_word,
	[CONF_TYPE_ON_FAILED] = conf_setting_word,
	[CONF_TYPE_ON_UNHEALTHY] = conf_setting_word,
	[CONF_TYPE_SECCOMP] = conf_setting_word,
	[CONF_TYPE_LOG] = conf_setting_word,
	[CONF_TYPE_LOG_FORMAT] = conf_setting_word,
	[CONF_TYPE_STRATEGY] = conf_setting_word,
	[CONF_TYPE_RLIMIT] = conf_setting_rlimit,
	[CONF_TYPE_SECRET] = conf_setting_secret,
	[CONF_TYPE_LIMIT] = limit_set,
	[CONF_TYPE_SIGNAL] = signal_set,
	[CONF_TYPE_CODES] = codes_set,
	[CONF_TYPE_ARGV] = argv_set,
	[CONF_TYPE_NAMES] = names_set,
	[CONF_TYPE_PREFIXES] = prefixes_set,
	[CONF_TYPE_ENV] = env_set,
	[CONF_TYPE_URL] = url_set,
	[CONF_TYPE_PATTERN] = pattern_set,
	[CONF_TYPE_OP] = op_set,
};

int
conf_key_set(enum conf_key_id id, void *base, const char *name,
    const char *text, const struct conf_place *place, struct conf_why *why)
{
	const struct conf_key *key = conf_key_get(id);
	struct conf_setting set = { key, name, text, place, base,
		(char *)base + key->offset, why };

	conf_why_set(why, "does not fit into memory");
	if (text[0] == '\0' && key->type != CONF_TYPE_ENV) {
		conf_why_set(why, "is empty; write a value or drop the line");
		return -1;
	}
	return setters[key->type](&set);
}
