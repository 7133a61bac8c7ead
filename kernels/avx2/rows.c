/* One float query × rows of floats, bf16 or f16.
 *
 * Rows are read one after another, from the first byte to the last. Four rows at a time would share the loads
 * of the query, but the hardware prefetcher cannot follow them, which costs half of the memory's bandwidth or
 * more. Four chains of multiply-adds hide the latency within a row, and four rows share one tree of
 * horizontal additions. A bf16 is widened by a shift, an f16 by vcvtph2ps.
 */
#include "kernels/avx2/avx2.h"
#include "kernels/row_functions.h"

enum op { L2SQ, IP, NORMSQ, L1, LINF };
enum type { F32, BF16, F16 };

enum { LANES = 8, CHAINS = 4 };

ALWAYS_INLINE __m256 widen(enum type type, __m128i x)
{
	if (type == F16)
		return _mm256_cvtph_ps(x);
	return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}

ALWAYS_INLINE __m256 load(enum type type, const char *row, int64_t i)
{
	if (type == F32)
		return _mm256_loadu_ps((const float *)(row + 4 * i));
	return widen(type, _mm_loadu_si128((const __m128i *)(row + 2 * i)));
}

ALWAYS_INLINE __m256 load_tail(enum type type, const char *row, int64_t i, int64_t left)
{
	if (type == F32)
		return _mm256_maskload_ps((const float *)(row + 4 * i), first_lanes(left));
	return widen(type, load_part(row + 2 * i, 2 * left));
}

/* Join two sums, or for Linf two maxima. */
ALWAYS_INLINE __m256 join(enum op op, __m256 a, __m256 b)
{
	return op == LINF ? _mm256_max_ps(a, b) : _mm256_add_ps(a, b);
}

ALWAYS_INLINE __m256 accumulate(enum op op, __m256 sum, __m256 q, __m256 x)
{
	if (op == IP)
		return _mm256_fmadd_ps(q, x, sum);
	__m256 t = op == NORMSQ ? x : _mm256_sub_ps(q, x);
	if (op == L1 || op == LINF)
		return join(op, sum, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), t));
	return _mm256_fmadd_ps(t, t, sum);
}

/* The sum over a row, still in several lanes. With NORMSQ, q is not read. */
ALWAYS_INLINE __m256 row_f32(enum op op, enum type type, const float *q, const char *row, int64_t d)
{
	const __m256 zero = _mm256_setzero_ps();
	__m256 sum[CHAINS] = {zero, zero, zero, zero};
	int64_t i = 0;
	for (; i + CHAINS * LANES <= d; i += CHAINS * LANES) {
		for (int c = 0; c < CHAINS; c++) {
			__m256 y = op == NORMSQ ? zero : _mm256_loadu_ps(q + i + c * LANES);
			sum[c] = accumulate(op, sum[c], y, load(type, row, i + c * LANES));
		}
	}
	for (; i + LANES <= d; i += LANES) {
		__m256 y = op == NORMSQ ? zero : _mm256_loadu_ps(q + i);
		sum[0] = accumulate(op, sum[0], y, load(type, row, i));
	}
	if (i < d) {
		__m256 y = op == NORMSQ ? zero : _mm256_maskload_ps(q + i, first_lanes(d - i));
		sum[1] = accumulate(op, sum[1], y, load_tail(type, row, i, d - i));
	}
	return join(op, join(op, sum[0], sum[1]), join(op, sum[2], sum[3]));
}

ALWAYS_INLINE void rows_f32(enum op op, enum type type, const float *q, const void *rows, size_t stride,
    const uint32_t *pos, int64_t n, int64_t d, float *out)
{
	for (int64_t i = 0; i < n; i += GROUP) {
		__m256 sum[GROUP];
		if (pos)
			group_prefetch(rows, stride, pos, i, n, d * (type == F32 ? 4 : 2));
		UNROLL
		for (int j = 0; j < GROUP; j++) {
			sum[j] = _mm256_setzero_ps();
			if (i + j < n)
				sum[j] = row_f32(op, type, q, row_at(rows, stride, pos, i + j), d);
		}
		__m128 result = op == LINF ? max_4x8_f32(sum[0], sum[1], sum[2], sum[3])
		                           : sum_4x8_f32(sum[0], sum[1], sum[2], sum[3]);
		if (i + GROUP <= n)
			_mm_storeu_ps(out + i, result);
		else
			_mm_maskstore_ps(out + i, _mm256_castsi256_si128(first_lanes(n - i)), result);
	}
}

