#include "frame.h"

#include <inttypes.h>

#include "buf.h"
#include "err.h"
#include "mp.h"

enum {
	FRAME_STATUS_MIN = 100,
	FRAME_STATUS_MAX = 599
};

static int
frame_bad(struct err *err_r, const char *what)
{
	err_set(err_r, "malformed frame: %s", what);
	return -1;
}

static int
read_id(struct mp_reader *reader, struct frame *frame, struct err *err_r)
{
	uint64_t id;

	if (mp_get_uint(reader, &id) < 0 || id > FRAME_ID_MAX)
		return frame_bad(err_r, "the id is not 0 to 2147483647");
	frame->id = (uint32_t)id;
	return 0;
}

static int
read_meta(struct mp_reader *reader, struct frame *frame, struct err *err_r)
{
	const uint8_t *start = reader->pos;
	const char *str;
	size_t len;
	uint32_t count;
	enum mp_type type;

	if (mp_get_map(reader, &count) < 0)
		return frame_bad(err_r, "meta is not a map");
	for (; count > 0; count--) {
		if (mp_get_str(reader, &str, &len) < 0)
			return frame_bad(err_r, "a key of meta is no string");
		type = mp_peek(reader);
		if (type != MP_STR && type != MP_INT && type != MP_UINT)
			return frame_bad(err_r,
			    "a value of meta is no string or integer");
		if (mp_skip(reader) < 0)
			return frame_bad(err_r, "meta is cut off");
	}
	frame->meta = start;
	frame->meta_len = (size_t)(reader->pos - start);
	return 0;
}

static int
read_payload(struct mp_reader *reader, struct frame *frame, struct err *err_r)
{
	const uint8_t *start = reader->pos;

	if (mp_skip(reader) < 0)
		return frame_bad(err_r,
		    "the payload is missing, cut off or nested too deep");
	frame->payload = start;
	frame->payload_len = (size_t)(reader->pos - start);
	return 0;
}

static int
read_request(struct mp_reader *reader, struct frame *frame, struct err *err_r)
{
	if (read_id(reader, frame, err_r) < 0)
		return -1;
	if (mp_get_str(reader, &frame->op, &frame->op_len) < 0)
		return frame_bad(err_r, "the op is no string");
	if (read_meta(reader, frame, err_r) < 0)
		return -1;
	return read_payload(reader, frame, err_r);
}

static int
read_response(struct mp_reader *reader, struct frame *frame, struct err *err_r)
{
	uint64_t status;

	if (read_id(reader, frame, err_r) < 0)
		return -1;
	if (mp_get_uint(reader, &status) < 0 || status < FRAME_STATUS_MIN ||
	    status > FRAME_STATUS_MAX)
		return frame_bad(err_r, "the status is not 100 to 599");
	frame->status = (unsigned)status;
	if (read_meta(reader, frame, err_r) < 0)
		return -1;
	return read_payload(reader, frame, err_r);
}

static int
read_chunk(struct mp_reader *reader, struct frame *frame, struct err *err_r)
{
	uint64_t flags;

	if (read_id(reader, frame, err_r) < 0)
		return -1;
	if (mp_get_uint(reader, &frame->seq) < 0)
		return frame_bad(err_r, "the seq of a chunk is no number");
	if (mp_get_uint(reader, &flags) < 0 || flags > UINT32_MAX)
		return frame_bad(err_r, "the flags of a chunk are no number");
	frame->flags = (unsigned)flags;
	if (mp_get_bin(reader, &frame->chunk, &frame->chunk_len) < 0)
		return frame_bad(err_r, "a chunk is no bin");
	return 0;
}

static int
read_credit(struct mp_reader *reader, struct frame *frame, struct err *err_r)
{
	if (read_id(reader, frame, err_r) < 0)
		return -1;
	if (mp_get_uint(reader, &frame->credit) < 0)
		return frame_bad(err_r, "the credit is no number");
	return 0;
}

/* The number at a key, or fallback when there is none. */
static uint64_t
hello_number(const uint8_t *map, size_t len, const char *key, uint64_t fallback)
{
	struct mp_reader value;
	uint64_t number;

	if (!mp_map_find(map, len, key, &value) ||
	    mp_get_uint(&value, &number) < 0)
		return fallback;
	return number;
}

