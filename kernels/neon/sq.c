/* Scalar quantisers, NEON: 8 codes a step, in `bits` bytes, as two vectors of four. Codes of 6 and 4 bits are
 * spread to bytes in a general register.
 *
 * Lanes beyond the end of a row have low, step, a and w 0, so that they add nothing; they encode 0 / 0, which
 * is 0. */
#include "kernels/neon/neon.h"

#include "kernels/sq_pack.h"

enum op { L2SQ, IP };
enum { LANES = 8 };

/* Eight floats: x[0] has the first four. */
struct eight {
	float32x4_t x[2];
};

/* Codes i … i + 7 of a row of which `left` are left. */
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
	const float32x4_t most = vdupq_n_f32((float)((1 << bits) - 1)), zero = vdupq_n_f32(0);
	struct eight v = load_floats(x + i, left), l = load_floats(low + i, left),
	             s = load_floats(step + i, left);
	uint16x4_t c[2];
	UNROLL
	for (int h = 0; h < 2; h++) {
		float32x4_t t = vdivq_f32(vsubq_f32(v.x[h], l.x[h]), s.x[h]);
		/* The other operand where one is NaN. */
		t = vminq_f32(vmaxnmq_f32(t, zero), most);
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

/* Adds the terms of 8 codes; for inner products a is w. */
ALWAYS_INLINE void add8(enum op op, int bits, const float *a, const float *step, const uint8_t *row,
    int64_t i, int64_t left, struct eight *sum)
{
	struct eight c = load8(bits, row, i, left), t = load_floats(a + i, left), s = t;
	if (op == L2SQ)
		s = load_floats(step + i, left);
	UNROLL
	for (int h = 0; h < 2; h++) {
		if (op == L2SQ) {
			t.x[h] = vfmsq_f32(t.x[h], s.x[h], c.x[h]);
			sum->x[h] = vfmaq_f32(sum->x[h], t.x[h], t.x[h]);
		} else {
			sum->x[h] = vfmaq_f32(sum->x[h], t.x[h], c.x[h]);
		}
	}
}

/* The sum over a row, spread over the lanes. */
ALWAYS_INLINE float32x4_t sum_row(
    enum op op, int bits, const float *a, const float *step, const char *at, int64_t d)
{
	const uint8_t *row = (const uint8_t *)at;
	const float32x4_t zero = vdupq_n_f32(0);
	struct eight even = {{zero, zero}}, odd = even;
	int64_t i = 0;
	for (; i + 2 * LANES <= d; i += 2 * LANES) {
		add8(op, bits, a, step, row, i, LANES, &even);
		add8(op, bits, a, step, row, i + LANES, LANES, &odd);
	}
	if (i + LANES <= d) {
		add8(op, bits, a, step, row, i, LANES, &even);
		i += LANES;
	}
	if (i < d)
		add8(op, bits, a, step, row, i, d - i, &odd);
	return vaddq_f32(vaddq_f32(even.x[0], even.x[1]), vaddq_f32(odd.x[0], odd.x[1]));
}

ALWAYS_INLINE void scan(enum op op, int bits, const float *a, const float *step, const void *rows,
    size_t stride, int64_t n, int64_t d, float *out)
{
	for (int64_t i = 0; i < n; i += GROUP) {
		float32x4_t sum[GROUP];
		UNROLL
		for (int j = 0; j < GROUP; j++) {
			sum[j] = vdupq_n_f32(0);
			if (i + j < n)
				sum[j] = sum_row(op, bits, a, step, row_at(rows, stride, NULL, i + j), d);
		}
		float result[GROUP];
		vst1q_f32(result, vpaddq_f32(vpaddq_f32(sum[0], sum[1]), vpaddq_f32(sum[2], sum[3])));
		memcpy(out + i, result, (size_t)(n - i < GROUP ? n - i : GROUP) * sizeof *out);
	}
}

#define SQ(bits)                                                                                             \
	void encode_sq##bits##_neon(                                                                         \
	    const float *x, const float *low, const float *step, int64_t d, uint8_t *code)                   \
	{                                                                                                    \
		encode(bits, x, low, step, d, code);                                                         \
	}                                                                                                    \
	void decode_sq##bits##_neon(                                                                         \
	    const uint8_t *code, const float *low, const float *step, int64_t d, float *x)                   \
	{                                                                                                    \
		decode(bits, code, low, step, d, x);                                                         \
	}                                                                                                    \
	void l2sq_sq##bits##_neon(const float *a, const float *step, const void *rows, size_t stride,        \
	    int64_t n, int64_t d, float *out)                                                                \
	{                                                                                                    \
		scan(L2SQ, bits, a, step, rows, stride, n, d, out);                                          \
	}                                                                                                    \
	void ip_sq##bits##_neon(                                                                             \
	    const float *w, const void *rows, size_t stride, int64_t n, int64_t d, float *out)               \
	{                                                                                                    \
		scan(IP, bits, w, NULL, rows, stride, n, d, out);                                            \
	}

SQ(8)
SQ(6)
SQ(4)
