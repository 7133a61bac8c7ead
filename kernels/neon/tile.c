/* Quantizing, packing and tiles: a panel of 64 rows × up to six queries, the core of every batch search.
 *
 * A panel holds dword k of its 64 rows side by side, so that rows lie along the vector lanes, an element of a
 * query multiplies them as a scalar, and there are no horizontal sums. A pass takes as many rows as keep the
 * sums in registers (four vectors × six queries are 24 of the 32; with fewer queries it takes more rows) and
 * goes through the whole depth of the panel. It reads one cache line in four, which the hardware does not
 * foresee, so that it prefetches. Keys are written to a small buffer, and copied only for queries that have
 * some within the bound.
 *
 * Bytes: armv8-a has no product of unsigned and signed bytes, so that the panel is turned back to int8, and
 * what that takes away, 128 Σ q, is added to the bias. In a build for CPUs with SDOT, four products and their
 * sum are one instruction, which is faster than floats; without it they are several, which are slower.
 *
 * pack transposes 4 × 4 dwords in registers. quantize.h derives the error bound. */
#include "kernels/neon/neon.h"

#include "kernels/quantize.h"
#include "kernels/tile_blocks.h"

enum { AT_ONCE = 6, LANES = 4, VECS = 16, AHEAD = 12 };

/* Load up to 4 floats; the rest is zero. */
ALWAYS_INLINE float32x4_t load_4(const float *x, int64_t left)
{
	return left >= LANES ? vld1q_f32(x) : vreinterpretq_f32_u8(load_part(x, 4 * left));
}

/* x − mean of up to 4 elements from i on; the rest is zero. */
ALWAYS_INLINE float32x4_t centred(const float *x, const float *mean, int64_t i, int64_t d)
{
	float32x4_t v = load_4(x + i, d - i);
	return mean ? vsubq_f32(v, load_4(mean + i, d - i)) : v;
}

struct sums {
	int32x4_t sum, sumsq;
};

/* Write up to 4 values in −128 … 127 as bytes and add them to the sums; values beyond the end are zero. */
ALWAYS_INLINE void emit_bytes(int8_t *out, int64_t left, int32x4_t v, struct sums *s)
{
	int16x4_t half = vmovn_s32(v);
	int8_t bytes[8];
	vst1_s8(bytes, vmovn_s16(vcombine_s16(half, half)));
	if (left >= LANES) {
		memcpy(out, bytes, LANES);
	} else {
		for (int64_t i = 0; i < left; i++)
			out[i] = bytes[i];
	}
	s->sum = vaddq_s32(s->sum, v);
	s->sumsq = vmlaq_s32(s->sumsq, v, v);
}

static void quantize_as_is(const float *x, const float *mean, int64_t d, int8_t *out, struct quantized *info)
{
	struct sums s = {vdupq_n_s32(0), vdupq_n_s32(0)};
	uint32x4_t exact = vdupq_n_u32(~0u);
	for (int64_t i = 0; i < d; i += LANES) {
		float32x4_t c = centred(x, mean, i, d);
		if (mean) {
			float32x4_t a = load_4(x + i, d - i), b = load_4(mean + i, d - i);
			exact = vandq_u32(exact, vceqq_f32(vaddq_f32(c, b), a));
			exact = vandq_u32(exact, vceqq_f32(vsubq_f32(a, c), b));
		}
		emit_bytes(out + i, d - i, vcvtq_s32_f32(c), &s);
	}
	quantize_integral(vminvq_u32(exact) != 0, vaddvq_s32(s.sum), vaddvq_s32(s.sumsq), info);
}

static void quantize_to_scale(
    const float *x, const float *mean, int64_t d, float scale, int8_t *out, struct quantized *info)
{
	const float32x4_t unit = vdupq_n_f32(scale), inv = vdupq_n_f32(1 / scale);
	struct sums s = {vdupq_n_s32(0), vdupq_n_s32(0)};
	float32x4_t residual = vdupq_n_f32(0);
	for (int64_t i = 0; i < d; i += LANES) {
		float32x4_t c = centred(x, mean, i, d);
		int32x4_t v = vcvtnq_s32_f32(vmulq_f32(c, inv));
		emit_bytes(out + i, d - i, v, &s);
		float32x4_t w = vmulq_f32(vfmsq_f32(c, unit, vcvtq_f32_s32(v)), inv);
		residual = vfmaq_f32(residual, w, w);
	}
	quantize_scaled(
	    scale, d, mean != NULL, vaddvq_s32(s.sum), vaddvq_s32(s.sumsq), vaddvq_f32(residual), info);
}

