#include "fingerprint.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "ipc/log.h"

#include "exchange.h"
#include "poison.h"

/* Each part with its length: "a" + "bc" is not "ab" + "c". */
static void
add(XXH3_state_t *state, const void *bytes, size_t len)
{
	uint64_t count = len;

	XXH3_128bits_update(state, &count, sizeof(count));
	if (len != 0)
		XXH3_128bits_update(state, bytes, len);
}

void
fingerprint_make(const struct exchange_request *request, uint64_t key,
    struct poison_print *print_r)
{
	XXH3_state_t *state = XXH3_createState();
	XXH128_hash_t hash;

	if (state == NULL)
		bug("out of memory for a fingerprint");
	XXH3_128bits_reset_withSeed(state, key);
	add(state, request->method, request->method_len);
	add(state, request->path, request->path_len);
	add(state, request->query, request->query_len);
	add(state, request->body, request->body_len);
	hash = XXH3_128bits_digest(state);
	XXH3_freeState(state);
	*print_r = (struct poison_print){ hash.high64, hash.low64 };
}

void
fingerprint_show(const struct poison_print *print,
    char text_r[LIFELINE_PRINT_LEN + 1])
{
	snprintf(text_r, LIFELINE_PRINT_LEN + 1, "%016llx%016llx",
	    (unsigned long long)print->a, (unsigned long long)print->b);
}

static int
digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

int
fingerprint_parse(const char *text, struct poison_print *print_r)
{
	uint64_t halves[2] = { 0, 0 };

	if (strlen(text) != LIFELINE_PRINT_LEN)
		return -1;
	for (size_t i = 0; i < LIFELINE_PRINT_LEN; i++) {
		int value = digit(text[i]);

		if (value == -1)
			return -1;
		halves[i / 16] = halves[i / 16] << 4 | (uint64_t)value;
	}
	*print_r = (struct poison_print){ halves[0], halves[1] };
	return 0;
}
