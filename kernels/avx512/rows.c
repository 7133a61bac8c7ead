/* Float rows, AVX-512.
 *
 * Rows are read one after another, from the first byte to the last, which the hardware prefetcher follows at
 * full bandwidth; only gathered rows are prefetched here. Two chains of multiply-adds hide the latency within
 * a row, and the lanes of four rows are added together in 13 instructions. bf16 is widened by a shift, f16 by
 * vcvtph2ps. The core is inlined once for each operation, element type and addressing, which are constants.
 */
#include "kernels/avx512/avx512.h"
#include "kernels/row_functions.h"

enum op { L2SQ, IP, NORMSQ, L1, LINF };
enum elem { F32, BF16, F16 };

ALWAYS_INLINE __m512 load16(const char *row, int64_t i, enum elem elem, __mmask16 m)
{
	if (elem == F32)
		return _mm512_maskz_loadu_ps(m, row + 4 * i);
	__m256i half = _mm256_maskz_loadu_epi16(m, row + 2 * i);
	if (elem == F16)
		return _mm512_cvtph_ps(half);
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/* Join two sums, or for Linf two maxima. */
ALWAYS_INLINE __m512 join(enum op op, __m512 a, __m512 b)
{
	return op == LINF ? _mm512_max_ps(a, b) : _mm512_add_ps(a, b);
}

/* Add 16 elements to the sum of those before. */
ALWAYS_INLINE __m512 accumulate(enum op op, __m512 x, __m512 y, __m512 sum)
{
	if (op == IP)
		return _mm512_fmadd_ps(x, y, sum);
	__m512 t = op == NORMSQ ? y : _mm512_sub_ps(x, y);
	if (op == L1 || op == LINF)
		return join(op, sum, _mm512_abs_ps(t));
	return _mm512_fmadd_ps(t, t, sum);
}

/* Add 16 elements of a row to the sum. Lanes outside of m read nothing and add 0. */
ALWAYS_INLINE __m512 step(
    enum op op, enum elem elem, const float *q, const char *row, int64_t i, __mmask16 m, __m512 sum)
{
	__m512 x = op == NORMSQ ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(m, q + i);
	return accumulate(op, x, load16(row, i, elem, m), sum);
}

/* The sum over a row, still in several lanes. */
ALWAYS_INLINE __m512 sum_row(enum op op, enum elem elem, const float *q, const char *row, int64_t d)
{
	__m512 a = _mm512_setzero_ps(), b = a;
	int64_t at = 0;
	for (; at + 32 <= d; at += 32) {
		a = step(op, elem, q, row, at, 0xffff, a);
		b = step(op, elem, q, row, at + 16, 0xffff, b);
	}
	if (at + 16 <= d) {
		a = step(op, elem, q, row, at, 0xffff, a);
		at += 16;
	}
	if (at < d)
		b = step(op, elem, q, row, at, first16(d - at), b);
	return join(op, a, b);
}

ALWAYS_INLINE void scan(enum op op, enum elem elem, const float *q, const void *rows, size_t stride,
    const uint32_t *pos, int64_t n, int64_t d, float *out)
{
	const int64_t bytes = d * (elem == F32 ? 4 : 2);
	if (pos)
		prefetch(rows, stride, pos, 0, AHEAD, n, bytes);
	for (int64_t i = 0; i < n; i += BLOCK) {
		if (pos)
			prefetch(rows, stride, pos, i + AHEAD, BLOCK, n, bytes);
		__m512 sum[BLOCK];
		UNROLL_BLOCK
		for (int j = 0; j < BLOCK; j++)
			sum[j] = sum_row(op, elem, q, row_at(rows, stride, pos, i + j, n), d);
		_mm_mask_storeu_ps(
		    out + i, store_mask(i, n), (op == LINF ? max_4x16_f32(sum) : reduce_4x16_f32(sum)));
	}
}

#define ROWS(name, op, type) ROW_FUNCTIONS(name, avx512, float, float, scan, op, type)

ROWS(l2sq_f32, L2SQ, F32)
ROWS(ip_f32, IP, F32)
ROWS(l1_f32, L1, F32)
ROWS(linf_f32, LINF, F32)
ROWS(l2sq_bf16, L2SQ, BF16)
ROWS(ip_bf16, IP, BF16)
ROWS(l1_bf16, L1, BF16)
ROWS(linf_bf16, LINF, BF16)
ROWS(l2sq_f16, L2SQ, F16)
ROWS(ip_f16, IP, F16)

/* Join the upper and lower parts of 16 floats. */
ALWAYS_INLINE __m512 join16(const char *hi, const char *lo, int64_t i, __mmask16 m)
{
	__m512i h = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, hi + 2 * i));
	__m512i l = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, lo + 2 * i));
	h = _mm512_sub_epi32(h, _mm512_srli_epi32(l, 15));
	return _mm512_castsi512_ps(_mm512_or_si512(_mm512_slli_epi32(h, 16), l));
}

ALWAYS_INLINE __m512 step_split(
    enum op op, const float *q, const char *hi, const char *lo, int64_t i, __mmask16 m, __m512 sum)
{
	return accumulate(op, _mm512_maskz_loadu_ps(m, q + i), join16(hi, lo, i, m), sum);
}

ALWAYS_INLINE __m512 sum_split(enum op op, const float *q, const char *hi, const char *lo, int64_t d)
{
	__m512 a = _mm512_setzero_ps(), b = a;
	int64_t at = 0;
	for (; at + 32 <= d; at += 32) {
		a = step_split(op, q, hi, lo, at, 0xffff, a);
		b = step_split(op, q, hi, lo, at + 16, 0xffff, b);
	}
	if (at + 16 <= d) {
		a = step_split(op, q, hi, lo, at, 0xffff, a);
		at += 16;
	}
	if (at < d)
		b = step_split(op, q, hi, lo, at, first16(d - at), b);
	return join(op, a, b);
}

ALWAYS_INLINE void gather_split(enum op op, const float *q, const void *hi, const void *lo, size_t stride,
    const uint32_t *pos, int64_t n, int64_t d, float *out)
{
	prefetch(hi, stride, pos, 0, AHEAD, n, 2 * d);
	prefetch(lo, stride, pos, 0, AHEAD, n, 2 * d);
	for (int64_t i = 0; i < n; i += BLOCK) {
		prefetch(hi, stride, pos, i + AHEAD, BLOCK, n, 2 * d);
		prefetch(lo, stride, pos, i + AHEAD, BLOCK, n, 2 * d);
		__m512 sum[BLOCK];
		UNROLL_BLOCK
		for (int j = 0; j < BLOCK; j++)
			sum[j] = sum_split(
			    op, q, row_at(hi, stride, pos, i + j, n), row_at(lo, stride, pos, i + j, n), d);
		_mm_mask_storeu_ps(
		    out + i, store_mask(i, n), (op == LINF ? max_4x16_f32(sum) : reduce_4x16_f32(sum)));
	}
}

SPLIT_FUNCTION(l2sq, avx512, L2SQ)
SPLIT_FUNCTION(ip, avx512, IP)
SPLIT_FUNCTION(l1, avx512, L1)
SPLIT_FUNCTION(linf, avx512, LINF)

NORMS_FUNCTION(normsq_f32, avx512, float, scan, NORMSQ, F32)
NORMS_FUNCTION(normsq_bf16, avx512, float, scan, NORMSQ, BF16)
NORMS_FUNCTION(normsq_f16, avx512, float, scan, NORMSQ, F16)
