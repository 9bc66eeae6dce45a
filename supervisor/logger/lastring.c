#include "lastring.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buf.h"
#include "ipc/mp.h"
#include "ipc/mp_text.h"
#include "lastlines.h"

struct lastring {
	SLIST_ENTRY(lastring) link;
	struct buf lines[LASTLINES_MAX];
	size_t count; /* all there ever were; the newest is count - 1 */
	char label[]; /* NUL-terminated */
};

static struct lastring *
lastrings_find(const struct lastrings *rings, const char *label)
{
	struct lastring *ring;

	SLIST_FOREACH(ring, rings, link)
	{
		if (strcmp(ring->label, label) == 0)
			return ring;
	}
	return NULL;
}

static struct lastring *
lastrings_make(struct lastrings *rings, const char *label)
{
	size_t size = strlen(label) + 1;
	struct lastring *ring = calloc(1, sizeof(*ring) + size);

	if (ring == NULL)
		return NULL;
	memcpy(ring->label, label, size);
	SLIST_INSERT_HEAD(rings, ring, link);
	return ring;
}

void
lastrings_add(struct lastrings *rings, const char *label, const char *time,
    const uint8_t *text, size_t len)
{
	struct lastring *ring = lastrings_find(rings, label);
	struct buf *line;

	if (ring == NULL)
		ring = lastrings_make(rings, label);
	if (ring == NULL)
		return;
	line = &ring->lines[ring->count++ % LASTLINES_MAX];
	buf_clear(line);
	buf_append_str(line, time);
	buf_append_byte(line, ' ');
	buf_append(line, text,
	    len < LASTLINES_TEXT_MAX ? len : LASTLINES_TEXT_MAX);
}

void
lastrings_put(const struct lastrings *rings, const char *label, struct buf *out)
{
	const struct lastring *ring = lastrings_find(rings, label);
	size_t end = ring != NULL ? ring->count : 0;
	size_t count = end < LASTLINES_MAX ? end : LASTLINES_MAX;

	mp_put_array(out, (uint32_t)count);
	for (size_t i = end - count; i < end; i++) {
		const struct buf *line = &ring->lines[i % LASTLINES_MAX];

		mp_put_text(out, (const char *)buf_front(line), buf_count(line),
		    LASTLINES_TEXT_MAX);
	}
}

void
lastrings_fini(struct lastrings *rings)
{
	struct lastring *ring;

	while ((ring = SLIST_FIRST(rings)) != NULL) {
		SLIST_REMOVE_HEAD(rings, link);
		for (size_t i = 0; i < LASTLINES_MAX; i++)
			buf_fini(&ring->lines[i]);
		free(ring);
	}
}
