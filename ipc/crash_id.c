#include "crash_id.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	CRASH_ID_TIME_LEN = 16, /* "20261122T112030Z" */
	CRASH_ID_NAME_MAX = 32  /* of a service */
};

void
crash_id_make(char id_r[CRASH_ID_MAX], const char *service, unsigned index,
    uint64_t generation, int64_t time)
{
	time_t seconds = (time_t)time;
	struct tm tm = { 0 };
	char text[32];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm);
	snprintf(id_r, CRASH_ID_MAX, "%.*s-%u-%llu-%s", CRASH_ID_NAME_MAX,
	    service, index, (unsigned long long)generation, text);
}

static bool
crash_id_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
crash_id_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
crash_id_is_time(const char *text)
{
	static const char shape[] = "00000000T000000Z";

	for (size_t i = 0; i < CRASH_ID_TIME_LEN; i++) {
		if (shape[i] == '0' ? !crash_id_is_digit(text[i])
				    : text[i] != shape[i])
			return false;
	}
	return true;
}

/* Step back over "-DIGITS" in front of end; 0 when that is not there. */
static size_t
crash_id_before_number(const char *text, size_t end)
{
	size_t at = end;

	while (at > 0 && crash_id_is_digit(text[at - 1]))
		at--;
	return at == end || at == 0 || text[at - 1] != '-' ? 0 : at - 1;
}

/* Read from its end, since the name of a service may hold "-1" too. */
bool
crash_id_is_good(const char *text)
{
	size_t len = strlen(text), end;

	if (len >= CRASH_ID_MAX || len <= CRASH_ID_TIME_LEN + 1)
		return false;
	end = len - CRASH_ID_TIME_LEN - 1;
	if (text[end] != '-' || !crash_id_is_time(text + end + 1))
		return false;
	end = crash_id_before_number(text, end);
	end = crash_id_before_number(text, end);
	if (end == 0 || !crash_id_is_letter(text[0]))
		return false;
	for (size_t i = 0; i < end; i++) {
		if (!crash_id_is_letter(text[i]) &&
		    !crash_id_is_digit(text[i]) && text[i] != '-' &&
		    text[i] != '_')
			return false;
	}
	return true;
}

bool
crash_id_of_file(const char *name, char id_r[CRASH_ID_MAX])
{
	static const char suffix[] = ".json";
	size_t len = strlen(name), suffix_len = sizeof(suffix) - 1;

	if (len <= suffix_len || len - suffix_len >= CRASH_ID_MAX ||
	    strcmp(name + len - suffix_len, suffix) != 0)
		return false;
	memcpy(id_r, name, len - suffix_len);
	id_r[len - suffix_len] = '\0';
	return crash_id_is_good(id_r);
}

int
crash_id_compare(const char *a, const char *b)
{
	int rc = strcmp(a + strlen(a) - CRASH_ID_TIME_LEN,
	    b + strlen(b) - CRASH_ID_TIME_LEN);

	/* In one second, generation 10 comes behind 9. */
	return rc != 0 ? rc : strverscmp(a, b);
}
