/* Scalar quantisers, AVX2: 8 codes a step, in `bits` bytes, one code in each 32-bit lane.
 *
 * Lanes beyond the end of a row have low, step, a and w 0, so that they add nothing; they encode 0 / 0, which
 * is 0. */
#include "kernels/avx2/avx2.h"

#include "kernels/sq_pack.h"

enum op { L2SQ, IP };
enum { LANES = 8, CHAINS = 4 };

/* Codes i … i + 7 of a row of which `left` are left. */
ALWAYS_INLINE __m256 load8(int bits, const uint8_t *row, int64_t i, int64_t left)
{
	const uint8_t *p = row + i * bits / 8;
	__m128i x;
	__m256i c;
	if (left < LANES)
		x = load_part(p, (left * bits + 7) / 8);
	else if (bits == 8)
		x = _mm_loadl_epi64((const __m128i *)p);
	else
		x = load_part(p, bits);
	if (bits == 8) {
		c = _mm256_cvtepu8_epi32(x);
	} else if (bits == 4) {
		c = _mm256_srlv_epi32(
		    _mm256_broadcastd_epi32(x), _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28));
		c = _mm256_and_si256(c, _mm256_set1_epi32(15));
	} else {
		/* Three bytes, four codes, in each lane of a half. */
		const __m256i triple = _mm256_setr_epi32(0x80020100, 0x80020100, 0x80020100, 0x80020100,
		    0x80050403, 0x80050403, 0x80050403, 0x80050403);
		c = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(x), triple);
		c = _mm256_srlv_epi32(c, _mm256_setr_epi32(0, 6, 12, 18, 0, 6, 12, 18));
		c = _mm256_and_si256(c, _mm256_set1_epi32(63));
	}
	return _mm256_cvtepi32_ps(c);
}

ALWAYS_INLINE __m256 load_floats(const float *x, int64_t left)
{
	return left < LANES ? _mm256_maskload_ps(x, first_lanes(left)) : _mm256_loadu_ps(x);
}

ALWAYS_INLINE void encode8(
    int bits, const float *x, const float *low, const float *step, int64_t i, int64_t left, uint8_t *code)
{
	const __m256 most = _mm256_set1_ps((float)((1 << bits) - 1));
	__m256 t = _mm256_sub_ps(load_floats(x + i, left), load_floats(low + i, left));
	t = _mm256_div_ps(t, load_floats(step + i, left));
	/* The second operand where the first is NaN. */
	t = _mm256_min_ps(_mm256_max_ps(t, _mm256_setzero_ps()), most);
	__m256i c = _mm256_cvttps_epi32(t);
	__m128i words = _mm_packus_epi32(_mm256_castsi256_si128(c), _mm256_extracti128_si256(c, 1));
	uint64_t string = sq_pack((uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(words, words)), bits);
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

ALWAYS_INLINE __m256 decode8(
    int bits, const uint8_t *code, const float *low, const float *step, int64_t i, int64_t left)
{
	__m256 c = _mm256_add_ps(load8(bits, code, i, left), _mm256_set1_ps(0.5f));
	return _mm256_fmadd_ps(load_floats(step + i, left), c, load_floats(low + i, left));
}

ALWAYS_INLINE void decode(
    int bits, const uint8_t *code, const float *low, const float *step, int64_t d, float *x)
{
	int64_t i = 0;
	for (; i + LANES <= d; i += LANES)
		_mm256_storeu_ps(x + i, decode8(bits, code, low, step, i, LANES));
	if (i < d)
		_mm256_maskstore_ps(x + i, first_lanes(d - i), decode8(bits, code, low, step, i, d - i));
}

/* sum + the terms of 8 codes; for inner products a is w. */
ALWAYS_INLINE __m256 add8(enum op op, int bits, const float *a, const float *step, const uint8_t *row,
    int64_t i, int64_t left, __m256 sum)
{
	__m256 c = load8(bits, row, i, left), t = load_floats(a + i, left);
	if (op == IP)
		return _mm256_fmadd_ps(t, c, sum);
	t = _mm256_fnmadd_ps(load_floats(step + i, left), c, t);
	return _mm256_fmadd_ps(t, t, sum);
}

/* The sum over a row, spread over the lanes. */
ALWAYS_INLINE __m256 sum_row(
    enum op op, int bits, const float *a, const float *step, const char *at, int64_t d)
{
	const uint8_t *row = (const uint8_t *)at;
	const __m256 zero = _mm256_setzero_ps();
	__m256 sum[CHAINS] = {zero, zero, zero, zero};
	int64_t i = 0;
	for (; i + CHAINS * LANES <= d; i += CHAINS * LANES) {
		UNROLL
		for (int c = 0; c < CHAINS; c++)
			sum[c] = add8(op, bits, a, step, row, i + c * LANES, LANES, sum[c]);
	}
	for (; i + LANES <= d; i += LANES)
		sum[0] = add8(op, bits, a, step, row, i, LANES, sum[0]);
	if (i < d)
		sum[1] = add8(op, bits, a, step, row, i, d - i, sum[1]);
	return _mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3]));
}

ALWAYS_INLINE void scan(enum op op, int bits, const float *a, const float *step, const void *rows,
    size_t stride, int64_t n, int64_t d, float *out)
{
	for (int64_t i = 0; i < n; i += GROUP) {
		__m256 sum[GROUP];
		UNROLL
		for (int j = 0; j < GROUP; j++) {
			sum[j] = _mm256_setzero_ps();
			if (i + j < n)
				sum[j] = sum_row(op, bits, a, step, row_at(rows, stride, NULL, i + j), d);
		}
		__m128 result = sum_4x8_f32(sum[0], sum[1], sum[2], sum[3]);
		if (i + GROUP <= n)
			_mm_storeu_ps(out + i, result);
		else
			_mm_maskstore_ps(out + i, _mm256_castsi256_si128(first_lanes(n - i)), result);
	}
}

#define SQ(bits)                                                                                             \
	void encode_sq##bits##_avx2(                                                                         \
	    const float *x, const float *low, const float *step, int64_t d, uint8_t *code)                   \
	{                                                                                                    \
		encode(bits, x, low, step, d, code);                                                         \
	}                                                                                                    \
	void decode_sq##bits##_avx2(                                                                         \
	    const uint8_t *code, const float *low, const float *step, int64_t d, float *x)                   \
	{                                                                                                    \
		decode(bits, code, low, step, d, x);                                                         \
	}                                                                                                    \
	void l2sq_sq##bits##_avx2(const float *a, const float *step, const void *rows, size_t stride,        \
	    int64_t n, int64_t d, float *out)                                                                \
	{                                                                                                    \
		scan(L2SQ, bits, a, step, rows, stride, n, d, out);                                          \
	}                                                                                                    \
	void ip_sq##bits##_avx2(                                                                             \
	    const float *w, const void *rows, size_t stride, int64_t n, int64_t d, float *out)               \
	{                                                                                                    \
		scan(IP, bits, w, NULL, rows, stride, n, d, out);                                            \
	}

SQ(8)
SQ(6)
SQ(4)
