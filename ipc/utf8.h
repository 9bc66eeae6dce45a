/*
 * utf8: are bytes UTF-8, and how far what a JSON string may hold unescaped.
 *
 * Pure; any bytes are safe to pass.
 */
#ifndef MSVC_IPC_UTF8_H
#define MSVC_IPC_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Length of the run from at that needs no escape: well-formed UTF-8 without
 * control bytes, quote and backslash.
 */
size_t utf8_plain_run(const uint8_t *at, size_t len);

/*
 * Length of the well-formed UTF-8 sequence at at (RFC 3629: no overlong form,
 * no surrogate, nothing over U+10FFFF), or 0.
 */
size_t utf8_sequence(const uint8_t *at, size_t len);

/*
 * The same for a character that can be shown: 0 also for control characters,
 * of which terminals obey those from U+0080 to U+009F as well.
 */
size_t utf8_printable(const uint8_t *at, size_t len);

/* Is all of it well-formed UTF-8? */
bool utf8_is_valid(const void *at, size_t len);

/* Write a code point (not a surrogate); returns the length, 1 to 4. */
size_t utf8_put(uint8_t *to, uint32_t code);

#endif
