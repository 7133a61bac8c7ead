/* Scalar quantizers, NEON.
 *
 * A step of encoding or decoding handles 8 codes, in `bits` bytes, as two vectors of four; codes of 6 and 4
 * bits are converted to bytes in a general register. Elements beyond the end of a row have low and step 0; 0
 * / 0 is encoded as 0. A step of a scan handles 8 words of codes; beyond the end of a row a and b are 0. */
#include "kernels/neon/neon.h"
#include "kernels/row_functions.h"

#include "kernels/sq_pack.h"

enum op { L2SQ, IP };
enum { LANES = 8, WORDS = 8 };

/* Eight floats: x[0] has the first four. */
struct eight {
	float32x4_t x[2];
};

/* Load codes i … i + 7 of a row, from i on which there are `left` codes. */
ALWAYS_INLINE struct eight load8(int bits, const uint8_t *row, int64_t i, int64_t left)
{
	uint8x8_t c = vget_low_u8(load_part(row + i * bits / 8, left < LANES ? (left * bits + 7) / 8 : bits));
	if (bits != 8)
		c = vcreate_u8(sq_unpack(vget_lane_u64(vreinterpret_u64_u8(c), 0), bits));
	uint16x8_t w = vmovl_u8(c);
	return (struct eight){{vcvtq_f32_u32(vmovl_u16(vget_low_u16(w))), vcvtq_f32_u32(vmovl_high_u16(w))}};
}

ALWAYS_INLINE struct eight load_floats(const float *x, int64_t left)
{
	if (left >= LANES)
		return (struct eight){{vld1q_f32(x), vld1q_f32(x + 4)}};
	float part[LANES] = {0};
	memcpy(part, x, (size_t)left * sizeof *x);
	return (struct eight){{vld1q_f32(part), vld1q_f32(part + 4)}};
}

ALWAYS_INLINE void encode8(
    int bits, const float *x, const float *low, const float *step, int64_t i, int64_t left, uint8_t *code)
{
	const float32x4_t max = vdupq_n_f32((float)((1 << bits) - 1)), zero = vdupq_n_f32(0);
	struct eight v = load_floats(x + i, left), l = load_floats(low + i, left),
	             s = load_floats(step + i, left);
	uint16x4_t c[2];
	UNROLL
	for (int h = 0; h < 2; h++) {
		float32x4_t t = vdivq_f32(vsubq_f32(v.x[h], l.x[h]), s.x[h]);
		/* If one operand is NaN, maxnm gives the other one. */
		t = vminq_f32(vmaxnmq_f32(t, zero), max);
		c[h] = vmovn_u32(vcvtq_u32_f32(t));
	}
	uint8x8_t bytes = vmovn_u16(vcombine_u16(c[0], c[1]));
	uint64_t string = sq_pack(vget_lane_u64(vreinterpret_u64_u8(bytes), 0), bits);
	memcpy(code + i * bits / 8, &string, (size_t)(left < LANES ? (left * bits + 7) / 8 : bits));
}

ALWAYS_INLINE void encode(
    int bits, const float *x, const float *low, const float *step, int64_t d, uint8_t *code)
{
	int64_t i = 0;
	for (; i + LANES <= d; i += LANES)
		encode8(bits, x, low, step, i, LANES, code);
	if (i < d)
		encode8(bits, x, low, step, i, d - i, code);
}

ALWAYS_INLINE struct eight decode8(
    int bits, const uint8_t *code, const float *low, const float *step, int64_t i, int64_t left)
{
	const float32x4_t half = vdupq_n_f32(0.5f);
	struct eight c = load8(bits, code, i, left), s = load_floats(step + i, left),
	             x = load_floats(low + i, left);
	UNROLL
	for (int h = 0; h < 2; h++)
		x.x[h] = vfmaq_f32(x.x[h], s.x[h], vaddq_f32(c.x[h], half));
	return x;
}

ALWAYS_INLINE void decode(
    int bits, const uint8_t *code, const float *low, const float *step, int64_t d, float *x)
{
	int64_t i = 0;
	for (; i + LANES <= d; i += LANES) {
		struct eight v = decode8(bits, code, low, step, i, LANES);
		vst1q_f32(x + i, v.x[0]);
		vst1q_f32(x + i + 4, v.x[1]);
	}
	if (i < d) {
		struct eight v = decode8(bits, code, low, step, i, d - i);
		memcpy(x + i, &v, (size_t)(d - i) * sizeof *x);
	}
}

/* The bytes that a step of a scan takes: 8 words, or 8 codes of 6 bits. */
ALWAYS_INLINE int64_t step_bytes(int bits)
{
	return bits == 6 ? 6 : 16;
}

