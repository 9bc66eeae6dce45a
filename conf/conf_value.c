#include "conf_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
conf_why_set(struct conf_why *why, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, args);
	va_end(args);
}

/*
 * Read the digits at text. Returns what follows them, or NULL when there are
 * none or the number does not fit.
 */
static const char *
digits_read(const char *text, uint64_t *number_r)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return NULL;
	errno = 0;
	*number_r = strtoull(text, &end, 10);
	return errno == 0 ? end : NULL;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* number times the unit called name; -1 when unknown or over INT64_MAX. */
static int
unit_apply(const struct unit *units, const char *name, uint64_t number,
    uint64_t *value_r)
{
	for (; units->name != NULL; units++) {
		if (strcasecmp(units->name, name) != 0)
			continue;
		if (number > INT64_MAX / units->factor)
			return -1;
		*value_r = number * units->factor;
		return 0;
	}
	return -1;
}

int
conf_value_duration(const char *text, int64_t *ms_r, struct conf_why *why)
{
	static const struct unit units[] = { { "ms", 1 }, { "s", 1000 },
		{ "m", 60 * 1000 }, { "h", 3600 * 1000 }, { NULL, 0 } };
	uint64_t number, ms;
	const char *rest = digits_read(text, &number);

	if (rest != NULL && *rest == '\0' && number != 0) {
		conf_why_set(why,
		    "has no unit; write %" PRIu64 "s or %" PRIu64 "ms", number,
		    number);
		return -1;
	}
	if (rest != NULL && *rest == '\0') {
		*ms_r = 0;
		return 0;
	}
	if (rest == NULL || unit_apply(units, rest, number, &ms) < 0) {
		conf_why_set(why, "is not a duration such as 500ms or 10s");
		return -1;
	}
	*ms_r = (int64_t)ms;
	return 0;
}

int
conf_value_size(const char *text, uint64_t *bytes_r, struct conf_why *why)
{
	static const struct unit units[] = { { "", 1 }, { "k", 1 << 10 },
		{ "m", 1 << 20 }, { "g", 1 << 30 }, { NULL, 0 } };
	uint64_t number;
	const char *rest = digits_read(text, &number);

	if (rest == NULL || unit_apply(units, rest, number, bytes_r) < 0) {
		conf_why_set(why, "is not a size such as 512, 64k or 10m");
		return -1;
	}
	return 0;
}

int
conf_value_count(const char *text, uint64_t *count_r, struct conf_why *why)
{
	const char *rest = digits_read(text, count_r);

	if (rest == NULL || *rest != '\0') {
		conf_why_set(why, "is not a whole number");
		return -1;
	}
	return 0;
}

int
conf_value_bool(const char *text, bool *is_r, struct conf_why *why)
{
	static const char *const words[] = { "no", "yes", "false", "true",
		"off", "on", "0", "1" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(text, words[i]) == 0) {
			*is_r = i % 2 == 1;
			return 0;
		}
	conf_why_set(why, "is neither yes nor no");
	return -1;
}

int
conf_value_limit(const char *text, unsigned *limit_r, int64_t *period_ms_r,
    struct conf_why *why)
{
	struct conf_why ignored;
	uint64_t number;
	int64_t period_ms;
	const char *rest = digits_read(text, &number);

	if (strcmp(text, "none") == 0 || strcmp(text, "0") == 0) {
		*limit_r = 0;
		*period_ms_r = 0;
		return 0;
	}
	if (rest == NULL || *rest != '/' ||
	    conf_value_duration(rest + 1, &period_ms, &ignored) < 0) {
		conf_why_set(why, "is not a limit such as 5/60s or none");
		return -1;
	}
	if (number < 1 || number > 10000 || period_ms < 1 ||
	    period_ms > 24 * 3600 * 1000) {
		conf_why_set(why,
		    "is out of range; 1 to 10000 restarts in 1ms to 24h, "
		    "or none, is allowed");
		return -1;
	}
	*limit_r = (unsigned)number;
	*period_ms_r = period_ms;
	return 0;
}

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "HUP", SIGHUP },
	{ "INT", SIGINT },
	{ "QUIT", SIGQUIT },
	{ "ABRT", SIGABRT },
	{ "KILL", SIGKILL },
	{ "USR1", SIGUSR1 },
	{ "USR2", SIGUSR2 },
	{ "PIPE", SIGPIPE },
	{ "ALRM", SIGALRM },
	{ "TERM", SIGTERM },
	{ "CONT", SIGCONT },
	{ "WINCH", SIGWINCH },
	{ "PWR", SIGPWR },
};

