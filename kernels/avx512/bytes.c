/* Byte rows, AVX-512 with VNNI. Rows are read one after another, and the lanes of four are added at a time,
 * as in rows.c.
 *
 * Squared differences: max − min is |x − y| as an unsigned byte, for signed and unsigned bytes. Interleaved
 * with zeros it becomes 16 bits wide, and vpdpwssd squares it and adds pairs.
 *
 * Inner products: vpdpbusd multiplies unsigned by signed bytes. y XOR 0x80 is y − 128 as a signed byte if y
 * is unsigned, and y + 128 as an unsigned byte if y is signed. So the query x can be used as it is:
 *   u8  Σ x (y − 128) = Σ xy − 128 Σ x        i8  Σ (y + 128) x = Σ xy + 128 Σ x
 *
 * Σ x is a constant of the query. Lanes beyond the end of a row have x = 0. Sums may wrap on the way, but the
 * result fits.
 */
#include "kernels/avx512/avx512.h"
#include "kernels/row_functions.h"

enum op { L2SQ, IP, NORMSQ };
enum elem { U8, I8 };

/* sum + the sums of squares of the unsigned bytes of a. */
ALWAYS_INLINE v16si add_squares(v16si sum, __m512i a)
{
	__m512i zero = _mm512_setzero_si512();
	__m512i lo = _mm512_unpacklo_epi8(a, zero), hi = _mm512_unpackhi_epi8(a, zero);
	sum = (v16si)_mm512_dpwssd_epi32((__m512i)sum, lo, lo);
	return (v16si)_mm512_dpwssd_epi32((__m512i)sum, hi, hi);
}

ALWAYS_INLINE __m512i absdiff(enum elem elem, __m512i x, __m512i y)
{
	return elem == U8 ? _mm512_sub_epi8(_mm512_max_epu8(x, y), _mm512_min_epu8(x, y))
	                  : _mm512_sub_epi8(_mm512_max_epi8(x, y), _mm512_min_epi8(x, y));
}

/* Add 64 bytes of a row to the sum. Lanes outside of m read nothing and add 0. */
ALWAYS_INLINE v16si step(
    enum op op, enum elem elem, const char *q, const char *row, int64_t i, __mmask64 m, v16si sum)
{
	__m512i x = op == NORMSQ ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi8(m, q + i);
	__m512i y = _mm512_maskz_loadu_epi8(m, row + i);
	if (op == L2SQ)
		return add_squares(sum, absdiff(elem, x, y));
	if (op == NORMSQ)
		return add_squares(sum, elem == U8 ? y : _mm512_abs_epi8(y));
	v16si z = (v16si)_mm512_xor_si512(y, _mm512_set1_epi8((char)0x80));
	return elem == U8 ? dot4(sum, (v16si)x, z) : dot4(sum, z, (v16si)x);
}

/* The sum over a row, still in several lanes. */
ALWAYS_INLINE v16si sum_row(enum op op, enum elem elem, const char *q, const char *row, int64_t d)
{
	v16si a = {0}, b = {0};
	int64_t at = 0;
	for (; at + 128 <= d; at += 128) {
		a = step(op, elem, q, row, at, ~0ull, a);
		b = step(op, elem, q, row, at + 64, ~0ull, b);
	}
	if (at + 64 <= d) {
		a = step(op, elem, q, row, at, ~0ull, a);
		at += 64;
	}
	if (at < d)
		b = step(op, elem, q, row, at, first64(d - at), b);
	return a + b;
}

/* What the offset of 128 adds to an inner product: ±128 Σ x. */
ALWAYS_INLINE int32_t offset(enum elem elem, const char *q, int64_t d)
{
	const __m512i one = _mm512_set1_epi8(1);
	__m512i sum = _mm512_setzero_si512();
	for (int64_t i = 0; i < d; i += 64) {
		__m512i x = _mm512_maskz_loadu_epi8(first64(d - i), q + i);
		sum = elem == U8 ? _mm512_dpbusd_epi32(sum, x, one) : _mm512_dpbusd_epi32(sum, one, x);
	}
	int32_t total = _mm512_reduce_add_epi32(sum);
	return elem == U8 ? -128 * total : 128 * total;
}

ALWAYS_INLINE void scan(enum op op, enum elem elem, const void *query, const void *rows, size_t stride,
    const uint32_t *pos, int64_t n, int64_t d, int32_t *out)
{
	const char *q = query;
	__m128i excess = _mm_set1_epi32(op == IP ? offset(elem, q, d) : 0);
	if (pos)
		prefetch(rows, stride, pos, 0, AHEAD, n, d);
	for (int64_t i = 0; i < n; i += BLOCK) {
		if (pos)
			prefetch(rows, stride, pos, i + AHEAD, BLOCK, n, d);
		v16si sum[BLOCK];
		UNROLL_BLOCK
		for (int j = 0; j < BLOCK; j++)
			sum[j] = sum_row(op, elem, q, row_at(rows, stride, pos, i + j, n), d);
		_mm_mask_storeu_epi32(out + i, store_mask(i, n), _mm_sub_epi32(reduce_4x16_i32(sum), excess));
	}
}

#define ROWS(name, op, type) ROW_FUNCTIONS(name, avx512, void, int32_t, scan, op, type)

ROWS(l2sq_u8, L2SQ, U8)
ROWS(ip_u8, IP, U8)
ROWS(l2sq_i8, L2SQ, I8)
ROWS(ip_i8, IP, I8)

NORMS_FUNCTION(normsq_u8, avx512, int32_t, scan, NORMSQ, U8)
NORMS_FUNCTION(normsq_i8, avx512, int32_t, scan, NORMSQ, I8)
