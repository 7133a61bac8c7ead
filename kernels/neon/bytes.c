/* One byte query × rows of bytes, exact.
 *
 * The absolute difference of two bytes is a uint8 whether they are signed or not, so that l2sq has one code
 * for both: the square of the absolute difference (at most 255², a uint16) is added in pairs into uint32.
 * Inner products add signed or unsigned products in the same way. */
#include "kernels/neon/neon.h"
#include "kernels/row_functions.h"

enum op { L2SQ, IP };
enum type { U8, I8 };

enum { STEP = 16 };

ALWAYS_INLINE uint32x4_t accumulate_u8(uint32x4_t sum, uint8x16_t x, uint8x16_t y)
{
	sum = vpadalq_u16(sum, vmull_u8(vget_low_u8(x), vget_low_u8(y)));
	return vpadalq_u16(sum, vmull_high_u8(x, y));
}

ALWAYS_INLINE uint32x4_t accumulate_i8(uint32x4_t sum, int8x16_t x, int8x16_t y)
{
	int32x4_t s = vreinterpretq_s32_u32(sum);
	s = vpadalq_s16(s, vmull_s8(vget_low_s8(x), vget_low_s8(y)));
	return vreinterpretq_u32_s32(vpadalq_s16(s, vmull_high_s8(x, y)));
}

ALWAYS_INLINE uint32x4_t accumulate(enum op op, enum type type, uint32x4_t sum, uint8x16_t q, uint8x16_t x)
{
	int8x16_t p = vreinterpretq_s8_u8(q), y = vreinterpretq_s8_u8(x);
	if (op == IP)
		return type == U8 ? accumulate_u8(sum, q, x) : accumulate_i8(sum, p, y);
	uint8x16_t t = type == U8 ? vabdq_u8(q, x) : vreinterpretq_u8_s8(vabdq_s8(p, y));
	return accumulate_u8(sum, t, t);
}

/* The sum over a row, still in several lanes. */
ALWAYS_INLINE uint32x4_t row_i32(enum op op, enum type type, const uint8_t *q, const uint8_t *row, int64_t d)
{
	uint32x4_t even = vdupq_n_u32(0), odd = even;
	int64_t i = 0;
	for (; i + 2 * STEP <= d; i += 2 * STEP) {
		even = accumulate(op, type, even, vld1q_u8(q + i), vld1q_u8(row + i));
		odd = accumulate(op, type, odd, vld1q_u8(q + i + STEP), vld1q_u8(row + i + STEP));
	}
	if (i + STEP <= d) {
		even = accumulate(op, type, even, vld1q_u8(q + i), vld1q_u8(row + i));
		i += STEP;
	}
	if (i < d)
		odd = accumulate(op, type, odd, load_part(q + i, d - i), load_part(row + i, d - i));
	return vaddq_u32(even, odd);
}

/* Sums of n rows; q NULL: of each row with itself. */
ALWAYS_INLINE void rows_i32(enum op op, enum type type, const void *q, const void *rows, size_t stride,
    const uint32_t *pos, int64_t n, int64_t d, int32_t *out)
{
	for (int64_t i = 0; i < n; i += GROUP) {
		uint32x4_t sum[GROUP];
		if (pos)
			group_prefetch(rows, stride, pos, i, n, d);
		UNROLL
		for (int j = 0; j < GROUP; j++) {
			sum[j] = vdupq_n_u32(0);
			if (i + j < n) {
				const char *row = row_at(rows, stride, pos, i + j);
				sum[j] = row_i32(op, type, q ? q : (const void *)row, (const void *)row, d);
			}
		}
		uint32_t result[GROUP];
		vst1q_u32(result, vpaddq_u32(vpaddq_u32(sum[0], sum[1]), vpaddq_u32(sum[2], sum[3])));
		memcpy(out + i, result, (size_t)(n - i < GROUP ? n - i : GROUP) * sizeof *out);
	}
}

#define ROWS(name, op, type) ROW_FUNCTIONS(name, neon, void, int32_t, rows_i32, op, type)

ROWS(l2sq_u8, L2SQ, U8)
ROWS(ip_u8, IP, U8)
ROWS(l2sq_i8, L2SQ, I8)
ROWS(ip_i8, IP, I8)

NORMS_FUNCTION(normsq_u8, neon, int32_t, rows_i32, IP, U8)
NORMS_FUNCTION(normsq_i8, neon, int32_t, rows_i32, IP, I8)
