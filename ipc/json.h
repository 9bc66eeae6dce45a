/*
 * json: JSON text to a MessagePack value and back, one pass each way.
 *
 * The reader is strict RFC 8259: invalid UTF-8, lone surrogates, duplicate
 * keys, numbers JSON does not know, trailing bytes and nesting over the limit
 * are errors that carry the byte offset, as are a number over the largest
 * double, a byte order mark, and a text over 1 GiB. Integers within int64 or
 * uint64 keep their value ("-0" is 0); other numbers become doubles, and stay
 * doubles in JSON ("1.0"). Neither way depends on the locale. The writer turns
 * bin values into base64 text, ext values, non-finite numbers and non-string
 * keys into errors.
 */
#ifndef MSVC_IPC_JSON_H
#define MSVC_IPC_JSON_H

#include <stddef.h>

struct buf;
struct err;

enum {
	JSON_DEPTH_MAX = 32
};

/*
 * Append the MessagePack form of one JSON text to out.
 *
 * offset_r   may be NULL; set to the byte offset of the mistake on failure
 *
 * Returns 0, or -1 with err set ("duplicate key \"a\"") and out as it was.
 */
int json_to_mp(const char *text, size_t len, struct buf *out, size_t *offset_r,
    struct err *err_r);

/*
 * Append the JSON form of one MessagePack value to out, compact, UTF-8.
 * data must hold exactly one value. Input comes from another process: any
 * byte string is safe to pass; invalid UTF-8 in a str is an error. A key that a
 * map repeats is written as often. Returns 0, or -1 with err set and out as it
 * was.
 */
int json_from_mp(const void *data, size_t len, struct buf *out,
    struct err *err_r);

#endif
