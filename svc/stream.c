#include "core.h"

#include "ipc/mp.h"

void
svc_stream_begin(struct svc_request *req, int status, const char *content_type)
{
	struct buf *buf;

	if (!reply_may(req))
		return;
	if (content_type == NULL)
		content_type = "application/octet-stream";
	req->is_stream = req->is_deferred = true;
	req->stream_seq = req->stream_credit = 0;
	req->is_whole = req->is_too_large = false;
	if (req->conn == NULL)
		return;
	if (!link_has_hello(req->conn->peer)) {
		req->is_whole = true;
		req->stream_status = reply_status(req, status);
		buf_append_str(&req->type, content_type);
		buf_append_byte(&req->type, 0);
		return;
	}
	req->stream_credit = link_window(req->conn->peer);
	buf = link_begin(req->conn->peer, req->id, &req->header);
	reply_head(buf, req, reply_status(req, status), content_type, true);
	mp_put_nil(buf);
	link_end(req->conn->peer);
}

static long
write_whole(struct svc_request *req, const void *data, size_t len)
{
	if (req->stream.len + len > CORE_STREAM_WHOLE_MAX) {
		req->is_too_large = true;
		return -1;
	}
	buf_append(&req->stream, data, len);
	return req->stream.is_failed ? -1 : (long)len;
}

/* How much may be written now. */
static size_t
stream_room(struct svc_request *req)
{
	if (link_queued(req->conn->peer) < CORE_STREAM_QUEUE_MAX)
		return req->stream_credit < SIZE_MAX
			   ? (size_t)req->stream_credit
			   : SIZE_MAX;
	if (!req->is_stuck)
		req->svc->stuck_count++;
	req->is_stuck = true;
	return 0;
}

static void
put_chunk(struct svc_request *req, unsigned flags, const void *data, size_t len)
{
	struct link *peer = req->conn->peer;
	struct buf *buf = link_begin(peer, req->id, &req->header);

	frame_put_chunk(buf, req->id, req->stream_seq++, flags, data, len);
	link_end(peer);
	req->stream_credit -= len;
}

long
svc_stream_write(struct svc_request *req, const void *data, size_t len)
{
	const uint8_t *pos = data;
	size_t left, step;

	if (!req->is_stream || req->is_answered || req->conn == NULL)
		return -1;
	if (req->is_whole)
		return write_whole(req, data, len);
	left = stream_room(req);
	if (left > len)
		left = len;
	len = left;
	for (; left > 0; left -= step, pos += step) {
		step = left < CORE_STREAM_CHUNK ? left : CORE_STREAM_CHUNK;
		put_chunk(req, 0, pos, step);
	}
	return (long)len;
}

void
svc_stream_on_room(struct svc_request *req, svc_request_fn *fn, void *arg)
{
	req->room_fn = fn;
	req->room_arg = arg;
}

/* From now on it is an answer like any other. */
static void
end_whole(struct svc_request *req)
{
	req->is_stream = false;
	if (req->is_too_large)
		svc_reply_error(req, 500,
		    "the answer is over %d bytes and the caller takes no "
		    "streams",
		    CORE_STREAM_WHOLE_MAX);
	else
		svc_reply_raw(req, (int)req->stream_status,
		    (const char *)req->type.data, req->stream.data,
		    req->stream.len);
}

void
svc_stream_end(struct svc_request *req)
{
	if (!req->is_stream || req->is_answered)
		return;
	if (req->is_whole) {
		end_whole(req);
		return;
	}
	if (req->conn != NULL)
		put_chunk(req, FRAME_LAST, "", 0);
	request_answered(req);
}

void
stream_credit(struct svc_request *req, uint64_t bytes)
{
	if (!req->is_stream || req->is_whole || req->is_answered)
		return;
	/* A forged sum must not wrap; nobody streams 2^62 bytes. */
	if (bytes > UINT64_MAX / 4 || req->stream_credit > UINT64_MAX / 4)
		bytes = 0;
	req->stream_credit += bytes;
	if (req->room_fn != NULL)
		req->room_fn(req, req->room_arg);
}

static struct svc_request *
first_stuck(struct svc *svc, const struct conn *conn)
{
	struct svc_request *req;

	for (size_t i = 0; i < CORE_BUCKET_COUNT; i++)
		LIST_FOREACH (req, &svc->buckets[i], bucket)
			if (req->is_stuck && req->conn == conn)
				return req;
	return NULL;
}

void
stream_drained(struct conn *conn)
{
	struct svc *svc = conn->svc;
	struct svc_request *req;

	while (svc->stuck_count > 0 &&
	       link_queued(conn->peer) < CORE_STREAM_QUEUE_MAX &&
	       (req = first_stuck(svc, conn)) != NULL) {
		req->is_stuck = false;
		svc->stuck_count--;
		if (req->room_fn != NULL)
			req->room_fn(req, req->room_arg);
	}
}
