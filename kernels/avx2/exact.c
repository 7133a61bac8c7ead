/* Double-precision distances with the same bits on every instruction set.
 *
 * The 32 lanes of kernels.h are eight vectors of four. As fused multiply-adds have a latency of 4 and two
 * begin in each cycle, eight chains are just enough. Lanes without an element in the tail add 0 · 0, which
 * does not change them: a lane begins with +0, and no sum of such products makes it −0. */
#include "kernels/avx2/avx2.h"

enum op { L2SQ, IP, L1, LINF };

enum { LANES = 32, VECS = 8 };

/* Join two sums, or for Linf two maxima. */
ALWAYS_INLINE __m256d join(enum op op, __m256d a, __m256d b)
{
	return op == LINF ? _mm256_max_pd(a, b) : _mm256_add_pd(a, b);
}

ALWAYS_INLINE __m256d accumulate(enum op op, __m256d sum, __m128 x, __m128 y)
{
	__m256d a = _mm256_cvtps_pd(x), b = _mm256_cvtps_pd(y);
	if (op == IP)
		return _mm256_fmadd_pd(a, b, sum);
	__m256d t = _mm256_sub_pd(a, b);
	if (op == L1 || op == LINF)
		return join(op, sum, _mm256_andnot_pd(_mm256_set1_pd(-0.0), t));
	return _mm256_fmadd_pd(t, t, sum);
}

ALWAYS_INLINE double exact(enum op op, const float *x, const float *y, int64_t d)
{
	__m256d lane[VECS];
	for (int v = 0; v < VECS; v++)
		lane[v] = _mm256_setzero_pd();
	int64_t i = 0;
	for (; i + LANES <= d; i += LANES) {
		for (int v = 0; v < VECS; v++)
			lane[v] =
			    accumulate(op, lane[v], _mm_loadu_ps(x + i + 4 * v), _mm_loadu_ps(y + i + 4 * v));
	}
	for (int v = 0; v < VECS && i < d; v++, i += 4) {
		__m128i part = _mm256_castsi256_si128(first_lanes(d - i < 4 ? d - i : 4));
		lane[v] = accumulate(op, lane[v], _mm_maskload_ps(x + i, part), _mm_maskload_ps(y + i, part));
	}
	for (int w = VECS / 2; w > 0; w /= 2) {
		for (int v = 0; v < w; v++)
			lane[v] = join(op, lane[v], lane[v + w]);
	}
	__m128d low = _mm256_castpd256_pd128(lane[0]), high = _mm256_extractf128_pd(lane[0], 1);
	__m128d s = op == LINF ? _mm_max_pd(low, high) : _mm_add_pd(low, high);
	if (op == LINF)
		return _mm_cvtsd_f64(_mm_max_sd(s, _mm_unpackhi_pd(s, s)));
	return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}

double l2sq_exact_avx2(const float *x, const float *y, int64_t d)
{
	return exact(L2SQ, x, y, d);
}

double ip_exact_avx2(const float *x, const float *y, int64_t d)
{
	return exact(IP, x, y, d);
}

double l1_exact_avx2(const float *x, const float *y, int64_t d)
{
	return exact(L1, x, y, d);
}

double linf_exact_avx2(const float *x, const float *y, int64_t d)
{
	return exact(LINF, x, y, d);
}
