/*
 * frame: the envelope. Its table is the wire contract of msvc-wire(7):
 *
 *   0 [0, id, op, meta, payload]       request
 *   1 [1, id, status, meta, payload]   response
 *   2 [2, id]                          cancel
 *   3 [3, id, seq, flags, chunk]       part of a streamed body
 *   4 [4, id, bytes]                   credit: so many more may be streamed
 *   9 [9, {version, max_batch, window, features}]   HELLO
 *
 * Unknown trailing items are ignored, unknown kinds skipped. Pure codec.
 */
#ifndef MSVC_IPC_FRAME_H
#define MSVC_IPC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct mp_reader;

enum frame_kind {
	FRAME_REQUEST = 0,
	FRAME_RESPONSE = 1,
	FRAME_CANCEL = 2,
	FRAME_CHUNK = 3,
	FRAME_CREDIT = 4,
	FRAME_HELLO = 9,
	FRAME_UNKNOWN = 255
};

enum {
	FRAME_VERSION = 1,
	FRAME_LAST = 1,            /* flag of a chunk: the body ends with it */
	FRAME_ID_MAX = 0x7fffffff, /* ids fit an SP request id */
};

/* A decoded frame; all pointers are borrowed from the message. */
struct frame {
	enum frame_kind kind;
	uint32_t id;
	const char *op; /* request: "GET /a?b" or "users.get" */
	size_t op_len;
	unsigned status;     /* response: 100 to 599 */
	const uint8_t *meta; /* the whole encoded map, never NULL */
	size_t meta_len;
	const uint8_t *payload; /* the whole encoded value, never NULL */
	size_t payload_len;
	uint64_t seq;         /* chunk: counts from 0 */
	unsigned flags;       /* chunk */
	const uint8_t *chunk; /* chunk: raw bytes */
	size_t chunk_len;
	uint64_t credit;                     /* credit: bytes */
	uint64_t version, max_batch, window; /* hello */
	bool has_ledger; /* hello: the feature "ledger" of version 1 */
};

/*
 * Decode the next frame of a message. Returns 0, or -1 when malformed (meta
 * is checked to be a map of strings to strings or integers).
 */
int frame_decode(struct mp_reader *reader, struct frame *frame_r,
    struct err *err_r);

/* These two write the head only; the caller appends meta and payload. */
void frame_put_request(struct buf *buf, uint32_t id, const char *op,
    size_t op_len);
void frame_put_response(struct buf *buf, uint32_t id, unsigned status);
void frame_put_cancel(struct buf *buf, uint32_t id);
void frame_put_chunk(struct buf *buf, uint32_t id, uint64_t seq, unsigned flags,
    const void *chunk, size_t len);
void frame_put_credit(struct buf *buf, uint32_t id, uint64_t bytes);
void frame_put_hello(struct buf *buf, uint64_t max_batch, uint64_t window,
    bool has_ledger);

#endif
