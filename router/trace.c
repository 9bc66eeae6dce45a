#include "trace.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

void
trace_random_init(struct trace_random *random)
{
	ssize_t n = getrandom(random->state, sizeof(random->state), 0);

	if (n != (ssize_t)sizeof(random->state)) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		random->state[0] = (uint64_t)now.tv_nsec;
		random->state[1] = (uint64_t)(uintptr_t)random;
	}
	random->state[0] |= 1; /* all zero is the one state it cannot leave */
}

/* xorshift128+, Vigna 2014. */
uint64_t
trace_random_next(struct trace_random *random)
{
	uint64_t a = random->state[0], b = random->state[1];

	random->state[0] = b;
	a ^= a << 23;
	random->state[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
	return random->state[1] + b;
}

static void
put_hex(uint64_t value, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 15; i >= 0; i--, value >>= 4)
		out[i] = digits[value & 15];
}

void
trace_make_id(struct trace_random *random, char *out)
{
	put_hex(trace_random_next(random), out);
	put_hex(trace_random_next(random), out + 16);
}

bool
trace_id_is_sane(const char *id, size_t len)
{
	if (len == 0 || len > TRACE_ID_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (id[i] <= ' ' || id[i] >= 0x7f || id[i] == '"' ||
		    id[i] == '\\')
			return false;
	}
	return true;
}

/* len lower-case hex digits, at least one of them not 0. */
static bool
is_hex_id(const char *text, size_t len)
{
	bool is_zero = true;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		is_zero = is_zero && c == '0';
	}
	return !is_zero;
}

static bool
is_hex_byte(const char *text)
{
	return (text[0] == '0' && text[1] == '0') || is_hex_id(text, 2);
}

/* Version 00 is exactly this long; later ones may go on behind a dash. */
static bool
is_parent(const char *given, size_t len)
{
	if (given == NULL || len < TRACE_PARENT_LEN || given[2] != '-' ||
	    given[35] != '-' || given[52] != '-')
		return false;
	if (!is_hex_byte(given) || memcmp(given, "ff", 2) == 0)
		return false;
	if (len > TRACE_PARENT_LEN &&
	    (memcmp(given, "00", 2) == 0 || given[TRACE_PARENT_LEN] != '-'))
		return false;
	return is_hex_id(given + 3, 32) && is_hex_id(given + 36, 16) &&
	       is_hex_byte(given + 53);
}

void
trace_make_parent(struct trace_random *random, const char *given, size_t len,
    char *out)
{
	memcpy(out, "00-", 3);
	if (is_parent(given, len)) {
		memcpy(out + 3, given + 3, 32);
		memcpy(out + 53, given + 53, 2);
	} else {
		trace_make_id(random, out + 3);
		memcpy(out + 53, "01", 2);
	}
	out[35] = '-';
	put_hex(trace_random_next(random) | 1, out + 36);
	out[52] = '-';
}
