#include "http_rules.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

enum {
	CH_TOKEN = 1 << 0, /* tchar, RFC 9110 section 5.6.2 */
	CH_PATH = 1 << 1,  /* in a path, "%" aside */
	CH_QUERY = 1 << 2, /* in a query, "%" aside */
	CH_HOST = 1 << 3,  /* in a registered name, "%" aside */
	CH_HEX = 1 << 4,
	CH_DIGIT = 1 << 5,

	/* unreserved of RFC 3986 that are no letters or digits: "-._~" */
	MARK = CH_TOKEN | CH_PATH | CH_QUERY | CH_HOST,
	ALPHA = MARK,
	XALPHA = MARK | CH_HEX,
	DIGIT = MARK | CH_HEX | CH_DIGIT,
	/* sub-delims of RFC 3986, of which some are token characters too */
	DELIM = CH_PATH | CH_QUERY | CH_HOST,
	DELIM_TOKEN = DELIM | CH_TOKEN,
	URL = CH_PATH | CH_QUERY,
};

/*
 * Paths and queries take a little more than RFC 3986: the brackets, braces,
 * "|", "^" and "`" that browsers send unescaped. A backslash only in a query,
 * for in a path some readers take it for a slash.
 */
static const uint8_t classes[256] = {
	['a'] = XALPHA,
	['b'] = XALPHA,
	['c'] = XALPHA,
	['d'] = XALPHA,
	['e'] = XALPHA,
	['f'] = XALPHA,
	['A'] = XALPHA,
	['B'] = XALPHA,
	['C'] = XALPHA,
	['D'] = XALPHA,
	['E'] = XALPHA,
	['F'] = XALPHA,
	['g'] = ALPHA,
	['h'] = ALPHA,
	['i'] = ALPHA,
	['j'] = ALPHA,
	['k'] = ALPHA,
	['l'] = ALPHA,
	['m'] = ALPHA,
	['n'] = ALPHA,
	['o'] = ALPHA,
	['p'] = ALPHA,
	['q'] = ALPHA,
	['r'] = ALPHA,
	['s'] = ALPHA,
	['t'] = ALPHA,
	['u'] = ALPHA,
	['v'] = ALPHA,
	['w'] = ALPHA,
	['x'] = ALPHA,
	['y'] = ALPHA,
	['z'] = ALPHA,
	['G'] = ALPHA,
	['H'] = ALPHA,
	['I'] = ALPHA,
	['J'] = ALPHA,
	['K'] = ALPHA,
	['L'] = ALPHA,
	['M'] = ALPHA,
	['N'] = ALPHA,
	['O'] = ALPHA,
	['P'] = ALPHA,
	['Q'] = ALPHA,
	['R'] = ALPHA,
	['S'] = ALPHA,
	['T'] = ALPHA,
	['U'] = ALPHA,
	['V'] = ALPHA,
	['W'] = ALPHA,
	['X'] = ALPHA,
	['Y'] = ALPHA,
	['Z'] = ALPHA,
	['0'] = DIGIT,
	['1'] = DIGIT,
	['2'] = DIGIT,
	['3'] = DIGIT,
	['4'] = DIGIT,
	['5'] = DIGIT,
	['6'] = DIGIT,
	['7'] = DIGIT,
	['8'] = DIGIT,
	['9'] = DIGIT,
	['-'] = MARK,
	['.'] = MARK,
	['_'] = MARK,
	['~'] = MARK,
	['!'] = DELIM_TOKEN,
	['$'] = DELIM_TOKEN,
	['&'] = DELIM_TOKEN,
	['\''] = DELIM_TOKEN,
	['*'] = DELIM_TOKEN,
	['+'] = DELIM_TOKEN,
	['('] = DELIM,
	[')'] = DELIM,
	[','] = DELIM,
	[';'] = DELIM,
	['='] = DELIM,
	['#'] = CH_TOKEN,
	['%'] = CH_TOKEN,
	['^'] = CH_TOKEN | URL,
	['`'] = CH_TOKEN | URL,
	['|'] = CH_TOKEN | URL,
	[':'] = URL,
	['@'] = URL,
	['/'] = URL,
	['['] = URL,
	[']'] = URL,
	['{'] = URL,
	['}'] = URL,
	['?'] = CH_QUERY,
	['\\'] = CH_QUERY,
};

static bool
http_is_class(char byte, unsigned class)
{
	return (classes[(uint8_t)byte] & class) != 0;
}

bool
http_is_token(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!http_is_class(at[i], CH_TOKEN))
			return false;
	}
	return len > 0;
}

char
http_token_lower(char byte)
{
	if (!http_is_class(byte, CH_TOKEN))
		return 0;
	return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

bool
http_span_is(struct http_span span, const char *lower)
{
	return span.len == strlen(lower) &&
	       strncasecmp(span.at, lower, span.len) == 0;
}

bool
http_is_field_value(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = (uint8_t)at[i];

		if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
			return false;
	}
	return true;
}

int
http_request_line_split(const char *at, size_t len,
    struct http_request_line *line_r)
{
	static const char http[] = "HTTP/";
	const char *end = at + len, *space, *version;

	space = memchr(at, ' ', len);
	if (space == NULL || !http_is_token(at, (size_t)(space - at)))
		return -1;
	line_r->method = (struct http_span){ at, (size_t)(space - at) };