#define ROWS(name, op, type) ROW_FUNCTIONS(name, avx2, float, float, rows_f32, op, type)

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

/* Join the upper and lower parts of 8 floats. */
ALWAYS_INLINE __m256 join8(__m128i hi, __m128i lo)
{
	__m256i h = _mm256_cvtepu16_epi32(hi), l = _mm256_cvtepu16_epi32(lo);
	h = _mm256_sub_epi32(h, _mm256_srli_epi32(l, 15));
	return _mm256_castsi256_ps(_mm256_or_si256(_mm256_slli_epi32(h, 16), l));
}

ALWAYS_INLINE __m256 load_split(const char *hi, const char *lo, int64_t i)
{
	return join8(
	    _mm_loadu_si128((const __m128i *)(hi + 2 * i)), _mm_loadu_si128((const __m128i *)(lo + 2 * i)));
}

ALWAYS_INLINE __m256 row_split(enum op op, const float *q, const char *hi, const char *lo, int64_t d)
{
	const __m256 zero = _mm256_setzero_ps();
	__m256 sum[CHAINS] = {zero, zero, zero, zero};
	int64_t i = 0;
	for (; i + CHAINS * LANES <= d; i += CHAINS * LANES)
		for (int c = 0; c < CHAINS; c++) {
			int64_t at = i + c * LANES;
			sum[c] = accumulate(op, sum[c], _mm256_loadu_ps(q + at), load_split(hi, lo, at));
		}
	for (; i + LANES <= d; i += LANES)
		sum[0] = accumulate(op, sum[0], _mm256_loadu_ps(q + i), load_split(hi, lo, i));
	if (i < d) {
		__m256 y = _mm256_maskload_ps(q + i, first_lanes(d - i));
		__m128i h = load_part(hi + 2 * i, 2 * (d - i)), l = load_part(lo + 2 * i, 2 * (d - i));
		sum[1] = accumulate(op, sum[1], y, join8(h, l));
	}
	return join(op, join(op, sum[0], sum[1]), join(op, sum[2], sum[3]));
}

ALWAYS_INLINE void gather_split(enum op op, const float *q, const void *hi, const void *lo, size_t stride,
    const uint32_t *pos, int64_t n, int64_t d, float *out)
{
	for (int64_t i = 0; i < n; i += GROUP) {
		__m256 sum[GROUP];
		group_prefetch(hi, stride, pos, i, n, d * 2);
		group_prefetch(lo, stride, pos, i, n, d * 2);
		UNROLL
		for (int j = 0; j < GROUP; j++) {
			sum[j] = _mm256_setzero_ps();
			if (i + j < n)
				sum[j] = row_split(
				    op, q, row_at(hi, stride, pos, i + j), row_at(lo, stride, pos, i + j), d);
		}
		__m128 result = op == LINF ? max_4x8_f32(sum[0], sum[1], sum[2], sum[3])
		                           : sum_4x8_f32(sum[0], sum[1], sum[2], sum[3]);
		if (i + GROUP <= n)
			_mm_storeu_ps(out + i, result);
		else
			_mm_maskstore_ps(out + i, _mm256_castsi256_si128(first_lanes(n - i)), result);
	}
}

SPLIT_FUNCTION(l2sq, avx2, L2SQ)
SPLIT_FUNCTION(ip, avx2, IP)
SPLIT_FUNCTION(l1, avx2, L1)
SPLIT_FUNCTION(linf, avx2, LINF)

NORMS_FUNCTION(normsq_f32, avx2, float, rows_f32, NORMSQ, F32)
NORMS_FUNCTION(normsq_bf16, avx2, float, rows_f32, NORMSQ, BF16)
NORMS_FUNCTION(normsq_f16, avx2, float, rows_f32, NORMSQ, F16)
