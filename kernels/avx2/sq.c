/* Scalar quantizers, AVX2.
 *
 * A step of encoding or decoding handles 8 codes, in `bits` bytes, one in each 32-bit lane. Lanes beyond the
 * end of a row have low and step 0; 0 / 0 is encoded as 0. A step of a scan handles 16 words of codes; beyond
 * the end of a row a and b are 0. */
#include "kernels/avx2/avx2.h"
#include "kernels/row_functions.h"

#include "kernels/sq_pack.h"

enum op { L2SQ, IP };
enum { LANES = 8, WORDS = 16 };

/* Load codes i … i + 7 of a row, from i on which there are `left` codes. */
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
		/* Three bytes, which are four codes, to each lane of a half. */
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
	const __m256 max = _mm256_set1_ps((float)((1 << bits) - 1));
	__m256 t = _mm256_sub_ps(load_floats(x + i, left), load_floats(low + i, left));
	t = _mm256_div_ps(t, load_floats(step + i, left));
	/* If the first operand is NaN, max gives the second one. */
	t = _mm256_min_ps(_mm256_max_ps(t, _mm256_setzero_ps()), max);
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

/* The bytes that a step of a scan takes: 16 words, or 16 codes of 6 bits. */
ALWAYS_INLINE int64_t step_bytes(int bits)
{
	return bits == 6 ? 12 : 32;
}

/* Load the first `bytes` bytes of a step. With 6 bits, each word gets the bytes in which its code is. */
ALWAYS_INLINE __m256i load_words(int bits, const uint8_t *p, int64_t bytes)
{
	if (bits == 6) {
		/* The two bytes in which a code is, to its word. */
		const __m256i around = _mm256_setr_epi8(0, 1, 0, 1, 1, 2, 1, 2, 3, 4, 3, 4, 4, 5, 4, 5, 6, 7,
		    6, 7, 7, 8, 7, 8, 9, 10, 9, 10, 10, 11, 10, 11);
		return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load_part(p, bytes)), around);
	}
	if (bytes == 32)
		return _mm256_loadu_si256((const __m256i *)p);
	if (bytes < 16)
		return _mm256_zextsi128_si256(load_part(p, bytes));
	return _mm256_set_m128i(load_part(p + 16, bytes - 16), _mm_loadu_si128((const __m128i *)p));
}

/* Code number k of each word, in the upper bits of the word (L2SQ) or as a number (IP). */
ALWAYS_INLINE __m256i codes_at(enum op op, int bits, int k, __m256i v)
{
	const int top = 16 - bits;
	if (bits == 6)
		v = _mm256_mullo_epi16(
		    v, _mm256_setr_epi16(1024, 16, 64, 1, 1024, 16, 64, 1, 1024, 16, 64, 1, 1024, 16, 64, 1));
	else if (top > bits * k)
		v = _mm256_slli_epi16(v, top - bits * k);
	if (op == IP)
		return _mm256_srli_epi16(v, top);
	return _mm256_and_si256(v, _mm256_set1_epi16((short)(0xffff << top)));
}

ALWAYS_INLINE __m256i add_words(
    enum op op, int bits, const int16_t *a, const uint16_t *b, __m256i v, __m256i sum)
{
	UNROLL
	for (int k = 0; k < sq_codes(bits); k++) {
		__m256i c = codes_at(op, bits, k, v);
		__m256i t = _mm256_loadu_si256((const __m256i *)(a + SQ_LANES * k));
		if (op == L2SQ) {
			c = _mm256_mulhi_epu16(c, _mm256_loadu_si256((const __m256i *)(b + SQ_LANES * k)));
			c = t = _mm256_sub_epi16(t, c);
		}
		sum = _mm256_add_epi32(sum, _mm256_madd_epi16(t, c));
	}
	return sum;
}

/* The sum over a row, still in several lanes. A group of codes is two steps. */
ALWAYS_INLINE __m256i sum_row(
    enum op op, int bits, const int16_t *a, const uint16_t *b, const char *at, int64_t d)
{
	const uint8_t *row = (const uint8_t *)at;
	const int64_t group = SQ_LANES * sq_codes(bits), bytes = step_bytes(bits);
	int64_t left = (d * bits + 7) / 8, i = 0;
	__m256i sum = _mm256_setzero_si256();
	for (; left >= 2 * bytes; left -= 2 * bytes, row += 2 * bytes, i += group) {
		sum = add_words(op, bits, a + i, b + i, load_words(bits, row, bytes), sum);
		sum = add_words(
		    op, bits, a + i + WORDS, b + i + WORDS, load_words(bits, row + bytes, bytes), sum);
	}
	if (left >= bytes) {
		sum = add_words(op, bits, a + i, b + i, load_words(bits, row, bytes), sum);
		left -= bytes, row += bytes, i += WORDS;
	}
	if (left > 0)
		sum = add_words(op, bits, a + i, b + i, load_words(bits, row, left), sum);
	return sum;
}

/* Sums of n rows. With IP, b is not read, but must be a valid pointer. */
ALWAYS_INLINE void scan(enum op op, int bits, const int16_t *a, const uint16_t *b, const void *rows,
    size_t stride, const uint32_t *pos, int64_t n, int64_t d, int32_t *out)
{
	for (int64_t i = 0; i < n; i += GROUP) {
		__m256i sum[GROUP];
		UNROLL
		for (int j = 0; j < GROUP; j++) {
			sum[j] = _mm256_setzero_si256();
			if (i + j < n)
				sum[j] = sum_row(op, bits, a, b, row_at(rows, stride, pos, i + j), d);
		}
		__m128i result = sum_4x8_i32(sum[0], sum[1], sum[2], sum[3]);
		if (i + GROUP <= n)
			_mm_storeu_si128((__m128i *)(out + i), result);
		else
			_mm_maskstore_epi32(out + i, _mm256_castsi256_si128(first_lanes(n - i)), result);
	}
}

SQ_FUNCTIONS(8, avx2)
SQ_FUNCTIONS(6, avx2)
SQ_FUNCTIONS(4, avx2)
