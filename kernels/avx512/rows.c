/* Float rows, AVX-512.
 *
 * Four rows share each load of the query and one horizontal reduction: a transposing add tree of 13
 * instructions leaves the four sums in one register. bf16 is widened by a shift. The core is inlined once
 * per operation, element type and addressing, with these as constants.
 */
#include "kernels/avx512/avx512.h"

enum op { L2SQ, IP, NORMSQ };
enum elem { F32, BF16 };

ALWAYS_INLINE __m512 load16(const char *row, int64_t i, enum elem elem, __mmask16 m)
{
	if (elem == F32)
		return _mm512_maskz_loadu_ps(m, row + 4 * i);
	__m256i half = _mm256_maskz_loadu_epi16(m, row + 2 * i);
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/* Adds 16 elements of each row to the sums. Lanes outside of m read nothing and add 0. */
ALWAYS_INLINE void step(enum op op, enum elem elem, const float *q, const struct block *b, int64_t i,
    __mmask16 m, __m512 sum[BLOCK])
{
	__m512 x = op == NORMSQ ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(m, q + i);
	for (int j = 0; j < BLOCK; j++) {
		__m512 y = load16(b->row[j], i, elem, m);
		if (op == IP) {
			sum[j] = _mm512_fmadd_ps(x, y, sum[j]);
		} else {
			__m512 t = op == L2SQ ? _mm512_sub_ps(x, y) : y;
			sum[j] = _mm512_fmadd_ps(t, t, sum[j]);
		}
	}
}

/* The four sums over lanes. */
ALWAYS_INLINE __m128 reduce4(const __m512 s[BLOCK])
{
	__m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(s[0], s[1]), _mm512_unpackhi_ps(s[0], s[1]));
	__m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(s[2], s[3]), _mm512_unpackhi_ps(s[2], s[3]));
	__m512d abd = _mm512_castps_pd(ab), cdd = _mm512_castps_pd(cd);
	__m512 lo = _mm512_castpd_ps(_mm512_unpacklo_pd(abd, cdd));
	__m512 hi = _mm512_castpd_ps(_mm512_unpackhi_pd(abd, cdd));
	__m512 abcd = _mm512_add_ps(lo, hi);
	__m256 half = _mm256_add_ps(_mm512_castps512_ps256(abcd), _mm512_extractf32x8_ps(abcd, 1));
	return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

ALWAYS_INLINE void scan(enum op op, enum elem elem, const float *q, const void *rows, size_t stride,
    const uint32_t *pos, int64_t n, int64_t d, float *out)
{
	const int64_t bytes = d * (elem == F32 ? 4 : 2);
	prefetch(rows, stride, pos, 0, AHEAD, n, bytes);
	for (int64_t i = 0; i < n; i += BLOCK) {
		prefetch(rows, stride, pos, i + AHEAD, BLOCK, n, bytes);
		struct block b = block_at(rows, stride, pos, i, n);
		__m512 sum[BLOCK] = {{0}};
		int64_t at = 0;
		for (; at + 16 <= d; at += 16)
			step(op, elem, q, &b, at, 0xffff, sum);
		if (at < d)
			step(op, elem, q, &b, at, first16(d - at), sum);
		_mm_mask_storeu_ps(out + i, b.store, reduce4(sum));
	}
}

#define ROWS(name, op, elem)                                                                                 \
	void name##_avx512(                                                                                  \
	    const float *q, const void *rows, size_t stride, int64_t n, int64_t d, float *out)               \
	{                                                                                                    \
		scan(op, elem, q, rows, stride, NULL, n, d, out);                                            \
	}                                                                                                    \
	void name##_gather_avx512(const float *q, const void *rows, size_t stride, const uint32_t *pos,      \
	    int64_t n, int64_t d, float *out)                                                                \
	{                                                                                                    \
		scan(op, elem, q, rows, stride, pos, n, d, out);                                             \
	}

ROWS(l2sq_f32, L2SQ, F32)
ROWS(ip_f32, IP, F32)
ROWS(l2sq_bf16, L2SQ, BF16)
ROWS(ip_bf16, IP, BF16)

void normsq_f32_avx512(const void *rows, size_t stride, int64_t n, int64_t d, float *out)
{
	scan(NORMSQ, F32, NULL, rows, stride, NULL, n, d, out);
}
