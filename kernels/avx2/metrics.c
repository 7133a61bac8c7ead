/* The metrics that are compared in whole floats only, AVX2: the operations of kernels/metrics.h. */
#include "kernels/avx2/avx2.h"

#include <float.h>
#include <math.h>

enum { WIDTH = 8 };

typedef __m256 vec;
typedef __m256 mask;

#define NAMED(op)        op##_avx2
#define set(x)           _mm256_set1_ps(x)
#define add(a, b)        _mm256_add_ps(a, b)
#define sub(a, b)        _mm256_sub_ps(a, b)
#define mul(a, b)        _mm256_mul_ps(a, b)
#define div(a, b)        _mm256_div_ps(a, b)
#define fma(a, b, c)     _mm256_fmadd_ps(a, b, c)
#define absolute(a)      _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a)
#define max(a, b)        _mm256_max_ps(a, b)
#define root(a)          _mm256_sqrt_ps(a)
#define equals(a, b)     _mm256_cmp_ps(a, b, _CMP_EQ_OQ)
#define below(a, b)      _mm256_cmp_ps(a, b, _CMP_LT_OQ)
#define either_nan(a, b) _mm256_cmp_ps(a, b, _CMP_UNORD_Q)
#define choose(m, a, b)  _mm256_blendv_ps(b, a, m)
#define nearest(x)       _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)

ALWAYS_INLINE vec load(const void *p)
{
	return _mm256_loadu_ps(p);
}

/* The name load_part is taken by bytes. */
#define load_part(p, n) _mm256_maskload_ps((const float *)(const void *)(p), first_lanes(n))

ALWAYS_INLINE vec exponent(vec x)
{
	__m256i e = _mm256_srli_epi32(_mm256_castps_si256(x), 23);
	return _mm256_cvtepi32_ps(_mm256_sub_epi32(e, _mm256_set1_epi32(127)));
}

ALWAYS_INLINE vec fraction(vec x)
{
	vec low = _mm256_and_ps(x, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffff)));
	return _mm256_or_ps(low, _mm256_set1_ps(1));
}

ALWAYS_INLINE vec scale(vec x, vec n)
{
	__m256i power = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
	return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(power, 23)));
}

ALWAYS_INLINE float sum(vec v)
{
	__m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
	s = _mm_add_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

#include "kernels/metrics.h"
