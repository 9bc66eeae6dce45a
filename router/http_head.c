#include "http_head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ipc/buf.h"

#include "http.h"
#include "http_fields.h"
#include "http_rules.h"

enum {
	CONNECTION_LINES_MAX = 4,
	CONNECTION_OPTIONS_MAX = 16, /* each is looked up in all fields */
};

enum http_field_kind {
	KIND_PLAIN,
	KIND_HOST,
	KIND_LENGTH,
	KIND_CODING,
	KIND_CONNECTION,
	KIND_EXPECT,
	KIND_HOP, /* says something about this connection only */
};

static const struct {
	const char *name;
	size_t len;
	enum http_field_kind kind;
} kinds[] = {
	{ "te", 2, KIND_HOP },
	{ "host", 4, KIND_HOST },
	{ "expect", 6, KIND_EXPECT },
	{ "trailer", 7, KIND_HOP },
	{ "upgrade", 7, KIND_HOP },
	{ "connection", 10, KIND_CONNECTION },
	{ "keep-alive", 10, KIND_HOP },
	{ "content-length", 14, KIND_LENGTH },
	{ "proxy-connection", 16, KIND_HOP },
	{ "transfer-encoding", 17, KIND_CODING },
};

/*
 * A client that names one of these in Connection wants to have a field taken
 * away that the service, or a proxy before us, relies on.
 */
static const char *const protected[] = {
	"authorization",
	"cache-control",
	"content-encoding",
	"content-length",
	"content-type",
	"cookie",
	"expect",
	"forwarded",
	"host",
	"transfer-encoding",
	"x-forwarded-for",
	"x-forwarded-host",
	"x-forwarded-proto",
	"x-real-ip",
};

struct http_judge {
	char *base; /* of the head */
	struct http_fields_list *list;
	struct http_request *request;
	struct http_head_facts *facts;
	bool is_out_of_memory;
	unsigned host_count, length_count, coding_count, connection_count;
	struct http_field *host; /* in the list */
	struct http_span coding; /* the value of Transfer-Encoding */
	struct http_span connection[CONNECTION_LINES_MAX];
	bool has_close, has_keep_alive;
};

static int
http_head_refuse(struct http_judge *judge, unsigned status, const char *reason)
{
	judge->facts->status = status;
	judge->facts->reason = reason;
	return -1;
}

static void
http_head_add(void *arg, struct http_span name, struct http_span value)
{
	struct http_judge *judge = arg;
	struct http_fields_list *list = judge->list;

	if (list->count == list->cap) {
		uint32_t cap = list->cap > 0 ? list->cap * 2 : 8;
		struct http_field *items;

		items = realloc(list->items, cap * sizeof(*items));
		if (items == NULL) {
			judge->is_out_of_memory = true;
			return;
		}
		list->items = items;
		list->cap = cap;
	}
	list->items[list->count++] = (struct http_field){
		.name = (uint32_t)(name.at - judge->base),
		.name_len = (uint32_t)name.len,
		.value = (uint32_t)(value.at - judge->base),
		.value_len = (uint32_t)value.len,
	};
}

static struct http_span
http_head_value(const struct http_judge *judge, const struct http_field *field)
{
	return (
	    struct http_span){ judge->base + field->value, field->value_len };
}

static enum http_field_kind
http_field_kind(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].len == len &&
		    memcmp(kinds[i].name, name, len) == 0)
			return kinds[i].kind;
	}
	return KIND_PLAIN;
}

static int
http_head_length(struct http_judge *judge, struct http_span value)
{
	static const char reason[] = "Content-Length is not one decimal number";
	uint64_t length = 0;

	if (judge->length_count++ > 0)
		return http_head_refuse(judge, 400,
		    "more than one Content-Length");
	/* 18 digits cannot overflow, and no body is that long. */
	if (value.len == 0 || value.len > 18)
		return http_head_refuse(judge, 400, reason);
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return http_head_refuse(judge, 400, reason);
		length = length * 10 + (uint64_t)(value.at[i] - '0');
	}
	judge->facts->content_length = length;
	return 0;
}

/* RFC 9110 section 10.1.1: an HTTP/1.0 client cannot mean it. */
static int
http_head_expect(struct http_judge *judge, struct http_span value)
{
	if (judge->request->minor == 0)
		return 0;
	if (!http_span_is(value, "100-continue"))
		return http_head_refuse(judge, 417,
		    "Expect is not \"100-continue\"");
	judge->request->expects_continue = true;
	return 0;
}