void quantize_neon(const float *x, const float *mean, int64_t d, int8_t *out, struct quantized *info)
{
	float32x4_t top = vdupq_n_f32(0);
	uint32x4_t integral = vdupq_n_u32(~0u); /* set if an integer in −128 … 127 */
	for (int64_t i = 0; i < d; i += LANES) {
		float32x4_t c = centred(x, mean, i, d);
		integral = vandq_u32(integral, vceqq_f32(vrndq_f32(c), c));
		integral = vandq_u32(integral, vcgeq_f32(c, vdupq_n_f32(-128)));
		integral = vandq_u32(integral, vcleq_f32(c, vdupq_n_f32(127)));
		top = vmaxq_f32(top, vabsq_f32(c));
	}
	float max = vmaxvq_f32(top);
	if (vminvq_u32(integral))
		quantize_as_is(x, mean, d, out, info);
	else if (!quantize_extreme(max, d, out, info))
		quantize_to_scale(x, mean, d, max / 127, out, info);
}

/* Transpose 4 × 4 dwords: lane j of v[i] becomes lane i of v[j]. */
ALWAYS_INLINE void transpose4(uint32x4_t v[4])
{
	/* The even and the odd dwords of pairs of rows, as 64-bit lanes. */
	uint64x2_t even01 = vreinterpretq_u64_u32(vtrn1q_u32(v[0], v[1]));
	uint64x2_t odd01 = vreinterpretq_u64_u32(vtrn2q_u32(v[0], v[1]));
	uint64x2_t even23 = vreinterpretq_u64_u32(vtrn1q_u32(v[2], v[3]));
	uint64x2_t odd23 = vreinterpretq_u64_u32(vtrn2q_u32(v[2], v[3]));
	v[0] = vreinterpretq_u32_u64(vtrn1q_u64(even01, even23));
	v[1] = vreinterpretq_u32_u64(vtrn1q_u64(odd01, odd23));
	v[2] = vreinterpretq_u32_u64(vtrn2q_u64(even01, even23));
	v[3] = vreinterpretq_u32_u64(vtrn2q_u64(odd01, odd23));
}

/* Pack four rows, of which n exist; out: the place of the first in the panel. */
ALWAYS_INLINE void pack_rows(
    const char *rows, size_t stride, int64_t n, int64_t bytes, uint32_t flip, uint32_t *out)
{
	const uint32x4_t flips = vdupq_n_u32(flip);
	for (int64_t b = 0; b < bytes; b += 16) {
		uint32x4_t v[4];
		for (int j = 0; j < 4; j++) {
			const char *p = rows + (size_t)j * stride + b;
			uint8x16_t x = vdupq_n_u8(0);
			if (j < n)
				x = bytes - b >= 16 ? vld1q_u8((const void *)p) : load_part(p, bytes - b);
			v[j] = veorq_u32(vreinterpretq_u32_u8(x), flips);
		}
		transpose4(v);
		uint32_t *at = out + b / 4 * TILE_ROWS;
		for (int j = 0; j < 4 && b + 4 * j < bytes; j++)
			vst1q_u32(at + j * TILE_ROWS, v[j]);
	}
}

void pack_neon(const void *rows, size_t stride, int64_t n, int64_t bytes, uint32_t flip, uint32_t *out)
{
	for (int64_t r = 0; r < TILE_ROWS; r += 4) {
		const char *first = (const char *)rows + (r < n ? (size_t)r * stride : 0);
		if (r + 4 <= n)
			pack_rows(first, stride, 4, bytes, flip, out + r);
		else
			pack_rows(first, stride, n - r, bytes, flip, out + r);
	}
}

/* The number of vectors of rows in a pass for nq queries. */
ALWAYS_INLINE int vecs_of(int nq)
{
	return nq == 1 ? 16 : nq == 2 ? 8 : 4;
}

