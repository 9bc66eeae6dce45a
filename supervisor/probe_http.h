/*
 * probe_http: the two lines of HTTP/1.1 that a probe needs (RFC 9112 section
 * 3 and 4). Pure.
 */
#ifndef MSVC_SUPERVISOR_PROBE_HTTP_H
#define MSVC_SUPERVISOR_PROBE_HTTP_H

#include <stddef.h>

enum {
	/* "HTTP/1.1 200 ": all that is looked at of an answer. */
	PROBE_HTTP_HEAD = 13
};

/* The request, to be freed; NULL: out of memory. host as in struct conf_probe.
 */
char *probe_http_request(const char *host, const char *port, const char *path);

/*
 * The status of an answer that begins with these bytes: 100 to 599, 0 when
 * there are too few of them to tell, -1 when it is no HTTP/1.
 */
int probe_http_status(const char *bytes, size_t len);

#endif
