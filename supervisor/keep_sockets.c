/* keep_sockets: the sockets of services in what is handed on. */
#include <stdlib.h>

#include "keep.h"
#include "supervisor.h"

static const struct keep_field socket_fields[] = {
	KEEP_FIELD(KEEP_TEXT, socket_item, text),
	KEEP_FIELD(KEEP_TEXT, socket_item, service),
	KEEP_FIELD(KEEP_FD, socket_item, fd),
	KEEP_FIELD(KEEP_UINT, socket_item, dev),
	KEEP_FIELD(KEEP_UINT, socket_item, ino),
	KEEP_FIELD(KEEP_BOOL, socket_item, is_retired),
};

void
keep_save_sockets(const struct supervise *sup, struct keep_out *out)
{
	const struct socket_item *item;
	uint32_t count = 0;

	TAILQ_FOREACH (item, &sup->sockets, link)
		count++;
	mp_put_array(&out->bytes, count);
	TAILQ_FOREACH (item, &sup->sockets, link)
		keep_put(out, socket_fields, KEEP_COUNT(socket_fields), item);
}

int
keep_load_sockets(struct supervise *sup, struct keep_in *in,
    struct mp_reader *reader)
{
	struct socket_item *item;
	uint32_t count;

	if (keep_get_array(in, reader, &count) < 0)
		return -1;
	for (; count > 0; count--) {
		item = calloc(1, sizeof(*item));
		if (item == NULL)
			return keep_bad(in, "sockets");
		item->fd = -1;
		TAILQ_INSERT_TAIL(&sup->sockets, item, link);
		if (keep_get(in, reader, socket_fields,
			KEEP_COUNT(socket_fields), item) < 0)
			return -1;
		if (item->text == NULL || item->service == NULL)
			return keep_bad(in, "sockets");
		/* Its file is not this process's to remove. */
		if (in->is_rehearsal)
			item->ino = 0;
	}
	return 0;
}
