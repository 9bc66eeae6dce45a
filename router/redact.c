#include "redact.h"

#include <string.h>
#include <strings.h>

#include "ipc/buf.h"

static bool
has_part(const char *name, size_t len, const char *part)
{
	size_t part_len = strlen(part);

	for (size_t i = 0; i + part_len <= len; i++) {
		if (strncasecmp(name + i, part, part_len) == 0)
			return true;
	}
	return false;
}

bool
redact_is_secret(const char *name, size_t len)
{
	static const char *const parts[] = { "auth", "cookie", "token",
		"secret", "passw", "api-key", "apikey", "credential", "session",
		"signature", NULL };

	for (size_t i = 0; parts[i] != NULL; i++) {
		if (has_part(name, len, parts[i]))
			return true;
	}
	return false;
}

static void
put_text(struct buf *buf, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool is_plain = text[i] >= 0x20 && text[i] <= 0x7e;

		buf_append_byte(buf, is_plain ? (uint8_t)text[i] : '?');
	}
}

void
redact_put_field(struct buf *buf, const char *name, size_t name_len,
    const char *value, size_t value_len)
{
	put_text(buf, name, name_len);
	buf_append_str(buf, ": ");
	if (redact_is_secret(name, name_len))
		buf_append_str(buf, "(redacted)");
	else
		put_text(buf, value, value_len);
	buf_append_byte(buf, '\n');
}
