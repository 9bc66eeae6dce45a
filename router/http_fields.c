#include "http_fields.h"

#include <llhttp.h>
#include <string.h>

/* Debian 12 compiles llhttp 8, which is lenient unless told otherwise. */
#if LLHTTP_VERSION_MAJOR < 8
#error "llhttp 8.1 or later is needed"
#endif

struct http_fields {
	http_fields_add *add;
	void *arg;
	struct http_span name, value;
	bool is_complete;
};

static void
http_span_extend(struct http_span *span, const char *at, size_t len)
{
	if (span->len == 0)
		span->at = at;
	span->len += len;
}

static int
http_on_field(llhttp_t *llhttp, const char *at, size_t len)
{
	struct http_fields *fields = llhttp->data;

	http_span_extend(&fields->name, at, len);
	return 0;
}

static int
http_on_value(llhttp_t *llhttp, const char *at, size_t len)
{
	struct http_fields *fields = llhttp->data;

	http_span_extend(&fields->value, at, len);
	return 0;
}

static int
http_on_value_complete(llhttp_t *llhttp)
{
	struct http_fields *fields = llhttp->data;
	struct http_span value = fields->value;

	/* llhttp leaves the blanks behind a value on it. */
	while (value.len > 0 && (value.at[value.len - 1] == ' ' ||
				    value.at[value.len - 1] == '\t'))
		value.len--;
	if (value.len == 0)
		value.at = fields->name.at;
	fields->add(fields->arg, fields->name, value);
	fields->name = (struct http_span){ 0 };
	fields->value = (struct http_span){ 0 };
	return 0;
}

static int
http_on_head(llhttp_t *llhttp)
{
	struct http_fields *fields = llhttp->data;

	fields->is_complete = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_header_field = http_on_field,
	.on_header_value = http_on_value,
	.on_header_value_complete = http_on_value_complete,
	.on_headers_complete = http_on_head,
};

static const char *
http_fields_reason(llhttp_errno_t error)
{
	switch (error) {
	case HPE_INVALID_CONTENT_LENGTH:
	case HPE_UNEXPECTED_CONTENT_LENGTH:
		return "Content-Length is not one decimal number";
	case HPE_INVALID_TRANSFER_ENCODING:
		return "Transfer-Encoding does not end with one chunked";
	case HPE_INVALID_HEADER_TOKEN:
		return "a header field is malformed";
	default:
		return "the head is malformed";
	}
}

#define METHOD(number, name, string) { number, #string, sizeof(#string) - 1 },

static const struct {
	unsigned number;
	const char *name;
	size_t len;
} methods[] = { HTTP_METHOD_MAP(METHOD) };

const char *
http_method_find(struct http_span method)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (methods[i].len == method.len && method.len > 0 &&
		    memcmp(methods[i].name, method.at, method.len) == 0)
			return methods[i].number == HTTP_CONNECT
				   ? NULL
				   : methods[i].name;
	}
	return NULL;
}

const char *
http_fields_read(const char *head, size_t len, http_fields_add *add, void *arg)
{
	struct http_fields fields = { .add = add, .arg = arg };
	llhttp_t llhttp;
	llhttp_errno_t error;

	llhttp_init(&llhttp, HTTP_REQUEST, &settings);
	llhttp.data = &fields;
	error = llhttp_execute(&llhttp, head, len);
	return error == HPE_PAUSED && fields.is_complete
		   ? NULL
		   : http_fields_reason(error);
}
