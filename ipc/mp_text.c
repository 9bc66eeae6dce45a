#include "mp_text.h"

#include <stdint.h>

#include "buf.h"
#include "mp.h"
#include "utf8.h"

void
mp_put_text(struct buf *buf, const char *text, size_t len, size_t max)
{
	const uint8_t *at = (const uint8_t *)text;
	struct buf clean = { 0 };
	size_t pos = 0, step;

	while (pos < len) {
		step = utf8_sequence(at + pos, len - pos);
		if (pos + (step > 0 ? step : 1) > max)
			break;
		if (step > 0)
			buf_append(&clean, at + pos, step);
		else
			buf_printf(&clean, "\\x%02x", at[pos]);
		pos += step > 0 ? step : 1;
	}
	if (pos < len)
		buf_append_str(&clean, "...");
	mp_put_str(buf, (const char *)buf_front(&clean), buf_count(&clean));
	buf->is_failed = buf->is_failed || clean.is_failed;
	buf_fini(&clean);
}
