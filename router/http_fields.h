/*
 * http_fields: the field lines of a complete head, read by llhttp.
 *
 * The only user of llhttp, in a file that does not see http.h: both have a
 * HTTP_HEAD. llhttp in strict mode is our second reader: the head has passed
 * http_scan already, and what the two read differently is refused.
 */
#ifndef MSVC_ROUTER_HTTP_FIELDS_H
#define MSVC_ROUTER_HTTP_FIELDS_H

#include <stddef.h>

#include "http_rules.h"

/* Told of each field line in order, the value trimmed; spans are in head. */
typedef void http_fields_add(void *arg, struct http_span name,
    struct http_span value);

/*
 * The static name of a method that llhttp knows ("GET"), or NULL. CONNECT is
 * none of them: this is no proxy (RFC 9110 section 9.3.6).
 */
const char *http_method_find(struct http_span method);

/*
 * Read a complete head, from the request line to the empty line.
 *
 * Returns NULL, or the reason to refuse it with 400, a static string; add()
 * may have been called for fields in front of the bad one.
 */
const char *http_fields_read(const char *head, size_t len, http_fields_add *add,
    void *arg);

#endif
