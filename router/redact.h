/*
 * redact: fields of a request as lines for people, without its secrets. Pure.
 */
#ifndef MSVC_ROUTER_REDACT_H
#define MSVC_ROUTER_REDACT_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

/*
 * Is the value of a field of this name a credential? Those are all with a
 * telling part in it, in whatever case: "auth" as in Authorization, "cookie",
 * "token", "secret", "passw", "api-key", "apikey", "credential", "session" or
 * "signature". Rather one too many.
 */
bool redact_is_secret(const char *name, size_t len);

/*
 * Append "name: value" and a newline; of a secret "name: (redacted)". Bytes
 * that are no printable ASCII become "?".
 */
void redact_put_field(struct buf *buf, const char *name, size_t name_len,
    const char *value, size_t value_len);

#endif
