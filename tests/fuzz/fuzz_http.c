/*
 * Any bytes as a stream of requests: fed whole or in pieces, the requests and
 * the refusal are the same. The first byte chooses the size of the pieces.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buf.h"
#include "router/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct http_limits limits = {
	.max_head = 512,
	.max_headers = 16,
	.max_body = 256,
};

static void
check(int condition)
{
	if (!condition)
		abort();
}

static void
describe(const struct http_request *request, struct buf *out)
{
	buf_printf(out, "%s %u %d%d %zu ", request->method, request->minor,
	    request->keep_alive, request->has_body, request->field_count);
	buf_append(out, request->path, request->path_len);
	buf_append_byte(out, '?');
	buf_append(out, request->query, request->query_len);
	buf_append_byte(out, '@');
	buf_append(out, request->host, request->host_len);
	for (size_t i = 0; i < request->field_count; i++) {
		const struct http_field *field = &request->fields[i];

		buf_append_byte(out, '\n');
		buf_append(out, request->head + field->name, field->name_len);
		buf_append_byte(out, '=');
		buf_append(out, request->head + field->value, field->value_len);
	}
	buf_append_byte(out, '\n');
	buf_append(out, request->body, request->body_len);
	check(request->body_len <= limits.max_body);
	check(request->field_count <= limits.max_headers);
}

/* Memory of just the piece's size, so that a read behind it is seen. */
static enum http_progress
feed_piece(struct http_parser *parser, const uint8_t *data, size_t len,
    size_t *used_r)
{
	enum http_progress progress;
	uint8_t *piece = malloc(len > 0 ? len : 1);

	check(piece != NULL);
	memcpy(piece, data, len);
	progress = http_parser_feed(parser, piece, len, used_r);
	check(*used_r <= len);
	check(progress != HTTP_MORE || *used_r == len);
	memset(piece, 0, len);
	free(piece);
	return progress;
}

static void
run(const uint8_t *data, size_t len, size_t step, struct buf *out)
{
	struct http_parser *parser = http_parser_new(&limits);
	enum http_progress progress = HTTP_MORE;
	size_t pos = 0, used;

	check(parser != NULL);
	while (pos < len || progress == HTTP_HEAD) {
		size_t take = len - pos < step ? len - pos : step;

		progress = feed_piece(parser, data + pos, take, &used);
		pos += used;
		if (progress == HTTP_REFUSE)
			break;
		if (progress == HTTP_DONE) {
			describe(http_parser_request(parser), out);
			http_parser_next(parser);
			if (step % 2 == 1)
				http_parser_trim(parser);
		}
	}
	if (progress == HTTP_REFUSE)
		buf_printf(out, "%u %s", http_parser_status(parser),
		    http_parser_reason(parser));
	http_parser_free(&parser);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf whole = { 0 }, pieces = { 0 };

	if (len == 0)
		return 0;
	run(data + 1, len - 1, SIZE_MAX, &whole);
	run(data + 1, len - 1, (size_t)data[0] % 16 + 1, &pieces);
	check(buf_count(&whole) == buf_count(&pieces));
	check(buf_count(&whole) == 0 ||
	      memcmp(buf_front(&whole), buf_front(&pieces),
		  buf_count(&whole)) == 0);
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
