#include "trace.h"

#include <endian.h>
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

/*
 * Each of the 8 bytes of a word becomes the hex digit of its low half: '0' and
 * up, and 39 more, to 'a' and up, where adding 6 carries into the high half.
 */
static uint64_t
hex_digits(uint64_t halves)
{
	const uint64_t ones = 0x0101010101010101U;
	uint64_t letters = ((halves + 6 * ones) >> 4) & ones;

	return halves + '0' * ones + letters * ('a' - '0' - 10);
}

/* Spread the halves of four bytes over eight, then write those at once. */
static void
put_hex32(uint32_t value, char *out)
{
	uint64_t word = value;

	word = (word << 16 | word) & 0x0000ffff0000ffffU;
	word = (word << 8 | word) & 0x00ff00ff00ff00ffU;
	word = (word << 4 | word) & 0x0f0f0f0f0f0f0f0fU;
	word = htobe64(hex_digits(word));
	memcpy(out, &word, sizeof(word));
}

static void
put_hex(uint64_t value, char *out)
{
	put_hex32((uint32_t)(value >> 32), out);
	put_hex32((uint32_t)value, out + 8);
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