/* Compute the keys of the first vecs_of(nq) vectors of rows of a panel. */
typedef void pass_f32_fn(
    const float *panel, int64_t k, const float *q, size_t qstride, const float *low, float *key);

ALWAYS_INLINE void pass_f32(
    int nq, const float *panel, int64_t k, const float *q, size_t qstride, const float *low, float *key)
{
	const int vecs = vecs_of(nq);
	float32x4_t sum[AT_ONCE][VECS];
	UNROLL
	for (int j = 0; j < nq; j++) {
		UNROLL
		for (int v = 0; v < vecs; v++)
			sum[j][v] = vdupq_n_f32(0);
	}
	for (int64_t i = 0; i < k; i++) {
		const float *at = panel + i * TILE_ROWS;
		UNROLL
		for (int v = 0; nq > 1 && v < vecs; v += 4)
			__builtin_prefetch(at + AHEAD * TILE_ROWS + v * LANES);
		float32x4_t x[VECS];
		UNROLL
		for (int v = 0; v < vecs; v++)
			x[v] = vld1q_f32(at + v * LANES);
		UNROLL
		for (int j = 0; j < nq; j++) {
			float y = q[(size_t)j * qstride + (size_t)i];
			UNROLL
			for (int v = 0; v < vecs; v++)
				sum[j][v] = vfmaq_n_f32(sum[j][v], x[v], y);
		}
	}
	UNROLL
	for (int j = 0; j < nq; j++) {
		UNROLL
		for (int v = 0; v < vecs; v++)
			vst1q_f32(key + j * TILE_ROWS + v * LANES,
			    vaddq_f32(vld1q_f32(low + v * LANES), sum[j][v]));
	}
}

#define PASS_F32(nq)                                                                                         \
	static void pass_f32_##nq(                                                                           \
	    const float *panel, int64_t k, const float *q, size_t qstride, const float *low, float *key)     \
	{                                                                                                    \
		pass_f32(nq, panel, k, q, qstride, low, key);                                                \
	}

PASS_F32(1)
PASS_F32(2)
PASS_F32(3)
PASS_F32(4)
PASS_F32(5)
PASS_F32(6)

/* Finish a query: copy its keys if one is <= thr. Returns its mask. */
ALWAYS_INLINE uint64_t emit(const float *key, float thr, float *out)
{
	const uint32x4_t place = {1, 2, 4, 8};
	const float32x4_t limit = vdupq_n_f32(thr);
	uint64_t mask = 0;
	for (int r = 0; r < TILE_ROWS; r += LANES) {
		uint32x4_t below = vcleq_f32(vld1q_f32(key + r), limit);
		mask |= (uint64_t)vaddvq_u32(vandq_u32(below, place)) << r;
	}
	if (mask)
		memcpy(out, key, TILE_ROWS * sizeof *key);
	return mask;
}

static uint64_t block_f32(const float *panel, int64_t k, const float *q, size_t qstride, int nq,
    const float *low, const float *thr, uint64_t *mask, float *keys)
{
	/* Calls through pointers keep the compiler from merging passes, which would need too many
	 * registers. */
	static pass_f32_fn *const pass[] = {
	    NULL, pass_f32_1, pass_f32_2, pass_f32_3, pass_f32_4, pass_f32_5, pass_f32_6};
	float key[AT_ONCE * TILE_ROWS];
	for (int r = 0; r < TILE_ROWS; r += vecs_of(nq) * LANES)
		pass[nq](panel + r, k, q, qstride, low + r, key + r);
	uint64_t any = 0;
	for (int j = 0; j < nq; j++) {
		mask[j] = emit(key + j * TILE_ROWS, thr[j], keys + j * TILE_ROWS);
		any |= mask[j];
	}
	return any;
}

/* Add the inner product of four bytes to each of four lanes. */
ALWAYS_INLINE int32x4_t dot(int32x4_t sum, int8x16_t x, int8x16_t y)
{
#ifdef __ARM_FEATURE_DOTPROD
	return vdotq_s32(sum, x, y);
#else
	int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(x), vget_low_s8(y)));
	int32x4_t high = vpaddlq_s16(vmull_high_s8(x, y));
	return vaddq_s32(sum, vpaddq_s32(low, high));
