/* Tests rows block by block, one condition after another, in loops that compilers turn into vector
 * instructions. */
#include "sieve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1024 };

static int listed(const struct sieve_test *s, int64_t integer, double real)
{
	return s->kind == CELLS_F64
	           ? bsearch(&real, s->reals, (size_t)s->listed, sizeof real, sieve_compare_reals) != NULL
	           : bsearch(&integer, s->integers, (size_t)s->listed, sizeof integer,
	                 sieve_compare_integers) != NULL;
}

/* Test a list of numbers: pass[i] &= whether value first + i is in the list. */
static void try_list(const struct sieve_test *s, int64_t first, int n, uint8_t *pass)
{
	for (int i = 0; i < n; i++) {
		int64_t integer = 0;
		double real = 0;
		int null = 0;
		if (s->kind == CELLS_I32) {
			integer = ((const int32_t *)s->values)[first + i];
			null = integer == INT32_MIN;
		} else if (s->kind == CELLS_I64) {
			integer = ((const int64_t *)s->values)[first + i];
			null = s->nullable && integer == INT64_MIN;
		} else {
			real = ((const double *)s->values)[first + i];
			null = isnan(real);
		}
		pass[i] &= (uint8_t)(pass[i] && !null && listed(s, integer, real));
	}
}

/* Test the most frequent kind of condition, a range of 32-bit integers; NULL is never in the range. */
static void try_range(const int32_t *restrict v, int32_t lo, int32_t hi, int n, uint8_t *restrict pass)
{
	uint32_t width = (uint32_t)hi - (uint32_t)lo;
	for (int i = 0; i < n; i++) {
		pass[i] &= (uint8_t)((uint32_t)v[i] - (uint32_t)lo <= width);
	}
}

static void try_i32(const struct sieve_test *s, int64_t first, int n, uint8_t *pass)
{
	const int32_t *v = (const int32_t *)s->values + first;
	int32_t lo = (int32_t)s->range.i.lo;
	int32_t hi = (int32_t)s->range.i.hi;
	uint8_t outside = (uint8_t)s->outside;
	uint8_t null = (uint8_t)s->null;
	if (!outside && !null && lo <= hi) {
		try_range(v, lo, hi, n, pass);
		return;
	}
	for (int i = 0; i < n; i++) {
		uint8_t is_null = v[i] == INT32_MIN;
		uint8_t in = (uint8_t)((v[i] >= lo) & (v[i] <= hi));
		pass[i] &= (uint8_t)(((in ^ outside) & !is_null) | (is_null & null));
	}
}

static void try_i64(const struct sieve_test *s, int64_t first, int n, uint8_t *pass)
{
	const int64_t *v = (const int64_t *)s->values + first;
	int64_t lo = s->range.i.lo;
	int64_t hi = s->range.i.hi;
	for (int i = 0; i < n; i++) {
		int null = s->nullable && v[i] == INT64_MIN;
		pass[i] &= (uint8_t)(null ? s->null : (v[i] >= lo && v[i] <= hi) != s->outside);
	}
}

static void try_f64(const struct sieve_test *s, int64_t first, int n, uint8_t *pass)
{
	const double *v = (const double *)s->values + first;
	double lo = s->range.f.lo;
	double hi = s->range.f.hi;
	for (int i = 0; i < n; i++) {
		int null = v[i] != v[i];
		pass[i] &= (uint8_t)(null ? s->null : (v[i] >= lo && v[i] <= hi) != s->outside);
	}
}

static void try_text(const struct sieve_test *s, int64_t first, int n, uint8_t *pass)
{
	const uint16_t *v = (const uint16_t *)s->values + first;
	for (int i = 0; i < n; i++) {
		pass[i] &= s->pass[v[i]];
	}
}

static void try_all(const struct sieve *s, int64_t first, int n, uint8_t *pass)
{
	memset(pass, 1, (size_t)n);
	for (int i = 0; i < s->n; i++) {
		const struct sieve_test *test = &s->tests[i];
		if (test->integers != NULL) {
			try_list(test, first, n, pass);
		} else if (test->kind == CELLS_I32) {
			try_i32(test, first, n, pass);
		} else if (test->kind == CELLS_I64) {
			try_i64(test, first, n, pass);
		} else if (test->kind == CELLS_F64) {
			try_f64(test, first, n, pass);
		} else {
			try_text(test, first, n, pass);
		}
	}
}

int sieve_passes(const struct sieve *s, int64_t id)
{
	uint8_t pass;
	try_all(s, id, 1, &pass);
	return pass;
}

static const uint8_t bits_of[16] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};

int64_t sieve_bits(const struct sieve *s, const struct live *l, uint8_t *bits)
{
	uint8_t pass[BLOCK];
	int64_t count = 0;
	for (int64_t first = 0; first < l->n; first += BLOCK) {
		int n = l->n - first < BLOCK ? (int)(l->n - first) : BLOCK;
		memset(pass + n, 0, (size_t)(BLOCK - n));
		try_all(s, first, n, pass);
		for (int i = 0; i < n; i += 8) {
			/* The top byte of the product consists of the eight bytes' lowest bits. */
			uint64_t eight;
			memcpy(&eight, pass + i, sizeof eight);
			uint8_t byte = (uint8_t)((eight * 0x0102040810204080U) >> 56);
			byte &= (uint8_t)~l->dead[(first + i) / 8];
			bits[(first + i) / 8] = byte;
			count += bits_of[byte & 15] + bits_of[byte >> 4];
		}
	}
	return count;
}