	/* The version has a fixed length, so the last space has its place. */
	at = space + 1;
	if ((size_t)(end - at) < sizeof(" HTTP/1.1"))
		return -1;
	version = end - (sizeof("HTTP/1.1") - 1);
	if (version[-1] != ' ' || memcmp(version, http, 5) != 0 ||
	    !http_is_class(version[5], CH_DIGIT) || version[6] != '.' ||
	    !http_is_class(version[7], CH_DIGIT))
		return -1;
	line_r->target = (struct http_span){ at, (size_t)(version - 1 - at) };
	line_r->major = (unsigned)(version[5] - '0');
	line_r->minor = (unsigned)(version[7] - '0');
	return 0;
}

/* Length of the run of class bytes and valid percent escapes from at. */
static size_t
http_escaped_run(const char *at, size_t len, unsigned class)
{
	size_t i = 0;

	while (i < len) {
		if (http_is_class(at[i], class) && at[i] != '%')
			i++;
		else if (at[i] == '%' && len - i > 2 &&
			 http_is_class(at[i + 1], CH_HEX) &&
			 http_is_class(at[i + 2], CH_HEX))
			i += 3;
		else
			break;
	}
	return i;
}

static bool
http_is_port(const char *at, size_t len)
{
	unsigned long port = 0;

	for (size_t i = 0; i < len; i++) {
		if (!http_is_class(at[i], CH_DIGIT))
			return false;
		port = port * 10 + (unsigned long)(at[i] - '0');
		if (port > 65535)
			return false;
	}
	return true;
}

/* The inside of [brackets]: loosely an IPv6 address, or IPvFuture. */
static size_t
http_literal_run(const char *at, size_t len)
{
	size_t i = 0;

	while (i < len && (http_is_class(at[i], CH_HOST) || at[i] == ':') &&
	       at[i] != '%')
		i++;
	return i;
}

bool
http_is_authority(struct http_span authority)
{
	const char *at = authority.at;
	size_t len = authority.len, host;

	if (len > 0 && at[0] == '[') {
		host = http_literal_run(at + 1, len - 1) + 1;
		if (host < 3 || host == len || at[host] != ']')
			return false;
		host++;
	} else {
		host = http_escaped_run(at, len, CH_HOST);
	}
	if (host == 0 || host == len)
		return host > 0;
	return at[host] == ':' && http_is_port(at + host + 1, len - host - 1);
}

/* A path may not hold an escaped NUL: services in C would cut it there. */
static bool
http_has_escaped_nul(const char *at, size_t len)
{
	for (const char *p = at; (p = memchr(p, '%', len - (size_t)(p - at)));
	     p++) {
		if (p[1] == '0' && p[2] == '0')
			return true;
	}
	return false;
}

static const char *
http_path_split(const char *at, size_t len, struct http_target *target_r)
{
	size_t path, query = 0;

	path = http_escaped_run(at, len, CH_PATH);
	if (path < len && at[path] == '?')
		query =
		    http_escaped_run(at + path + 1, len - path - 1, CH_QUERY);
	if (path < len && (at[path] != '?' || path + 1 + query < len))
		return "the target holds a byte that must be percent-encoded";
	if (http_has_escaped_nul(at, path))
		return "the path holds %00";
	target_r->path = (struct http_span){ at, path };
	target_r->query =
	    (struct http_span){ at + (path < len ? path + 1 : path), query };
	return NULL;
}

/* Length of "http://" or "https://" in front of at; 0 when there is none. */
static size_t
http_scheme_len(const char *at, size_t len)
{
	if (len > 7 && strncasecmp(at, "http://", 7) == 0)
		return 7;
	if (len > 8 && strncasecmp(at, "https://", 8) == 0)
		return 8;
	return 0;
}

static const char *
http_absolute_split(const char *at, size_t len, bool is_options,
    struct http_target *target_r)
{
	const char *reason;
	size_t host = 0;

	while (host < len && at[host] != '/' && at[host] != '?')
		host++;
	target_r->authority = (struct http_span){ at, host };
	if (!http_is_authority(target_r->authority))
		return "the target has no valid host";
	reason = http_path_split(at + host, len - host, target_r);
	if (reason == NULL && target_r->path.len == 0) {
		/* RFC 9112 section 3.2.4: for OPTIONS it means the server. */
		target_r->path.at = is_options && host == len ? "*" : "/";
		target_r->path.len = 1;
	}
	return reason;
}

const char *
http_target_split(struct http_span target, bool is_options,
    struct http_target *target_r)
{
	size_t scheme;

	*target_r = (struct http_target){ 0 };
	if (target.at[0] == '/')
		return http_path_split(target.at, target.len, target_r);
	if (target.len == 1 && target.at[0] == '*' && is_options) {
		target_r->path = target;
		target_r->query = (struct http_span){ target.at + 1, 0 };
		return NULL;
	}
	scheme = http_scheme_len(target.at, target.len);
	if (scheme == 0)
		return "the target is neither a path nor an http URL";
	return http_absolute_split(target.at + scheme, target.len - scheme,
	    is_options, target_r);
}

static bool
http_is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

bool
http_list_next(struct http_span *list, struct http_span *element_r)
{
	const char *at = list->at, *end = at + list->len, *stop;

	while (at < end && (http_is_blank(*at) || *at == ','))
		at++;
	stop = at;
	while (stop < end && *stop != ',')
		stop++;
	*list = (struct http_span){ stop, (size_t)(end - stop) };
	while (stop > at && http_is_blank(stop[-1]))
		stop--;
	*element_r = (struct http_span){ at, (size_t)(stop - at) };
	return stop > at;
}
