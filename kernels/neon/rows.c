/* One float query × rows of floats, bf16 or f16.
 *
 * Rows are read one after another, from the first byte to the last, so that hardware prefetchers can follow.
 * Four chains of multiply-adds hide the latency within a row, and four rows share one tree of pairwise
 * additions. A bf16 is widened by a shift, an f16 by fcvtl. */
#include "kernels/neon/neon.h"
#include "kernels/row_functions.h"

enum op { L2SQ, IP, NORMSQ, L1, LINF };
enum type { F32, BF16, F16 };

enum { LANES = 4, CHAINS = 4 };

ALWAYS_INLINE float32x4_t widen(enum type type, uint8x8_t x)
{
	if (type == F16)
		return vcvt_f32_f16(vreinterpret_f16_u8(x));
	return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(x), 16));
}

ALWAYS_INLINE float32x4_t load(enum type type, const void *row, int64_t i)
{
	const uint8_t *p = row;
	return type == F32 ? vreinterpretq_f32_u8(vld1q_u8(p + 4 * i)) : widen(type, vld1_u8(p + 2 * i));
}

ALWAYS_INLINE float32x4_t load_tail(enum type type, const void *row, int64_t i, int64_t left)
{
	const uint8_t *p = row;
	if (type == F32)
		return vreinterpretq_f32_u8(load_part(p + 4 * i, 4 * left));
	return widen(type, vget_low_u8(load_part(p + 2 * i, 2 * left)));
}

/* Join two sums, or for Linf two maxima; and those of the lanes of four vectors. */
ALWAYS_INLINE float32x4_t join(enum op op, float32x4_t a, float32x4_t b)
{
	return op == LINF ? vmaxq_f32(a, b) : vaddq_f32(a, b);
}

ALWAYS_INLINE float32x4_t reduce(enum op op, const float32x4_t sum[GROUP])
{
	if (op == LINF)
		return vpmaxq_f32(vpmaxq_f32(sum[0], sum[1]), vpmaxq_f32(sum[2], sum[3]));
	return vpaddq_f32(vpaddq_f32(sum[0], sum[1]), vpaddq_f32(sum[2], sum[3]));
}

ALWAYS_INLINE float32x4_t accumulate(enum op op, float32x4_t sum, float32x4_t q, float32x4_t x)
{
	if (op == IP)
		return vfmaq_f32(sum, q, x);
	if (op == L1 || op == LINF)
		return join(op, sum, vabdq_f32(q, x));
	float32x4_t t = op == L2SQ ? vsubq_f32(q, x) : x;
	return vfmaq_f32(sum, t, t);
}

/* The sum over a row, still in several lanes. With NORMSQ, q is not read. */
ALWAYS_INLINE float32x4_t row_f32(enum op op, enum type type, const float *q, const char *row, int64_t d)
{
	const float32x4_t zero = vdupq_n_f32(0);
	float32x4_t sum[CHAINS] = {zero, zero, zero, zero};
	int64_t i = 0;
	for (; i + CHAINS * LANES <= d; i += CHAINS * LANES) {
		UNROLL
		for (int c = 0; c < CHAINS; c++) {
			float32x4_t y = op == NORMSQ ? zero : load(F32, q, i + c * LANES);
			sum[c] = accumulate(op, sum[c], y, load(type, row, i + c * LANES));
		}
	}
	for (; i + LANES <= d; i += LANES) {
		float32x4_t y = op == NORMSQ ? zero : load(F32, q, i);
		sum[0] = accumulate(op, sum[0], y, load(type, row, i));
	}
	if (i < d) {
		float32x4_t y = op == NORMSQ ? zero : load_tail(F32, q, i, d - i);
		sum[1] = accumulate(op, sum[1], y, load_tail(type, row, i, d - i));
	}
	return join(op, join(op, sum[0], sum[1]), join(op, sum[2], sum[3]));
}

