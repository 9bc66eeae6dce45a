#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "router/http.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define H            "Host: a\r\n"
#define POST         "POST / HTTP/1.1\r\n" H
#define CHUNKED      POST "Transfer-Encoding: chunked\r\n\r\n"
#define TRAILERS_AT  (sizeof(CHUNKED "0\r\n") - 1)
#define NUL_AT       '\x01' /* stands for a NUL byte in the tables */

static const struct http_limits limits = {
	.max_head = 300,
	.max_headers = 8,
	.max_body = 40,
};

/* Requests that are taken. fields: "name=value;" each; flags as described. */
static const struct {
	const char *name;
	const char *raw;
	const char *line; /* method path?query host */
	const char *fields;
	const char *body;
	const char *flags; /* k keep-alive, 0 HTTP/1.0, b has a body */
} taken[] = {
	{ "the least of HTTP/1.1", "GET / HTTP/1.1\r\n" H "\r\n", "GET /? a",
	    "host=a;", "", "k" },
	{ "path, query, and values trimmed",
	    "GET /a%20b/c?d=1&e=%2F?/ HTTP/1.1\r\nHOST:a:80\r\nX-Y: \t v w "
	    "\t \r\n\r\n",
	    "GET /a%20b/c?d=1&e=%2F?/ a:80", "host=a:80;x-y=v w;", "", "k" },
	{ "an empty query", "GET /? HTTP/1.1\r\n" H "\r\n", "GET /? a",
	    "host=a;", "", "k" },
	{ "an empty value and a byte over 0x7f",
	    "GET / HTTP/1.1\r\n" H "A:\r\nB: \r\nC: \xe9\r\n\r\n", "GET /? a",
	    "host=a;a=;b=;c=\xe9;", "", "k" },
	{ "braces and a backslash in a query",
	    "GET /a|b^[c]{d}?e={f}\\ HTTP/1.1\r\n" H "\r\n",
	    "GET /a|b^[c]{d}?e={f}\\ a", "host=a;", "", "k" },
	{ "empty lines in front", "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n",
	    "GET /? a", "host=a;", "", "k" },
	{ "HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\n", "GET /? ", "", "", "0" },
	{ "HTTP/1.0 with keep-alive",
	    "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET /? ", "",
	    "", "k0" },
	{ "Expect in HTTP/1.0 is ignored",
	    "GET / HTTP/1.0\r\nExpect: magic\r\n\r\n", "GET /? ", "", "", "0" },
	{ "Connection: close",
	    "GET / HTTP/1.1\r\n" H "Connection: foo , Close\r\nFoo: 1\r\n"
	    "Fo: 2\r\n\r\n",
	    "GET /? a", "host=a;fo=2;", "", "" },
	{ "close wins over keep-alive",
	    "GET / HTTP/1.1\r\n" H "Connection: keep-alive, close\r\n\r\n",
	    "GET /? a", "host=a;", "", "" },
	{ "hop-by-hop fields are gone",
	    "GET / HTTP/1.1\r\nX: 1\r\nTE: trailers\r\nTrailer: x\r\n"
	    "Upgrade: h2c\r\n" H "Keep-Alive: 5\r\nProxy-Connection: x\r\n"
	    "Connection: ,upgrade,, te\r\n\r\n",
	    "GET /? a", "x=1;host=a;", "", "k" },
	{ "repeated fields stay apart",
	    "GET / HTTP/1.1\r\n" H "Cookie: a\r\nCookie: b\r\n\r\n", "GET /? a",
	    "host=a;cookie=a;cookie=b;", "", "k" },
	{ "absolute-form wins over Host, for the service too",
	    "GET HTTP://b:8080/x?y HTTP/1.1\r\n" H "\r\n", "GET /x?y b:8080",
	    "host=b:8080;", "", "k" },
	{ "absolute-form without a path",
	    "GET http://b?q HTTP/1.1\r\n" H "\r\n", "GET /?q b", "host=b;", "",
	    "k" },
	{ "asterisk-form", "OPTIONS * HTTP/1.1\r\n" H "\r\n", "OPTIONS *? a",
	    "host=a;", "", "k" },
	{ "asterisk-form through a proxy",
	    "OPTIONS http://b HTTP/1.1\r\n" H "\r\n", "OPTIONS *? b", "host=b;",
	    "", "k" },
	{ "an IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
	    "GET /? [::1]:8080", "host=[::1]:8080;", "", "k" },
	{ "Content-Length", POST "Content-Length: 005\r\n\r\nhello",
	    "POST /? a", "host=a;", "hello", "kb" },
	{ "Content-Length: 0", POST "Content-Length: 0\r\n\r\n", "POST /? a",
	    "host=a;", "", "k" },
	{ "a body as large as the limit",
	    POST "Content-Length: 40\r\n\r\n"
		 "0123456789012345678901234567890123456789",
	    "POST /? a", "host=a;", "0123456789012345678901234567890123456789",
	    "kb" },
	{ "Expect: 100-continue",
	    POST "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\nok",
	    "POST /? a", "host=a;", "ok", "kb" },
	{ "chunked", CHUNKED "5\r\nhello\r\n00A\r\n, world 12\r\n0\r\n\r\n",
	    "POST /? a", "host=a;", "hello, world 12", "kb" },
	{ "chunked and empty", CHUNKED "0\r\n\r\n", "POST /? a", "host=a;", "",
	    "kb" },
	{ "chunk extensions are ignored",
	    CHUNKED "2;a=\"b\"; c\r\nok\r\n0;x\r\n\r\n", "POST /? a", "host=a;",
	    "ok", "kb" },
	{ "trailers are dropped",
	    CHUNKED "2\r\nok\r\n0\r\nHost: b\r\nContent-Length: 7\r\n\r\n",
	    "POST /? a", "host=a;", "ok", "kb" },
	{ "a body on GET", "GET / HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nab",
	    "GET /? a", "host=a;", "ab", "kb" },
	{ "a body on HEAD",
	    "HEAD / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n2\r\nab"
	    "\r\n0\r\n\r\n",
	    "HEAD /? a", "host=a;", "ab", "kb" },
	{ "a body on DELETE, behind a close",
	    "DELETE / HTTP/1.1\r\n" H
	    "Content-Length: 2\r\nConnection: close\r\n\r\nab",
	    "DELETE /? a", "host=a;", "ab", "b" },
	{ "an upgrade is not begun and its body framed as ever",
	    POST "Connection: Upgrade\r\nUpgrade: websocket\r\n"
		 "Content-Length: 2\r\n\r\nab",
	    "POST /? a", "host=a;", "ab", "kb" },
	{ "blanks around chunked, in any case",
	    POST "Transfer-Encoding:\t ChunKED \t\r\n\r\n0\r\n\r\n",
	    "POST /? a", "host=a;", "", "kb" },
	{ "what only looks like a framing field",
	    POST "Transfer_Encoding: chunked\r\nX-Content-Length: 9\r\n\r\n",
	    "POST /? a", "host=a;transfer_encoding=chunked;x-content-length=9;",
	    "", "k" },
	{ "a chunk size of 16 digits",
	    CHUNKED "0000000000000002\r\nok\r\n0000000000000000\r\n\r\n",
	    "POST /? a", "host=a;", "ok", "kb" },
	{ "chunks that look like chunk sizes",
	    CHUNKED "5\r\n0\r\n\r\n\r\n4\r\nGET \r\n0\r\n\r\n", "POST /? a",
	    "host=a;", "0\r\n\r\nGET ", "kb" },
	{ "Expect without a body",
	    "GET / HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n", "GET /? a",
	    "host=a;", "", "k" },
	{ "a method with a dash", "M-SEARCH / HTTP/1.1\r\n" H "\r\n",
	    "M-SEARCH /? a", "host=a;", "", "k" },
};