int
conf_value_signal(const char *text, int *signal_r, struct conf_why *why)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	uint64_t number;
	const char *rest = digits_read(text, &number);

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (strcasecmp(name, signals[i].name) == 0) {
			*signal_r = signals[i].number;
			return 0;
		}
	if (rest != NULL && *rest == '\0' && number >= 1 && number <= 64) {
		*signal_r = (int)number;
		return 0;
	}
	conf_why_set(why,
	    "is not a signal such as TERM, INT, QUIT or a number from 1 to "
	    "64");
	return -1;
}

static const char *
spaces_skip(const char *text)
{
	while (*text == ' ' || *text == '\t')
		text++;
	return text;
}

/* Read "2" or "64-78". Returns what follows, or NULL. */
static const char *
code_range_read(const char *text, uint64_t *first_r, uint64_t *last_r)
{
	const char *rest = digits_read(text, first_r);

	if (rest == NULL)
		return NULL;
	*last_r = *first_r;
	if (*rest == '-')
		rest = digits_read(rest + 1, last_r);
	if (rest == NULL || *first_r > *last_r || *last_r > 255)
		return NULL;
	return spaces_skip(rest);
}

int
conf_value_codes(const char *text, uint8_t codes_r[CONF_CODE_BYTES],
    struct conf_why *why)
{
	uint64_t first, last;

	memset(codes_r, 0, CONF_CODE_BYTES);
	do {
		text = code_range_read(spaces_skip(text), &first, &last);
		if (text == NULL)
			break;
		for (uint64_t code = first; code <= last; code++)
			codes_r[code / 8] |= (uint8_t)(1u << (code % 8));
	} while (*text++ == ',');
	if (text != NULL && text[-1] == '\0')
		return 0;
	conf_why_set(why,
	    "is not a list of exit codes from 0 to 255 such as 0, 2, 64-78");
	return -1;
}

int
conf_value_word(const char *text, const char *const *words, unsigned *index_r,
    struct conf_why *why)
{
	size_t len = 0;

	for (unsigned i = 0; words[i] != NULL; i++)
		if (strcmp(text, words[i]) == 0) {
			*index_r = i;
			return 0;
		}
	conf_why_set(why, "is not one of ");
	for (size_t i = 0; words[i] != NULL; i++) {
		len = strlen(why->text);
		snprintf(why->text + len, sizeof(why->text) - len, "%s%s",
		    i == 0                 ? ""
		    : words[i + 1] == NULL ? " or "
					   : ", ",
		    words[i]);
	}
	return -1;
}

int
conf_value_name(const char *text, struct conf_why *why)
{
	static const char *const reserved[] = { "msvc", "router", "logger",
		"access" };
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	if (text[len] != '\0' || len < 1 || len > 32 ||
	    !isalpha((unsigned char)text[0])) {
		conf_why_set(why,
		    "is not a name; use 1 to 32 letters, digits, _ and -, "
		    "with a letter first");
		return -1;
	}
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strcasecmp(text, reserved[i]) == 0) {
			conf_why_set(why,
			    "is a name that msvc uses itself; choose another");
			return -1;
		}
	return 0;
}

int
conf_value_env_name(const char *text, struct conf_why *why)
{
	static const char *const owned[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC",
		"WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
		"CREDENTIALS_DIRECTORY" };
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	if (len == 0 || text[len] != '\0' || isdigit((unsigned char)text[0])) {
		conf_why_set(why,
		    "does not name a variable; write env.NAME with letters, "
		    "digits and _, no digit first");
		return -1;
	}
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		if (strcmp(text, owned[i]) == 0)
			len = 0;
	if (len == 0 || strncmp(text, "MSVC_", 5) == 0) {
		conf_why_set(why,
		    "is a variable that msvc sets itself; choose another");
		return -1;
	}
	return 0;
}

enum {
	WORD_MAX = 64
};

static unsigned
min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

/* The optimal string alignment distance, one row of its matrix at a time. */
unsigned
conf_value_distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return UINT_MAX;
	for (unsigned j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= a_len; i++) {
		unsigned *now = rows[i % 3], *before = rows[(i + 2) % 3];
		const unsigned *earlier = rows[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			now[j] = min3(before[j] + 1, now[j - 1] + 1,
			    before[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && earlier[j - 2] + 1 < now[j])
				now[j] = earlier[j - 2] + 1;
		}
	}
	return rows[a_len % 3][b_len];
}

bool
conf_value_is_near(const char *typed, const char *known)
{
	size_t len = strlen(known);
	unsigned most = len < 3 ? 0 : len < 6 ? 1 : len < 10 ? 2 : 3;

	return strcasecmp(typed, known) == 0 ||
	       conf_value_distance(typed, known) <= most;
}