static int
read_hello(struct mp_reader *reader, struct frame *frame, struct err *err_r)
{
	const uint8_t *map = reader->pos;
	struct mp_reader features;
	size_t len;

	if (mp_peek(reader) != MP_MAP || mp_skip(reader) < 0)
		return frame_bad(err_r, "HELLO has no map");
	len = (size_t)(reader->pos - map);
	frame->version = hello_number(map, len, "version", 0);
	if (frame->version == 0)
		return frame_bad(err_r, "HELLO has no version from 1 on");
	frame->max_batch = hello_number(map, len, "max_batch", 1);
	frame->window = hello_number(map, len, "window", 0);
	if (mp_map_find(map, len, "features", &features))
		frame->has_ledger = hello_number(features.pos,
					(size_t)(features.end - features.pos),
					"ledger", 0) == 1;
	return 0;
}

static const struct {
	uint32_t items; /* that it has at least, the kind included */
	int (*read)(struct mp_reader *, struct frame *, struct err *);
} kinds[] = {
	[FRAME_REQUEST] = { 5, read_request },
	[FRAME_RESPONSE] = { 5, read_response },
	[FRAME_CANCEL] = { 2, read_id },
	[FRAME_CHUNK] = { 5, read_chunk },
	[FRAME_CREDIT] = { 3, read_credit },
	[FRAME_HELLO] = { 2, read_hello },
};

int
frame_decode(struct mp_reader *reader, struct frame *frame_r, struct err *err_r)
{
	uint32_t count, used = 1;
	uint64_t kind;

	*frame_r = (struct frame){ .kind = FRAME_UNKNOWN };
	if (mp_get_array(reader, &count) < 0)
		return frame_bad(err_r, "it is not an array");
	if (count == 0 || mp_get_uint(reader, &kind) < 0)
		return frame_bad(err_r, "it does not begin with its kind");
	if (kind < sizeof(kinds) / sizeof(kinds[0]) &&
	    kinds[kind].read != NULL) {
		if (count < kinds[kind].items)
			return frame_bad(err_r, "it has too few items");
		if (kinds[kind].read(reader, frame_r, err_r) < 0)
			return -1;
		frame_r->kind = (enum frame_kind)kind;
		used = kinds[kind].items;
	}
	for (; used < count; used++) {
		if (mp_skip(reader) < 0)
			return frame_bad(err_r,
			    "it is cut off or nested too deep");
	}
	return 0;
}

static void
put_head(struct buf *buf, enum frame_kind kind, uint32_t id)
{
	mp_put_array(buf, kinds[kind].items);
	mp_put_uint(buf, kind);
	mp_put_uint(buf, id);
}

void
frame_put_request(struct buf *buf, uint32_t id, const char *op, size_t op_len)
{
	put_head(buf, FRAME_REQUEST, id);
	mp_put_str(buf, op, op_len);
}

void
frame_put_response(struct buf *buf, uint32_t id, unsigned status)
{
	put_head(buf, FRAME_RESPONSE, id);
	mp_put_uint(buf, status);
}

void
frame_put_cancel(struct buf *buf, uint32_t id)
{
	put_head(buf, FRAME_CANCEL, id);
}

void
frame_put_chunk(struct buf *buf, uint32_t id, uint64_t seq, unsigned flags,
    const void *chunk, size_t len)
{
	put_head(buf, FRAME_CHUNK, id);
	mp_put_uint(buf, seq);
	mp_put_uint(buf, flags);
	mp_put_bin(buf, chunk, len);
}

void
frame_put_credit(struct buf *buf, uint32_t id, uint64_t bytes)
{
	put_head(buf, FRAME_CREDIT, id);
	mp_put_uint(buf, bytes);
}

void
frame_put_hello(struct buf *buf, uint64_t max_batch, uint64_t window,
    bool has_ledger)
{
	mp_put_array(buf, kinds[FRAME_HELLO].items);
	mp_put_uint(buf, FRAME_HELLO);
	mp_put_map(buf, 4);
	mp_put_cstr(buf, "version");
	mp_put_uint(buf, FRAME_VERSION);
	mp_put_cstr(buf, "max_batch");
	mp_put_uint(buf, max_batch);
	mp_put_cstr(buf, "window");
	mp_put_uint(buf, window);
	mp_put_cstr(buf, "features");
	mp_put_map(buf, has_ledger);
	if (has_ledger) {
		mp_put_cstr(buf, "ledger");
		mp_put_uint(buf, 1);
	}
}
