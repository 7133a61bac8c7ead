/* Half-precision numbers, NEON: 4 numbers in a step. */
#include "kernels/neon/neon.h"

enum { LANES = 4 };

ALWAYS_INLINE uint16x4_t to_f16(float32x4_t x)
{
	x = vmaxq_f32(vminq_f32(x, vdupq_n_f32(65504)), vdupq_n_f32(-65504));
	return vreinterpret_u16_f16(vcvt_f16_f32(x));
}

/* See ref/half.c. */
ALWAYS_INLINE uint16x4_t to_bf16(float32x4_t x)
{
	uint32x4_t u = vreinterpretq_u32_f32(x), top = vshrq_n_u32(u, 16);
	uint32x4_t v = vandq_u32(u, vdupq_n_u32(0x7fffffff));
	v = vaddq_u32(v, vaddq_u32(vdupq_n_u32(0x7fff), vandq_u32(top, vdupq_n_u32(1))));
	v = vminq_u32(vshrq_n_u32(v, 16), vdupq_n_u32(0x7f7f));
	return vmovn_u32(vorrq_u32(v, vandq_u32(top, vdupq_n_u32(0x8000))));
}

ALWAYS_INLINE float32x4_t from_f16(uint8x8_t x)
{
	return vcvt_f32_f16(vreinterpret_f16_u8(x));
}

ALWAYS_INLINE float32x4_t from_bf16(uint8x8_t x)
{
	return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(x), 16));
}

/* Load n of four floats; the others are 0. */
ALWAYS_INLINE float32x4_t load_first(const float *x, int64_t n)
{
	return vreinterpretq_f32_u8(load_part(x, 4 * n));
}

#define HALF(kind)                                                                                           \
	void narrow_##kind##_neon(const float *x, int64_t n, void *half)                                     \
	{                                                                                                    \
		uint8_t *out = half;                                                                         \
		int64_t i = 0;                                                                               \
		for (; i + LANES <= n; i += LANES)                                                           \
			vst1_u8(out + 2 * i, vreinterpret_u8_u16(to_##kind(vld1q_f32(x + i))));              \
		if (i < n) {                                                                                 \
			uint16x4_t h = to_##kind(load_first(x + i, n - i));                                  \
			memcpy(out + 2 * i, &h, (size_t)(2 * (n - i)));                                      \
		}                                                                                            \
	}                                                                                                    \
	void widen_##kind##_neon(const void *half, int64_t n, float *x)                                      \
	{                                                                                                    \
		const uint8_t *in = half;                                                                    \
		int64_t i = 0;                                                                               \
		for (; i + LANES <= n; i += LANES)                                                           \
			vst1q_f32(x + i, from_##kind(vld1_u8(in + 2 * i)));                                  \
		if (i < n) {                                                                                 \
			float32x4_t v = from_##kind(vget_low_u8(load_part(in + 2 * i, 2 * (n - i))));        \
			memcpy(x + i, &v, (size_t)(4 * (n - i)));                                            \
		}                                                                                            \
	}

HALF(f16)
HALF(bf16)
