#include "core.h"

#include <stdio.h>
#include <string.h>

#include "ipc/json.h"
#include "ipc/log.h"
#include "ipc/mp.h"

bool
reply_may(struct svc_request *req)
{
	if (!req->is_answered && !req->is_stream)
		return true;
	log_warnx("%s %s%s: was answered already, the second answer is dropped",
	    req->method, req->path, req->op);
	return false;
}

void
reply_head(struct buf *buf, const struct svc_request *req, unsigned status,
    const char *content_type, bool is_stream)
{
	unsigned count = req->header_count + (content_type != NULL) + is_stream;

	frame_put_response(buf, req->id, status);
	mp_put_map(buf, count);
	buf_append(buf, req->headers.data, req->headers.len);
	if (content_type != NULL) {
		mp_put_str(buf, "content-type", 12);
		mp_put_cstr(buf, content_type);
	}
	if (is_stream) {
		mp_put_str(buf, ":stream", 7);
		mp_put_int(buf, 1);
	}
}

/* A status of ours on the wire: what is none was a mistake of the handler. */
unsigned
reply_status(const struct svc_request *req, int status)
{
	if (status >= 200 && status <= 599)
		return (unsigned)status;
	log_errorx("%s %s%s: %d is no status, 500 is sent", req->method,
	    req->path, req->op, status);
	return 500;
}

/*
 * The peer cuts the link for a message over its bound, and with it all else
 * that is in flight: so one too large is not sent.
 */
static bool
fits(const struct svc_request *req, const char *content_type, size_t len)
{
	size_t type_len = content_type != NULL ? strlen(content_type) : 0;

	if (!req->headers.is_failed && len <= CORE_CONTENT_MAX &&
	    type_len <= CORE_CONTENT_MAX - len &&
	    req->headers.len <= CORE_CONTENT_MAX - len - type_len)
		return true;
	log_errorx("%s %s%s: an answer of %zu bytes is too large, 500 is sent",
	    req->method, req->path, req->op, len);
	return false;
}

/* Send head and payload, which is given as bytes or as a bin's content. */
static void
send_reply(struct svc_request *req, int status, const char *content_type,
    const void *bytes, size_t len, bool is_bin)
{
	static const char too_large[] = "the answer is too large\n";
	struct buf *buf;

	if (req->conn == NULL)
		goto out;
	if (!fits(req, content_type, len)) {
		buf_clear(&req->headers);
		req->header_count = 0;
		status = 500;
		content_type = "text/plain";
		bytes = too_large;
		len = sizeof(too_large) - 1;
		is_bin = true;
	}
	buf = link_begin(req->conn->peer, req->id, &req->header);
	reply_head(buf, req, reply_status(req, status), content_type, false);
	if (is_bin)
		mp_put_bin(buf, bytes, len);
	else
		buf_append(buf, bytes, len);
	link_end(req->conn->peer);
out:
	request_answered(req);
}

void
svc_reply_header(struct svc_request *req, const char *name, const char *value)
{
	if (value == NULL)
		return;
	mp_put_cstr(&req->headers, name);
	mp_put_cstr(&req->headers, value);
	req->header_count++;
}

void
svc_reply_raw(struct svc_request *req, int status, const char *content_type,
    const void *data, size_t len)
{
	if (content_type == NULL)
		content_type = "application/octet-stream";
	if (reply_may(req))
		send_reply(req, status, content_type, data, len, true);
}

void
svc_reply_json(struct svc_request *req, int status, const char *text)
{
	svc_reply_raw(req, status, "application/json", text, strlen(text));
}

void
svc_reply(struct svc_request *req, int status, struct svc_data *data)
{
	const struct buf *value = data_finish(data);

	if (!reply_may(req))
		goto out;
	if (data == NULL) {
		send_reply(req, status, NULL, "", 0, true);
	} else if (value == NULL) {
		log_errorx("%s %s%s: the answer was not put together well",
		    req->method, req->path, req->op);
		svc_reply_error(req, 500, "the service could not answer");
	} else {
		send_reply(req, status, NULL, buf_front(value),
		    buf_count(value), false);
	}
out:
	svc_data_free(data);
}

static const char *
status_title(int status)
{
	static const struct {
		int status;
		const char *title;
	} titles[] = {
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 402, "Payment Required" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
	};

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return "Error";
}

/* The problem of RFC 9457 as JSON text. Returns 0, or -1. */
static int
problem_text(struct buf *out, int status, const char *detail)
{
	struct svc_data *data = svc_map();
	const struct buf *value;
	int rc = -1;

	svc_put_str(data, "type", "about:blank");
	svc_put_str(data, "title", status_title(status));
	svc_put_int(data, "status", status);
	svc_put_str(data, "detail", detail);
	value = data_finish(data);
	if (value != NULL)
		rc =
		    json_from_mp(buf_front(value), buf_count(value), out, NULL);
	svc_data_free(data);
	return rc;
}

void
svc_reply_error(struct svc_request *req, int status, const char *fmt, ...)
{
	char detail[512];
	struct buf text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	if (!reply_may(req))
		return;
	if (problem_text(&text, status, detail) == 0)
		send_reply(req, status, "application/problem+json",
		    buf_front(&text), buf_count(&text), true);
	else
		send_reply(req, status, NULL, "", 0, true);
	buf_fini(&text);
}
