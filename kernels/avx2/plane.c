/* Passes over one array: splitting floats and joining them, widening bytes, finding elements that are not
 * finite, selecting small keys.
 *
 * All of them run at the speed of memory. The last few elements are left to plain C. */
#include "kernels/avx2/avx2.h"
#include "kernels/ref/ref.h"

enum { LANES = 8 };

ALWAYS_INLINE __m256i load_8(const void *p)
{
	return _mm256_loadu_si256(p);
}

int64_t find_nonfinite_avx2(const float *x, int64_t n)
{
	const __m256i exponent = _mm256_set1_epi32(0x7f800000);
	int64_t i = 0;
	for (; i + 4 * LANES <= n; i += 4 * LANES) {
		__m256i bad = _mm256_setzero_si256();
		for (int v = 0; v < 4; v++) {
			__m256i e = _mm256_and_si256(load_8(x + i + v * LANES), exponent);
			bad = _mm256_or_si256(bad, _mm256_cmpeq_epi32(e, exponent));
		}
		if (!_mm256_testz_si256(bad, bad))
			break;
	}
	for (; i < n; i += LANES) {
		__m256i u =
		    _mm256_maskload_epi32((const int *)(x + i), first_lanes(n - i < LANES ? n - i : LANES));
		__m256i bad = _mm256_cmpeq_epi32(_mm256_and_si256(u, exponent), exponent);
		unsigned bits = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(bad));
		if (bits)
			return i + __builtin_ctz(bits);
	}
	return -1;
}

/* The low halves of the 32-bit lanes of a, then those of b; all lanes are below 2^16. vpackusdw works within
 * 128-bit halves, and the permutation puts the quarters in order. */
ALWAYS_INLINE __m256i narrow(__m256i a, __m256i b)
{
	return _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xd8);
}

void split_avx2(const float *x, int64_t n, uint16_t *hi, uint16_t *lo)
{
	const __m256i half = _mm256_set1_epi32(0x8000), low = _mm256_set1_epi32(0xffff);
	int64_t i = 0;
	for (; i + 2 * LANES <= n; i += 2 * LANES) {
		__m256i a = load_8(x + i), b = load_8(x + i + LANES);
		__m256i ha = _mm256_srli_epi32(_mm256_add_epi32(a, half), 16);
		__m256i hb = _mm256_srli_epi32(_mm256_add_epi32(b, half), 16);
		__m256i l = narrow(_mm256_and_si256(a, low), _mm256_and_si256(b, low));
		_mm256_storeu_si256((__m256i *)(hi + i), narrow(ha, hb));
		_mm256_storeu_si256((__m256i *)(lo + i), l);
	}
	for (; i < n; i++) {
		uint32_t u;
		memcpy(&u, x + i, sizeof u);
		hi[i] = (uint16_t)((u + 0x8000) >> 16);
		lo[i] = (uint16_t)u;
	}
}

void join_avx2(const uint16_t *hi, const uint16_t *lo, int64_t n, float *x)
{
	int64_t i = 0;
	for (; i + LANES <= n; i += LANES) {
		__m256i h = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(hi + i)));
		__m256i l = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(lo + i)));
		__m256i top = _mm256_slli_epi32(_mm256_sub_epi32(h, _mm256_srli_epi32(l, 15)), 16);
		_mm256_storeu_si256((__m256i *)(x + i), _mm256_or_si256(top, l));
	}
	for (; i < n; i++) {
		uint32_t l = lo[i], u = (hi[i] - (l >> 15)) << 16 | l;
		memcpy(x + i, &u, sizeof u);
	}
}

void widen_u8_avx2(const uint8_t *x, int64_t n, float *out)
{
	int64_t i = 0;
	for (; i + LANES <= n; i += LANES) {
		__m256i u = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(x + i)));
		_mm256_storeu_ps(out + i, _mm256_cvtepi32_ps(u));
	}
	for (; i < n; i++)
		out[i] = x[i];
}

void widen_i8_avx2(const int8_t *x, int64_t n, float *out)
{
	int64_t i = 0;
	for (; i + LANES <= n; i += LANES) {
		__m256i u = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(x + i)));
		_mm256_storeu_ps(out + i, _mm256_cvtepi32_ps(u));
	}
	for (; i < n; i++)
		out[i] = x[i];
}

/* The positions of the set bits of a number below 16, one in each byte, ascending. */
static const uint32_t set_bits[16] = {0, 0x00, 0x01, 0x0100, 0x02, 0x0200, 0x0201, 0x020100, 0x03, 0x0300,
    0x0301, 0x030100, 0x0302, 0x030200, 0x030201, 0x03020100};

/* Keys within the bound are rare in most of a search, so that 32 keys share one test. Where there are some,
 * four keys at a time are handled without branches: all four places are written, and the count says how many
 * of them stay. This never writes beyond pos [n], as no more were kept than there are keys before these. */
int64_t select_le_avx2(const float *keys, int64_t n, float bound, uint32_t *pos)
{
	const __m256 limit = _mm256_set1_ps(bound);
	int64_t kept = 0, i = 0;
	for (; i + 4 * LANES <= n; i += 4 * LANES) {
		uint32_t bits = 0;
		for (int v = 0; v < 4; v++) {
			__m256 key = _mm256_loadu_ps(keys + i + v * LANES);
			int m = _mm256_movemask_ps(_mm256_cmp_ps(key, limit, _CMP_LE_OQ));
			bits |= (uint32_t)m << (v * LANES);
		}
		if (!bits)
			continue;
		for (int v = 0; v < 4 * LANES; v += 4, bits >>= 4) {
			__m128i at = _mm_cvtepu8_epi32(_mm_cvtsi32_si128((int)set_bits[bits & 15]));
			at = _mm_add_epi32(at, _mm_set1_epi32((int)(i + v)));
			_mm_storeu_si128((__m128i *)(pos + kept), at);
			kept += __builtin_popcount(bits & 15);
		}
	}
	for (; i < n; i++) {
		if (keys[i] <= bound)
			pos[kept++] = (uint32_t)i;
	}
	return kept;
}

/* Sums, and differences in the lanes of `minus`, with the lane that is `other`. */
#define MIX_LANES(v, minus, other) _mm256_blend_ps(_mm256_add_ps(v, other), _mm256_sub_ps(other, v), minus)

ALWAYS_INLINE __m256 hadamard_lanes(__m256 v)
{
	v = MIX_LANES(v, 0xaa, _mm256_permute_ps(v, 0xb1));
	v = MIX_LANES(v, 0xcc, _mm256_permute_ps(v, 0x4e));
	return MIX_LANES(v, 0xf0, _mm256_permute2f128_ps(v, v, 1));
}

void hadamard_avx2(float *x, int64_t n)
{
	enum { WIDTH = 8 };
	if (n < WIDTH) {
		hadamard_ref(x, n);
		return;
	}
	for (int64_t i = 0; i + WIDTH <= n; i += WIDTH)
		_mm256_storeu_ps(x + i, hadamard_lanes(_mm256_loadu_ps(x + i)));
	for (int64_t half = WIDTH; half < n; half *= 2)
		for (int64_t block = 0; block < n; block += 2 * half)
			for (int64_t i = block; i < block + half; i += WIDTH) {
				__m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + i + half);
				_mm256_storeu_ps(x + i, _mm256_add_ps(a, b));
				_mm256_storeu_ps(x + i + half, _mm256_sub_ps(a, b));
			}
}
