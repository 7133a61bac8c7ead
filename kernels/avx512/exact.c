/* Double-precision distances, AVX-512. The 32 lanes of kernels.h are four registers; the tree adds registers,
 * then halves of one. In the tail, the sums of masked lanes stay as they are. */
#include "kernels/avx512/avx512.h"

enum op { L2SQ, IP, L1, LINF };

ALWAYS_INLINE __m512d term(enum op op, const float *x, const float *y, __m512d lane, __mmask8 m)
{
	__m512d a = _mm512_cvtps_pd(_mm256_maskz_loadu_ps(m, x));
	__m512d b = _mm512_cvtps_pd(_mm256_maskz_loadu_ps(m, y));
	if (op == IP)
		return _mm512_mask3_fmadd_pd(a, b, lane, m);
	__m512d t = _mm512_sub_pd(a, b);
	if (op == L1)
		return _mm512_add_pd(lane, _mm512_abs_pd(t));
	if (op == LINF)
		return _mm512_max_pd(lane, _mm512_abs_pd(t));
	return _mm512_mask3_fmadd_pd(t, t, lane, m);
}

ALWAYS_INLINE double reduce(enum op op, const __m512d lane[4])
{
	if (op == LINF)
		return _mm512_reduce_max_pd(
		    _mm512_max_pd(_mm512_max_pd(lane[0], lane[1]), _mm512_max_pd(lane[2], lane[3])));
	__m512d w16[2] = {_mm512_add_pd(lane[0], lane[2]), _mm512_add_pd(lane[1], lane[3])};
	__m512d w8 = _mm512_add_pd(w16[0], w16[1]);
	__m256d w4 = _mm256_add_pd(_mm512_castpd512_pd256(w8), _mm512_extractf64x4_pd(w8, 1));
	__m128d w2 = _mm_add_pd(_mm256_castpd256_pd128(w4), _mm256_extractf128_pd(w4, 1));
	return _mm_cvtsd_f64(_mm_add_sd(w2, _mm_unpackhi_pd(w2, w2)));
}

ALWAYS_INLINE double exact(enum op op, const float *x, const float *y, int64_t d)
{
	__m512d lane[4] = {{0}};
	int64_t i = 0;
	for (; i + 32 <= d; i += 32)
		for (int j = 0; j < 4; j++)
			lane[j] = term(op, x + i + 8 * j, y + i + 8 * j, lane[j], 0xff);
	for (int j = 0; j < 4 && i < d; j++, i += 8) {
		__mmask8 m = (__mmask8)first16(d - i);
		lane[j] = term(op, x + i, y + i, lane[j], m);
	}
	return reduce(op, lane);
}

double l2sq_exact_avx512(const float *x, const float *y, int64_t d)
{
	return exact(L2SQ, x, y, d);
}

double ip_exact_avx512(const float *x, const float *y, int64_t d)
{
	return exact(IP, x, y, d);
}

double l1_exact_avx512(const float *x, const float *y, int64_t d)
{
	return exact(L1, x, y, d);
}

double linf_exact_avx512(const float *x, const float *y, int64_t d)
{
	return exact(LINF, x, y, d);
}
