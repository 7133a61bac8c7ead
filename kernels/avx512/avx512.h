/* AVX-512 kernels (F, BW, DQ, VL, VNNI). */
#ifndef KITH_KERNELS_AVX512_H
#define KITH_KERNELS_AVX512_H

#include "kernels/kernels.h"

#include <immintrin.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Masks of the first n of 16 or 64 lanes, n >= 0; all lanes if n is at least 16 or 64. */
ALWAYS_INLINE __mmask16 first16(int64_t n)
{
	uint32_t lanes = n < 16 ? (1u << n) - 1 : 0xffff;
	return (__mmask16)lanes;
}

ALWAYS_INLINE __mmask64 first64(int64_t n)
{
	return n < 64 ? (1ull << n) - 1 : ~0ull;
}

/* Sums of VNNI are vectors of int. With __m512i, which has 64-bit lanes, gcc 12 copies the sum around every
 * instruction and writes it to memory. */
typedef int v16si __attribute__((vector_size(64)));

/* sum + the inner product of the four bytes in each lane, unsigned and signed. */
ALWAYS_INLINE v16si dot4(v16si sum, v16si u8, v16si i8)
{
	return (v16si)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)u8, (__m512i)i8);
}

/* For a loop over an array of sums, which gcc keeps in registers only if it is unrolled early. */
#if defined(__clang__)
#define UNROLL_BLOCK
#else
#define UNROLL_BLOCK _Pragma("GCC unroll 4")
#endif

/* The lanes of four rows are added at a time. If the last block has fewer, its last row is repeated, and
 * fewer results are stored. */
enum { BLOCK = 4 };

ALWAYS_INLINE const char *row_at(const void *rows, size_t stride, const uint32_t *pos, int64_t i, int64_t n)
{
	int64_t at = i < n ? i : n - 1;
	return (const char *)rows + (pos ? (size_t)pos[at] : (size_t)at) * stride;
}

ALWAYS_INLINE __mmask8 store_mask(int64_t i, int64_t n)
{
	return (__mmask8)first16(n - i < BLOCK ? n - i : BLOCK);
}

/* The sum of the lanes of each of four vectors. */
ALWAYS_INLINE __m128 reduce_4x16_f32(const __m512 s[BLOCK])
{
	__m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(s[0], s[1]), _mm512_unpackhi_ps(s[0], s[1]));
	__m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(s[2], s[3]), _mm512_unpackhi_ps(s[2], s[3]));
	__m512d abd = _mm512_castps_pd(ab), cdd = _mm512_castps_pd(cd);
	__m512 lo = _mm512_castpd_ps(_mm512_unpacklo_pd(abd, cdd));
	__m512 hi = _mm512_castpd_ps(_mm512_unpackhi_pd(abd, cdd));
	__m512 abcd = _mm512_add_ps(lo, hi);
	__m256 half = _mm256_add_ps(_mm512_castps512_ps256(abcd), _mm512_extractf32x8_ps(abcd, 1));
	return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

/* The greatest lane of each of four vectors. */
ALWAYS_INLINE __m128 max_4x16_f32(const __m512 s[BLOCK])
{
	__m512 ab = _mm512_max_ps(_mm512_unpacklo_ps(s[0], s[1]), _mm512_unpackhi_ps(s[0], s[1]));
	__m512 cd = _mm512_max_ps(_mm512_unpacklo_ps(s[2], s[3]), _mm512_unpackhi_ps(s[2], s[3]));
	__m512d abd = _mm512_castps_pd(ab), cdd = _mm512_castps_pd(cd);
	__m512 lo = _mm512_castpd_ps(_mm512_unpacklo_pd(abd, cdd));
	__m512 hi = _mm512_castpd_ps(_mm512_unpackhi_pd(abd, cdd));
	__m512 abcd = _mm512_max_ps(lo, hi);
	__m256 half = _mm256_max_ps(_mm512_castps512_ps256(abcd), _mm512_extractf32x8_ps(abcd, 1));
	return _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

ALWAYS_INLINE __m128i reduce_4x16_i32(const v16si sum[BLOCK])
{
	__m512i a = (__m512i)sum[0], b = (__m512i)sum[1], c = (__m512i)sum[2], d = (__m512i)sum[3];
	__m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
	__m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
	__m512i abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
	__m256i half = _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64(abcd, 1));
	return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/* Gathered rows are prefetched AHEAD rows before their use into L2, which can handle more misses at a time
 * than L1. Of a long row the first FETCH bytes are prefetched, after which the hardware foresees the rest. */
enum { AHEAD = 16, FETCH = 2048 };

ALWAYS_INLINE void prefetch(const void *rows, size_t stride, const uint32_t *pos, int64_t first,
    int64_t count, int64_t n, int64_t bytes)
{
	int64_t last = first + count < n ? first + count : n;
	for (int64_t i = first; i < last; i++) {
		const char *row = (const char *)rows + (size_t)pos[i] * stride;
		for (int64_t at = 0; at < bytes && at < FETCH; at += 64)
			_mm_prefetch(row + at, _MM_HINT_T1);
	}
}

#define KERNEL(name, type, test, bench, avx2, avx512, ...) IF_##avx512(type name##_avx512;)
#include "kernels/kernels.def"

#endif
