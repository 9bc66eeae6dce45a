/*
 * json_number: the text of one JSON number, read and written.
 *
 * Independent of the locale, for a service may have called setlocale(). Pure.
 */
#ifndef MSVC_IPC_JSON_NUMBER_H
#define MSVC_IPC_JSON_NUMBER_H

#include <stddef.h>
#include <stdint.h>

enum json_number_kind {
	JSON_NUMBER_BAD,   /* no number, "01", "1.", "+1", ... */
	JSON_NUMBER_RANGE, /* over the largest double */
	JSON_NUMBER_INT,   /* below 0 */
	JSON_NUMBER_UINT,
	JSON_NUMBER_DOUBLE
};

struct json_number {
	enum json_number_kind kind;
	size_t len; /* bytes used; when bad, where the mistake is */
	int64_t integer;
	uint64_t unsigned_integer;
	double real;
};

enum {
	JSON_NUMBER_MAX = 32 /* bytes that json_number_write() needs */
};

/*
 * Read the number at the front of text. An integer within int64 or uint64
 * keeps its value ("-0" is 0), every other number becomes the nearest double.
 */
void json_number_read(const char *text, size_t len,
    struct json_number *number_r);

/*
 * Write the shortest text that reads back as this finite double, always with
 * a point or an exponent so that it stays one. Returns the length.
 */
size_t json_number_write(char to[JSON_NUMBER_MAX], double real);

#endif
