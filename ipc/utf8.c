#include "utf8.h"

#include <string.h>

/*
 * Does a word hold a control byte, a quote, a backslash, or a byte over 0x7f?
 * The subtractions borrow only out of bytes that are such ones, so "no" is
 * always right, and a "yes" is looked into byte by byte.
 */
static bool
utf8_is_special_word(const uint8_t *at)
{
	const uint64_t ones = 0x0101010101010101U, highs = ones << 7;
	uint64_t word, quote, slash;

	memcpy(&word, at, sizeof(word));
	quote = word ^ (ones * '"');
	slash = word ^ (ones * '\\');
	return ((word | (word - ones * 0x20) | (quote - ones) |
		    (slash - ones)) &
		   highs) != 0;
}

static bool
utf8_is_plain(uint8_t byte)
{
	return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

static bool
utf8_is_tail(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

size_t
utf8_sequence(const uint8_t *at, size_t len)
{
	uint8_t lead, second, low = 0x80, high = 0xbf;
	size_t count;

	if (len == 0)
		return 0;
	lead = at[0];
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	count = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (len < count)
		return 0;
	/* The table of RFC 3629 section 4: four leads narrow the second. */
	if (lead == 0xe0)
		low = 0xa0;
	else if (lead == 0xed)
		high = 0x9f;
	else if (lead == 0xf0)
		low = 0x90;
	else if (lead == 0xf4)
		high = 0x8f;
	second = at[1];
	if (second < low || second > high)
		return 0;
	for (size_t i = 2; i < count; i++) {
		if (!utf8_is_tail(at[i]))
			return 0;
	}
	return count;
}

size_t
utf8_printable(const uint8_t *at, size_t len)
{
	size_t count = utf8_sequence(at, len);

	if (count == 1 && (at[0] < 0x20 || at[0] == 0x7f))
		return 0;
	return count == 2 && at[0] == 0xc2 && at[1] < 0xa0 ? 0 : count;
}

size_t
utf8_plain_run(const uint8_t *at, size_t len)
{
	size_t i = 0, sequence;

	for (;;) {
		while (len - i >= 8 && !utf8_is_special_word(at + i))
			i += 8;
		while (i < len && utf8_is_plain(at[i]))
			i++;
		if (i == len || at[i] < 0x80)
			return i;
		sequence = utf8_sequence(at + i, len - i);
		if (sequence == 0)
			return i;
		i += sequence;
	}
}

bool
utf8_is_valid(const void *bytes, size_t len)
{
	const uint8_t *at = bytes, *end = at + len;

	while (at < end) {
		uint64_t word;
		size_t count;

		if ((size_t)(end - at) >= sizeof(word)) {
			memcpy(&word, at, sizeof(word));
			if ((word & 0x8080808080808080U) == 0) {
				at += sizeof(word);
				continue;
			}
		}
		count = *at < 0x80 ? 1 : utf8_sequence(at, (size_t)(end - at));
		if (count == 0)
			return false;
		at += count;
	}
	return true;
}

size_t
utf8_put(uint8_t *to, uint32_t code)
{
	if (code < 0x80) {
		to[0] = (uint8_t)code;
		return 1;
	}
	if (code < 0x800) {
		to[0] = (uint8_t)(0xc0 | code >> 6);
		to[1] = (uint8_t)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		to[0] = (uint8_t)(0xe0 | code >> 12);
		to[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
		to[2] = (uint8_t)(0x80 | (code & 0x3f));
		return 3;
	}
	to[0] = (uint8_t)(0xf0 | code >> 18);
	to[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
	to[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
	to[3] = (uint8_t)(0x80 | (code & 0x3f));
	return 4;
}
