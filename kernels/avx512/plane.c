/* Passes over one array, AVX-512: 16 elements in a step, the last ones by a mask. */
#include "kernels/avx512/avx512.h"
#include "kernels/ref/ref.h"

/* The classes of numbers that vfpclassps knows. */
enum { QUIET_NAN = 0x01, PLUS_INF = 0x08, MINUS_INF = 0x10, SIGNALLING_NAN = 0x80 };
enum { NONFINITE = QUIET_NAN | PLUS_INF | MINUS_INF | SIGNALLING_NAN };

int64_t find_nonfinite_avx512(const float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 bad =
		    _mm512_fpclass_ps_mask(_mm512_maskz_loadu_ps(first16(n - i), x + i), NONFINITE);
		if (bad)
			return i + __builtin_ctz(bad);
	}
	return -1;
}

/* Whether one of the numbers in a, of those in `which`, is also in b: a is compared with all rotations of b.
 * If both are the same register, half of the rotations are enough. */
static inline bool shared(__m512i a, __mmask16 which, __m512i b, bool itself)
{
	__mmask16 same = itself ? 0 : _mm512_cmpeq_epi32_mask(a, b);
	for (int i = 1; i <= (itself ? 8 : 15); i++) {
		b = _mm512_alignr_epi32(b, b, 1);
		same |= _mm512_cmpeq_epi32_mask(a, b);
	}
	return same & which;
}

/* For up to 64 numbers, all are compared with each other; for more, the table of plain C is faster. */
bool good_list_avx512(const uint32_t *list, int64_t width, uint32_t limit, uint32_t except)
{
	enum { BLOCKS = 4 };
	const __m512i none = _mm512_set1_epi32(-1), end = _mm512_set1_epi32((int)limit),
	              never = _mm512_set1_epi32((int)except);
	__m512i block[BLOCKS];
	__mmask16 there[BLOCKS];
	uint64_t all = 0;
	bool bad = false;
	if (width > BLOCKS * 16)
		return good_list_ref(list, width, limit, except);
	for (int64_t b = 0; b * 16 < width; b++) {
		block[b] = _mm512_mask_loadu_epi32(none, first16(width - b * 16), list + b * 16);
		there[b] = _mm512_cmpneq_epi32_mask(block[b], none);
		bad |= there[b] &
		       (_mm512_cmpge_epu32_mask(block[b], end) | _mm512_cmpeq_epi32_mask(block[b], never));
		bad |= shared(block[b], there[b], block[b], true);
		for (int64_t before = 0; before < b; before++)
			bad |= shared(block[b], there[b], block[before], false);
		all |= (uint64_t)there[b] << (b * 16);
	}
	return !bad && (all & (all + 1)) == 0;
}

void split_avx512(const float *x, int64_t n, uint16_t *hi, uint16_t *lo)
{
	const __m512i half = _mm512_set1_epi32(0x8000);
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 m = first16(n - i);
		__m512i u = _mm512_maskz_loadu_epi32(m, x + i);
		__m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(u, half), 16);
		_mm256_mask_storeu_epi16(hi + i, m, _mm512_cvtepi32_epi16(rounded));
		_mm256_mask_storeu_epi16(lo + i, m, _mm512_cvtepi32_epi16(u));
	}
}

void join_avx512(const uint16_t *hi, const uint16_t *lo, int64_t n, float *x)
{
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 m = first16(n - i);
		__m512i h = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, hi + i));
		__m512i l = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, lo + i));
		h = _mm512_sub_epi32(h, _mm512_srli_epi32(l, 15));
		_mm512_mask_storeu_epi32(x + i, m, _mm512_or_si512(_mm512_slli_epi32(h, 16), l));
	}
}

void widen_u8_avx512(const uint8_t *x, int64_t n, float *out)
{
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 m = first16(n - i);
		__m512i v = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(m, x + i));
		_mm512_mask_storeu_ps(out + i, m, _mm512_cvtepi32_ps(v));
	}
}

void widen_i8_avx512(const int8_t *x, int64_t n, float *out)
{
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 m = first16(n - i);
		__m512i v = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(m, x + i));
		_mm512_mask_storeu_ps(out + i, m, _mm512_cvtepi32_ps(v));
	}
}

int64_t select_le_avx512(const float *keys, int64_t n, float bound, uint32_t *pos)
{
	const __m512 limit = _mm512_set1_ps(bound);
	__m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	int64_t found = 0;
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 m = first16(n - i);
		__mmask16 hit =
		    _mm512_mask_cmp_ps_mask(m, _mm512_maskz_loadu_ps(m, keys + i), limit, _CMP_LE_OQ);
		if (hit) {
			/* Compressing to memory would be slow on Zen 4, so it is done in a register. */
			int hits = __builtin_popcount(hit);
			__m512i packed = _mm512_maskz_compress_epi32(hit, at);
			_mm512_mask_storeu_epi32(pos + found, first16(hits), packed);
			found += hits;
		}
		at = _mm512_add_epi32(at, _mm512_set1_epi32(16));
	}
	return found;
}

/* Sums where the lane's bit is not set in `minus`, differences where it is, with the lane that is `other`. */
#define MIX_LANES(v, minus, other) _mm512_mask_sub_ps(_mm512_add_ps(v, other), (__mmask16)(minus), other, v)

ALWAYS_INLINE __m512 hadamard_lanes(__m512 v)
{
	v = MIX_LANES(v, 0xaaaa, _mm512_permute_ps(v, 0xb1));
	v = MIX_LANES(v, 0xcccc, _mm512_permute_ps(v, 0x4e));
	v = MIX_LANES(v, 0xf0f0, _mm512_shuffle_f32x4(v, v, 0xb1));
	return MIX_LANES(v, 0xff00, _mm512_shuffle_f32x4(v, v, 0x4e));
}

void hadamard_avx512(float *x, int64_t n)
{
	enum { WIDTH = 16 };
	if (n < WIDTH) {
		hadamard_ref(x, n);
		return;
	}
	for (int64_t i = 0; i + WIDTH <= n; i += WIDTH)
		_mm512_storeu_ps(x + i, hadamard_lanes(_mm512_loadu_ps(x + i)));
	for (int64_t half = WIDTH; half < n; half *= 2)
		for (int64_t block = 0; block < n; block += 2 * half)
			for (int64_t i = block; i < block + half; i += WIDTH) {
				__m512 a = _mm512_loadu_ps(x + i), b = _mm512_loadu_ps(x + i + half);
				_mm512_storeu_ps(x + i, _mm512_add_ps(a, b));
				_mm512_storeu_ps(x + i + half, _mm512_sub_ps(a, b));
			}
}