ALWAYS_INLINE void rows_f32(enum op op, enum type type, const float *q, const void *rows, size_t stride,
    const uint32_t *pos, int64_t n, int64_t d, float *out)
{
	for (int64_t i = 0; i < n; i += GROUP) {
		float32x4_t sum[GROUP];
		if (pos)
			group_prefetch(rows, stride, pos, i, n, d * (type == F32 ? 4 : 2));
		UNROLL
		for (int j = 0; j < GROUP; j++) {
			sum[j] = vdupq_n_f32(0);
			if (i + j < n)
				sum[j] = row_f32(op, type, q, row_at(rows, stride, pos, i + j), d);
		}
		float result[GROUP];
		vst1q_f32(result, reduce(op, sum));
		memcpy(out + i, result, (size_t)(n - i < GROUP ? n - i : GROUP) * sizeof *out);
	}
}

#define ROWS(name, op, type) ROW_FUNCTIONS(name, neon, float, float, rows_f32, op, type)

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

/* Join the upper and lower parts of 4 floats. */
ALWAYS_INLINE float32x4_t join4(uint8x8_t hi, uint8x8_t lo)
{
	uint16x4_t h = vreinterpret_u16_u8(hi), l = vreinterpret_u16_u8(lo);
	h = vsub_u16(h, vshr_n_u16(l, 15));
	return vreinterpretq_f32_u32(vorrq_u32(vshll_n_u16(h, 16), vmovl_u16(l)));
}

ALWAYS_INLINE float32x4_t load_split(const char *hi, const char *lo, int64_t i)
{
	return join4(vld1_u8((const uint8_t *)hi + 2 * i), vld1_u8((const uint8_t *)lo + 2 * i));
}

ALWAYS_INLINE float32x4_t row_split(enum op op, const float *q, const char *hi, const char *lo, int64_t d)
{
	const float32x4_t zero = vdupq_n_f32(0);
	float32x4_t sum[CHAINS] = {zero, zero, zero, zero};
	int64_t i = 0;
	for (; i + CHAINS * LANES <= d; i += CHAINS * LANES) {
		UNROLL
		for (int c = 0; c < CHAINS; c++) {
			int64_t at = i + c * LANES;
			sum[c] = accumulate(op, sum[c], load(F32, q, at), load_split(hi, lo, at));
		}
	}
	for (; i + LANES <= d; i += LANES)
		sum[0] = accumulate(op, sum[0], load(F32, q, i), load_split(hi, lo, i));
	if (i < d) {
		uint8x8_t h = vget_low_u8(load_part(hi + 2 * i, 2 * (d - i)));
		uint8x8_t l = vget_low_u8(load_part(lo + 2 * i, 2 * (d - i)));
		sum[1] = accumulate(op, sum[1], load_tail(F32, q, i, d - i), join4(h, l));
	}
	return join(op, join(op, sum[0], sum[1]), join(op, sum[2], sum[3]));
}

ALWAYS_INLINE void gather_split(enum op op, const float *q, const void *hi, const void *lo, size_t stride,
    const uint32_t *pos, int64_t n, int64_t d, float *out)
{
	for (int64_t i = 0; i < n; i += GROUP) {
		float32x4_t sum[GROUP];
		group_prefetch(hi, stride, pos, i, n, d * 2);
		group_prefetch(lo, stride, pos, i, n, d * 2);
		UNROLL
		for (int j = 0; j < GROUP; j++) {
			sum[j] = vdupq_n_f32(0);
			if (i + j < n)
				sum[j] = row_split(
				    op, q, row_at(hi, stride, pos, i + j), row_at(lo, stride, pos, i + j), d);
		}
		float result[GROUP];
		vst1q_f32(result, reduce(op, sum));
		memcpy(out + i, result, (size_t)(n - i < GROUP ? n - i : GROUP) * sizeof *out);
	}
}

SPLIT_FUNCTION(l2sq, neon, L2SQ)
SPLIT_FUNCTION(ip, neon, IP)
SPLIT_FUNCTION(l1, neon, L1)
SPLIT_FUNCTION(linf, neon, LINF)

NORMS_FUNCTION(normsq_f32, neon, float, rows_f32, NORMSQ, F32)
NORMS_FUNCTION(normsq_bf16, neon, float, rows_f32, NORMSQ, BF16)
NORMS_FUNCTION(normsq_f16, neon, float, rows_f32, NORMSQ, F16)
