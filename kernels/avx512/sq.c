/* Scalar quantizers, AVX-512.
 *
 * A step of encoding or decoding handles 16 codes, in 2 · bits bytes, one in each 32-bit lane. Lanes beyond
 * the end of a row have low and step 0; 0 / 0 is encoded as 0. A step of a scan handles a group of codes;
 * beyond the end of a row a and b are 0. */
#include "kernels/avx512/avx512.h"
#include "kernels/row_functions.h"

enum op { L2SQ, IP };

/* Load codes i … i + 15 of a row, from i on which there are `left` codes. */
ALWAYS_INLINE __m512 load16(int bits, const uint8_t *row, int64_t i, int64_t left)
{
	int64_t bytes = left < 16 ? (left * bits + 7) / 8 : 2 * bits;
	__m128i x = _mm_maskz_loadu_epi8(first16(bytes), row + i * bits / 8);
	__m512i c;
	if (bits == 8) {
		c = _mm512_cvtepu8_epi32(x);
	} else if (bits == 4) {
		/* Each byte is in 64 bits; its halves go to the lowest bits of the lower and the upper 32. */
		c = _mm512_cvtepu8_epi64(x);
		c = _mm512_or_si512(c, _mm512_slli_epi64(c, 28));
		c = _mm512_and_si512(c, _mm512_set1_epi32(15));
	} else {
		/* Three bytes, which are four codes, to each lane of a quarter. */
		const __m512i triple = _mm512_setr_epi32(0x80020100, 0x80020100, 0x80020100, 0x80020100,
		    0x80050403, 0x80050403, 0x80050403, 0x80050403, 0x80080706, 0x80080706, 0x80080706,
		    0x80080706, 0x800b0a09, 0x800b0a09, 0x800b0a09, 0x800b0a09);
		const __m512i shift = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 6, 12, 18));
		c = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(x), triple);
		c = _mm512_and_si512(_mm512_srlv_epi32(c, shift), _mm512_set1_epi32(63));
	}
	return _mm512_cvtepi32_ps(c);
}

/* Store codes i … i + 15 of a row, from i on which there are `left` codes. */
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
	const __m512 max = _mm512_set1_ps((float)((1 << bits) - 1)), zero = _mm512_setzero_ps();
	for (int64_t i = 0; i < d; i += 16) {
		__mmask16 m = first16(d - i);
		__m512 t = _mm512_sub_ps(_mm512_maskz_loadu_ps(m, x + i), _mm512_maskz_loadu_ps(m, low + i));
		t = _mm512_div_ps(t, _mm512_maskz_loadu_ps(m, step + i));
		/* If the first operand is NaN, max gives the second one. */
		t = _mm512_min_ps(_mm512_max_ps(t, zero), max);
		store16(bits, code, i, d - i, _mm512_cvttps_epi32(t));
	}
}

ALWAYS_INLINE __m512 decode16(
    int bits, const uint8_t *code, const float *low, const float *step, int64_t i, int64_t left)
{
	__mmask16 m = first16(left);
	__m512 c = _mm512_add_ps(load16(bits, code, i, left), _mm512_set1_ps(0.5f));
	return _mm512_fmadd_ps(_mm512_maskz_loadu_ps(m, step + i), c, _mm512_maskz_loadu_ps(m, low + i));
}

ALWAYS_INLINE void decode(
    int bits, const uint8_t *code, const float *low, const float *step, int64_t d, float *x)
{
	int64_t i = 0;
	for (; i + 16 <= d; i += 16)
		_mm512_storeu_ps(x + i, decode16(bits, code, low, step, i, 16));
	if (i < d)
		_mm512_mask_storeu_ps(x + i, first16(d - i), decode16(bits, code, low, step, i, d - i));
}

/* The number of bytes of a group of codes. */
ALWAYS_INLINE int64_t group_bytes(int bits)
{
	return bits == 6 ? 24 : 64;
}