static int
http_head_connection(struct http_judge *judge, struct http_span value)
{
	if (judge->connection_count == CONNECTION_LINES_MAX)
		return http_head_refuse(judge, 400,
		    "too many Connection fields");
	judge->connection[judge->connection_count++] = value;
	return 0;
}

/* What a field means to us; *keep_r says whether it goes on to the service. */
static int
http_head_field(struct http_judge *judge, const struct http_field *field,
    bool *keep_r)
{
	struct http_span value = http_head_value(judge, field);

	*keep_r = false;
	switch (http_field_kind(judge->base + field->name, field->name_len)) {
	case KIND_PLAIN:
		*keep_r = true;
		return 0;
	case KIND_HOST:
		*keep_r = true;
		judge->host_count++;
		return 0;
	case KIND_LENGTH:
		return http_head_length(judge, value);
	case KIND_CODING:
		judge->coding_count++;
		judge->coding = value;
		return 0;
	case KIND_CONNECTION:
		return http_head_connection(judge, value);
	case KIND_EXPECT:
		return http_head_expect(judge, value);
	default:
		return 0;
	}
}

static int
http_head_fields(struct http_judge *judge)
{
	struct http_fields_list *list = judge->list;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < list->count; i++) {
		struct http_field field = list->items[i];
		char *name = judge->base + field.name;
		unsigned hosts = judge->host_count;
		bool keep;

		for (uint32_t k = 0; k < field.name_len; k++)
			name[k] = http_token_lower(name[k]);
		if (http_head_field(judge, &field, &keep) == -1)
			return -1;
		if (judge->host_count > hosts)
			judge->host = &list->items[kept];
		if (keep)
			list->items[kept++] = field;
	}
	list->count = kept;
	return 0;
}

/* The status of a Transfer-Encoding that is not just "chunked". */
static int
http_head_coding(struct http_judge *judge)
{
	struct http_span list = judge->coding, coding = { 0 };
	unsigned chunked = 0;
	bool is_last = false;

	while (http_list_next(&list, &coding)) {
		is_last = http_span_is(coding, "chunked");
		chunked += is_last;
	}
	/* RFC 9112 sections 6.1 and 6.3. */
	if (chunked == 1 && is_last)
		return http_head_refuse(judge, 501,
		    "no transfer coding but chunked is known here");
	return http_head_refuse(judge, 400,
	    "Transfer-Encoding does not end with one chunked");
}

static int
http_head_framing(struct http_judge *judge)
{
	if (judge->coding_count == 0)
		return 0;
	if (judge->length_count > 0)
		return http_head_refuse(judge, 400,
		    "both Transfer-Encoding and Content-Length");
	if (judge->coding_count > 1)
		return http_head_refuse(judge, 400,
		    "more than one Transfer-Encoding");
	if (judge->request->minor == 0)
		return http_head_refuse(judge, 400,
		    "Transfer-Encoding in HTTP/1.0");
	if (!http_span_is(judge->coding, "chunked"))
		return http_head_coding(judge);
	judge->facts->is_chunked = true;
	return 0;
}

/*
 * RFC 9112 section 3.2: one valid Host, also when the target names the
 * authority, which then wins; the service sees no other.
 */
static int
http_head_host(struct http_judge *judge, const struct http_target *target)
{
	struct http_request *request = judge->request;
	struct http_span host = { "", 0 };

	if (judge->host_count > 1)
		return http_head_refuse(judge, 400, "more than one Host");
	if (judge->host_count == 0 && request->minor > 0)
		return http_head_refuse(judge, 400, "no Host");
	if (judge->host_count > 0) {
		host = http_head_value(judge, judge->host);
		if (!http_is_authority(host))
			return http_head_refuse(judge, 400,
			    "Host is not a host name with an optional port");
	}
	if (target->authority.at != NULL) {
		host = target->authority;
		if (judge->host_count > 0) {
			judge->host->value = (uint32_t)(host.at - judge->base);
			judge->host->value_len = (uint32_t)host.len;
		}
	}
	request->host = host.at;
	request->host_len = host.len;
	return 0;
}

