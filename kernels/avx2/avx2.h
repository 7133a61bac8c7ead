/* AVX2 + FMA: prototypes of the kernels in this folder and the helpers that its files share.
 *
 * A loop over a row takes whole vectors and then one tail, which is loaded with a mask (32-bit elements) or
 * put together from narrower loads (load_part), so that nothing beyond a row is read. A template is an
 * ALWAYS_INLINE function whose first arguments are compile-time constants. */
#ifndef KITH_KERNELS_AVX2_H
#define KITH_KERNELS_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "kernels/kernels.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#include "kernels/group.h"

/* For a short loop over an array of sums that must be kept in registers. gcc must be told to unroll it, or it
 * keeps copies in memory. clang unrolls it anyway; if told to, it does so too late. */
#ifdef __clang__
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

#define KERNEL(name, type, test, bench, avx2, ...) IF_##avx2(type name##_avx2;)
#include "kernels/kernels.def"

/* A mask whose first n of 8 lanes are set, n in 0 … 8. */
ALWAYS_INLINE __m256i first_lanes(int64_t n)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* Load up to 15 bytes; the rest is zero. Two loads that may overlap, or three bytes, cover every length. */
ALWAYS_INLINE __m128i load_part(const void *p, int64_t n)
{
	const unsigned char *c = p;
	uint64_t a = 0, b = 0;
	if (n >= 8) {
		memcpy(&a, c, 8);
		memcpy(&b, c + n - 8, 8);
		b = b >> 1 >> (127 - 8 * n);
	} else if (n >= 4) {
		uint32_t first, last;
		memcpy(&first, c, 4);
		memcpy(&last, c + n - 4, 4);
		a = first | (uint64_t)last << (8 * (n - 4));
	} else if (n > 0) {
		a = c[0] | (uint64_t)c[n / 2] << (8 * (n / 2)) | (uint64_t)c[n - 1] << (8 * (n - 1));
	}
	return _mm_set_epi64x((long long)b, (long long)a);
}

/* The sum of each of four vectors. */
ALWAYS_INLINE __m128 sum_4x8_f32(__m256 a, __m256 b, __m256 c, __m256 d)
{
	__m256 s = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
	return _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
}

/* The greatest of each of four vectors. */
ALWAYS_INLINE __m128 max_4x8_f32(__m256 a, __m256 b, __m256 c, __m256 d)
{
	__m256d ab = _mm256_castps_pd(_mm256_max_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)));
	__m256d cd = _mm256_castps_pd(_mm256_max_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d)));
	__m256 lo = _mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd));
	__m256 s = _mm256_max_ps(lo, _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd)));
	return _mm_max_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
}

ALWAYS_INLINE __m128i sum_4x8_i32(__m256i a, __m256i b, __m256i c, __m256i d)
{
	__m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
	return _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

#endif