/* Load the first `bytes` bytes of a group of codes. With 6 bits, each word gets the bytes in which its code
 * is. */
ALWAYS_INLINE __m512i load_group(int bits, const uint8_t *p, int64_t bytes)
{
	__m512i v = _mm512_maskz_loadu_epi8(first64(bytes), p);
	if (bits != 6)
		return v;
	/* Six bytes, which are eight codes, to each quarter; then the two bytes in which a code is, to its
	 * word. */
	const __m512i words =
	    _mm512_setr_epi32(0x10000, 2, 0, 0, 0x40003, 5, 0, 0, 0x70006, 8, 0, 0, 0xa0009, 11, 0, 0);
	const __m128i around = _mm_setr_epi8(0, 1, 0, 1, 1, 2, 1, 2, 3, 4, 3, 4, 4, 5, 4, 5);
	return _mm512_shuffle_epi8(_mm512_permutexvar_epi16(words, v), _mm512_broadcast_i32x4(around));
}

/* Code number k of each word of a group, in the upper bits of the word (L2SQ) or as a number (IP). */
ALWAYS_INLINE __m512i codes_at(enum op op, int bits, int k, __m512i v)
{
	const int top = 16 - bits;
	if (bits == 6)
		v = _mm512_sllv_epi16(v, _mm512_broadcast_i32x4(_mm_setr_epi16(10, 4, 6, 0, 10, 4, 6, 0)));
	else if (top > bits * k)
		v = _mm512_slli_epi16(v, (unsigned)(top - bits * k));
	if (op == IP)
		return _mm512_srli_epi16(v, (unsigned)top);
	return _mm512_and_si512(v, _mm512_set1_epi16((short)(0xffff << top)));
}

ALWAYS_INLINE v16si add_group(enum op op, int bits, const int16_t *a, const uint16_t *b, __m512i v, v16si sum)
{
	UNROLL_BLOCK
	for (int k = 0; k < sq_codes(bits); k++) {
		__m512i c = codes_at(op, bits, k, v), t = _mm512_loadu_si512(a + SQ_LANES * k);
		if (op == L2SQ) {
			c = _mm512_mulhi_epu16(c, _mm512_loadu_si512(b + SQ_LANES * k));
			c = t = _mm512_sub_epi16(t, c);
		}
		sum = (v16si)_mm512_dpwssd_epi32((__m512i)sum, t, c);
	}
	return sum;
}

/* The sum over a row, still in several lanes. */
ALWAYS_INLINE v16si sum_row(
    enum op op, int bits, const int16_t *a, const uint16_t *b, const char *at, int64_t d)
{
	const uint8_t *row = (const uint8_t *)at;
	const int64_t group = SQ_LANES * sq_codes(bits), bytes = group_bytes(bits);
	v16si sum = {0};
	int64_t i = 0;
	for (; i + group <= d; i += group, row += bytes)
		sum = add_group(op, bits, a + i, b + i, load_group(bits, row, bytes), sum);
	if (i < d)
		sum = add_group(op, bits, a + i, b + i, load_group(bits, row, ((d - i) * bits + 7) / 8), sum);
	return sum;
}

/* Sums of n rows. With IP, b is not read, but must be a valid pointer. */
ALWAYS_INLINE void scan(enum op op, int bits, const int16_t *a, const uint16_t *b, const void *rows,
    size_t stride, const uint32_t *pos, int64_t n, int64_t d, int32_t *out)
{
	for (int64_t i = 0; i < n; i += BLOCK) {
		v16si sum[BLOCK];
		UNROLL_BLOCK
		for (int j = 0; j < BLOCK; j++)
			sum[j] = sum_row(op, bits, a, b, row_at(rows, stride, pos, i + j, n), d);
		_mm_mask_storeu_epi32(out + i, store_mask(i, n), reduce_4x16_i32(sum));
	}
}

SQ_FUNCTIONS(8, avx512)
SQ_FUNCTIONS(6, avx512)
SQ_FUNCTIONS(4, avx512)