static void
http_head_drop(struct http_judge *judge, struct http_span name)
{
	struct http_fields_list *list = judge->list;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < list->count; i++) {
		const struct http_field *field = &list->items[i];

		if (field->name_len != name.len ||
		    strncasecmp(judge->base + field->name, name.at, name.len) !=
			0)
			list->items[kept++] = *field;
	}
	list->count = kept;
}

static int
http_head_option(struct http_judge *judge, struct http_span option)
{
	static const size_t count = sizeof(protected) / sizeof(protected[0]);

	if (!http_is_token(option.at, option.len))
		return http_head_refuse(judge, 400,
		    "Connection is not a list of tokens");
	if (http_span_is(option, "close")) {
		judge->has_close = true;
		return 0;
	}
	if (http_span_is(option, "keep-alive")) {
		judge->has_keep_alive = true;
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		if (http_span_is(option, protected[i]))
			return http_head_refuse(judge, 400,
			    "Connection names a field that is not its own");
	}
	http_head_drop(judge, option);
	return 0;
}

static int
http_head_options(struct http_judge *judge)
{
	struct http_span option;
	unsigned count = 0;

	for (unsigned i = 0; i < judge->connection_count; i++) {
		struct http_span list = judge->connection[i];

		while (http_list_next(&list, &option)) {
			if (++count > CONNECTION_OPTIONS_MAX)
				return http_head_refuse(judge, 400,
				    "too many Connection options");
			if (http_head_option(judge, option) == -1)
				return -1;
		}
	}
	judge->request->keep_alive =
	    !judge->has_close &&
	    (judge->request->minor > 0 || judge->has_keep_alive);
	return 0;
}

static int
http_head_line(struct http_judge *judge, size_t len,
    struct http_target *target_r)
{
	struct http_request *request = judge->request;
	struct http_request_line line;
	const char *end = memchr(judge->base, '\r', len), *reason;

	if (end == NULL || http_request_line_split(judge->base,
			       (size_t)(end - judge->base), &line) == -1)
		return http_head_refuse(judge, 400,
		    "the request line is not \"METHOD target HTTP/1.1\"");
	if (line.major != 1 || line.minor > 1)
		return http_head_refuse(judge, 505,
		    "the version is not HTTP/1.1 or HTTP/1.0");
	request->minor = line.minor;
	request->method = http_method_find(line.method);
	request->method_len = line.method.len;
	if (request->method == NULL)
		return http_head_refuse(judge, 501,
		    "the method is not known here");
	reason = http_target_split(line.target,
	    strcmp(request->method, "OPTIONS") == 0, target_r);
	if (reason != NULL)
		return http_head_refuse(judge, 400, reason);
	request->path = target_r->path.at;
	request->path_len = target_r->path.len;
	request->query = target_r->query.at;
	request->query_len = target_r->query.len;
	return 0;
}

static int
http_head_read_fields(struct http_judge *judge, size_t len, size_t field_count)
{
	const char *reason;

	judge->list->count = 0;
	reason = http_fields_read(judge->base, len, http_head_add, judge);
	if (judge->is_out_of_memory)
		return http_head_refuse(judge, 503, "out of memory");
	if (reason != NULL)
		return http_head_refuse(judge, 400, reason);
	if (judge->list->count != field_count)
		return http_head_refuse(judge, 400,
		    "the header fields have two readings");
	return 0;
}

int
http_head_judge(struct buf *head, size_t field_count,
    struct http_fields_list *list, struct http_request *request_r,
    struct http_head_facts *facts_r)
{
	struct http_target target;
	struct http_judge judge = {
		.base = (char *)head->data + head->head,
		.list = list,
		.request = request_r,
		.facts = facts_r,
	};
	size_t len = buf_count(head);

	*request_r = (struct http_request){ .head = judge.base };
	*facts_r = (struct http_head_facts){ .status = 400 };
	if (http_head_line(&judge, len, &target) == -1 ||
	    http_head_read_fields(&judge, len, field_count) == -1 ||
	    http_head_fields(&judge) == -1 || http_head_framing(&judge) == -1 ||
	    http_head_host(&judge, &target) == -1 ||
	    http_head_options(&judge) == -1)
		return -1;
	request_r->has_body =
	    facts_r->is_chunked || facts_r->content_length > 0;
	request_r->expects_continue &= request_r->has_body;
	request_r->fields = list->items;
	request_r->field_count = list->count;
	request_r->body = (const uint8_t *)"";
	return 0;
}
