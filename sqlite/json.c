/* Reads and writes vectors as JSON arrays of numbers: "[1, -2.5, 3e-1]". Numbers are correctly rounded, in
 * every locale. */
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "vector.h"

enum { MAX_NUMBER = 1000 };

static int is_digit(const char *p, const char *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

static const char *skip_digits(const char *p, const char *end)
{
	while (is_digit(p, end)) {
		p++;
	}
	return p;
}

/* Read a number with at most 15 digits, as most have. Mantissa and power of ten are exact doubles then, so
 * that the only rounding is that of one multiplication or division. Returns 0 for longer numbers. */
static int read_short(const char *p, const char *end, double *x)
{
	static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
	    1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	int negative = *p == '-';
	p += negative;
	uint64_t mantissa = 0;
	int digits = 0;
	int exponent = 0;
	int fraction = 0;
	for (; p < end && (*p == '.' || is_digit(p, end)); p++) {
		if (*p == '.') {
			fraction = 1;
			continue;
		}
		if (++digits > 15) {
			return 0;
		}
		mantissa = mantissa * 10 + (uint64_t)(*p - '0');
		exponent -= fraction;
	}
	if (p < end) {
		int minus = p[1] == '-';
		int e = 0;
		for (p += 1 + (p[1] == '-' || p[1] == '+'); p < end && e < 1000; p++) {
			e = e * 10 + (*p - '0');
		}
		exponent += minus ? -e : e;
	}
	if (exponent < -22 || exponent > 22) {
		return 0;
	}
	double m = (double)mantissa;
	m = exponent < 0 ? m / powers[-exponent] : m * powers[exponent];
	*x = negative ? -m : m;
	return 1;
}

/* Read any other number by the C library's strtod in the "C" locale. */
static int read_long(const char *p, size_t length, double *x)
{
	char text[MAX_NUMBER + 1];
	if (length > MAX_NUMBER) {
		return 0;
	}
	memcpy(text, p, length);
	text[length] = '\0';
	locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (c == (locale_t)0) {
		return 0;
	}
	*x = strtod_l(text, NULL, c);
	freelocale(c);
	return 1;
}

const char *number_read(const char *p, const char *end, double *x)
{
	const char *begin = p;
	if (p < end && *p == '-') {
		p++;
	}
	if (!is_digit(p, end)) {
		return NULL;
	}
	p = *p == '0' ? p + 1 : skip_digits(p, end);
	if (p < end && *p == '.') {
		p++;
		if (!is_digit(p, end)) {
			return NULL;
		}
		p = skip_digits(p, end);
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-')) {
			p++;
		}
		if (!is_digit(p, end)) {
			return NULL;
		}
		p = skip_digits(p, end);
	}
	return read_short(begin, p, x) || read_long(begin, (size_t)(p - begin), x) ? p : NULL;
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) {
		p++;
	}
	return p;
}

int json_read(struct vector *v, const char *text, int length, char **error)
{
	const char *end = text + length;
	const char *p = skip_blanks(text, end);
	v->dim = 0;
	int more = p < end && *p == '[';
	while (more) {
		double x;
		p = number_read(skip_blanks(p + 1, end), end, &x);
		if (p == NULL) {
			break;
		}
		if (!vector_push(v, x)) {
			return SQLITE_NOMEM;
		}
		p = skip_blanks(p, end);
		more = p < end && *p == ',';
	}
	if (p == NULL || p >= end || *p != ']' || skip_blanks(p + 1, end) != end) {
		*error = sqlite3_mprintf("text must be a JSON array of numbers, such as [1, 2.5]");
		return *error != NULL ? SQLITE_ERROR : SQLITE_NOMEM;
	}
	return SQLITE_OK;
}

/* Each number is written with the fewest digits, from 6 to 9, from which the same float is read. */
char *vector_to_json(const float *x, int64_t dim)
{
	sqlite3_str *out = sqlite3_str_new(NULL);
	for (int64_t i = 0; i < dim; i++) {
		char number[64];
		for (int digits = 6; digits <= 9; digits++) {
			double back;
			sqlite3_snprintf((int)sizeof number, number, "%.*g", digits, (double)x[i]);
			const char *end = number + strlen(number);
			if (number_read(number, end, &back) == end && (float)back == x[i]) {
				break;
			}
		}
		sqlite3_str_appendf(out, "%c%s", i > 0 ? ',' : '[', number);
	}
	sqlite3_str_appendall(out, dim > 0 ? "]" : "[]");
	return sqlite3_str_finish(out);
}
