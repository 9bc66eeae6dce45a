#include "conf_value.h"

#include <stdio.h>
#include <string.h>

/*
 * Length of the printable UTF-8 character at text, 0 when there is none:
 * controls (also the C1 ones, which terminals obey), overlong forms and
 * surrogates are not.
 */
static size_t
printable_len(const unsigned char *text)
{
	size_t len = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	unsigned long code = text[0] & (0xffu >> (len + 1));
	static const unsigned long least[] = { 0, 0, 0xa0, 0x800, 0x10000 };

	if (text[0] < 0x80)
		return text[0] >= 0x20 && text[0] != 0x7f ? 1 : 0;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return len;
}

const char *
conf_show(char out[CONF_SHOW_MAX], const char *text)
{
	static const size_t shown_max = 80;
	const unsigned char *in = (const unsigned char *)text;
	size_t used = 0;

	while (*in != '\0' && used < shown_max) {
		size_t len = printable_len(in);

		if (len == 0) {
			snprintf(out + used, 5, "\\x%02x", *in++);
			used += 4;
			continue;
		}
		memcpy(out + used, in, len);
		used += len;
		in += len;
	}
	memcpy(out + used, *in == '\0' ? "" : "...", *in == '\0' ? 1 : 4);
	return out;
}
