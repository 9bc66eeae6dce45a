#include "cmd_map.h"

#include <string.h>

#include "ipc/buf.h"
#include "ipc/utf8.h"

struct mp_reader
cmd_map_open(const struct buf *mp)
{
	struct mp_reader map = { buf_front(mp), buf_front(mp) };

	if (map.pos != NULL)
		map.end = map.pos + buf_count(mp);
	return map;
}

struct mp_reader
cmd_map_find(struct mp_reader map, const char *key)
{
	struct mp_reader value = { map.end, map.end };

	if (map.pos != NULL)
		mp_map_find(map.pos, (size_t)(map.end - map.pos), key, &value);
	return value;
}

struct cmd_text
cmd_map_text(struct mp_reader map, const char *key)
{
	struct mp_reader value = cmd_map_find(map, key);
	struct cmd_text text;

	if (mp_get_str(&value, &text.str, &text.len) == 0 && text.len > 0)
		return text;
	return (struct cmd_text){ "-", 1 };
}

int64_t
cmd_map_int(struct mp_reader map, const char *key)
{
	struct mp_reader value = cmd_map_find(map, key);
	int64_t number = 0;

	(void)mp_get_int(&value, &number);
	return number;
}

bool
cmd_map_bool(struct mp_reader map, const char *key)
{
	struct mp_reader value = cmd_map_find(map, key);
	bool is = false;

	(void)mp_get_bool(&value, &is);
	return is;
}

bool
cmd_map_has(struct mp_reader map, const char *key)
{
	struct mp_reader value = cmd_map_find(map, key);
	enum mp_type type = mp_peek(&value);

	return type != MP_END && type != MP_NIL && type != MP_BAD;
}

uint32_t
cmd_map_items(struct mp_reader map, const char *key, struct mp_reader *items_r)
{
	uint32_t count = 0;

	*items_r = cmd_map_find(map, key);
	if (mp_get_array(items_r, &count) == -1)
		return 0;
	return count;
}

bool
cmd_map_next(struct mp_reader *items, struct mp_reader *item_r)
{
	item_r->pos = items->pos;
	if (items->pos == NULL || mp_skip(items) == -1)
		return false;
	item_r->end = items->pos;
	return true;
}

int
cmd_map_print(struct cmd_text text, size_t max, FILE *out)
{
	const uint8_t *at = (const uint8_t *)text.str;
	bool is_cut = text.len > max;
	size_t end = is_cut ? max - 1 : text.len, step;
	int columns = 0;

	for (size_t i = 0; i < end; columns++) {
		step = utf8_printable(at + i, text.len - i);
		if (i + step > end)
			break;
		if (step > 0)
			fwrite(at + i, 1, step, out);
		else
			putc('?', out);
		i += step > 0 ? step : 1;
	}
	if (is_cut)
		putc('~', out);
	return columns + is_cut;
}
