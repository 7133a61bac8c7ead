/* The metrics that are compared in whole floats only, AVX-512: the operations of kernels/metrics.h. */
#include "kernels/avx512/avx512.h"

#include <float.h>
#include <math.h>

enum { WIDTH = 16 };

typedef __m512 vec;
typedef __mmask16 mask;

#define NAMED(op)        op##_avx512
#define set(x)           _mm512_set1_ps(x)
#define add(a, b)        _mm512_add_ps(a, b)
#define sub(a, b)        _mm512_sub_ps(a, b)
#define mul(a, b)        _mm512_mul_ps(a, b)
#define div(a, b)        _mm512_div_ps(a, b)
#define fma(a, b, c)     _mm512_fmadd_ps(a, b, c)
#define absolute(a)      _mm512_abs_ps(a)
#define max(a, b)        _mm512_max_ps(a, b)
#define root(a)          _mm512_sqrt_ps(a)
#define equals(a, b)     _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ)
#define below(a, b)      _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ)
#define either_nan(a, b) _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q)
#define choose(m, a, b)  _mm512_mask_blend_ps(m, b, a)
#define exponent(x)      _mm512_getexp_ps(_mm512_max_ps(x, _mm512_set1_ps(0x1p-126f)))
#define fraction(x)      _mm512_getmant_ps(x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src)
#define scale(x, n)      _mm512_scalef_ps(x, n)
#define nearest(x)       _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT)
#define sum(v)           _mm512_reduce_add_ps(v)

ALWAYS_INLINE vec load(const void *p)
{
	return _mm512_loadu_ps(p);
}

ALWAYS_INLINE vec load_part(const void *p, int64_t n)
{
	return _mm512_maskz_loadu_ps(first16(n), p);
}

#include "kernels/metrics.h"