/* Load the first `bytes` bytes of a step. With 6 bits, each word gets the bytes in which its code is. */
ALWAYS_INLINE uint16x8_t load_words(int bits, const uint8_t *p, int64_t bytes)
{
	uint8x16_t v = bytes == 16 ? vld1q_u8(p) : load_part(p, bytes);
	if (bits == 6) {
		/* The two bytes in which a code is, to its word. */
		static const uint8_t around[16] = {0, 1, 0, 1, 1, 2, 1, 2, 3, 4, 3, 4, 4, 5, 4, 5};
		v = vqtbl1q_u8(v, vld1q_u8(around));
	}
	return vreinterpretq_u16_u8(v);
}

/* Code number k of each word, in the upper bits of the word (L2SQ) or as a number (IP). */
ALWAYS_INLINE uint16x8_t codes_at(enum op op, int bits, int k, uint16x8_t v)
{
	static const int16_t shifts[8] = {10, 4, 6, 0, 10, 4, 6, 0};
	const int top = 16 - bits;
	if (bits == 6)
		v = vshlq_u16(v, vld1q_s16(shifts));
	else
		v = vshlq_u16(v, vdupq_n_s16((int16_t)(top - bits * k)));
	if (op == IP)
		return vshlq_u16(v, vdupq_n_s16((int16_t)-top));
	return vandq_u16(v, vdupq_n_u16((uint16_t)(0xffff << top)));
}

/* The upper halves of the products. */
ALWAYS_INLINE uint16x8_t mulhi(uint16x8_t x, uint16x8_t y)
{
	uint32x4_t low = vmull_u16(vget_low_u16(x), vget_low_u16(y)), high = vmull_high_u16(x, y);
	return vuzp2q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(high));
}

ALWAYS_INLINE int32x4_t add_words(
    enum op op, int bits, const int16_t *a, const uint16_t *b, uint16x8_t v, int32x4_t sum)
{
	UNROLL
	for (int k = 0; k < sq_codes(bits); k++) {
		uint16x8_t c = codes_at(op, bits, k, v);
		int16x8_t t = vld1q_s16(a + SQ_LANES * k), u = vreinterpretq_s16_u16(c);
		if (op == L2SQ)
			u = t = vsubq_s16(t, vreinterpretq_s16_u16(mulhi(c, vld1q_u16(b + SQ_LANES * k))));
		sum = vmlal_s16(sum, vget_low_s16(t), vget_low_s16(u));
		sum = vmlal_high_s16(sum, t, u);
	}
	return sum;
}

/* The sum over a row, still in several lanes. A group of words is four steps. */
ALWAYS_INLINE int32x4_t sum_row(
    enum op op, int bits, const int16_t *a, const uint16_t *b, const char *at, int64_t d)
{
	const uint8_t *row = (const uint8_t *)at;
	const int64_t codes = sq_codes(bits), bytes = step_bytes(bits);
	int32x4_t sum = vdupq_n_s32(0);
	for (int64_t left = (d * bits + 7) / 8, i = 0; left > 0; left -= bytes, i += WORDS) {
		int64_t lane = i / SQ_LANES * SQ_LANES * codes + i % SQ_LANES;
		const int16_t *ai = a + lane;
		const uint16_t *bi = b + lane;
		uint16x8_t v = left >= bytes ? load_words(bits, row, bytes) : load_words(bits, row, left);
		sum = add_words(op, bits, ai, bi, v, sum);
		row += bytes;
	}
	return sum;
}

/* Sums of n rows. With IP, b is not read, but must be a valid pointer. */
ALWAYS_INLINE void scan(enum op op, int bits, const int16_t *a, const uint16_t *b, const void *rows,
    size_t stride, const uint32_t *pos, int64_t n, int64_t d, int32_t *out)
{
	for (int64_t i = 0; i < n; i += GROUP) {
		int32x4_t sum[GROUP];
		UNROLL
		for (int j = 0; j < GROUP; j++) {
			sum[j] = vdupq_n_s32(0);
			if (i + j < n)
				sum[j] = sum_row(op, bits, a, b, row_at(rows, stride, pos, i + j), d);
		}
		int32_t result[GROUP];
		vst1q_s32(result, vpaddq_s32(vpaddq_s32(sum[0], sum[1]), vpaddq_s32(sum[2], sum[3])));
		memcpy(out + i, result, (size_t)(n - i < GROUP ? n - i : GROUP) * sizeof *out);
	}
}

SQ_FUNCTIONS(8, neon)
SQ_FUNCTIONS(6, neon)
SQ_FUNCTIONS(4, neon)
