/* One byte query × rows of bytes, exact.
 *
 * Bytes are widened to 16 bits, into which any difference of two bytes fits, and vpmaddwd multiplies them and
 * adds pairs into int32: at most 2 · 255² in a step, so that no lane can overflow before the sum itself
 * would. vpmaddubsw cannot be used, since it saturates. Rows are read one after another, as in rows.c. */
#include "kernels/avx2/avx2.h"
#include "kernels/row_functions.h"

enum op { L2SQ, IP, NORMSQ };
enum type { U8, I8 };

enum { STEP = 16 };

ALWAYS_INLINE __m256i widen(enum type type, __m128i x)
{
	return type == U8 ? _mm256_cvtepu8_epi16(x) : _mm256_cvtepi8_epi16(x);
}

ALWAYS_INLINE __m256i load(enum type type, const char *p)
{
	return widen(type, _mm_loadu_si128((const __m128i *)p));
}

ALWAYS_INLINE __m256i accumulate(enum op op, __m256i sum, __m256i q, __m256i x)
{
	__m256i t = op == L2SQ ? _mm256_sub_epi16(q, x) : x;
	return _mm256_add_epi32(sum, _mm256_madd_epi16(op == IP ? q : t, t));
}

/* The last d % STEP bytes of a row. The load is a whole vector that ends with the row, of which the bytes
 * before them are masked. If the row is shorter than a vector, its bytes come first. */
ALWAYS_INLINE __m256i load_tail(enum type type, const char *row, int64_t d)
{
	if (d < STEP)
		return widen(type, load_part(row, d));
	const __m128i place = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	__m128i mask = _mm_cmpgt_epi8(place, _mm_set1_epi8((char)(STEP - 1 - d % STEP)));
	return widen(type, _mm_and_si128(mask, _mm_loadu_si128((const __m128i *)(row + d - STEP))));
}

/* The sum over a row, still in several lanes. With NORMSQ, q is not read. */
ALWAYS_INLINE __m256i row_i32(enum op op, enum type type, const char *q, const char *row, int64_t d)
{
	const __m256i zero = _mm256_setzero_si256();
	__m256i even = zero, odd = zero;
	int64_t i = 0;
	for (; i + 2 * STEP <= d; i += 2 * STEP) {
		__m256i y0 = op == NORMSQ ? zero : load(type, q + i);
		__m256i y1 = op == NORMSQ ? zero : load(type, q + i + STEP);
		even = accumulate(op, even, y0, load(type, row + i));
		odd = accumulate(op, odd, y1, load(type, row + i + STEP));
	}
	if (i + STEP <= d) {
		even = accumulate(op, even, op == NORMSQ ? zero : load(type, q + i), load(type, row + i));
		i += STEP;
	}
	if (i < d) {
		__m256i y = op == NORMSQ ? zero : load_tail(type, q, d);
		odd = accumulate(op, odd, y, load_tail(type, row, d));
	}
	return _mm256_add_epi32(even, odd);
}

ALWAYS_INLINE void rows_i32(enum op op, enum type type, const void *q, const void *rows, size_t stride,
    const uint32_t *pos, int64_t n, int64_t d, int32_t *out)
{
	for (int64_t i = 0; i < n; i += GROUP) {
		__m256i sum[GROUP];
		if (pos)
			group_prefetch(rows, stride, pos, i, n, d);
		UNROLL
		for (int j = 0; j < GROUP; j++) {
			sum[j] = _mm256_setzero_si256();
			if (i + j < n)
				sum[j] = row_i32(op, type, q, row_at(rows, stride, pos, i + j), d);
		}
		__m128i result = sum_4x8_i32(sum[0], sum[1], sum[2], sum[3]);
		if (i + GROUP <= n)
			_mm_storeu_si128((__m128i *)(out + i), result);
		else
			_mm_maskstore_epi32(out + i, _mm256_castsi256_si128(first_lanes(n - i)), result);
	}
}

#define ROWS(name, op, type) ROW_FUNCTIONS(name, avx2, void, int32_t, rows_i32, op, type)

ROWS(l2sq_u8, L2SQ, U8)
ROWS(ip_u8, IP, U8)
ROWS(l2sq_i8, L2SQ, I8)
ROWS(ip_i8, IP, I8)

NORMS_FUNCTION(normsq_u8, avx2, int32_t, rows_i32, NORMSQ, U8)
NORMS_FUNCTION(normsq_i8, avx2, int32_t, rows_i32, NORMSQ, I8)
