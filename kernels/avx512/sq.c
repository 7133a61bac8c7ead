/* Scalar quantisers, AVX-512: 16 codes a step, in 2 · bits bytes, one code in each 32-bit lane.
 *
 * Lanes beyond the end of a row have low, step, a and w 0, so that they add nothing; they encode 0 / 0, which
 * is 0. */
#include "kernels/avx512/avx512.h"

enum op { L2SQ, IP };

/* Codes i … i + 15 of a row of which `left` are left. */
ALWAYS_INLINE __m512 load16(int bits, const uint8_t *row, int64_t i, int64_t left)
{
	int64_t bytes = left < 16 ? (left * bits + 7) / 8 : 2 * bits;
	__m128i x = _mm_maskz_loadu_epi8(first16(bytes), row + i * bits / 8);
	__m512i c;
	if (bits == 8) {
		c = _mm512_cvtepu8_epi32(x);
	} else if (bits == 4) {
		/* A byte in 64 bits: its halves to the bottom of the lower and of the upper 32. */
		c = _mm512_cvtepu8_epi64(x);
		c = _mm512_or_si512(c, _mm512_slli_epi64(c, 28));
		c = _mm512_and_si512(c, _mm512_set1_epi32(15));
	} else {
		/* Three bytes, four codes, in each lane of a quarter. */
		const __m512i triple = _mm512_setr_epi32(0x80020100, 0x80020100, 0x80020100, 0x80020100,
		    0x80050403, 0x80050403, 0x80050403, 0x80050403, 0x80080706, 0x80080706, 0x80080706,
		    0x80080706, 0x800b0a09, 0x800b0a09, 0x800b0a09, 0x800b0a09);
		const __m512i shift = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 6, 12, 18));
		c = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(x), triple);
		c = _mm512_and_si512(_mm512_srlv_epi32(c, shift), _mm512_set1_epi32(63));
	}
	return _mm512_cvtepi32_ps(c);
}

/* And back. */
ALWAYS_INLINE void store16(int bits, uint8_t *row, int64_t i, int64_t left, __m512i c)
{
	__mmask16 m = first16(left < 16 ? (left * bits + 7) / 8 : 2 * bits);
	__m128i x;
	if (bits == 8) {
		x = _mm512_cvtepi32_epi8(c);
	} else if (bits == 4) {
		x = _mm512_cvtepi64_epi8(_mm512_or_si512(c, _mm512_srli_epi64(c, 28)));
	} else {
		const __m128i drop = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
		c = _mm512_sllv_epi32(c, _mm512_broadcast_i32x4(_mm_setr_epi32(0, 6, 12, 18)));
		c = _mm512_or_si512(c, _mm512_srli_epi64(c, 32));
		c = _mm512_or_si512(c, _mm512_bsrli_epi128(c, 8));
		x = _mm512_castsi512_si128(_mm512_maskz_compress_epi32(0x1111, c));
		x = _mm_shuffle_epi8(x, drop);
	}
	_mm_mask_storeu_epi8(row + i * bits / 8, m, x);
}

ALWAYS_INLINE void encode(
    int bits, const float *x, const float *low, const float *step, int64_t d, uint8_t *code)
{
	const __m512 most = _mm512_set1_ps((float)((1 << bits) - 1)), zero = _mm512_setzero_ps();
	for (int64_t i = 0; i < d; i += 16) {
		__mmask16 m = first16(d - i);
		__m512 t = _mm512_sub_ps(_mm512_maskz_loadu_ps(m, x + i), _mm512_maskz_loadu_ps(m, low + i));
		t = _mm512_div_ps(t, _mm512_maskz_loadu_ps(m, step + i));
		/* The second operand where the first is NaN. */
		t = _mm512_min_ps(_mm512_max_ps(t, zero), most);
		store16(bits, code, i, d - i, _mm512_cvttps_epi32(t));
	}
}

ALWAYS_INLINE void decode(
    int bits, const uint8_t *code, const float *low, const float *step, int64_t d, float *x)
{
	for (int64_t i = 0; i < d; i += 16) {
		__mmask16 m = first16(d - i);
		__m512 c = _mm512_add_ps(load16(bits, code, i, d - i), _mm512_set1_ps(0.5f));
		__m512 v =
		    _mm512_fmadd_ps(_mm512_maskz_loadu_ps(m, step + i), c, _mm512_maskz_loadu_ps(m, low + i));
		_mm512_mask_storeu_ps(x + i, m, v);
	}
}

/* sum + the terms of 16 codes; for inner products a is w. */
ALWAYS_INLINE __m512 add16(enum op op, int bits, const float *a, const float *step, const uint8_t *row,
    int64_t i, int64_t left, __m512 sum)
{
	__mmask16 m = first16(left);
	__m512 c = load16(bits, row, i, left), t = _mm512_maskz_loadu_ps(m, a + i);
	if (op == IP)
		return _mm512_fmadd_ps(t, c, sum);
	t = _mm512_fnmadd_ps(_mm512_maskz_loadu_ps(m, step + i), c, t);
	return _mm512_fmadd_ps(t, t, sum);
}

/* The sum over a row, spread over the lanes. */
ALWAYS_INLINE __m512 sum_row(
    enum op op, int bits, const float *a, const float *step, const char *at, int64_t d)
{
	const uint8_t *row = (const uint8_t *)at;
	__m512 even = _mm512_setzero_ps(), odd = even;
	int64_t i = 0;
	for (; i + 32 <= d; i += 32) {
		even = add16(op, bits, a, step, row, i, 16, even);
		odd = add16(op, bits, a, step, row, i + 16, 16, odd);
	}
	if (i + 16 <= d) {
		even = add16(op, bits, a, step, row, i, 16, even);
		i += 16;
	}
	if (i < d)
		odd = add16(op, bits, a, step, row, i, d - i, odd);
	return _mm512_add_ps(even, odd);
}

ALWAYS_INLINE void scan(enum op op, int bits, const float *a, const float *step, const void *rows,
    size_t stride, int64_t n, int64_t d, float *out)
{
	for (int64_t i = 0; i < n; i += BLOCK) {
		__m512 sum[BLOCK];
		UNROLL_BLOCK
		for (int j = 0; j < BLOCK; j++)
			sum[j] = sum_row(op, bits, a, step, row_at(rows, stride, NULL, i + j, n), d);
		_mm_mask_storeu_ps(out + i, store_mask(i, n), reduce_4x16_f32(sum));
	}
}

#define SQ(bits)                                                                                             \
	void encode_sq##bits##_avx512(                                                                       \
	    const float *x, const float *low, const float *step, int64_t d, uint8_t *code)                   \
	{                                                                                                    \
		encode(bits, x, low, step, d, code);                                                         \
	}                                                                                                    \
	void decode_sq##bits##_avx512(                                                                       \
	    const uint8_t *code, const float *low, const float *step, int64_t d, float *x)                   \
	{                                                                                                    \
		decode(bits, code, low, step, d, x);                                                         \
	}                                                                                                    \
	void l2sq_sq##bits##_avx512(const float *a, const float *step, const void *rows, size_t stride,      \
	    int64_t n, int64_t d, float *out)                                                                \
	{                                                                                                    \
		scan(L2SQ, bits, a, step, rows, stride, n, d, out);                                          \
	}                                                                                                    \
	void ip_sq##bits##_avx512(                                                                           \
	    const float *w, const void *rows, size_t stride, int64_t n, int64_t d, float *out)               \
	{                                                                                                    \
		scan(IP, bits, w, NULL, rows, stride, n, d, out);                                            \
	}

SQ(8)
SQ(6)
SQ(4)
