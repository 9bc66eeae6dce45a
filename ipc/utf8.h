/*
 * utf8: how far bytes are what a JSON string may hold unescaped.
 *
 * Shared by the two directions of json. Pure; any bytes are safe to pass.
 */
#ifndef MSVC_IPC_UTF8_H
#define MSVC_IPC_UTF8_H

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

/* Write a code point (not a surrogate); returns the length, 1 to 4. */
size_t utf8_put(uint8_t *to, uint32_t code);

#endif
