/* Passes over one array: splitting floats and joining them, widening bytes, finding elements that are not
 * finite, selecting small keys.
 *
 * All of them run at the speed of memory. The last few elements are left to plain C. */
#include "kernels/neon/neon.h"

enum { LANES = 4, BLOCK = 16 };

static inline uint32_t bits_of(const float *x)
{
	uint32_t u;
	memcpy(&u, x, sizeof u);
	return u;
}

int64_t find_nonfinite_neon(const float *x, int64_t n)
{
	const uint32_t exponent = 0x7f800000;
	const uint32x4_t mask = vdupq_n_u32(exponent);
	int64_t i = 0;
	for (; i + BLOCK <= n; i += BLOCK) {
		uint32x4_t max = vdupq_n_u32(0);
		UNROLL
		for (int v = 0; v < BLOCK; v += LANES) {
			uint32x4_t u = vreinterpretq_u32_f32(vld1q_f32(x + i + v));
			max = vmaxq_u32(max, vandq_u32(u, mask));
		}
		if (vmaxvq_u32(max) == exponent)
			break;
	}
	for (; i < n; i++) {
		if ((bits_of(x + i) & exponent) == exponent)
			return i;
	}
	return -1;
}

void split_neon(const float *x, int64_t n, uint16_t *hi, uint16_t *lo)
{
	const uint32x4_t half = vdupq_n_u32(0x8000);
	int64_t i = 0;
	for (; i + 2 * LANES <= n; i += 2 * LANES) {
		uint32x4_t a = vreinterpretq_u32_f32(vld1q_f32(x + i));
		uint32x4_t b = vreinterpretq_u32_f32(vld1q_f32(x + i + LANES));
		uint16x4_t high = vshrn_n_u32(vaddq_u32(a, half), 16);
		vst1q_u16(hi + i, vshrn_high_n_u32(high, vaddq_u32(b, half), 16));
		vst1q_u16(lo + i, vmovn_high_u32(vmovn_u32(a), b));
	}
	for (; i < n; i++) {
		uint32_t u = bits_of(x + i);
		hi[i] = (uint16_t)((u + 0x8000) >> 16);
		lo[i] = (uint16_t)u;
	}
}

/* ((hi − (lo >> 15)) << 16) | lo. In 16-bit lanes the subtraction wraps around, which the shift would drop
 * anyway. */
ALWAYS_INLINE float32x4_t join_4(uint16x4_t hi, uint16x4_t lo)
{
	uint16x4_t top = vsub_u16(hi, vshr_n_u16(lo, 15));
	return vreinterpretq_f32_u32(vorrq_u32(vshll_n_u16(top, 16), vmovl_u16(lo)));
}

void join_neon(const uint16_t *hi, const uint16_t *lo, int64_t n, float *x)
{
	int64_t i = 0;
	for (; i + 2 * LANES <= n; i += 2 * LANES) {
		uint16x8_t h = vld1q_u16(hi + i), l = vld1q_u16(lo + i);
		vst1q_f32(x + i, join_4(vget_low_u16(h), vget_low_u16(l)));
		vst1q_f32(x + i + LANES, join_4(vget_high_u16(h), vget_high_u16(l)));
	}
	for (; i < n; i++) {
		uint32_t l = lo[i], u = (hi[i] - (l >> 15)) << 16 | l;
		memcpy(x + i, &u, sizeof u);
	}
}

void widen_u8_neon(const uint8_t *x, int64_t n, float *out)
{
	int64_t i = 0;
	for (; i + 2 * LANES <= n; i += 2 * LANES) {
		uint16x8_t w = vmovl_u8(vld1_u8(x + i));
		vst1q_f32(out + i, vcvtq_f32_u32(vmovl_u16(vget_low_u16(w))));
		vst1q_f32(out + i + LANES, vcvtq_f32_u32(vmovl_high_u16(w)));
	}
	for (; i < n; i++)
		out[i] = x[i];
}

void widen_i8_neon(const int8_t *x, int64_t n, float *out)
{
	int64_t i = 0;
	for (; i + 2 * LANES <= n; i += 2 * LANES) {
		int16x8_t w = vmovl_s8(vld1_s8(x + i));
		vst1q_f32(out + i, vcvtq_f32_s32(vmovl_s16(vget_low_s16(w))));
		vst1q_f32(out + i + LANES, vcvtq_f32_s32(vmovl_high_s16(w)));
	}
	for (; i < n; i++)
		out[i] = x[i];
}

/* Keys within the bound are rare in most of a search, so that 16 keys share one test. Where there are some,
 * the keys are handled without branches: every position is written, and the count says whether it stays. This
 * never writes beyond pos [n], as no more were kept than there are keys before this one. */
int64_t select_le_neon(const float *keys, int64_t n, float bound, uint32_t *pos)
{
	const float32x4_t limit = vdupq_n_f32(bound);
	int64_t kept = 0, i = 0;
	for (; i + BLOCK <= n; i += BLOCK) {
		uint32x4_t any = vdupq_n_u32(0);
		UNROLL
		for (int v = 0; v < BLOCK; v += LANES)
			any = vorrq_u32(any, vcleq_f32(vld1q_f32(keys + i + v), limit));
		if (!vmaxvq_u32(any))
			continue;
		for (int64_t j = i; j < i + BLOCK; j++) {
			pos[kept] = (uint32_t)j;
			kept += keys[j] <= bound;
		}
	}
	for (; i < n; i++) {
		if (keys[i] <= bound)
			pos[kept++] = (uint32_t)i;
	}
	return kept;
}
