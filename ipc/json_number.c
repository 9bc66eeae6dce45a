#include "json_number.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	POWER_EXACT = 22, /* 10^22 is the last power that is a double */
};

#define MANTISSA_EXACT ((uint64_t)1 << 53)

static const double powers[POWER_EXACT + 1] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5,
	1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
	1e18, 1e19, 1e20, 1e21, 1e22 };

/* The parts of a number, as the grammar of RFC 8259 section 6 has them. */
struct json_parts {
	bool is_negative;
	bool is_real;      /* has a fraction or an exponent */
	bool is_cut;       /* the mantissa does not hold all digits */
	uint64_t mantissa; /* all digits without the point */
	int64_t scale;     /* the value is mantissa * 10^scale */
};

static bool
json_is_digit(const char *text, size_t len, size_t pos)
{
	return pos < len && text[pos] >= '0' && text[pos] <= '9';
}

/* Returns the position behind the digits. */
static size_t
json_digits(const char *text, size_t len, size_t pos, struct json_parts *parts)
{
	for (; json_is_digit(text, len, pos); pos++) {
		uint64_t digit = (uint64_t)(text[pos] - '0');

		if (parts->mantissa > (UINT64_MAX - digit) / 10)
			parts->is_cut = true;
		if (!parts->is_cut)
			parts->mantissa = parts->mantissa * 10 + digit;
	}
	return pos;
}

/* Both return the position behind their part; *ok_r false without a digit. */
static size_t
json_fraction(const char *text, size_t len, size_t pos,
    struct json_parts *parts, bool *ok_r)
{
	size_t begin = pos + 1;

	parts->is_real = true;
	pos = json_digits(text, len, begin, parts);
	*ok_r = pos > begin;
	parts->scale -= (int64_t)(pos - begin);
	return pos;
}

static size_t
json_exponent(const char *text, size_t len, size_t pos,
    struct json_parts *parts, bool *ok_r)
{
	bool is_negative = false;
	size_t begin;
	int64_t exponent = 0;

	parts->is_real = true;
	pos++;
	if (pos < len && (text[pos] == '+' || text[pos] == '-'))
		is_negative = text[pos++] == '-';
	for (begin = pos; json_is_digit(text, len, pos); pos++) {
		if (exponent < INT64_MAX / 16)
			exponent = exponent * 10 + (text[pos] - '0');
	}
	*ok_r = pos > begin;
	parts->scale += is_negative ? -exponent : exponent;
	return pos;
}

/* Returns the length of the number; *ok_r false where it ends too early. */
static size_t
json_number_split(const char *text, size_t len, struct json_parts *parts,
    bool *ok_r)
{
	size_t pos = 0;

	parts->is_negative = len > 0 && text[0] == '-';
	pos += parts->is_negative;
	*ok_r = json_is_digit(text, len, pos);
	if (!*ok_r)
		return pos;
	if (text[pos] == '0') {
		pos++;
		*ok_r = !json_is_digit(text, len, pos);
	} else {
		pos = json_digits(text, len, pos, parts);
	}
	if (*ok_r && pos < len && text[pos] == '.')
		pos = json_fraction(text, len, pos, parts, ok_r);
	if (*ok_r && pos < len && (text[pos] == 'e' || text[pos] == 'E'))
		pos = json_exponent(text, len, pos, parts, ok_r);
	return pos;
}

/* The C locale costs nothing to make: glibc hands out a static one. */
static double
json_strtod(const char *text)
{
	locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	double real;

	if (c_locale == (locale_t)0)
		return strtod(text, NULL);
	real = strtod_l(text, NULL, c_locale);
	freelocale(c_locale);
	return real;
}

/*
 * Exact by Clinger's argument while mantissa and power are exact doubles: one
 * operation, rounded once. Everything else is left to strtod().
 */