static const struct {
	const char *name;
	const char *raw;
	unsigned status;
} refused[] = {
	{ "a folded field", "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", 400 },
	{ "a folded first field", "GET / HTTP/1.1\r\n " H "\r\n", 400 },
	{ "bare LF in the request line", "GET / HTTP/1.1\n" H "\r\n", 400 },
	{ "bare LF behind a field", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400 },
	{ "bare LF for the empty line", "GET / HTTP/1.1\r\n" H "\n", 400 },
	{ "bare LF in a name", "GET / HTTP/1.1\r\n" H "Na\nme: 1\r\n\r\n",
	    400 },
	{ "bare CR in a value", "GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", 400 },
	{ "bare CR in a target", "GET /\rx HTTP/1.1\r\n" H "\r\n", 400 },
	{ "two CR", "GET / HTTP/1.1\r\r\n" H "\r\n", 400 },
	{ "CR for an empty line", "\rGET / HTTP/1.1\r\n" H "\r\n", 400 },
	{ "LF for an empty line", "\nGET / HTTP/1.1\r\n" H "\r\n", 400 },
	{ "five empty lines", "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n",
	    400 },
	{ "NUL in a value", "GET / HTTP/1.1\r\n" H "X: a\x01\r\n\r\n", 400 },
	{ "control byte in a value", "GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n",
	    400 },
	{ "NUL in a name", "GET / HTTP/1.1\r\n" H "X\x01: a\r\n\r\n", 400 },
	{ "space before the colon", "GET / HTTP/1.1\r\n" H "X : a\r\n\r\n",
	    400 },
	{ "space before the colon of Host",
	    "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400 },
	{ "an empty name", "GET / HTTP/1.1\r\n" H ": a\r\n\r\n", 400 },
	{ "no colon", "GET / HTTP/1.1\r\n" H "X\r\n\r\n", 400 },
	{ "a name that is no token", "GET / HTTP/1.1\r\n" H "X(): a\r\n\r\n",
	    400 },
	{ "a name in UTF-8", "GET / HTTP/1.1\r\n" H "\xc3\xa9: a\r\n\r\n",
	    400 },
	{ "no Host", "GET / HTTP/1.1\r\n\r\n", 400 },
	{ "two Hosts", "GET / HTTP/1.1\r\n" H H "\r\n", 400 },
	{ "two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\n" H H "\r\n", 400 },
	{ "an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400 },
	{ "a Host list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400 },
	{ "a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400 },
	{ "a Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400 },
	{ "a port that is no number", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n",
	    400 },
	{ "a port over 65535", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400 },
	{ "an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400 },
	{ "an empty bracket", "GET / HTTP/1.1\r\nHost: []\r\n\r\n", 400 },
	{ "no Host beside absolute-form", "GET http://a/ HTTP/1.1\r\n\r\n",
	    400 },
	{ "a bad Host beside absolute-form",
	    "GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400 },
	{ "a user in the target", "GET http://u@a/ HTTP/1.1\r\n" H "\r\n",
	    400 },
	{ "no host in the target", "GET http:///x HTTP/1.1\r\n" H "\r\n", 400 },
	{ "another scheme", "GET ftp://a/ HTTP/1.1\r\n" H "\r\n", 400 },
	{ "a target without slash", "GET x HTTP/1.1\r\n" H "\r\n", 400 },
	{ "asterisk with GET", "GET * HTTP/1.1\r\n" H "\r\n", 400 },
	{ "a fragment", "GET /#x HTTP/1.1\r\n" H "\r\n", 400 },
	{ "a fragment in the query", "GET /?a#x HTTP/1.1\r\n" H "\r\n", 400 },
	{ "an escape cut short", "GET /%2 HTTP/1.1\r\n" H "\r\n", 400 },
	{ "an escape that is none", "GET /%zz HTTP/1.1\r\n" H "\r\n", 400 },
	{ "an escape that is none in the query",
	    "GET /?%4 HTTP/1.1\r\n" H "\r\n", 400 },
	{ "an escaped NUL in the path", "GET /a%00b HTTP/1.1\r\n" H "\r\n",
	    400 },
	{ "raw UTF-8 in the target", "GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n",
	    400 },
	{ "a quote in the query", "GET /?\"a HTTP/1.1\r\n" H "\r\n", 400 },
	{ "a backslash in the path", "GET /a\\b HTTP/1.1\r\n" H "\r\n", 400 },
	{ "a tab in the target", "GET /a\tb HTTP/1.1\r\n" H "\r\n", 400 },
	{ "a space in the target", "GET /a b HTTP/1.1\r\n" H "\r\n", 400 },
	{ "two spaces", "GET  / HTTP/1.1\r\n" H "\r\n", 400 },
	{ "two spaces before the version", "GET /  HTTP/1.1\r\n" H "\r\n",
	    400 },
	{ "a space behind the version", "GET / HTTP/1.1 \r\n" H "\r\n", 400 },
	{ "a space before the method", " GET / HTTP/1.1\r\n" H "\r\n", 400 },
	{ "no version (HTTP/0.9)", "GET /\r\n\r\n", 400 },
	{ "a version in lower case", "GET / http/1.1\r\n" H "\r\n", 400 },
	{ "a long version", "GET / HTTP/1.10\r\n" H "\r\n", 400 },
	{ "a method that is no token", "G@T / HTTP/1.1\r\n" H "\r\n", 400 },
	{ "a TLS client", "\x16\x03\x01", 400 },
	{ "HTTP/1.2", "GET / HTTP/1.2\r\n" H "\r\n", 505 },
	{ "HTTP/2.0", "GET / HTTP/2.0\r\n" H "\r\n", 505 },
	{ "HTTP/0.9 by name", "GET / HTTP/0.9\r\n\r\n", 505 },
	{ "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
	{ "an unknown method", "GETT / HTTP/1.1\r\n" H "\r\n", 501 },
	{ "a method in lower case", "get / HTTP/1.1\r\n" H "\r\n", 501 },
	{ "a method of RTSP", "DESCRIBE / HTTP/1.1\r\n" H "\r\n", 501 },
	{ "CONNECT", "CONNECT a:80 HTTP/1.1\r\n" H "\r\n", 501 },
	{ "both framings",
	    POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	    400 },
	{ "both framings, the other way",
	    POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
	    400 },
	{ "two lengths", POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
	    400 },
	{ "two equal lengths",
	    POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400 },
	{ "a list of lengths", POST "Content-Length: 5, 5\r\n\r\n", 400 },
	{ "a signed length", POST "Content-Length: +5\r\n\r\n", 400 },
	{ "a negative length", POST "Content-Length: -5\r\n\r\n", 400 },
	{ "a hexadecimal length", POST "Content-Length: 0x5\r\n\r\n", 400 },
	{ "no length", POST "Content-Length: \r\n\r\n", 400 },
	{ "a length that overflows",
	    POST "Content-Length: 18446744073709551621\r\n\r\n", 400 },
	{ "a length behind the limit", POST "Content-Length: 41\r\n\r\n", 413 },
	{ "an unknown coding", POST "Transfer-Encoding: gzip, chunked\r\n\r\n",
	    501 },
	{ "a coding without chunked", POST "Transfer-Encoding: gzip\r\n\r\n",
	    400 },
	{ "chunked is not the last",
	    POST "Transfer-Encoding: chunked, gzip\r\n\r\n", 400 },
	{ "chunked twice", POST "Transfer-Encoding: chunked, chunked\r\n\r\n",
	    400 },
	{ "two Transfer-Encodings",
	    POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: "
		 "chunked\r\n\r\n",
	    400 },
	{ "a coding like chunked", POST "Transfer-Encoding: xchunked\r\n\r\n",
	    400 },
	{ "a coding with a control byte",
	    POST "Transfer-Encoding: \x0b"
		 "chunked\r\n\r\n",
	    400 },
	{ "a coding with a parameter",
	    POST "Transfer-Encoding: chunked;q=1\r\n\r\n", 400 },
	{ "a coding in quotes", POST "Transfer-Encoding: \"chunked\"\r\n\r\n",
	    400 },
	{ "a coding and a comma", POST "Transfer-Encoding: chunked,\r\n\r\n",
	    400 },
	{ "a comma and a coding", POST "Transfer-Encoding: ,chunked\r\n\r\n",
	    501 },
	{ "two words for a coding",
	    POST "Transfer-Encoding: chunked chunked\r\n\r\n", 400 },
	{ "identity", POST "Transfer-Encoding: identity\r\n\r\n", 400 },
	{ "identity, chunked",
	    POST "Transfer-Encoding: identity, chunked\r\n\r\n", 501 },
	{ "a second coding that is another",
	    POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
	    400 },
	{ "a coding and its likeness",
	    POST "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n\r\n",
	    400 },
	{ "a folded coding", POST "Transfer-Encoding:\r\n chunked\r\n\r\n",
	    400 },
	{ "a coding on a folded line",
	    POST "X: y\r\n Transfer-Encoding: chunked\r\n\r\n", 400 },
	{ "a space behind Transfer-Encoding",
	    POST "Transfer-Encoding : chunked\r\n\r\n", 400 },
	{ "a space before Transfer-Encoding",
	    POST " Transfer-Encoding: chunked\r\n\r\n", 400 },
	{ "NUL behind chunked", POST "Transfer-Encoding: chunked\x01\r\n\r\n",
	    400 },
	{ "a coding behind a bare CR",
	    POST "X: y\rTransfer-Encoding: chunked\r\n"
		 "\r\n",
	    400 },
	{ "both framings in HTTP/1.0",
	    "POST / HTTP/1.0\r\nContent-Length: 1\r\nTransfer-Encoding: "
	    "chunked\r\n\r\n",
	    400 },
	{ "both framings, the length 0",
	    POST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
	    400 },
	{ "both framings, the coding unknown",
	    POST "Content-Length: 0\r\nTransfer-Encoding: x\r\n\r\n", 400 },
	{ "a length with a space inside", POST "Content-Length: 1 2\r\n\r\n",
	    400 },
	{ "a length with an underscore", POST "Content-Length: 1_2\r\n\r\n",
	    400 },
	{ "a length with a comma", POST "Content-Length: 5,\r\n\r\n", 400 },
	{ "a length with a control byte",
	    POST "Content-Length: \x0b"
		 "5\r\n\r\n",
	    400 },
	{ "a length with a fraction", POST "Content-Length: 5.0\r\n\r\n", 400 },
	{ "a length of 19 digits",
	    POST "Content-Length: 0000000000000000005\r\n\r\n", 400 },
	{ "a second length that is empty",
	    POST "Content-Length: 5\r\nContent-Length:\r\n\r\n", 400 },
	{ "an empty coding", POST "Transfer-Encoding:\r\n\r\n", 400 },
	{ "chunked in HTTP/1.0",
	    "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
	{ "a chunk size with a space in front", CHUNKED " 5\r\nhello\r\n",
	    400 },
	{ "a chunk size with a space behind", CHUNKED "5 \r\nhello\r\n", 400 },
	{ "a space before an extension", CHUNKED "5 ;a\r\nhello\r\n", 400 },
	{ "no chunk size", CHUNKED "\r\nhello\r\n", 400 },
	{ "an extension only", CHUNKED ";a\r\nhello\r\n", 400 },
	{ "a chunk size with 0x", CHUNKED "0x5\r\nhello\r\n", 400 },
	{ "a signed chunk size", CHUNKED "+5\r\nhello\r\n", 400 },
	{ "17 digits", CHUNKED "00000000000000005\r\nhello\r\n", 400 },
	{ "a chunk of 2^64+5", CHUNKED "10000000000000005\r\nhello\r\n", 400 },
	{ "a chunk of 2^63", CHUNKED "8000000000000000\r\nhello\r\n", 413 },
	{ "a negative chunk size", CHUNKED "-5\r\nhello\r\n", 400 },
	{ "a chunk size with an underscore", CHUNKED "0_5\r\nhello\r\n", 400 },
	{ "a chunk size in full-width digits",
	    CHUNKED "\xef\xbc\x95\r\nhello\r\n", 400 },
	{ "two CR behind a chunk size", CHUNKED "5\r\r\nhello\r\n", 400 },
	{ "CR alone behind a chunk size", CHUNKED "5\rhello\r\n", 400 },
	{ "CR in an extension", CHUNKED "5;a\rb\r\nhello\r\n", 400 },
	{ "CRLF in a quoted extension",
	    CHUNKED "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n", 400 },
	{ "NUL in an extension", CHUNKED "5;\x01\r\nhello\r\n", 400 },
	{ "bare LF behind the extension of the last chunk", CHUNKED "0;a\n\r\n",
	    400 },
	{ "bare LF behind the last chunk", CHUNKED "0\n\r\n", 400 },
	{ "bare LF for the end of the trailers", CHUNKED "0\r\n\n", 400 },
	{ "CR without LF behind a chunk", CHUNKED "5\r\nhello\rX0\r\n\r\n",
	    400 },
	{ "a chunk of 2^64-1", CHUNKED "ffffffffffffffff\r\nhello\r\n", 413 },
	{ "chunks over the limit",
	    CHUNKED "20\r\n01234567890123456789012345"
		    "678901\r\n9\r\n",
	    413 },
	{ "bare LF behind a chunk size", CHUNKED "5\nhello\r\n", 400 },
	{ "bare LF behind a chunk", CHUNKED "5\r\nhello\n0\r\n\r\n", 400 },
	{ "a chunk that is too long", CHUNKED "5\r\nhello!\r\n", 400 },
	{ "bare LF in an extension", CHUNKED "5;a\nhello\r\n", 400 },
	{ "a trailer without colon", CHUNKED "0\r\nabc\r\n\r\n", 400 },
	{ "a folded trailer", CHUNKED "0\r\na: b\r\n c\r\n\r\n", 400 },
	{ "bare LF behind the trailers", CHUNKED "0\r\na: b\r\n\n", 400 },
	{ "too many trailers",
	    CHUNKED "0\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\n"
		    "a:\r\n\r\n",
	    431 },
	{ "too many fields",
	    "GET / HTTP/1.1\r\n" H "a:\r\na:\r\na:\r\na:\r\na:\r\na:\r\n"
	    "a:\r\na:\r\n\r\n",
	    431 },
	{ "another expectation",
	    POST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\n", 417 },
	{ "two expectations",
	    POST "Expect: 100-continue, x\r\nContent-Length: 1\r\n\r\n", 417 },
	{ "Connection names Host",
	    "GET / HTTP/1.1\r\n" H "Connection: host\r\n\r\n", 400 },
	{ "Connection names Content-Length",
	    POST "Connection: close, Content-Length\r\nContent-Length: "
		 "0\r\n\r\n",
	    400 },
	{ "Connection is no list of tokens",
	    "GET / HTTP/1.1\r\n" H "Connection: a b\r\n\r\n", 400 },
	{ "too many options",
	    "GET / HTTP/1.1\r\n" H "Connection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,"
	    "a,a,a\r\n\r\n",
	    400 },
};

/* Copy a row's text into memory of its size, with its NUL bytes. */
static char *
raw_dup(const char *raw, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);

	assert_non_null(copy);
	memcpy(copy, raw, len);
	for (size_t i = 0; i < len; i++) {
		if (copy[i] == NUL_AT && len > 3)
			copy[i] = '\0';
	}
	return copy;
}

/*
 * Feed raw in two pieces cut at cut, each in pieces of at most step bytes, and
 * go on through HTTP_HEAD. Returns the last progress.
 */
static enum http_progress
feed(struct http_parser *parser, const char *raw, size_t len, size_t cut,
    size_t step, size_t *used_r)
{
	enum http_progress progress = HTTP_MORE;
	size_t pos = 0;

	while (pos < len || progress == HTTP_HEAD) {
		size_t end = pos < cut ? cut : len, used = 0;
		char *piece;

		if (end - pos > step)
			end = pos + step;
		piece = malloc(end - pos + (end == pos));
		assert_non_null(piece);
		memcpy(piece, raw + pos, end - pos);
		progress = http_parser_feed(parser, piece, end - pos, &used);
		/* Nothing may point into what was fed. */
		memset(piece, '!', end - pos);
		free(piece);
		assert_true(used <= end - pos);
		if (progress == HTTP_MORE)
			assert_int_equal(used, end - pos);
		pos += used;
		if (progress == HTTP_DONE || progress == HTTP_REFUSE)
			break;
	}
	*used_r = pos;
	return progress;
}

static void
describe(const struct http_request *request, struct buf *out)
{
	buf_printf(out, "%s %.*s?%.*s %.*s|", request->method,
	    (int)request->path_len, request->path, (int)request->query_len,
	    request->query, (int)request->host_len, request->host);
	assert_int_equal(strlen(request->method), request->method_len);
	for (size_t i = 0; i < request->field_count; i++) {
		const struct http_field *field = &request->fields[i];

		buf_printf(out, "%.*s=%.*s;", (int)field->name_len,
		    request->head + field->name, (int)field->value_len,
		    request->head + field->value);
	}
	buf_printf(out, "|%.*s|%s%s%s", (int)request->body_len,
	    (const char *)request->body, request->keep_alive ? "k" : "",
	    request->minor == 0 ? "0" : "", request->has_body ? "b" : "");
	buf_append_byte(out, 0);
}

static void
check_taken(struct http_parser *parser, size_t row, size_t cut, size_t step)
{
	const char *raw = taken[row].raw;
	struct buf seen = { 0 }, expected = { 0 };
	size_t len = strlen(raw), used;
	enum http_progress progress;

	progress = feed(parser, raw, len, cut, step, &used);
	if (progress != HTTP_DONE || used != len)
		fail_msg("%s: cut %zu step %zu: progress %d used %zu: %s",
		    taken[row].name, cut, step, (int)progress, used,
		    progress == HTTP_REFUSE ? http_parser_reason(parser) : "");
	describe(http_parser_request(parser), &seen);
	buf_printf(&expected, "%s|%s|%s|%s", taken[row].line, taken[row].fields,
	    taken[row].body, taken[row].flags);
	buf_append_byte(&expected, 0);
	assert_string_equal((const char *)buf_front(&seen),
	    (const char *)buf_front(&expected));
	buf_fini(&seen);
	buf_fini(&expected);
}

static void
test_good_requests_are_taken_whole_and_in_any_pieces(void **state)
{
	(void)state;
	for (size_t row = 0; row < COUNT(taken); row++) {
		struct http_parser *parser = http_parser_new(&limits);
		size_t len = strlen(taken[row].raw);

		/* One parser for all cuts: next() must leave nothing over. */
		for (size_t cut = 0; cut <= len; cut++) {
			assert_true(http_parser_is_idle(parser));
			check_taken(parser, row, cut, len);
			assert_false(http_parser_is_idle(parser));
			http_parser_next(parser);
			if (cut % 2 == 0)
				http_parser_trim(parser);
		}
		check_taken(parser, row, 0, 1);
		http_parser_free(&parser);
	}
}

static void
check_refused(size_t row, size_t cut, size_t step)
{
	struct http_parser *parser = http_parser_new(&limits);
	size_t len = strlen(refused[row].raw), used;
	char *raw = raw_dup(refused[row].raw, len);
	enum http_progress progress;

	progress = feed(parser, raw, len, cut, step, &used);
	if (progress == HTTP_MORE)
		progress = http_parser_feed(parser, "", 0, &used);
	if (progress != HTTP_REFUSE ||
	    http_parser_status(parser) != refused[row].status)
		fail_msg("%s: cut %zu step %zu: progress %d status %u %s",
		    refused[row].name, cut, step, (int)progress,
		    http_parser_status(parser),
		    progress == HTTP_REFUSE ? http_parser_reason(parser) : "");
	assert_non_null(http_parser_reason(parser));
	assert_int_equal(http_parser_feed(parser, "x", 1, &used), HTTP_REFUSE);
	free(raw);
	http_parser_free(&parser);
}

static void
test_bad_requests_are_refused_whole_and_in_any_pieces(void **state)
{
	(void)state;
	for (size_t row = 0; row < COUNT(refused); row++) {
		size_t len = strlen(refused[row].raw);

		for (size_t cut = 0; cut <= len; cut++)
			check_refused(row, cut, len);
		check_refused(row, 0, 1);
	}
}

/* A head of exactly max_head bytes passes; one more byte does not. */
static void
test_head_limits_are_exact_and_told_apart(void **state)
{
	static const struct {
		const char *before, *after;
		size_t len;
		unsigned status; /* 0: taken */
	} cases[] = {
		{ "GET /", " HTTP/1.1\r\n" H "\r\n", 300, 0 },
		{ "GET /", " HTTP/1.1\r\n" H "\r\n", 301, 431 },
		{ "GET /", " HTTP/1.1\r\n" H "\r\n", 312, 414 },
		{ "GET / HTTP/1.1\r\n" H "X:", "\r\n\r\n", 300, 0 },
		{ "GET / HTTP/1.1\r\n" H "X:", "\r\n\r\n", 301, 431 },
		{ CHUNKED "0\r\nX:", "\r\n\r\n", TRAILERS_AT + 300, 0 },
		{ CHUNKED "0\r\nX:", "\r\n\r\n", TRAILERS_AT + 301, 431 },
	};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		size_t row = i / 2, used, step = i % 2 == 0 ? 1 : 1000;
		struct http_parser *parser = http_parser_new(&limits);
		struct buf raw = { 0 };
		unsigned status = 0;

		buf_append_str(&raw, cases[row].before);
		while (
		    buf_count(&raw) + strlen(cases[row].after) < cases[row].len)
			buf_append_byte(&raw, 'x');
		buf_append_str(&raw, cases[row].after);
		if (feed(parser, (const char *)buf_front(&raw), buf_count(&raw),
			0, step, &used) == HTTP_REFUSE)
			status = http_parser_status(parser);
		if (status != cases[row].status)
			fail_msg("case %zu: status %u", row, status);
		buf_fini(&raw);
		http_parser_free(&parser);
	}
}

static void
test_pipelined_requests_come_out_one_by_one(void **state)
{
	static const char raw[] = POST "Content-Length: 2\r\n\r\nab"
				       "GET /2 HTTP/1.1\r\n" H "\r\n" CHUNKED
				       "1\r\nc\r\n0\r\n\r\nGET /4";
	static const char *const paths[] = { "/", "/2", "/" };
	struct http_parser *parser = http_parser_new(&limits);
	size_t pos = 0, used;

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		assert_int_equal(feed(parser, raw + pos, sizeof(raw) - 1 - pos,
				     0, 1000, &used),
		    HTTP_DONE);
		assert_int_equal(http_parser_request(parser)->path_len,
		    strlen(paths[i]));
		pos += used;
		http_parser_next(parser);
	}
	assert_int_equal(http_parser_feed(parser, raw + pos,
			     sizeof(raw) - 1 - pos, &used),
	    HTTP_MORE);
	assert_false(http_parser_is_idle(parser));
	http_parser_free(&parser);
}

static void
test_a_route_may_raise_or_lower_the_body_limit(void **state)
{
	static const char head[] =
	    POST "Expect: 100-continue\r\nContent-Length: 50\r\n\r\n";
	static const struct {
		size_t max_body;
		unsigned status;
	} cases[] = { { 50, 0 }, { 49, 413 }, { 1, 413 }, { 1000, 0 } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_parser *parser = http_parser_new(&limits);
		char body[50] = "";
		size_t used;
		int rc;

		assert_int_equal(http_parser_feed(parser, head,
				     sizeof(head) - 1, &used),
		    HTTP_HEAD);
		assert_true(http_parser_request(parser)->expects_continue);
		rc = http_parser_max_body(parser, cases[i].max_body);
		assert_int_equal(rc, cases[i].status == 0 ? 0 : -1);
		assert_int_equal(http_parser_feed(parser, body, sizeof(body),
				     &used),
		    rc == 0 ? HTTP_DONE : HTTP_REFUSE);
		assert_int_equal(http_parser_status(parser), cases[i].status);
		http_parser_free(&parser);
	}
}

static void
test_continue_is_not_expected_once_the_body_is_there(void **state)
{
	static const char raw[] =
	    POST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx";
	struct http_parser *parser = http_parser_new(&limits);
	size_t used;

	(void)state;
	assert_int_equal(http_parser_feed(parser, raw, sizeof(raw) - 1, &used),
	    HTTP_HEAD);
	assert_false(http_parser_request(parser)->expects_continue);
	http_parser_free(&parser);
}

static void
test_chunk_extensions_are_bounded_over_the_whole_body(void **state)
{
	struct http_parser *parser = http_parser_new(&limits);
	enum http_progress progress;
	size_t used;

	(void)state;
	progress = feed(parser, CHUNKED, strlen(CHUNKED), 0, 1000, &used);
	for (int i = 0; i < 30 && progress == HTTP_MORE; i++)
		progress = feed(parser,
		    "1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\na\r\n", 47,
		    0, 1000, &used);
	assert_int_equal(progress, HTTP_REFUSE);
	assert_int_equal(http_parser_status(parser), 400);
	http_parser_free(&parser);
}

static void
test_what_a_service_may_send(void **state)
{
	static const struct {
		const char *name, *value;
		size_t value_len;
		bool is_sendable;
	} cases[] = {
		{ "X-Y", "a b\t\xe9", 5, true },
		{ "content-type", "text/plain", 10, true },
		{ "etag", "", 0, true },
		{ "x", "a\r\nb", 4, false },
		{ "x", "a\rb", 3, false },
		{ "x", "a\nb", 3, false },
		{ "x", "a\0b", 3, false },
		{ "x y", "a", 1, false },
		{ "x:", "a", 1, false },
		{ ":status", "a", 1, false },
		{ "", "a", 1, false },
		{ "Content-Length", "1", 1, false },
		{ "Transfer-encoding", "chunked", 7, false },
		{ "connection", "close", 5, false },
		{ "Keep-Alive", "1", 1, false },
		{ "upgrade", "h2c", 3, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (http_field_is_sendable(cases[i].name, strlen(cases[i].name),
			cases[i].value,
			cases[i].value_len) != cases[i].is_sendable)
			fail_msg("%s", cases[i].name);
	}
	assert_string_equal(http_status_phrase(404), "Not Found");
	assert_string_equal(http_status_phrase(299), "Status");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_good_requests_are_taken_whole_and_in_any_pieces),
		cmocka_unit_test(
		    test_bad_requests_are_refused_whole_and_in_any_pieces),
		cmocka_unit_test(test_head_limits_are_exact_and_told_apart),
		cmocka_unit_test(test_pipelined_requests_come_out_one_by_one),
		cmocka_unit_test(
		    test_a_route_may_raise_or_lower_the_body_limit),
		cmocka_unit_test(
		    test_continue_is_not_expected_once_the_body_is_there),
		cmocka_unit_test(
		    test_chunk_extensions_are_bounded_over_the_whole_body),
		cmocka_unit_test(test_what_a_service_may_send),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
