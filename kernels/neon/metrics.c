/* The metrics that are compared in whole floats only, NEON: the operations of kernels/metrics.h. */
#include "kernels/neon/neon.h"

#include <float.h>
#include <math.h>

enum { WIDTH = 4 };

typedef float32x4_t vec;
typedef uint32x4_t mask;

#define NAMED(op)        op##_neon
#define set(x)           vdupq_n_f32(x)
#define add(a, b)        vaddq_f32(a, b)
#define sub(a, b)        vsubq_f32(a, b)
#define mul(a, b)        vmulq_f32(a, b)
#define div(a, b)        vdivq_f32(a, b)
#define fma(a, b, c)     vfmaq_f32(c, a, b)
#define absolute(a)      vabsq_f32(a)
#define max(a, b)        vmaxq_f32(a, b)
#define root(a)          vsqrtq_f32(a)
#define equals(a, b)     vceqq_f32(a, b)
#define below(a, b)      vcltq_f32(a, b)
#define either_nan(a, b) vmvnq_u32(vandq_u32(vceqq_f32(a, a), vceqq_f32(b, b)))
#define choose(m, a, b)  vbslq_f32(m, a, b)
#define nearest(x)       vrndnq_f32(x)
#define sum(v)           vaddvq_f32(v)

ALWAYS_INLINE vec load(const void *p)
{
	return vreinterpretq_f32_u8(vld1q_u8(p));
}

/* Of the last floats of a row. */
ALWAYS_INLINE vec load_floats(const void *p, int64_t n)
{
	return vreinterpretq_f32_u8(load_part(p, 4 * n));
}
#define load_part(p, n) load_floats(p, n)

ALWAYS_INLINE vec exponent(vec x)
{
	int32x4_t e = vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_f32(x), 23));
	return vcvtq_f32_s32(vsubq_s32(e, vdupq_n_s32(127)));
}

ALWAYS_INLINE vec fraction(vec x)
{
	uint32x4_t low = vandq_u32(vreinterpretq_u32_f32(x), vdupq_n_u32(0x7fffff));
	return vreinterpretq_f32_u32(vorrq_u32(low, vreinterpretq_u32_f32(vdupq_n_f32(1))));
}

ALWAYS_INLINE vec scale(vec x, vec n)
{
	int32x4_t power = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
	return vmulq_f32(x, vreinterpretq_f32_s32(vshlq_n_s32(power, 23)));
}

#include "kernels/metrics.h"