static bool
json_fast_real(const struct json_parts *parts, double *real_r)
{
	double real;

	if (FLT_EVAL_METHOD != 0 || parts->is_cut ||
	    parts->mantissa > MANTISSA_EXACT || parts->scale > POWER_EXACT ||
	    parts->scale < -POWER_EXACT)
		return false;
	real = (double)parts->mantissa;
	if (parts->scale < 0)
		real /= powers[-parts->scale];
	else
		real *= powers[parts->scale];
	*real_r = parts->is_negative ? -real : real;
	return true;
}

/* strtod() wants a NUL behind the number, which the text has not. */
static bool
json_slow_real(const char *text, size_t len, double *real_r)
{
	char small[64], *copy = small;

	if (len >= sizeof(small) && (copy = malloc(len + 1)) == NULL)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	*real_r = json_strtod(copy);
	if (copy != small)
		free(copy);
	return isfinite(*real_r);
}

void
json_number_read(const char *text, size_t len, struct json_number *number_r)
{
	struct json_parts parts = { 0 };
	bool ok;

	number_r->kind = JSON_NUMBER_BAD;
	number_r->len = json_number_split(text, len, &parts, &ok);
	if (!ok)
		return;
	if (!parts.is_real && !parts.is_cut) {
		if (!parts.is_negative || parts.mantissa == 0) {
			number_r->kind = JSON_NUMBER_UINT;
			number_r->unsigned_integer = parts.mantissa;
			return;
		}
		if (parts.mantissa <= (uint64_t)INT64_MAX + 1) {
			number_r->kind = JSON_NUMBER_INT;
			number_r->integer = (int64_t)(0 - parts.mantissa);
			return;
		}
	}
	number_r->kind = JSON_NUMBER_DOUBLE;
	if (!json_fast_real(&parts, &number_r->real) &&
	    !json_slow_real(text, number_r->len, &number_r->real))
		number_r->kind = JSON_NUMBER_RANGE;
}

static size_t
json_put_digits(char *to, uint64_t value, int min_digits)
{
	char digits[24];
	size_t count = 0, len = 0;

	while (value > 0 || (int)count < min_digits) {
		digits[count++] = (char)('0' + value % 10);
		value /= 10;
	}
	while (count > 0)
		to[len++] = digits[--count];
	return len;
}

/*
 * Most doubles in JSON were decimals of few digits: find the least number of
 * decimal places that divides back to exactly this double.
 */
static size_t
json_fast_write(char *to, double real)
{
	double size = fabs(real);
	size_t len = 0;

	if (FLT_EVAL_METHOD != 0 || size >= 1e15 || (size < 1e-5 && size > 0))
		return 0;
	for (int places = 1; places <= 15; places++) {
		double scaled = size * powers[places];
		uint64_t whole, unit;

		if (scaled >= 1e15)
			break;
		whole = (uint64_t)(scaled + 0.5);
		if ((double)whole / powers[places] != size)
			continue;
		if (signbit(real))
			to[len++] = '-';
		unit = (uint64_t)powers[places];
		len += json_put_digits(to + len, whole / unit, 1);
		to[len++] = '.';
		return len + json_put_digits(to + len, whole % unit, places);
	}
	return 0;
}

static size_t
json_slow_write(char *to, double real)
{
	locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	locale_t old = uselocale(c_locale);
	int len = 0;

	for (int digits = 15; digits <= 17; digits++) {
		len = snprintf(to, JSON_NUMBER_MAX, "%.*g", digits, real);
		if (strtod(to, NULL) == real)
			break;
	}
	uselocale(old);
	if (c_locale != (locale_t)0)
		freelocale(c_locale);
	return (size_t)len;
}

size_t
json_number_write(char to[JSON_NUMBER_MAX], double real)
{
	size_t len = json_fast_write(to, real);

	if (len > 0)
		return len;
	len = json_slow_write(to, real);
	if (strcspn(to, ".e") == len) {
		memcpy(to + len, ".0", 3);
		len += 2;
	}
	return len;
}
