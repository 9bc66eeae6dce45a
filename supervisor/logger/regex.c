#include "regex.h"

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "ipc/err.h"

enum {
	/*
	 * Places where a match may begin, between two looks at the clock: few
	 * at first, since each may take all its steps; then more, since each
	 * look costs PCRE2 another walk through the whole text.
	 */
	REGEX_STARTS_MIN = 64,
	REGEX_STARTS_MAX = 1024
};

struct regex {
	pcre2_code *code;
	pcre2_match_context *limits;
	pcre2_match_data *data;
};

static int
regex_compile(struct regex *regex, const char *expression, bool is_caseless,
    struct err *err_r)
{
	uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF |
			   PCRE2_USE_OFFSET_LIMIT |
			   (is_caseless ? PCRE2_CASELESS : 0);
	PCRE2_UCHAR what[128];
	PCRE2_SIZE offset;
	int error;

	regex->code = pcre2_compile((PCRE2_SPTR)expression,
	    PCRE2_ZERO_TERMINATED, options, &error, &offset, NULL);
	if (regex->code != NULL)
		return 0;
	pcre2_get_error_message(error, what, sizeof(what));
	err_set(err_r, "%s at offset %zu", (const char *)what, (size_t)offset);
	return -1;
}

struct regex *
regex_new(const char *expression, bool is_caseless, struct err *err_r)
{
	struct regex *regex = calloc(1, sizeof(*regex));

	err_set(err_r, "out of memory");
	if (regex == NULL ||
	    regex_compile(regex, expression, is_caseless, err_r) == -1)
		goto fail;
	regex->limits = pcre2_match_context_create(NULL);
	regex->data = pcre2_match_data_create(1, NULL);
	if (regex->limits == NULL || regex->data == NULL)
		goto fail;
	pcre2_set_match_limit(regex->limits, REGEX_STEPS_MAX);
	pcre2_set_depth_limit(regex->limits, REGEX_DEPTH_MAX);
	pcre2_set_heap_limit(regex->limits, REGEX_HEAP_MAX_KIB);
	return regex;
fail:
	regex_free(&regex);
	return NULL;
}

void
regex_free(struct regex **regexp)
{
	struct regex *regex = *regexp;

	if (regex == NULL)
		return;
	*regexp = NULL;
	pcre2_match_data_free(regex->data);
	pcre2_match_context_free(regex->limits);
	pcre2_code_free(regex->code);
	free(regex);
}

/* Of this thread: a busy machine must not make a text one without a match. */
static int64_t
regex_cpu_us(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

/*
 * The first byte at or behind at where a match may begin: not inside a UTF-8
 * sequence, for which PCRE2 would refuse to start.
 */
static size_t
regex_align(const char *text, size_t len, size_t at)
{
	while (at < len && ((unsigned char)text[at] & 0xc0) == 0x80)
		at++;
	return at;
}

int
regex_search(const struct regex *regex, const char *text, size_t len)
{
	size_t start = 0, next, starts = REGEX_STARTS_MIN;
	int64_t until_us = 0;
	int rc;

	if (len > starts)
		until_us = regex_cpu_us() + REGEX_TIME_MAX_US;
	do {
		next = len;
		if (len - start > starts)
			next = regex_align(text, len, start + starts);
		pcre2_set_offset_limit(regex->limits,
		    next < len ? next - 1 : len);
		rc = pcre2_match(regex->code, (PCRE2_SPTR)text, len, start, 0,
		    regex->data, regex->limits);
		if (rc != PCRE2_ERROR_NOMATCH)
			return rc >= 0 ? 1 : -1;
		start = next;
		if (starts < REGEX_STARTS_MAX)
			starts *= 2;
	} while (start < len && regex_cpu_us() < until_us);
	return start < len ? -1 : 0;
}

bool
regex_match(const struct regex *regex, const char *text, size_t len)
{
	return regex_search(regex, text, len) == 1;
}