#endif
}

/* The sums of 16 rows of the panel, turned back to int8, with nq queries. */
ALWAYS_INLINE void pass_i8(
    int nq, const uint32_t *panel, int64_t k, const int8_t *q, size_t qstride, int32_t *total)
{
	enum { PASS_VECS = 4 };
	int32x4_t sum[AT_ONCE][PASS_VECS];
	UNROLL
	for (int j = 0; j < nq; j++) {
		UNROLL
		for (int v = 0; v < PASS_VECS; v++)
			sum[j][v] = vdupq_n_s32(0);
	}
	for (int64_t i = 0; i < k; i++) {
		const uint32_t *at = panel + i * TILE_ROWS;
		__builtin_prefetch(at + AHEAD * TILE_ROWS);
		int8x16_t x[PASS_VECS];
		UNROLL
		for (int v = 0; v < PASS_VECS; v++) {
			uint32x4_t u = veorq_u32(vld1q_u32(at + v * LANES), vdupq_n_u32(0x80808080));
			x[v] = vreinterpretq_s8_u32(u);
		}
		UNROLL
		for (int j = 0; j < nq; j++) {
			int32_t four;
			memcpy(&four, q + (size_t)j * qstride + 4 * i, sizeof four);
			int8x16_t y = vreinterpretq_s8_s32(vdupq_n_s32(four));
			UNROLL
			for (int v = 0; v < PASS_VECS; v++)
				sum[j][v] = dot(sum[j][v], x[v], y);
		}
	}
	UNROLL
	for (int j = 0; j < nq; j++) {
		UNROLL
		for (int v = 0; v < PASS_VECS; v++)
			vst1q_s32(total + j * TILE_ROWS + v * LANES, sum[j][v]);
	}
}

/* The sums of all rows with nq queries. Fewer than AT_ONCE are taken one at a time, which is good enough for
 * the last few of a call. */
static void sums_i8(const uint32_t *panel, int64_t k, const int8_t *q, size_t qstride, int nq, int32_t *total)
{
	for (int r = 0; r < TILE_ROWS; r += 16) {
		if (nq == AT_ONCE) {
			pass_i8(AT_ONCE, panel + r, k, q, qstride, total + r);
			continue;
		}
		for (int j = 0; j < nq; j++)
			pass_i8(1, panel + r, k, q + (size_t)j * qstride, qstride, total + j * TILE_ROWS + r);
	}
}

/* The bias of a query, with what turning the panel to int8 takes away. */
static int32_t full_bias(int32_t bias, const int8_t *q, int64_t bytes)
{
	int32_t sum = 0;
	for (int64_t i = 0; i < bytes; i++)
		sum += q[i];
	return bias + 128 * sum;
}

static uint64_t block_i8(const uint32_t *panel, int64_t k, const int8_t *q, size_t qstride, int nq,
    const float *low, const float *scale, const float *qscale, const int32_t *qbias, const float *thr,
    uint64_t *mask, float *keys)
{
	int32_t total[AT_ONCE * TILE_ROWS];
	sums_i8(panel, k, q, qstride, nq, total);
	uint64_t any = 0;
	for (int j = 0; j < nq; j++) {
		float key[TILE_ROWS];
		const int32x4_t bias = vdupq_n_s32(full_bias(qbias[j], q + (size_t)j * qstride, 4 * k));
		for (int r = 0; r < TILE_ROWS; r += LANES) {
			int32x4_t sum = vaddq_s32(vld1q_s32(total + j * TILE_ROWS + r), bias);
			float32x4_t both = vmulq_n_f32(vld1q_f32(scale + r), qscale[j]);
			vst1q_f32(key + r, vfmaq_f32(vld1q_f32(low + r), both, vcvtq_f32_s32(sum)));
		}
		mask[j] = emit(key, thr[j], keys + j * TILE_ROWS);
		any |= mask[j];
	}
	return any;
}

TILE_F32_IN_BLOCKS(tile_f32_neon, block_f32, AT_ONCE)

TILE_I8_IN_BLOCKS(tile_i8_neon, block_i8, AT_ONCE)
